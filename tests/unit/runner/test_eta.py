"""The estimate of the time left."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dynptr_harness.core.progress import Silent
from dynptr_harness.runner.eta import Estimate
from dynptr_harness.runner.isolation import Isolation
from dynptr_harness.runner.kernel_job import KernelJob
from dynptr_harness.runner.parallelism import CpuSlot
from dynptr_harness.runner.worker import Worker

from tests.unit.samples import SMALL, FakeGuest, subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest


def test_the_time_left_follows_from_the_results_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 50.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    estimate = Estimate(100)
    assert estimate.left(0) == ""
    assert estimate.left(4) == ""
    assert estimate.left(5) == ", about 3 min left"
    assert estimate.left(50) == ", about 50 s left"


def test_the_progress_has_the_total(tmp_path: Path) -> None:
    details: list[str] = []

    class Shown(Silent):
        @contextmanager
        def phase(self, title: str) -> Iterator[Callable[[str], None]]:  # noqa: ARG002
            yield details.append

    async def boot(*_: object, **__: object) -> FakeGuest:
        return FakeGuest()

    job = KernelJob(subject(), SMALL, Isolation.RUN, tmp_path, Shown(), first_alone=True)
    asyncio.run(Worker([job], boot, Isolation.RUN, CpuSlot()).run())
    total = len(SMALL.cells)
    shown = [line for line in details if "answered" in line]
    assert shown[0].startswith(f"0 answered of {total}; ")
    assert shown[-1].startswith(f"{total - 1} answered of {total}, about 0 s left; ")
