"""Debian's archive, read by apt with its own sources, lists and state. The host's apt does not change.

apt checks signatures (with Debian's keyring) and checksums. The mirror, proxies and credentials are those of
the host's apt.
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
# bullseye has the oldest kernel, trixie-backports the newest.
SUITES = (
    *("bullseye", "bullseye-updates", "bookworm", "bookworm-updates"),
    *("trixie", "trixie-updates", "trixie-backports"),
)
SECURITY_SUITES = ("bullseye-security", "bookworm-security", "trixie-security")

# Timeout of a silent connection in seconds, and number of retries. The host's configuration overrides them.
TIMEOUT, RETRIES = 10, 1
QUERY_DEADLINE = 120.0
SHOWN_TROUBLES = 3
UPDATE_DEADLINE = 300.0
DOWNLOAD_DEADLINE = 900.0

# If the mirror does not have the Release file of this suite, the others are not fetched, because each would
# take as long to fail.
FIRST_SUITE = "trixie"
ALL_SOURCES, FIRST_SOURCES = "debian.sources", "first.sources"
# Lists the suites whose lists apt has.
LISTS = ("apt-get", "indextargets", "--format", "$(RELEASE)", "Created-By: Packages")

# Messages of apt on standard error about a list that it cannot fetch.
APT_ERROR = re.compile(r"^ *E: ((?:Failed to fetch|The repository) .*)", re.MULTILINE)
MIRROR_HINT = "check the network, or set DYNPTR_HARNESS_MIRROR to a reachable Debian mirror"
OFFLINE_HINT = "or run the command without --offline and DYNPTR_HARNESS_OFFLINE"


class MirrorFailed(EnvironmentFailed):
    """The mirror is not reachable, or its content is not valid."""


@dataclass(frozen=True)
class Mirror:
    """Addresses of a Debian archive and of its security archive."""

    main: str
    security: str


def mirror(settings: Settings) -> Mirror:
    """Return the mirror of the settings, or else the mirror of the host's apt.

    If there is no address of the security archive, it is expected beside the main archive.

    Raises:
        EnvironmentFailed: there is no Debian mirror.
    """
    if settings.mirror:
        main = settings.mirror.rstrip("/")
        return Mirror(main, f"{main}-security")
    main, security = _of_host()
    if not main:
        raise EnvironmentFailed(
            "this host's apt has no Debian mirror", "set DYNPTR_HARNESS_MIRROR to the URL of one"
        )
    return Mirror(main, security or f"{main}-security")


def _of_host() -> tuple[str, str]:
    """Return the main and the security archive of the host's apt, '' for none."""
    fields = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)"
    query = ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"]
    what = "reading the host's apt sources"
    # The origin of a list is known after the host has fetched it. Before that, its address does.
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
    """Return the network settings of the host's apt, such as proxies and timeouts, one per line."""
    dump = subprocesses.run(
        ["apt-config", "dump", "--format", '%F "%v";%n', "Acquire"],
        what="reading the host's apt configuration",
        deadline=QUERY_DEADLINE,
    )
    wanted = re.compile(r"Acquire::(https?|ForceIPv[46]|Retries)\b")
    return [line for line in dump.splitlines() if wanted.match(line)]


class Archive:
    """Debian's suites in our apt. Callers hold the lock while they use it."""

    def __init__(self, settings: Settings, architecture: str) -> None:
        self.directory = settings.cache / "apt"
        self._settings = settings
        self._architecture = architecture

    def lock(self) -> AbstractContextManager[None]:
        """Return the lock of apt's state. The lists must not change while they are read."""
        return Cache(self._settings.cache).locked("apt", self._architecture)

    def update(self, deadline: float = UPDATE_DEADLINE) -> list[str]:
        """Fetch the lists and return apt's errors about suites that it could not fetch.

        Raises:
            MirrorFailed: there is no list at all, or the settings forbid fetching.
        """
        self._refuse_offline("Debian's package lists")
        self._configure()
        sources = self.directory / FIRST_SOURCES
        troubles = self._update(deadline, f"Dir::Etc::SourceList={sources}", "APT::Get::List-Cleanup=0")
        if all("Packages" in trouble for trouble in troubles):
            # apt does not report a list that it cannot fetch if another suite has no Release file.
            again = self._update(deadline)
            troubles = list(dict.fromkeys([*troubles, *again])) if again else []
        if troubles and len(self.lacking()) == len(SUITES) + len(SECURITY_SUITES):
            shown = "".join(f"\n  {trouble}" for trouble in troubles[:SHOWN_TROUBLES])
            raise MirrorFailed(f"none of Debian's package lists can be fetched:{shown}", MIRROR_HINT)
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
        """Return the suites without a list, not even an older one."""
        listed = self.apt(*LISTS, what="listing the package lists").split()
        return [suite for suite in (*SUITES, *SECURITY_SUITES) if suite not in listed]

    def download(self, packages: Iterable[str], directory: Path) -> None:
        """Fetch packages, given as NAME=VERSION, into a directory. Raise MirrorFailed on failure."""
        wanted = list(packages)
        self._refuse_offline(", ".join(wanted))
        try:
            what = f"downloading {', '.join(wanted)}"
            self.apt(
                "apt-get", "-q", "download", *wanted, what=what, deadline=DOWNLOAD_DEADLINE, cwd=directory
            )
        except EnvironmentFailed as failed:
            raise MirrorFailed(failed.fact, MIRROR_HINT) from failed

    def apt(self, *argv: str, what: str, deadline: float = QUERY_DEADLINE, cwd: Path | None = None) -> str:
        """Run a command of apt with our configuration and return its output."""
        environment = {"APT_CONFIG": str(self.directory / "apt.conf")}
        return subprocesses.run(argv, what=what, deadline=deadline, cwd=cwd, env=environment)

    def stanzas(self, names: Iterable[str]) -> Iterator[dict[str, str]]:
        """Yield the control fields of every version of the packages."""
        shown = self.apt("apt-cache", "show", *names, what="reading Debian's package lists")
        for stanza in shown.split("\n\n"):
            fields = dict(re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE))
            if fields:
                yield fields

    def _refuse_offline(self, what: str) -> None:
        if self._settings.offline:
            raise MirrorFailed(
                f"{what}: not in the cache, and fetching is disabled",
                f"fetch it beforehand, {OFFLINE_HINT}",
            )

    def _configure(self) -> None:
        for directory in ("state/lists/partial", "cache/archives/partial"):
            (self.directory / directory).mkdir(parents=True, exist_ok=True)
        where = mirror(self._settings)
        all_stanzas = [_stanza(where.main, *SUITES), _stanza(where.security, *SECURITY_SUITES)]
        (self.directory / ALL_SOURCES).write_text("\n".join(all_stanzas))
        (self.directory / FIRST_SOURCES).write_text(_stanza(where.main, FIRST_SUITE))
        (self.directory / "status").touch()
        options = {
            "Dir::Etc::Main": "/dev/null",
            "Dir::Etc::Parts": "/dev/null",
            "Dir::Etc::SourceList": self.directory / ALL_SOURCES,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State": self.directory / "state",
            "Dir::State::Status": self.directory / "status",
            "Dir::Cache": self.directory / "cache",
            "Dir::Cache::srcpkgcache": "",
            "APT::Architecture": self._architecture,
            "APT::Sandbox::User": "root",  # the user _apt cannot write to our directory
            "APT::Update::Error-Mode": "any",  # otherwise apt ignores suites that it cannot fetch
            "Acquire::Languages": "none",
            "Acquire::GzipIndexes": "true",
            "Acquire::http::Timeout": TIMEOUT,
            "Acquire::https::Timeout": TIMEOUT,
            "Acquire::Retries": RETRIES,
        }
        lines = [f'{name} "{value}";' for name, value in options.items()]
        lines += [f'APT::Architectures {{ "{self._architecture}"; }};', *host_options()]
        (self.directory / "apt.conf").write_text("\n".join(lines) + "\n")


def _stanza(uri: str, *suites: str) -> str:
    return f"Types: deb\nURIs: {uri}\nSuites: {' '.join(suites)}\nComponents: main\nSigned-By: {KEYRING}\n"
