"""Real guests: their environment after the boot, and their failures."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import select
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.core.progress import Silent
from dynptr_harness.guest_image import boot_files
from dynptr_harness.vm.agent_client import RequestFailed
from dynptr_harness.vm.failures import FailureKind, MachineFailed
from dynptr_harness.vm.machine import Machine
from dynptr_harness.vm.qemu import Spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

    from dynptr_harness.core.settings import Settings
    from dynptr_harness.guest_image.model import BootFiles, GuestImage
    from dynptr_harness.kernels.model import Kernel
    from dynptr_harness.vm.accelerator import Accelerator


def test_a_guest_boots_completely_and_replies(
    stub_files: BootFiles, accelerator: Accelerator, kernel: Kernel, tmp_path: Path
) -> None:
    async def use() -> dict[str, Any]:
        async with await Machine.boot(Spec(stub_files, accelerator), tmp_path) as machine:
            assert (await machine.ask({"do": "echo", "n": 1}, 20))["n"] == 1
            assert len((await machine.ask({"do": "log", "bytes": 10 << 20}, 60))["log"]) == 10 << 20
            with pytest.raises(RequestFailed, match="asked to fail"):
                await machine.ask({"do": "fail"}, 20)
            await machine.ask({"do": "warn"}, 20)
            assert (await machine.ask({"do": "echo"}, 20))["id"] == 5
            assert machine.splats == ["WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2"]
            return machine.facts

    facts = asyncio.run(use())
    assert facts["release"] == kernel.release
    assert facts["modules"]
    assert "bpf" in facts["lsm"]
    assert facts["interfaces"] == ["lo"]
    assert facts["cpus"] == 2
    assert facts["environment"]["BCC_KERNEL_SOURCE"] == "/payload/bcc_headers"
    expected = {
        "/": "overlay",
        "/payload": "erofs",
        "/proc": "proc",
        "/sys": "sysfs",
        "/sys/fs/cgroup": "cgroup2",
        "/sys/fs/bpf": "bpf",
        "/sys/kernel/tracing": "tracefs",
        "/sys/kernel/debug": "debugfs",
        "/sys/kernel/security": "securityfs",
    }
    assert {place: facts["mounts"].get(place) for place in expected} == expected


@pytest.mark.parametrize(
    ("do", "kind", "reason", "words"),
    [
        ("panic", FailureKind.CRASH, "Kernel panic - not syncing: sysrq triggered crash", "Call Trace:"),
        ("reset", FailureKind.CRASH, "the guest reset itself without a panic", "sysrq: Resetting"),
        ("die", FailureKind.LOST, "the agent ended with status 139", "Segmentation fault"),
        ("hang", FailureKind.HANG, "no reply to request 1 after 3 s", ""),
        ("starve", FailureKind.HANG, "no reply to request 1 after 3 s", ""),
    ],
)
def test_a_failing_guest_gives_the_reason(
    stub_files: BootFiles,
    accelerator: Accelerator,
    tmp_path: Path,
    do: str,
    kind: FailureKind,
    reason: str,
    words: str,
) -> None:
    begin = 0.0

    async def use() -> None:
        nonlocal begin
        async with await Machine.boot(Spec(stub_files, accelerator), tmp_path) as machine:
            begin = time.monotonic()
            await machine.ask({"do": do}, 3 if kind is FailureKind.HANG else 60)

    with pytest.raises(MachineFailed) as failed:
        asyncio.run(use())
    assert time.monotonic() - begin < 30
    assert (failed.value.kind, failed.value.reason[: len(reason)]) == (kind, reason)
    assert words in failed.value.tail
    assert words in failed.value.console.read_text()
    if kind is FailureKind.HANG:
        assert (tmp_path / "registers.txt").read_text().count("RIP=") == 2


def truncated_kernel(files: BootFiles, folder: Path) -> BootFiles:
    short = folder / "bzImage"
    short.write_bytes(files.kernel.read_bytes()[: 2 << 20])
    return replace(files, kernel=short)


def no_kernel(files: BootFiles, folder: Path) -> BootFiles:
    text = folder / "bzImage"
    text.write_text("this is not a kernel\n")
    return replace(files, kernel=text)


def empty_initramfs(files: BootFiles, folder: Path) -> BootFiles:
    empty = folder / "initramfs"
    empty.touch()
    return replace(files, initramfs=empty)


def missing_disk(files: BootFiles, folder: Path) -> BootFiles:
    return replace(files, root=folder / "root.erofs")


def zeroed_root(files: BootFiles, folder: Path) -> BootFiles:
    zeros = folder / "root.erofs"
    zeros.write_bytes(bytes(1 << 20))
    return replace(files, root=zeros)


def no_agent(files: BootFiles, folder: Path) -> BootFiles:  # noqa: ARG001
    return replace(files, payload=files.root)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncated_kernel, "the guest reset itself without a panic"),
        (no_kernel, "QEMU ended with status 1"),
        (empty_initramfs, "Kernel panic - not syncing: VFS: Unable to mount root fs"),
        (missing_disk, "QEMU ended with status 1"),
        (zeroed_root, "boot failed: mount /dev/vda on /lower (erofs)"),
        (no_agent, "Kernel panic - not syncing: Attempted to kill init!"),
    ],
)
def test_a_failed_boot_gives_the_reason(
    stub_files: BootFiles,
    accelerator: Accelerator,
    tmp_path: Path,
    damage: Callable[[BootFiles, Path], BootFiles],
    reason: str,
) -> None:
    files = damage(stub_files, tmp_path)
    begin = time.monotonic()
    with pytest.raises(MachineFailed) as failed:
        asyncio.run(Machine.boot(Spec(files, accelerator, boot_deadline=60), tmp_path))
    assert time.monotonic() - begin < 50
    assert failed.value.kind is FailureKind.BOOT
    assert failed.value.reason.startswith(reason)


def test_a_kernel_without_modules_lists_missing_drivers(
    kernel: Kernel, image: GuestImage, settings: Settings, accelerator: Accelerator, tmp_path: Path
) -> None:
    files = boot_files.files(replace(kernel, modules=None), image, settings=settings, progress=Silent())
    with pytest.raises(MachineFailed, match=r"this kernel has no virtio_blk erofs overlay: .* --modules"):
        asyncio.run(Machine.boot(Spec(files, accelerator, boot_deadline=60), tmp_path))


def test_a_killed_qemu_is_a_lost_machine(
    stub_files: BootFiles, accelerator: Accelerator, tmp_path: Path
) -> None:
    async def use() -> None:
        async with await Machine.boot(Spec(stub_files, accelerator), tmp_path) as machine:
            asyncio.get_running_loop().call_later(0.5, os.kill, machine.pid, signal.SIGKILL)
            await machine.ask({"do": "hang"}, 60)

    with pytest.raises(MachineFailed) as failed:
        asyncio.run(use())
    assert (failed.value.kind, failed.value.reason) == (FailureKind.LOST, "QEMU was ended by SIGKILL")


def hold_a_guest(files: BootFiles, accelerator: Accelerator, folder: Path, pipe: Connection) -> None:
    """Boot a guest, send QEMU's process ID through the pipe, and wait to be killed."""

    async def use() -> None:
        async with await Machine.boot(Spec(files, accelerator), folder) as machine:
            pipe.send(machine.pid)
            await machine.ask({"do": "hang"}, 600)

    asyncio.run(use())


def test_qemu_ends_when_the_harness_is_killed(
    stub_files: BootFiles, accelerator: Accelerator, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe()
    holder = context.Process(target=hold_a_guest, args=(stub_files, accelerator, tmp_path, sender))
    holder.start()
    assert receiver.poll(120), "no guest after 120 s"
    watched = os.pidfd_open(receiver.recv())
    holder.kill()
    ended, _, _ = select.select([watched], [], [], 10)
    os.close(watched)
    holder.join()
    assert ended, "QEMU still ran after 10 s"
