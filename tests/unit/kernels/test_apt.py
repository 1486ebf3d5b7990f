"""apt with its own configuration: the choice of the mirror, and nothing else of the host's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core import subprocesses
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.core.settings import Settings
from dynptr_harness.kernels.debian import apt
from dynptr_harness.kernels.debian.apt import Mirror

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Rows of `apt-get indextargets`: address, suite, component, and the origin if the list was fetched.
OTHER = "http://example.org/tools trixie main Example\n"
DEBIAN = (
    "http://one.example/debian/ trixie main Debian\nhttp://one.example/debian/ trixie-updates main Debian\n"
)
SECURITY = "http://two.example/safe/ trixie-security main Debian\n"
NOT_FETCHED = "http://one.example/debian/ trixie main $(ORIGIN)\n"
SECURITY_NOT_FETCHED = "http://one.example/debian-security/ trixie-security main $(ORIGIN)\n"
OTHER_NOT_FETCHED = "http://example.org/linux/debian trixie stable $(ORIGIN)\n"
DISC = "cdrom:[Debian]/ trixie main Debian\n"


class Host:
    """A host's apt with given rows."""

    def __init__(self, fetched: str = "", known: str = "") -> None:
        self.fetched = fetched
        self.known = known

    def run(self, argv: Sequence[str], **_options: object) -> str:
        if argv[0] == "apt-config":
            return (
                'Acquire "";\nAcquire::http::Proxy "http://proxy.example:3128";\n'
                'Acquire::https::Timeout "9";\nAcquire::Languages:: "de";\n'
            )
        return self.known if "--no-release-info" in argv else self.fetched


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (
            Host(OTHER + SECURITY + DEBIAN),
            Mirror("http://one.example/debian", "http://two.example/safe"),
        ),
        (Host(DEBIAN), Mirror("http://one.example/debian", "http://one.example/debian-security")),
        (
            Host("", OTHER_NOT_FETCHED + SECURITY_NOT_FETCHED + NOT_FETCHED),
            Mirror("http://one.example/debian", "http://one.example/debian-security"),
        ),
        (Host(DISC + DEBIAN), Mirror("http://one.example/debian", "http://one.example/debian-security")),
    ],
)
def test_the_mirror_of_the_host_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: Host, expected: Mirror
) -> None:
    monkeypatch.setattr(subprocesses, "run", host.run)
    assert apt.mirror(Settings(tmp_path)) == expected


def test_the_mirror_of_the_settings_overrides_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(subprocesses, "run", Host(DEBIAN + SECURITY).run)
    found = apt.mirror(Settings(tmp_path, mirror="http://mine.example/debian/"))
    assert found == Mirror("http://mine.example/debian", "http://mine.example/debian-security")


@pytest.mark.parametrize("host", [Host(), Host(OTHER, OTHER), Host(DISC), Host("", OTHER_NOT_FETCHED)])
def test_a_host_without_a_debian_mirror_is_an_error_with_a_hint(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: Host
) -> None:
    monkeypatch.setattr(subprocesses, "run", host.run)
    with pytest.raises(EnvironmentFailed) as caught:
        apt.mirror(Settings(tmp_path))
    assert "DYNPTR_HARNESS_MIRROR" in caught.value.hint


def test_only_the_network_configuration_of_the_host_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subprocesses, "run", Host().run)
    assert apt.host_options() == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::https::Timeout "9";',
    ]


# Output of apt if one suite is missing and a list of another has a wrong checksum.
SAID = """\
fetching failed: apt-get ended with status 100
  E: The repository 'http://one.example/debian bullseye Release' does not have a Release file.
  E: Failed to fetch http://one.example/debian/dists/trixie/main/binary-amd64/Packages.xz  Hash Sum mismatch
     Hashes of expected file:
      - Filesize:9679304 [weak]
  E: Some index files failed to download. They have been ignored, or old ones used instead."""


class Answers:
    """An apt whose update fails, with some lists or none."""

    def __init__(self, lists: str) -> None:
        self.lists = lists
        self.environments: set[str] = set()

    def run(self, argv: Sequence[str], *, env: dict[str, str] | None = None, **_options: object) -> str:
        self.environments.add((env or {}).get("APT_CONFIG", "the host's"))
        if "update" in argv:
            raise EnvironmentFailed(SAID)
        return self.lists if "indextargets" in argv else ""


def update(monkeypatch: pytest.MonkeyPatch, directory: Path, lists: str) -> list[str]:
    monkeypatch.setattr(subprocesses, "run", Answers(lists).run)
    return apt.Archive(Settings(directory, mirror="http://one.example/debian"), "amd64").update()


def test_missing_lists_are_reported_and_the_others_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing, damaged = update(monkeypatch, tmp_path, lists="trixie\n")
    assert "bullseye Release" in missing
    assert "trixie/main/binary-amd64/Packages.xz  Hash Sum mismatch" in damaged


def test_without_any_list_the_mirror_has_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(apt.MirrorFailed, match="bullseye Release") as caught:
        update(monkeypatch, tmp_path, lists="\n")
    assert "DYNPTR_HARNESS_MIRROR" in caught.value.hint


def test_the_configuration_uses_no_files_of_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    update(monkeypatch, tmp_path, lists="trixie\n")
    options = dict(
        line.rstrip(";").split(" ", 1) for line in (tmp_path / "apt/apt.conf").read_text().splitlines()
    )
    for name in ("Main", "Parts", "SourceParts", "Preferences", "PreferencesParts"):
        assert options[f"Dir::Etc::{name}"] == '"/dev/null"'
    for name in ("Etc::SourceList", "State", "State::Status", "Cache"):
        assert options[f"Dir::{name}"].startswith(f'"{tmp_path}/apt/')
    sources = (tmp_path / "apt/debian.sources").read_text()
    assert sources.count(f"Signed-By: {apt.KEYRING}\n") == sources.count("URIs: ") == 2
