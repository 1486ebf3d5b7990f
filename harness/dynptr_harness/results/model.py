"""The result of one run, as every report shows it: where it came from, its cells and their totals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynptr_harness.conformance.cell import CellResult

SCHEMA_VERSION = 1
COMPLETE = "complete"

# Verdicts that say nothing of the kernel: there was no answer to judge.
UNANSWERED = frozenset({Verdict.LOST, Verdict.NOT_RUN})


Key = tuple[str, str, str, str]


def key_of(cell: CellResult) -> Key:
    """What tells a cell from every other of a result: kernel, program type, case and loader."""
    return cell.kernel, cell.prog_type, cell.case, cell.loader


@dataclass(frozen=True)
class Phase:
    """One phase of the work and how long it took, in seconds of wall-clock time."""

    title: str
    seconds: float


@dataclass(frozen=True)
class KernelRun:
    """One kernel of a run: what was booted, under what, and what its guest measured.

    Attributes:
        selector: what the person asked for, e.g. '6.12'.
        release, arch, package, package_version, sha256, origin: as in `dynptr_harness.kernels.model.Kernel`.
        accelerator: what the first machine ran under, as its guest measured it; None when it did not boot.
        accelerator_asked: what QEMU was asked to use.
        accelerator_reason: for people: why this accelerator was chosen.
        guest: the facts that the agent of the first machine reported (versions, LSM list, timings ...);
            empty when no machine booted.
        boots: how many machines were started for this kernel.
        restores: how many of them went on from a snapshot and did not boot.
        consoles: paths of the whole console of each of them, in order.
        stopped: why the cells that are not-run were not run; None when all were.
        last_console: the last console lines of the machine because of which it stopped.
        splats: what the kernel said against itself while it was not being asked, such as at boot.
        append: kernel arguments that the person added.
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
class Provenance:
    """What is needed to repeat a run.

    Attributes:
        harness: version of this tool.
        started: UTC, ISO 8601.
        seconds: wall-clock time of everything.
        ended: 'complete', or why the run ended early.
        qemu: version of QEMU.
        guest_packages: version of every package in the guest image, by name.
        kernels: the kernels of the run, in the order in which they were asked for.
        phases: the phases of the work, in the order in which they began.
        shards: the runs that this one is merged of; empty for a run that was done as one.
        jobs: how many machines there may have been at a time; None for a merged run.
        isolation: as in `dynptr_harness.runner.isolation.Isolation`; of a merged run every one, with commas.
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


@dataclass(frozen=True)
class Totals:
    """The cells counted. `planned` equals `run` + `not_run`, and `run` equals `ok` + `not_ok`."""

    planned: int
    run: int
    not_run: int
    ok: int
    not_ok: int
    verdicts: Mapping[str, int]


@dataclass(frozen=True)
class RunResult:
    """Everything a report can say about a run."""

    run: Provenance
    cells: tuple[CellResult, ...]
    planned: int
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if len(self.cells) != self.planned:
            raise ValueError(f"{self.planned} cells were planned and {len(self.cells)} have a result")

    @property
    def totals(self) -> Totals:
        """The cells counted by verdict, and by whether the answer is the expected one."""
        verdicts = {word.value: sum(cell.verdict is word for cell in self.cells) for word in Verdict}
        run = [cell for cell in self.cells if cell.verdict is not Verdict.NOT_RUN]
        ok = sum(cell.ok for cell in run)
        return Totals(self.planned, len(run), self.planned - len(run), ok, len(run) - ok, verdicts)

    def cells_of(self, kernel: KernelRun) -> tuple[CellResult, ...]:
        """The cells of one kernel of this run, in the order in which they were planned."""
        return tuple(cell for cell in self.cells if cell.kernel == kernel.release)

    @property
    def status(self) -> ExitStatus:
        """What the run says: all as expected; a kernel that is not; or that nothing could be said.

        A cell without an answer never counts as expected, and never speaks against a kernel.
        """
        unexpected = [cell.verdict for cell in self.cells if not cell.ok]
        if not unexpected:
            return ExitStatus.AS_EXPECTED
        if all(verdict in UNANSWERED for verdict in unexpected):
            return ExitStatus.ENVIRONMENT_FAILED
        return ExitStatus.NOT_AS_EXPECTED
