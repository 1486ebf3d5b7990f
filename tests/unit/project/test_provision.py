"""The package list, and the install script when nothing is missing."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from dynptr_harness.commands.doctor import TOOLS

PROVISION = Path(__file__).parents[3] / "provision"
LIST = (PROVISION / "packages.txt").read_text()
# packages of every Debian system
ESSENTIAL = {"apt", "coreutils", "dpkg", "gzip", "tar", "util-linux"}


def purposes() -> dict[str, list[str]]:
    parts = re.split(r"^\[(\w+)\]$", LIST, flags=re.MULTILINE)[1:]
    lines = [re.findall(r"^[a-z0-9][^\s#]*$", part, re.MULTILINE) for part in parts[1::2]]
    return dict(zip(parts[::2], lines, strict=True))


def test_no_package_is_listed_twice() -> None:
    packages = [package for purpose in purposes().values() for package in purpose]
    assert len(packages) == len(set(packages))


def test_every_required_tool_has_a_listed_package() -> None:
    listed = {package for purpose in ("tool", "image", "vm") for package in purposes()[purpose]}
    assert set(TOOLS.values()) - ESSENTIAL - listed == set()


def install(*wanted: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run the script with the dpkg-query and apt-get in the directory `path`."""
    return subprocess.run(
        [PROVISION / "install", *wanted],
        env={"PATH": f"{path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    """Return a directory with a dpkg-query that has a very new version of every package."""
    for name, text in (("dpkg-query", "echo installed 99:1"), ("apt-get", "echo called >&2; exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("wanted", [(), ("tool",), ("tool", "image", "vm", "test")])
def test_nothing_is_printed_if_no_package_is_missing(complete: Path, wanted: tuple[str, ...]) -> None:
    done = install(*wanted, path=complete)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_unknown_purpose_is_named(complete: Path) -> None:
    done = install("tool", "nonsense", path=complete)
    assert done.returncode == 3
    assert "there is no purpose 'nonsense'" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs without sudo")
def test_qemu_is_installed_for_vm_only(complete: Path) -> None:
    """No package is installed: the script installs only those of the purpose."""
    (complete / "dpkg-query").write_text("#!/bin/sh\nexit 1\n")
    (complete / "apt-get").write_text("#!/bin/sh\necho apt-get $*\n")
    done = install("tool", path=complete)
    assert "clang" in done.stdout
    assert "qemu" not in done.stdout
