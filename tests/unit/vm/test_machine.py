"""Machines and their failures, with a fake QEMU that is a script."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.experiments.script import Event, Script, submitted
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.guest_image.model import BootFiles
from dynptr_harness.vm import machine as machine_module
from dynptr_harness.vm import qemu
from dynptr_harness.vm.accelerator import Accelerator
from dynptr_harness.vm.agent_client import RequestFailed
from dynptr_harness.vm.failures import FailureKind, MachineFailed
from dynptr_harness.vm.machine import Machine
from dynptr_harness.vm.qemu import Spec
from qemu.qmp import Runstate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from multiprocessing.connection import Connection

FILES = BootFiles(Path("kernel"), Path("initramfs"), Path("root"), Path("payload"), modules=None, key="test")
TCG = Accelerator("tcg", "test")
OTHERS: set[str] = set()


@pytest.fixture(autouse=True)
def _fake_qemu(fake_qemu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu, "PROGRAM", str(fake_qemu))
    monkeypatch.setattr(qemu, "version", lambda: "10.0.2")
    monkeypatch.setattr(machine_module, "GRACE", 0.5)


def boot(directory: Path, how: str = "", deadline: float = 10) -> Coroutine[Any, Any, Machine]:
    return Machine.boot(Spec(FILES, TCG, cmdline=(f"fake={how}",), boot_deadline=deadline), directory)


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").exists() and bool(Path(f"/proc/{pid}/cmdline").read_bytes())


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def processes() -> set[str]:
    """Return the child processes that are not reaped."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.fixture(autouse=True)
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore child processes of other tests, such as a container engine."""
    monkeypatch.setattr(sys.modules[__name__], "OTHERS", processes())


def children() -> bool:
    """Return True if the test has a child process that is not reaped."""
    return bool(processes() - OTHERS)


def test_a_machine_answers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async def life() -> int:
        async with await boot(tmp_path / "new") as machine:
            reply = await machine.ask({"do": "echo", "n": 1}, 10)
            assert reply == {"do": "echo", "n": 1, "id": 1, "seconds": 0.5}
            assert (await machine.ask({"do": "echo"}, 10))["id"] == 2
            assert machine.console.read_text().startswith("fake QEMU\n")
            assert machine.facts["pid"] == machine.pid
            assert os.getsid(machine.pid) == machine.pid  # out of reach of the terminal's Ctrl-C
            return machine.pid

    files_before = open_files()
    pid = asyncio.run(life())
    assert not is_alive(pid)
    assert open_files() == files_before


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("silent", "no word from the agent after 1 s"),
        ("panic", "Kernel panic - not syncing: sysrq triggered crash"),
        ("notes", "boot failed: mount /dev/vda on /lower (erofs)"),
        ("babble", "the guest sent an invalid message: hello"),
        ("agent-fails", "the agent could not start: ImportError: no module named bcc"),
        ("refuse", "QEMU ended with status 1: qemu: -drive file=root: Could not open 'root'"),
    ],
)
def test_a_failed_boot_has_a_reason(tmp_path: Path, how: str, reason: str) -> None:
    with pytest.raises(MachineFailed) as failed:
        asyncio.run(boot(tmp_path, how, deadline=1 if how == "silent" else 10))
    assert failed.value.kind is FailureKind.BOOT
    assert failed.value.reason.startswith(reason)
    assert failed.value.tail.startswith("fake QEMU")
    assert failed.value.console.exists()
    assert not children()


@pytest.mark.parametrize(
    ("do", "kind", "reason"),
    [
        ("panic", FailureKind.CRASH, "Kernel panic - not syncing: sysrq triggered crash"),
        ("panic-and-stay", FailureKind.CRASH, "Kernel panic - not syncing: sysrq triggered crash"),
        ("reset", FailureKind.CRASH, "the guest reset itself without a panic"),
        ("hang", FailureKind.HANG, "no reply to request 1 after 1 s"),
        ("agent-ends", FailureKind.LOST, "the agent ended with status 139"),
        ("killed", FailureKind.LOST, "QEMU was ended by SIGKILL"),
        ("status", FailureKind.LOST, "QEMU ended with status 7: qemu: internal error"),
        ("babble", FailureKind.LOST, "the guest sent an invalid message: {{{"),
        ("other-id", FailureKind.LOST, "the guest sent an invalid message: {'event': 'reply', 'id': 2"),
    ],
)
def test_a_failed_request_has_a_kind_and_a_reason(
    tmp_path: Path, do: str, kind: FailureKind, reason: str
) -> None:
    async def life() -> None:
        async with await boot(tmp_path) as machine:
            await machine.ask({"do": do}, 1 if do == "hang" else 10)

    with pytest.raises(MachineFailed) as failed:
        asyncio.run(life())
    assert (failed.value.kind, failed.value.reason[: len(reason)]) == (kind, reason)
    assert str(failed.value.console) in failed.value.hint
    assert (tmp_path / "registers.txt").exists() == (kind is FailureKind.HANG)
    assert not children()


def test_an_outcome_of_the_wrong_size_is_an_invalid_message(tmp_path: Path) -> None:
    async def life() -> None:
        async with await boot(tmp_path) as machine:
            request = Script((Event((submitted(b"a record"),)),)).request()
            request["acts"][0]["outcomes"] = ["00"]
            await machine.ask({**request, "do": "echo"}, 10)

    with pytest.raises(MachineFailed, match="the guest sent an invalid message: an outcome of 1 bytes"):
        asyncio.run(life())
    assert not children()


def test_a_failed_machine_keeps_failing(tmp_path: Path) -> None:
    async def life() -> None:
        machine = await boot(tmp_path)
        for do in ("panic", "echo"):
            with pytest.raises(MachineFailed, match="machine crash: Kernel panic"):
                await machine.ask({"do": do}, 10)
        await machine.close()

    asyncio.run(life())


def test_the_machine_works_after_a_request_that_the_agent_could_not_do(tmp_path: Path) -> None:
    async def life() -> None:
        async with await boot(tmp_path) as machine:
            with pytest.raises(RequestFailed, match="the agent failed: OSError: no") as failed:
                await machine.ask({"do": "error"}, 10)
            assert failed.value.log == "Traceback\nOSError: no"
            assert (await machine.ask({"do": "echo"}, 10))["id"] == 2

    asyncio.run(life())


WARNING = "WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2"


def test_splats_are_part_of_the_reply(tmp_path: Path) -> None:
    async def life() -> None:
        async with await boot(tmp_path) as machine:
            said = await machine.ask({"do": "warn"}, 10)
            assert said["splats"] == [WARNING]
            assert said["console"].splitlines()[1].endswith("Call Trace:")
            assert set(await machine.ask({"do": "echo"}, 10)) == {"do", "id", "seconds"}
            with pytest.raises(RequestFailed) as failed:
                await machine.ask({"do": "warn-and-fail"}, 10)
            assert failed.value.kernel_messages["splats"] == [WARNING]
            assert machine.splats == [WARNING] * 2

    asyncio.run(life())


@pytest.mark.parametrize(
    ("asked", "kernel_messages"),
    [
        (["echo", "echo"], [[], []]),
        (["echo", "warn", "echo"], [[], [WARNING]]),
        # the host reads the first reply when the agent is at the second request
        (["echo-too-late", "after-its-warning"], [[], [WARNING]]),
    ],
    ids=["a quiet kernel", "one that warns", "one that warns early"],
)
def test_a_batch_ends_with_the_request_during_which_the_kernel_logged(
    tmp_path: Path, asked: list[str], kernel_messages: list[list[str]]
) -> None:
    async def life() -> None:
        async with await boot(tmp_path) as machine:
            replies = [reply async for reply in machine.request_batch([{"do": do} for do in asked], 10)]
            assert [reply.get("splats", []) for reply in replies] == kernel_messages
            further = [reply async for reply in machine.request_batch([{"do": "echo"}], 10)]
            assert [(reply["id"], "splats" in reply) for reply in further] == [(len(asked) + 1, False)]

    asyncio.run(life())


def test_vcpus_are_pinned(tmp_path: Path) -> None:
    wanted = max(os.sched_getaffinity(0))

    async def life() -> set[int]:
        async with await boot(tmp_path) as machine:
            await machine.pin_vcpus([wanted])
            return os.sched_getaffinity(machine.pid)

    assert asyncio.run(life()) == {wanted}


def test_the_first_request_of_a_batch_without_a_reply_has_failed(tmp_path: Path) -> None:
    async def life() -> list[Any]:
        async with await boot(tmp_path) as machine:
            replies = machine.request_batch([{"do": do} for do in ("echo", "panic", "echo")], 10)
            first = await anext(replies)
            with pytest.raises(MachineFailed) as failed:
                await anext(replies)
            return [first["id"], failed.value.kind]

    assert asyncio.run(life()) == [1, FailureKind.CRASH]


def test_a_reply_may_be_long(tmp_path: Path) -> None:
    async def life() -> int:
        async with await boot(tmp_path) as machine:
            return len((await machine.ask({"do": "flood", "bytes": 20 << 20}, 10))["log"])

    assert asyncio.run(life()) == 20 << 20


def test_a_qemu_that_does_not_quit_is_killed(tmp_path: Path) -> None:
    async def life() -> float:
        machine = await boot(tmp_path, "stubborn")
        began = time.monotonic()
        await machine.close()
        return time.monotonic() - began

    assert asyncio.run(life()) < 5
    assert not children()


async def _while_booting(directory: Path) -> None:
    await boot(directory, "silent", 60)


async def _while_asking(directory: Path) -> None:
    async with await boot(directory) as machine:
        await machine.ask({"do": "hang"}, 60)


@pytest.mark.parametrize("work", [_while_booting, _while_asking])
def test_cancellation_leaves_no_process(
    tmp_path: Path, work: Callable[[Path], Coroutine[Any, Any, None]]
) -> None:
    async def life() -> None:
        async with asyncio.timeout(1):
            await work(tmp_path)

    with pytest.raises(TimeoutError):
        asyncio.run(life())
    assert not children()


@pytest.mark.parametrize("steps", range(6))
def test_a_cancelled_kill_is_complete_and_says_nothing(
    tmp_path: Path, steps: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def life() -> None:
        machine = await boot(tmp_path)
        os.kill(machine.pid, signal.SIGKILL)
        while machine._monitor.runstate is Runstate.RUNNING:
            await machine._monitor.runstate_changed()
        killed = asyncio.create_task(machine.kill())
        for _ in range(steps):
            await asyncio.sleep(0)
        killed.cancel()
        await asyncio.wait({killed})
        await asyncio.gather(machine.kill(), machine.kill())

    asyncio.run(life())
    gc.collect()
    assert caplog.messages == []
    assert not children()


def test_an_unwritable_console_is_reported(tmp_path: Path) -> None:
    (tmp_path / "console.txt").symlink_to("/dev/full")

    async def life() -> None:
        async with await boot(tmp_path) as machine:  # may be ready before the first write fails
            await machine.ask({"do": "hang"}, 10)

    with pytest.raises(EnvironmentFailed, match=r"cannot write .*console.txt: No space left on device"):
        asyncio.run(life())
    assert not children()


def hold_a_guest(program: str, directory: Path, pipe: Connection) -> None:
    """Boot, send QEMU's process ID, and wait until this process is ended."""
    qemu.PROGRAM, qemu.version = program, lambda: "10.0.2"  # type: ignore[assignment]

    async def life() -> None:
        async with await boot(directory) as machine:
            pipe.send(machine.pid)
            await machine.ask({"do": "hang"}, 600)

    asyncio.run(life())


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_qemu_dies_with_the_process_that_started_it(
    tmp_path: Path, fake_qemu: Path, sent: signal.Signals
) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    holder = context.Process(target=hold_a_guest, args=(str(fake_qemu), tmp_path, theirs))
    holder.start()
    assert ours.poll(20), "no guest after 20 s"
    watched = os.pidfd_open(ours.recv())
    os.kill(holder.pid or 0, sent)
    ended, _, _ = select.select([watched], [], [], 10)
    os.close(watched)
    holder.join()
    assert ended, "QEMU still ran after 10 s"


def test_a_stream_lasts_until_the_reply(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []

    async def life() -> dict[str, Any]:
        async with await boot(tmp_path) as machine:
            return await machine.stream({"do": "talk", "n": 1}, heard.append, silence=10)

    assert asyncio.run(life()) == {"do": "talk", "n": 1, "id": 1}
    assert heard == [{"event": "begin", "id": 1}]


@pytest.mark.parametrize(
    ("do", "kind", "reason"),
    [
        ("hang", FailureKind.HANG, "no word from the agent for 1 s"),
        ("panic", FailureKind.CRASH, "Kernel panic - not syncing: sysrq triggered crash"),
        ("killed", FailureKind.LOST, "QEMU was ended by SIGKILL"),
    ],
)
def test_a_failed_stream_has_a_kind_and_a_reason(
    tmp_path: Path, do: str, kind: FailureKind, reason: str
) -> None:
    async def life() -> None:
        async with await boot(tmp_path) as machine:
            await machine.stream({"do": do}, lambda _event: None, silence=1)

    with pytest.raises(MachineFailed) as failed:
        asyncio.run(life())
    assert (failed.value.kind, failed.value.reason) == (kind, reason)


@pytest.mark.parametrize(
    ("error", "raised"),
    [(KeyError("status"), MachineFailed), (BrokenPipeError(), BrokenPipeError)],
    ids=["event-without-a-field", "closed-output"],
)
def test_an_event_that_cannot_be_used_is_the_guest_s_fault_and_a_closed_output_is_not(
    tmp_path: Path, error: Exception, raised: type[Exception]
) -> None:
    def heard(_event: dict[str, Any]) -> None:
        raise error

    async def life() -> None:
        async with await boot(tmp_path) as machine:
            await machine.stream({"do": "talk"}, heard, silence=10)

    with pytest.raises(raised):
        asyncio.run(life())


def test_messages_to_an_ended_machine_are_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def life() -> None:
        machine = await boot(tmp_path)
        await machine.kill()
        for _ in range(10):  # asyncio warns from the fifth write to a closed socket on
            await machine.tell({"input": ""})

    asyncio.run(life())
    assert caplog.messages == []
