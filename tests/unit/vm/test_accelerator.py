"""The choice of the accelerator, and its confirmation by the guest."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core import kvm
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image.model import BootFiles
from dynptr_harness.vm import kvm_probe, qemu
from dynptr_harness.vm.accelerator import Accelerator
from dynptr_harness.vm.kvm_probe import choose, confirm

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def files(tmp_path: Path) -> BootFiles:
    kernel = tmp_path / "bzImage"
    kernel.write_text("a kernel")
    return BootFiles(kernel, tmp_path / "initramfs", tmp_path / "root", tmp_path / "payload", None, "test")


@pytest.fixture
def probes(fake_qemu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Let KVM work, and return a function that counts the probes."""
    counted = tmp_path / "probes"
    counted.touch()
    monkeypatch.setenv("FAKE_PROBES", str(counted))
    monkeypatch.setenv("FAKE_KVM", "works")
    monkeypatch.setattr(qemu, "PROGRAM", str(fake_qemu))
    monkeypatch.setattr(qemu, "version", lambda: "10.0.2")
    monkeypatch.setattr(kvm, "DEVICE", Path("/dev/null"))
    return lambda: counted.read_text().splitlines().count("probe")


def test_kvm_is_used_after_a_successful_probe_which_is_cached(
    files: BootFiles, probes: Callable[[], int], tmp_path: Path
) -> None:
    settings = Settings(tmp_path / "cache")
    assert [choose(files, settings=settings).name for _ in range(3)] == ["kvm"] * 3
    assert probes() == 1


def test_another_kernel_qemu_or_boot_of_the_host_is_probed_again(
    files: BootFiles, probes: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path / "cache")
    choose(files, settings=settings)
    other = tmp_path / "other"
    other.write_text("another kernel")
    choose(replace(files, kernel=other), settings=settings)
    monkeypatch.setattr(qemu, "version", lambda: "10.1.0")
    choose(files, settings=settings)
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("another boot")
    monkeypatch.setattr(kvm_probe, "BOOT_ID", boot_id)
    choose(files, settings=settings)
    assert probes() == 4


def test_a_kvm_that_is_slower_than_tcg_is_found_without_a_kernel(
    files: BootFiles, probes: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FIRMWARE", "spins")
    settings = Settings(tmp_path / "cache")
    other = tmp_path / "other"
    other.write_text("another kernel")
    for kernel in (files.kernel, other):
        chosen = choose(replace(files, kernel=kernel), settings=settings)
        assert chosen.name == "tcg"
        assert "/dev/null opens, but the firmware did not end in" in chosen.reason
    assert probes() == 0
    assert (tmp_path / "probes").read_text().splitlines() == ["firmware"] * 2


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("spins", "/dev/null opens, but a kernel started with it did not reach user space in 0.5 s"),
        ("fails", "/dev/null opens, but a kernel started with it ended: failed to initialize kvm"),
        ("is silent", "/dev/null opens, but a kernel started with it wrote nothing in 0.3 s"),
        ("stops", "/dev/null opens, but a kernel started with it stopped: KVM internal error. Suberror: 1"),
    ],
)
def test_a_failed_probe_chooses_tcg_with_the_reason(
    files: BootFiles,
    probes: Callable[[], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    reason: str,
) -> None:
    monkeypatch.setenv("FAKE_KVM", how)
    monkeypatch.setattr(kvm_probe, "PROBE_DEADLINE", 0.5 if how == "spins" else 600)
    monkeypatch.setattr(kvm_probe, "SILENCE", 0.3 if how in ("spins", "is silent") else 600)
    settings = Settings(tmp_path / "cache")
    chosen = [choose(files, settings=settings) for _ in range(2)]
    assert [each.name for each in chosen] == ["tcg", "tcg"]
    assert chosen[0].reason.startswith(reason)
    assert chosen[0].reason == chosen[1].reason
    assert probes() == 1


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOENT, "does not exist"),
        (errno.EACCES, "no permission to open /dev/kvm: add the user to the group kvm"),
        (errno.ENODEV, "cannot be opened: No such device"),
    ],
)
def test_the_reason_why_the_device_does_not_open_is_reported(
    monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def refuse(*_args: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    assert reason in (kvm.unusable() or "")


@pytest.mark.parametrize(
    ("asked", "measured", "agrees"),
    [
        ("kvm", "kvm", True),
        ("tcg", "tcg", True),
        ("tcg", "unknown", True),
        ("kvm", "unknown", True),
        ("kvm", "tcg", False),
        ("tcg", "kvm", False),
    ],
)
def test_the_guest_must_confirm_the_choice(asked: str, measured: str, agrees: bool) -> None:
    chosen = Accelerator("kvm" if asked == "kvm" else "tcg", "test")
    if agrees:
        confirm(chosen, {"accelerator": measured})
    else:
        with pytest.raises(
            EnvironmentFailed, match=f"started with {asked}, but the guest measures {measured}"
        ):
            confirm(chosen, {"accelerator": measured})
