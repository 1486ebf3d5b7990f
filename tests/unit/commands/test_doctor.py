"""The doctor finds each problem, and prints its remedy."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.commands import doctor
from dynptr_harness.commands.doctor import CheckResult, State
from dynptr_harness.core import kvm, memory, subprocesses
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image import bpf_objects, rootfs
from dynptr_harness.kernels.debian import apt
from dynptr_harness.vm import qemu

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

Patch = pytest.MonkeyPatch


def raising(error: Exception) -> Callable[..., str]:
    def function(*_arguments: object) -> str:
        raise error

    return function


class Archive:
    """A mirror that answers."""

    troubles: tuple[str, ...] = ()

    def __init__(self, *_arguments: object) -> None: ...

    def lock(self) -> AbstractContextManager[None]:
        return nullcontext()

    def update(self, _deadline: float) -> tuple[str, ...]:
        return self.troubles


@pytest.fixture(autouse=True)
def sound(monkeypatch: Patch) -> None:
    """Make all checks pass, whatever the state of this machine."""
    monkeypatch.setattr(subprocesses, "find_tool", lambda name: f"/bin/{name}")
    monkeypatch.setattr(apt, "KEYRING", "/proc/self/exe")
    monkeypatch.setattr(bpf_objects, "HEADERS", Path("/proc/self"))
    monkeypatch.setattr(qemu, "version", lambda: "10.0.2")
    monkeypatch.setattr(memory, "MEMINFO", memory.MEMINFO)
    monkeypatch.setattr(doctor, "free_mib", lambda _path: 100_000)
    monkeypatch.setattr(rootfs, "is_cached", lambda _settings: False)
    monkeypatch.setattr(kvm, "unusable", lambda: None)
    monkeypatch.setattr(apt, "mirror", lambda _settings: apt.Mirror("mirror://x", "mirror://x-security"))
    monkeypatch.setattr(apt, "Archive", Archive)


def examine(tmp_path: Path) -> dict[str, CheckResult]:
    findings = list(doctor.examine(Settings(tmp_path), Silent()))
    assert [finding.name for finding in findings] == list(doctor.CHECKS), "a check is missing or came twice"
    return {finding.name: finding for finding in findings}


def test_nothing_fails_on_a_working_host(tmp_path: Path) -> None:
    assert [f for f in examine(tmp_path).values() if f.state is State.FAIL] == []


def no_tools(patch: Patch, _tmp: Path) -> None:
    patch.setattr(subprocesses, "find_tool", lambda name: None if name == "mkfs.erofs" else name)


def no_keyring(patch: Patch, _tmp: Path) -> None:
    patch.setattr(apt, "KEYRING", "/no/keyring")


def no_headers(patch: Patch, _tmp: Path) -> None:
    patch.setattr(bpf_objects, "HEADERS", Path("/no/headers"))


def old_python(patch: Patch, _tmp: Path) -> None:
    patch.setattr(sys, "version_info", (3, 9, 2, "final", 0))


def old_qemu(patch: Patch, _tmp: Path) -> None:
    patch.setattr(qemu, "version", raising(EnvironmentFailed("QEMU 7.2.0 is too old", "install 10")))


def memory_of(mib: int) -> Callable[[Patch, Path], None]:
    def prepare(patch: Patch, tmp: Path) -> None:
        (tmp / "meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable:  {mib << 10} kB\n")
        patch.setattr(memory, "MEMINFO", tmp / "meminfo")

    return prepare


def full_disk(patch: Patch, _tmp: Path) -> None:
    patch.setattr(doctor, "free_mib", lambda _path: 12)


def no_kvm(patch: Patch, _tmp: Path) -> None:
    patch.setattr(kvm, "unusable", lambda: "/dev/kvm does not exist")


def no_mirror(patch: Patch, _tmp: Path) -> None:
    patch.setattr(Archive, "update", raising(apt.MirrorFailed("no lists", "check the network")))


def half_a_mirror(patch: Patch, _tmp: Path) -> None:
    patch.setattr(Archive, "troubles", ("Failed to fetch bullseye",))


@pytest.mark.parametrize(
    ("prepare", "name", "state", "fact", "hint"),
    [
        (old_python, "Python", State.FAIL, "3.9.2", "3.11"),
        (no_tools, "tools", State.FAIL, "mkfs.erofs", "erofs-utils"),
        (no_keyring, "tools", State.FAIL, "/no/keyring", "debian-archive-keyring"),
        (no_headers, "tools", State.FAIL, "/no/headers", "libbpf-dev"),
        (old_qemu, "QEMU", State.FAIL, "7.2.0", "install 10"),
        (memory_of(700), "memory", State.FAIL, "700 MiB", "--memory"),
        (memory_of(1500), "memory", State.WARN, "1500 MiB", ""),
        (memory_of(4000), "memory", State.OK, "4000 MiB", ""),
        (full_disk, "disk", State.FAIL, "12 MiB free", "DYNPTR_HARNESS_CACHE"),
        (no_kvm, "KVM", State.WARN, "/dev/kvm does not exist", "TCG"),
        (no_mirror, "mirror", State.FAIL, "no lists", "network"),
        (half_a_mirror, "mirror", State.WARN, "bullseye", "DYNPTR_HARNESS_MIRROR"),
    ],
)
def test_a_problem_is_named_with_a_hint(
    tmp_path: Path,
    monkeypatch: Patch,
    prepare: Callable[[Patch, Path], None],
    name: str,
    state: State,
    fact: str,
    hint: str,
) -> None:
    prepare(monkeypatch, tmp_path)
    found = examine(tmp_path)[name]
    assert found.state is state
    assert fact in found.fact
    assert hint in found.hint


def test_the_mirror_is_not_checked_offline(tmp_path: Path) -> None:
    findings = {each.name: each for each in doctor.examine(Settings(tmp_path, offline=True), Silent())}
    assert findings["mirror"].state is State.WARN
    assert "DYNPTR_HARNESS_OFFLINE" in findings["mirror"].hint
