"""The running kernel as a machine, with a stub of the agent: replies, failures and the end."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.host import machine
from dynptr_harness.host.machine import HostMachine
from dynptr_harness.vm.agent_client import RequestFailed
from dynptr_harness.vm.failures import FailureKind, MachineFailed

from tests.unit.samples import subject

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

STUB = Path(__file__).parents[1] / "stub_host_agent.py"


class Log:
    """A fake kernel log. Tests add messages to `to_come`."""

    def __init__(self) -> None:
        self.splats: list[str] = []
        self.to_come: list[str] = []

    def read(self) -> list[str]:
        messages, self.to_come = self.to_come, []
        self.splats += messages
        return messages

    def close(self) -> None: ...


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Log:
    log, start = Log(), tmp_path / "start.sh"
    start.write_text(f'exec {sys.executable} {STUB} "$3"\n')
    monkeypatch.setattr(machine, "KernelLog", lambda: log)
    monkeypatch.setattr(machine, "START", start)
    monkeypatch.setattr(machine, "ISOLATED", ())
    monkeypatch.setattr(machine, "GRACE", 1.0)
    return log


def on_host(directory: Path, work: Callable[[HostMachine], Awaitable[Any]]) -> Any:
    """Return the result of `work`, and check that the agent has ended."""

    async def run() -> Any:
        host = await HostMachine.start(subject(), directory)
        try:
            return await work(host)
        finally:
            await host.kill()
            with pytest.raises(ProcessLookupError):
                os.kill(host._process.pid, 0)

    return asyncio.run(run())


@pytest.mark.usefixtures("log")
def test_the_agent_sends_facts_replies_and_ends(tmp_path: Path) -> None:
    async def work(host: HostMachine) -> Any:
        assert host.facts == {"release": os.uname().release}
        assert not host.restored
        return await host.ask({"kind": "echo", "say": "hello"}, 5)

    assert on_host(tmp_path, work) == {"said": "hello", "seconds": 0.5}
    assert "output of the agent" in (tmp_path / "console.txt").read_text()


def test_a_reply_has_the_splats_of_its_request(log: Log, tmp_path: Path) -> None:
    async def work(host: HostMachine) -> Any:
        log.to_come = ["WARNING: before"]
        assert host.splats == ["WARNING: before"]
        answer = host.ask({"kind": "echo", "say": "x"}, 5)
        log.read = logging_later(log)  # type: ignore[method-assign]
        return await answer

    def logging_later(log: Log) -> Callable[[], list[str]]:
        calls = iter([[], ["WARNING: during"]])

        def read() -> list[str]:
            messages: list[str] = next(calls, [])
            log.splats += messages
            return messages

        return read

    reply = on_host(tmp_path, work)
    assert reply["splats"] == ["WARNING: during"]
    assert reply["console"] == "WARNING: during"


@pytest.mark.usefixtures("log")
def test_the_agent_works_after_a_failed_request(tmp_path: Path) -> None:
    async def work(host: HostMachine) -> Any:
        with pytest.raises(RequestFailed, match="ValueError: no"):
            await host.ask({"kind": "error"}, 5)
        return await host.ask({"kind": "echo", "say": "still here"}, 5)

    assert on_host(tmp_path, work)["said"] == "still here"


@pytest.mark.parametrize(
    ("kind", "failure", "reason"),
    [
        ("end", FailureKind.LOST, "the agent ended"),
        ("nonsense", FailureKind.LOST, "invalid message"),
        ("sleep", FailureKind.HANG, "no reply to request 1 after 0.2 s"),
    ],
)
@pytest.mark.usefixtures("log")
def test_a_lost_agent_is_not_a_hang(kind: str, failure: FailureKind, reason: str, tmp_path: Path) -> None:
    async def work(host: HostMachine) -> Any:
        with pytest.raises(MachineFailed, match=reason) as raised:
            await host.ask({"kind": kind}, 0.2 if kind == "sleep" else 5)
        assert raised.value.kind is failure

    on_host(tmp_path, work)


@pytest.mark.usefixtures("log")
def test_an_agent_that_cannot_start_gives_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "failing.sh"
    script.write_text(f"exec {sys.executable} {STUB} fail\n")
    monkeypatch.setattr(machine, "START", script)
    with pytest.raises(MachineFailed, match="no BCC") as raised:
        asyncio.run(HostMachine.start(subject(), tmp_path))
    assert raised.value.kind is FailureKind.BOOT
