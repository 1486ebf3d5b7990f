"""The result of a run: provenance, cells and totals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dynptr_harness.conformance.cell import CellResult

SCHEMA_VERSION = 1
COMPLETE = "complete"

# Verdicts of cells without an answer to judge.
UNANSWERED = frozenset({Verdict.LOST, Verdict.NOT_RUN})


Key = tuple[str, str, str, str]


class CaseTitle(Protocol):
    """The part of a case that reports show."""

    @property
    def id(self) -> str:
        """The stable ID, e.g. 'RSV-011'."""

    @property
    def title(self) -> str:
        """The requirement, in one line."""


def key_of(cell: CellResult) -> Key:
    """Return (kernel, program type, case, loader), which identifies a cell in a result."""
    return cell.kernel, cell.prog_type, cell.case, cell.loader


@dataclass(frozen=True)
class Phase:
    """A phase of the run and its duration in seconds of wall-clock time."""

    title: str
    seconds: float


@dataclass(frozen=True)
class KernelRun:
    """A kernel of a run.

    Attributes:
        selector: as given on the command line, such as '6.12'.
        release, arch, package, package_version, sha256, origin: as in `dynptr_harness.kernels.model.Kernel`.
        accelerator: accelerator that the first guest measured; None if it did not boot.
        accelerator_asked: accelerator requested from QEMU.
        accelerator_reason: why this accelerator was chosen.
        guest: facts from the agent of the first machine (versions, LSM list, timings); empty if none booted.
        boots: number of machines started.
        restores: number of machines that started from a snapshot.
        consoles: path of the console of each machine, in order.
        stopped: why cells were not run; None if all were.
        last_console: last console lines of the machine that ended the run.
        splats: warnings and errors of the kernel outside of requests, such as at boot.
        append: kernel arguments of the user.
    """

    selector: str
    release: str
    arch: str
    sha256: str
    package: str | None = None
    package_version: str | None = None
    origin: str = ""
    accelerator: str | None = None
    accelerator_asked: str = ""
    accelerator_reason: str = ""
    guest: Mapping[str, Any] = field(default_factory=dict)
    boots: int = 0
    restores: int = 0
    consoles: tuple[str, ...] = ()
    stopped: str | None = None
    last_console: str | None = None
    splats: tuple[str, ...] = ()
    append: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShardRun:
    """The part of a whole run that this run had.

    Attributes:
        index: number of the shard, from 1 to `count`.
        plan: hash of the kernels and cells of the whole run, equal for all its shards.
    """

    index: int
    count: int
    plan: str


@dataclass(frozen=True)
class Provenance:
    """Everything needed to repeat a run.

    Attributes:
        harness: version of this tool.
        started: UTC, ISO 8601.
        seconds: wall-clock time of the run.
        ended: 'complete', or why the run ended early.
        qemu: version of QEMU.
        guest_packages: version of every package in the guest image, by name.
        kernels: in the order of the command line.
        phases: in the order of their start.
        shards: runs that were merged; empty for a single run.
        jobs: maximum number of machines at a time; None for a merged run.
        isolation: as in `dynptr_harness.runner.isolation.Isolation`; comma-separated for a merged run.
        shard: for a run with --shard; None for any other run, and for a merged one.
    """

    harness: str
    started: str
    seconds: float
    qemu: str
    kernels: tuple[KernelRun, ...]
    guest_packages: Mapping[str, str] = field(default_factory=dict)
    phases: tuple[Phase, ...] = ()
    ended: str = COMPLETE
    shards: tuple[Provenance, ...] = ()
    jobs: int | None = None
    isolation: str = ""
    shard: ShardRun | None = None


@dataclass(frozen=True)
class Totals:
    """Numbers of cells. `planned` equals `run` + `not_run`, and `run` equals `ok` + `not_ok`."""

    planned: int
    run: int
    not_run: int
    ok: int
    not_ok: int
    verdicts: Mapping[str, int]


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Attributes:
        titles: titles of the cases at the time of the run, by ID. Older results have none.
    """

    run: Provenance
    cells: tuple[CellResult, ...]
    planned: int
    schema_version: int = SCHEMA_VERSION
    titles: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.cells) != self.planned:
            raise ValueError(f"{self.planned} cells were planned and {len(self.cells)} have a result")

    @property
    def totals(self) -> Totals:
        """The numbers of cells by verdict and by expectation."""
        verdicts = {word.value: sum(cell.verdict is word for cell in self.cells) for word in Verdict}
        run = [cell for cell in self.cells if cell.verdict is not Verdict.NOT_RUN]
        ok = sum(cell.ok for cell in run)
        return Totals(self.planned, len(run), self.planned - len(run), ok, len(run) - ok, verdicts)

    def titled(self, cases: Iterable[CaseTitle]) -> dict[str, str]:
        """Return the titles of all cases: those of the catalogue in order, then those that were removed."""
        known = {case.id: case.title for case in cases}
        used = {cell.case for cell in self.cells}
        return known | {case: title for case, title in self.titles.items() if case in used - known.keys()}

    def cells_of(self, kernel: KernelRun) -> tuple[CellResult, ...]:
        """Return the cells of one kernel, in the order of the plan."""
        return tuple(cell for cell in self.cells if cell.kernel == kernel.release)

    @property
    def status(self) -> ExitStatus:
        """The exit status: all as expected, a failed cell, or only missing answers.

        A cell without an answer is not as expected, but does not count against a kernel.
        """
        unexpected = [cell.verdict for cell in self.cells if not cell.ok]
        if not unexpected:
            return ExitStatus.AS_EXPECTED
        if all(verdict in UNANSWERED for verdict in unexpected):
            return ExitStatus.ENVIRONMENT_FAILED
        return ExitStatus.NOT_AS_EXPECTED
