"""Cells: kernel x program type x case, planned and then filled with a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynptr_harness.conformance.verdict import Verdict


@dataclass(frozen=True)
class CellResult:
    """One filled cell of the matrix, as it goes into every report.

    Attributes:
        kernel: the exact release.
        arch: machine name as `uname -m` gives it.
        prog_type: without the BPF_PROG_TYPE_ prefix.
        case: stable ID of the catalogue row.
        loader: who was asked to load the programs: 'bcc' or 'libbpf'.
        verdict: the answer.
        ok: whether this answer is the expected one; decides the exit status.
        expected: what had to be seen, for people.
        seen: what was seen, for people; equal to `expected` on a pass.
        seconds: wall-clock time of the cell in the guest; 0 where another cell's observation served.
        reason: why this answer is expected though it is no plain pass: the change or defect behind it.
        log: the verifier's log, where it matters.
        console: the last console lines, where they matter.
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
