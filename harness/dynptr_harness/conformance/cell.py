"""Results of cells. A cell is a kernel x program type x case x loader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynptr_harness.conformance.verdict import Verdict


@dataclass(frozen=True)
class CellResult:
    """The result of one cell, as all reports have it.

    Attributes:
        kernel: exact release.
        arch: machine name of `uname -m`.
        prog_type: without the BPF_PROG_TYPE_ prefix.
        case: ID of the case.
        loader: 'bcc' or 'libbpf'.
        ok: True if the verdict is expected. This decides the exit status.
        expected: expected behaviour, in words.
        seen: observed behaviour, in words. Equal to `expected` on a pass.
        seconds: wall-clock time in the guest, 0 if the cell shares the observation of another one.
        reason: the change or defect that makes a verdict other than 'pass' expected.
        log: the verifier log, if relevant.
        console: last lines of the console, if relevant.
    """

    kernel: str
    arch: str
    prog_type: str
    case: str
    loader: str
    verdict: Verdict
    ok: bool
    expected: str
    seen: str
    seconds: float
    reason: str | None = None
    log: str | None = None
    console: str | None = None
