"""Debian's archive through an apt of our own: own sources, lists and state, nothing of the host changed.

Signatures (against Debian's own keyring) and checksums are apt's work. What is taken from the host's apt
is the mirror and how to reach it: proxies and credentials.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from dynptr_harness.core.settings import Settings

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# bullseye has the oldest kernel that we test, trixie-backports the newest.
SUITES = (
    *("bullseye", "bullseye-updates", "bookworm", "bookworm-updates"),
    *("trixie", "trixie-updates", "trixie-backports"),
)
SECURITY_SUITES = ("bullseye-security", "bookworm-security", "trixie-security")

# apt gives up a connection on which nothing comes for so many seconds, and tries so many times again.
# Where the host's own configuration says something else, that is used.
SILENCE, RETRIES = 10, 1
QUERY_DEADLINE = 120.0
SHOWN_TROUBLES = 3
UPDATE_DEADLINE = 300.0
DOWNLOAD_DEADLINE = 900.0

# A mirror that cannot give the Release file of this one is not asked for the others: each takes its time.
FIRST_SUITE = "trixie"
ALL_SOURCES, FIRST_SOURCES = "debian.sources", "first.sources"
# What apt is asked for the suites of which it has a list.
LISTS = ("apt-get", "indextargets", "--format", "$(RELEASE)", "Created-By: Packages")

# How apt names a list that it could not get, on standard error.
APT_ERROR = re.compile(r"^ *E: ((?:Failed to fetch|The repository) .*)", re.MULTILINE)
MENDING_MIRROR = "check the network, or set DYNPTR_HARNESS_MIRROR to a Debian mirror that can be reached"
MENDING_OFFLINE = "or run the command without --offline and DYNPTR_HARNESS_OFFLINE"


class MirrorFailed(EnvironmentFailed):
    """The mirror could not be reached, or what it serves is not in order."""


@dataclass(frozen=True)
class Mirror:
    """Addresses of a Debian archive and of its security archive."""

    main: str
    security: str


def mirror(settings: Settings) -> Mirror:
    """The mirror of the settings, else the one that the host's own apt uses.

    A security archive that nobody names is looked for beside the main one. Raises EnvironmentFailed when
    there is no Debian mirror to be found.
    """
    if settings.mirror:
        main = settings.mirror.rstrip("/")
        return Mirror(main, f"{main}-security")
    main, security = _of_host()
    if not main:
        raise EnvironmentFailed(
            "this host's apt knows no Debian mirror", "set DYNPTR_HARNESS_MIRROR to the address of one"
        )
    return Mirror(main, security or f"{main}-security")


def _of_host() -> tuple[str, str]:
    """Main and security archive of the host's apt ('' for none)."""
    fields = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)"
    query = ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"]
    what = "reading the host's apt sources"
    # Who a list is from is known once the host has fetched it; before that we go by the address.
    listed = subprocesses.run(query, what=what, deadline=QUERY_DEADLINE)
    rows = [line.split() for line in listed.splitlines()]
    addresses = [(row[0].rstrip("/"), row[1]) for row in rows if row[2:] == ["main", "Debian"]]
    if not addresses:
        listed = subprocesses.run([*query, "--no-release-info"], what=what, deadline=QUERY_DEADLINE)
        rows = [line.split() for line in listed.splitlines()]
        found = [(row[0].rstrip("/"), row[1]) for row in rows if row[2:3] == ["main"]]
        addresses = [each for each in found if re.search(r"/debian(-security)?$", each[0])]
    web = [(uri, suite) for uri, suite in addresses if uri.startswith(("http", "mirror+http", "file:"))]
    main = next((uri for uri, suite in web if not suite.endswith("-security")), "")
    security = next((uri for uri, suite in web if suite.endswith("-security")), "")
    return main, security


def host_options() -> list[str]:
    """Lines of apt configuration by which the host's apt reaches the network: proxies, time-outs."""
    dump = subprocesses.run(
        ["apt-config", "dump", "--format", '%F "%v";%n', "Acquire"],
        what="reading the host's apt configuration",
        deadline=QUERY_DEADLINE,
    )
    wanted = re.compile(r"Acquire::(https?|ForceIPv[46]|Retries)\b")
    return [line for line in dump.splitlines() if wanted.match(line)]


class Archive:
    """Debian's suites, as our own apt sees them. All methods are safe to use from several processes."""

    def __init__(self, settings: Settings, architecture: str) -> None:
        self.folder = settings.cache / "apt"
        self._settings = settings
        self._architecture = architecture

    def lock(self) -> AbstractContextManager[None]:
        """To be held around each use: apt's lists must not change while they are read."""
        return Cache(self._settings.cache).locked("apt", self._architecture)

    def update(self, deadline: float = UPDATE_DEADLINE) -> list[str]:
        """Fetch the lists, and return what apt had to say of suites that it could not get.

        Raises MirrorFailed when not one list could be had, or nothing may be fetched.
        """
        self._refuse_offline("Debian's package lists")
        self._configure()
        sources = self.folder / FIRST_SOURCES
        troubles = self._update(deadline, f"Dir::Etc::SourceList={sources}", "APT::Get::List-Cleanup=0")
        if all("Packages" in trouble for trouble in troubles):
            # apt is silent about a list that it could not get where another suite has no Release file.
            again = self._update(deadline)
            troubles = list(dict.fromkeys([*troubles, *again])) if again else []
        if troubles and len(self.lacking()) == len(SUITES) + len(SECURITY_SUITES):
            shown = "".join(f"\n  {trouble}" for trouble in troubles[:SHOWN_TROUBLES])
            raise MirrorFailed(f"none of Debian's package lists can be had:{shown}", MENDING_MIRROR)
        return troubles

    def _update(self, deadline: float, *options: str) -> list[str]:
        changed = [word for option in options for word in ("-o", option)]
        what = "fetching Debian's package lists"
        try:
            self.apt("apt-get", "-q", *changed, "update", what=what, deadline=deadline)
        except EnvironmentFailed as failed:
            return APT_ERROR.findall(failed.fact) or [failed.fact]
        return []

    def lacking(self) -> list[str]:
        """The suites of which there is no list, not even an older one."""
        listed = self.apt(*LISTS, what="listing the package lists").split()
        return [suite for suite in (*SUITES, *SECURITY_SUITES) if suite not in listed]

    def download(self, packages: Iterable[str], folder: Path) -> None:
        """Fetch packages, given as NAME=VERSION, into a folder. Raises MirrorFailed."""
        wanted = list(packages)
        self._refuse_offline(", ".join(wanted))
        try:
            what = f"downloading {', '.join(wanted)}"
            self.apt("apt-get", "-q", "download", *wanted, what=what, deadline=DOWNLOAD_DEADLINE, cwd=folder)
        except EnvironmentFailed as failed:
            raise MirrorFailed(failed.fact, MENDING_MIRROR) from failed

    def apt(self, *argv: str, what: str, deadline: float = QUERY_DEADLINE, cwd: Path | None = None) -> str:
        """Run one of apt's commands with our configuration and return its output."""
        environment = {"APT_CONFIG": str(self.folder / "apt.conf")}
        return subprocesses.run(argv, what=what, deadline=deadline, cwd=cwd, env=environment)

    def stanzas(self, names: Iterable[str]) -> Iterator[dict[str, str]]:
        """The control fields of every version of the named packages."""
        shown = self.apt("apt-cache", "show", *names, what="reading Debian's package lists")
        for stanza in shown.split("\n\n"):
            fields = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE))
            if fields:
                yield fields

    def _refuse_offline(self, what: str) -> None:
        if self._settings.offline:
            raise MirrorFailed(
                f"{what}: not in the cache, and nothing may be fetched",
                f"fetch it beforehand, {MENDING_OFFLINE}",
            )

    def _configure(self) -> None:
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        where = mirror(self._settings)
        all_stanzas = [_stanza(where.main, *SUITES), _stanza(where.security, *SECURITY_SUITES)]
        (self.folder / ALL_SOURCES).write_text("\n".join(all_stanzas))
        (self.folder / FIRST_SOURCES).write_text(_stanza(where.main, FIRST_SUITE))
        (self.folder / "status").touch()
        options = {
            "Dir::Etc::Main": "/dev/null",
            "Dir::Etc::Parts": "/dev/null",
            "Dir::Etc::SourceList": self.folder / ALL_SOURCES,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State": self.folder / "state",
            "Dir::State::Status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            "Dir::Cache::srcpkgcache": "",
            "APT::Architecture": self._architecture,
            "APT::Sandbox::User": "root",  # the user _apt could not write to our folder
            "APT::Update::Error-Mode": "any",  # else apt keeps silent about a suite that it could not get
            "Acquire::Languages": "none",
            "Acquire::GzipIndexes": "true",
            "Acquire::http::Timeout": SILENCE,
            "Acquire::https::Timeout": SILENCE,
            "Acquire::Retries": RETRIES,
        }
        lines = [f'{name} "{value}";' for name, value in options.items()]
        lines += [f'APT::Architectures {{ "{self._architecture}"; }};', *host_options()]
        (self.folder / "apt.conf").write_text("\n".join(lines) + "\n")


def _stanza(uri: str, *suites: str) -> str:
    return f"Types: deb\nURIs: {uri}\nSuites: {' '.join(suites)}\nComponents: main\nSigned-By: {KEYRING}\n"
