"""The running kernel as a machine, with a stub in place of the agent: answers, failures, and its end."""

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
    """A kernel log into which a test can speak."""

    def __init__(self) -> None:
        self.splats: list[str] = []
        self.to_come: list[str] = []

    def read(self) -> list[str]:
        said, self.to_come = self.to_come, []
        self.splats += said
        return said

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


def on_host(folder: Path, work: Callable[[HostMachine], Awaitable[Any]]) -> Any:
    """What `work` returns; afterwards the agent is gone."""

    async def run() -> Any:
        host = await HostMachine.start(subject(), folder)
        try:
            return await work(host)
        finally:
            await host.kill()
            with pytest.raises(ProcessLookupError):
                os.kill(host._process.pid, 0)

    return asyncio.run(run())


@pytest.mark.usefixtures("log")
def test_it_says_its_facts_and_answers_and_is_gone_afterwards(tmp_path: Path) -> None:
    async def work(host: HostMachine) -> Any:
        assert host.facts == {"release": os.uname().release}
        assert not host.restored
        return await host.ask({"kind": "echo", "say": "hello"}, 5)

    assert on_host(tmp_path, work) == {"said": "hello", "seconds": 0.5}
    assert "own words" in (tmp_path / "console.txt").read_text()


def test_what_the_kernel_says_against_itself_comes_with_the_answer(log: Log, tmp_path: Path) -> None:
    async def work(host: HostMachine) -> Any:
        log.to_come = ["WARNING: before"]
        assert host.splats == ["WARNING: before"]
        answer = host.ask({"kind": "echo", "say": "x"}, 5)
        log.read = speaking(log)  # type: ignore[method-assign]
        return await answer

    def speaking(log: Log) -> Callable[[], list[str]]:
        calls = iter([[], ["WARNING: at it"]])

        def read() -> list[str]:
            said: list[str] = next(calls, [])
            log.splats += said
            return said

        return read

    reply = on_host(tmp_path, work)
    assert reply["splats"] == ["WARNING: at it"]
    assert reply["console"] == "WARNING: at it"


@pytest.mark.usefixtures("log")
def test_an_agent_that_fails_at_a_request_goes_on(tmp_path: Path) -> None:
    async def work(host: HostMachine) -> Any:
        with pytest.raises(RequestFailed, match="ValueError: no"):
            await host.ask({"kind": "error"}, 5)
        return await host.ask({"kind": "echo", "say": "still here"}, 5)

    assert on_host(tmp_path, work)["said"] == "still here"


@pytest.mark.parametrize(
    ("kind", "failure", "reason"),
    [
        ("end", FailureKind.LOST, "the agent ended"),
        ("nonsense", FailureKind.LOST, "no message"),
        ("sleep", FailureKind.HANG, "no reply to request 1 after 0.2 s"),
    ],
)
@pytest.mark.usefixtures("log")
def test_ends_and_hangs_are_told_apart(kind: str, failure: FailureKind, reason: str, tmp_path: Path) -> None:
    async def work(host: HostMachine) -> Any:
        with pytest.raises(MachineFailed, match=reason) as raised:
            await host.ask({"kind": kind}, 0.2 if kind == "sleep" else 5)
        assert raised.value.kind is failure

    on_host(tmp_path, work)


@pytest.mark.usefixtures("log")
def test_an_agent_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "failing.sh"
    script.write_text(f"exec {sys.executable} {STUB} fail\n")
    monkeypatch.setattr(machine, "START", script)
    with pytest.raises(MachineFailed, match="no BCC") as raised:
        asyncio.run(HostMachine.start(subject(), tmp_path))
    assert raised.value.kind is FailureKind.BOOT
