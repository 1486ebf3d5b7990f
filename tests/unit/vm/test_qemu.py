"""The command that runs QEMU, and the check of its version."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.guest_image.model import BootFiles
from dynptr_harness.vm import qemu
from dynptr_harness.vm.accelerator import Accelerator

FILES = BootFiles(
    Path("/k/bzImage"), Path("/k/initramfs"), Path("/r/root"), Path("/p/pay,load"), Path("/m/modules"), "test"
)
SOCKETS = {"commands": 11, "events": 12, "monitor": 13}
TCG = Accelerator("tcg", "test")
KVM = Accelerator("kvm", "test")


def command(accelerator: Accelerator = TCG, sockets: dict[str, int] | None = None) -> list[str]:
    spec = qemu.Spec(FILES, accelerator, memory_mib=512, cpus=2, cmdline=("extra=1",))
    return spec.command(sockets or SOCKETS)


def test_qemu_dies_with_its_parent_and_has_no_network() -> None:
    argv = command()
    assert argv[:5] == ["setpriv", "--pdeathsig", "KILL", "--", qemu.PROGRAM]
    assert "-nodefaults" in argv
    assert not [word for word in argv if "net" in word and word != "-nodefaults"]


def test_kernel_arguments_are_passed() -> None:
    argv = command()
    cmdline = argv[argv.index("-append") + 1].split()
    for expected in ("console=ttyS0", "panic=-1", "oops=panic", "extra=1"):
        assert expected in cmdline
    assert any(word.startswith("lsm=") and word.endswith(",bpf") for word in cmdline)


def test_disks_are_read_only_and_in_order_and_names_may_contain_commas() -> None:
    drives = [word for word in command() if word.startswith("file=")]
    assert [drive.split(",if=")[0] for drive in drives] == [
        "file=/r/root",
        "file=/p/pay,,load",
        "file=/m/modules",
    ]
    assert all(drive.endswith("readonly=on") for drive in drives)


def test_no_virtio_device_has_msi_x_vectors() -> None:
    devices = [word for word in command() if word.startswith("virtio-")]
    assert len(devices) == 5
    assert all("vectors=0" in device.split(",") for device in devices)


def test_a_bare_guest_has_one_more_disk_with_or_without_a_share() -> None:
    spec = qemu.Spec(FILES, TCG, bare=True)
    without = spec.command(SOCKETS)
    shared = replace(spec, share=Path("/s/a,b")).command(SOCKETS)
    assert [(one, two) for one, two in zip(without, shared, strict=True) if one != two] == [
        (
            "driver=null-co,size=64G,read-zeroes=on,if=none,id=share,readonly=on",
            "file=/s/a,,b,format=raw,if=none,id=share,readonly=on",
        )
    ]
    assert "virtio-blk-pci,drive=share,serial=share,vectors=0" in without
    assert "dynptr_harness.bare" in without[without.index("-append") + 1].split()
    assert "share" not in " ".join(qemu.Spec(FILES, TCG).command(SOCKETS))


def test_two_guests_differ_only_in_the_descriptors_of_their_sockets() -> None:
    other = command(sockets={"commands": 21, "events": 22, "monitor": 23})
    differing = [(one, two) for one, two in zip(command(), other, strict=True) if one != two]
    assert [(one.replace("fd=1", "fd=2"), two) for one, two in differing] == [
        (two, two) for _, two in differing
    ]
    assert len(differing) == 3


@pytest.mark.parametrize(
    ("accelerator", "flag", "cpu"), [(TCG, "tcg,thread=multi", "max,erms=off"), (KVM, "kvm", "host")]
)
def test_the_cpu_model_depends_on_the_accelerator(accelerator: Accelerator, flag: str, cpu: str) -> None:
    argv = command(accelerator)
    assert argv[argv.index("-accel") + 1] == flag
    assert argv[argv.index("-cpu") + 1].startswith(cpu)


@pytest.mark.parametrize(("accelerator", "flag"), [(TCG, "tcg,thread=single"), (KVM, "kvm")])
def test_emulated_vcpus_that_take_turns_share_one_thread(accelerator: Accelerator, flag: str) -> None:
    argv = qemu.Spec(FILES, accelerator, round_robin=True).command(SOCKETS)
    assert argv[argv.index("-accel") + 1] == flag


def program(directory: Path, script: str) -> str:
    path = directory / "qemu"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)", "10.0.2"),
        ("QEMU emulator version 10.1.0", "10.1.0"),
        ("QEMU emulator version 11.0.50 (v11.0.0-12-gabc)", "11.0.50"),
    ],
)
def test_the_version_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, version: str
) -> None:
    monkeypatch.setattr(qemu, "PROGRAM", program(tmp_path, f"echo '{said}'"))
    assert qemu.version.__wrapped__() == version


@pytest.mark.parametrize(
    ("script", "fact"),
    [
        ("echo 'QEMU emulator version 7.2.15 (Debian 1:7.2+dfsg-7)'", "QEMU 7.2.15 is too old"),
        ("echo hello", "names no version: 'hello"),
        ("exit 3", "--version failed"),
    ],
)
def test_an_unusable_qemu_is_reported_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, fact: str
) -> None:
    monkeypatch.setattr(qemu, "PROGRAM", program(tmp_path, script))
    with pytest.raises(EnvironmentFailed, match=fact) as failed:
        qemu.version.__wrapped__()
    assert "bookworm-backports" in failed.value.hint


def test_a_missing_qemu_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu, "PROGRAM", "qemu-system-none")
    with pytest.raises(EnvironmentFailed, match="qemu-system-none is not installed"):
        qemu.version.__wrapped__()
