"""The command in this process, with fake machines."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from dynptr_harness import cli

from tests.unit.samples import FakeGuest, subject

if TYPE_CHECKING:
    from pathlib import Path

    from dynptr_harness.vm.qemu import Spec


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


class Command:
    """Runs the command in this process, with fake machines."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.machines: list[FakeGuest | Exception] = []
        self.prepared: list[dict[str, Any]] = []
        self.booted: list[dict[str, Any]] = []
        self.failure: BaseException | None = None
        monkeypatch.setattr("dynptr_harness.vm.launcher.prepare", self._prepare)
        monkeypatch.setattr("dynptr_harness.vm.qemu.version", lambda: "10.0.2")
        monkeypatch.setattr("dynptr_harness.vm.launcher.Snapshots.start", self._start)
        monkeypatch.setattr("dynptr_harness.vm.launcher.Machine.boot", self._boot)

    def _prepare(self, selectors: tuple[str, ...], **options: Any) -> Any:
        self.prepared.append({"selectors": selectors, **options})
        if self.failure:
            raise self.failure
        prepared = replace(subject(), append=options.get("append", ()))
        return [prepared], SimpleNamespace(packages={"busybox-static": "1"})

    async def _start(self, spec: Spec, folder: Path) -> FakeGuest:
        return await self._boot(spec, folder, snapshot=True)

    async def _boot(self, spec: Spec, folder: Path, *, snapshot: bool = False) -> FakeGuest:
        options = {"cpus": spec.cpus, "memory_mib": spec.memory_mib, "snapshot": snapshot, "folder": folder}
        self.booted.append({**options, "cmdline": spec.cmdline})
        machine = self.machines.pop(0) if self.machines else FakeGuest()
        if isinstance(machine, Exception):
            raise machine
        return machine

    def __call__(self, *arguments: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["dynptr-harness", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(ended.value.code or 0, *self._capsys.readouterr())  # type: ignore[arg-type]
