"""The baselines in the repository, and the page made from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dynptr_harness.commands import results
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.plan import make
from dynptr_harness.results import files
from dynptr_harness.results.model import key_of

ROOT = Path(__file__).parents[3]
BASELINES = sorted((ROOT / "baselines").glob("*.json"))
PAGE = ROOT / "docs" / "bpf_ringbuf_reserve_dynptr.md"
ANEW = "ask the kernels again: `make baselines`, then `make docs`"


def test_the_helper_s_page_follows_from_the_baselines() -> None:
    assert results.docs([ROOT / "baselines"], None) == PAGE.read_text(), "not as `make docs` would make it"


@pytest.mark.parametrize("file", BASELINES, ids=lambda path: path.stem)
def test_baselines_have_exactly_the_planned_cells(file: Path) -> None:
    baseline = files.read([file])
    (kernel,) = baseline.run.kernels
    planned = {cell.key for cell in make(PROG_TYPES, CASES, (), ()).cells}
    assert {key_of(cell)[1:] for cell in baseline.cells} <= planned, ANEW
    assert [cell for cell in baseline.cells if not cell.ok] == []
    assert kernel.stopped is None
