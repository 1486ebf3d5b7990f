"""Fixtures of the tests of the command line."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core.signals import SIGNALS

from tests.unit.cli.command import Command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Command]:
    monkeypatch.setenv("DYNPTR_HARNESS_CACHE", str(tmp_path / "cache"))
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield Command(monkeypatch, capsys)
    for number, handler in before.items():
        signal.signal(number, handler)
