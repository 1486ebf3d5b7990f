"""The command `run`: plan, prepare, run, write files, report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dynptr_harness.commands import dry_run
from dynptr_harness.conformance import loader
from dynptr_harness.conformance.plan import fits, make
from dynptr_harness.core import output, run_dir
from dynptr_harness.core.errors import ExitStatus, WrongUsage
from dynptr_harness.core.kernel_version import series_of
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.text import counted, printable
from dynptr_harness.host import HOST, backend
from dynptr_harness.kernels import path_of
from dynptr_harness.report.comparison import ComparisonReport
from dynptr_harness.report.console_progress import for_console
from dynptr_harness.report.junit import as_junit
from dynptr_harness.report.ktap import as_ktap
from dynptr_harness.report.repeat import Sources
from dynptr_harness.report.terminal import TerminalReport
from dynptr_harness.results import files as result_files
from dynptr_harness.results.comparison import compare, restricted
from dynptr_harness.results.json_format import as_json
from dynptr_harness.results.rerun import Rerun
from dynptr_harness.runner import parallelism, runner
from dynptr_harness.runner.backend import Backend
from dynptr_harness.runner.isolation import Isolation
from dynptr_harness.runner.limits import Limits
from dynptr_harness.runner.timing import Timed
from dynptr_harness.vm import qemu
from dynptr_harness.vm.launcher import Machines, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rich.console import Console

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.loader import Catalogue
    from dynptr_harness.conformance.plan import Plan, PlannedCell
    from dynptr_harness.conformance.shard import Shard
    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.results.model import RunResult


@dataclass(frozen=True)
class Request:
    """The options of the command. `rerun` is the result whose unexpected cells run again."""

    kernels: tuple[str, ...]
    prog_types: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    loaders: tuple[str, ...] = ()
    json_file: Path | None = None
    junit_file: Path | None = None
    ktap_file: Path | None = None
    baseline: Path | None = None
    rerun: Path | None = None
    shard: Shard | None = None
    machine: Options = field(default_factory=Options)
    limits: Limits = field(default_factory=Limits)
    jobs: int | None = None
    isolation: Isolation = Isolation.RUN
    quiet: bool = False
    verbose: bool = False
    disturb: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file and directory that the options name, without standard input and output."""
        written = (self.json_file, self.junit_file, self.ktap_file)
        named = (*written, self.baseline, self.rerun, self.machine.modules)
        paths = filter(None, (*map(path_of, self.kernels), *named))
        return tuple(path for path in paths if path != output.STANDARD)

    @property
    def fills_stdout(self) -> bool:
        """True if a file goes to standard output, which must have nothing else."""
        return output.STANDARD in (self.json_file, self.junit_file, self.ktap_file)

    @property
    def narrowed(self) -> bool:
        """True if fewer cells run than the selectors of types and cases choose."""
        return bool(self.loaders or self.rerun or self.shard)


@dataclass(frozen=True)
class _Work:
    """A validated request: the cells to run, and the result to compare with."""

    catalogue: Catalogue
    plan: Plan
    rerun: Rerun | None
    baseline: RunResult | None

    def narrow(self, release: str, cells: Sequence[PlannedCell]) -> Sequence[PlannedCell]:
        """Return the cells to run on a kernel, before they are divided into shards."""
        return self.rerun.narrow(release, cells) if self.rerun else cells

    def excused(self, cell: CellResult) -> bool:
        """Return True if a failure is in the baseline, too."""
        return (series_of(cell.kernel), cell.prog_type, cell.case, cell.loader) in self._known

    @property
    def _known(self) -> set[tuple[str, str, str, str]]:
        cells = self.baseline.cells if self.baseline else ()
        return {
            (series_of(cell.kernel), cell.prog_type, cell.case, cell.loader) for cell in cells if not cell.ok
        }


def kernels_to_rerun(path: Path) -> tuple[str, ...]:
    """Return the selectors of the kernels of a result that had unexpected cells.

    Raises:
        WrongUsage: it is not a result.
    """
    return Rerun(result_files.read([path])).kernels()


def run(request: Request, *, settings: Settings, out: Console, err: Console) -> int:
    """Run the planned cells and return the exit status.

    The request is validated before anything is fetched or booted.

    Args:
        out: console for the report.
        err: console for the progress.

    Raises:
        HarnessError: wrong usage, or the environment failed before the first boot. There is no result.
    """
    work = _validated(request)
    if work.rerun is not None and not work.rerun:
        out.print(f"nothing to run: every cell of {request.rerun} is as expected", soft_wrap=True)
        return ExitStatus.AS_EXPECTED
    outcome = _outcome(request, work, settings, err)
    options = _options(request)
    try:
        _write_files(request, outcome.result, options)
    finally:
        sources = Sources(work.catalogue, options)
        report = TerminalReport(outcome.result, work.catalogue.cases, brief=request.quiet, sources=sources)
        out.print(report, soft_wrap=not out.is_terminal)
    if work.baseline and not outcome.interrupted:
        return _compare(work.baseline, request, outcome.result, out)
    return outcome.exit_status


def check(request: Request) -> None:
    """Check the options.

    Raises:
        WrongUsage: they are wrong or contradict each other.
    """
    _validated(request)


def execute(request: Request, *, settings: Settings, err: Console) -> runner.RunOutcome:
    """Run the planned cells and return the outcome, without files and reports.

    Raises:
        HarnessError: as `run`.
    """
    return _outcome(request, _validated(request), settings, err)


def list_cells(request: Request, *, settings: Settings, out: Console, err: Console) -> int:
    """Print the kernels, program types and cells that the request would run. Fetch and boot nothing.

    Raises:
        HarnessError: wrong usage, or the mirror failed.
    """
    work = _validated(request)

    def cells_of(release: str) -> Sequence[PlannedCell]:
        cells = work.narrow(release, work.plan.cells)
        return request.shard.part(cells) if request.shard else cells

    progress = Silent() if request.quiet else for_console(err)
    modules = request.machine.modules
    kernels = dry_run.names(request.kernels, settings=settings, progress=progress, modules=modules)
    for line in dry_run.as_lines(kernels, cells_of, out.width if out.is_terminal else None):
        out.print(line, markup=False, soft_wrap=True)
    return ExitStatus.AS_EXPECTED


def _validated(request: Request) -> _Work:
    """Return the work of a request.

    Raises:
        WrongUsage: the options are wrong or contradict each other.
    """
    catalogue = loader.load()
    plan = make(catalogue.prog_types, catalogue.cases, request.prog_types, request.cases, request.loaders)
    if request.shard and request.shard.count > len(plan.cells):
        raise WrongUsage(
            f"--shard {request.shard}: there are only {counted(len(plan.cells), 'cell')}",
            "divide the run into fewer shards",
        )
    files = {"--json": request.json_file, "--junit": request.junit_file, "--ktap": request.ktap_file}
    output.check_all(files)
    baseline = result_files.read([request.baseline]) if request.baseline else None
    rerun = Rerun(result_files.read([request.rerun])) if request.rerun else None
    return _Work(catalogue, plan, rerun, baseline)


def _outcome(request: Request, work: _Work, settings: Settings, err: Console) -> runner.RunOutcome:
    """Prepare the backend and run the cells."""
    progress = Timed(Silent() if request.quiet else for_console(err))
    if HOST in request.kernels:
        if request.machine.append or request.machine.modules:
            raise WrongUsage("--append and --modules are for kernels that are booted")
        target = backend.ready(
            request.kernels, work.plan, disturb=request.disturb, settings=settings, progress=progress
        )
    else:
        show = _shows_console(err) if request.verbose else None
        target = _machines(replace(request.machine, on_console=show), request, work.plan, settings, progress)
    outcome = runner.run(
        target.prepared,
        target.plan,
        boot=target.boot,
        folder=run_dir.create(settings.cache),
        progress=progress,
        qemu=target.qemu,
        guest_packages=target.guest_packages,
        jobs=target.jobs,
        isolation=request.isolation,
        first_alone=target.first_alone,
        limits=_limits(request, work, progress),
        narrow=work.narrow,
        shard=request.shard,
    )
    target.leave()
    return outcome


def _limits(request: Request, work: _Work, progress: Timed) -> Limits:
    """Return the limits of the run. The time of the preparation counts."""
    seconds = request.limits.run_seconds
    left = None if seconds is None else max(0.0, seconds - progress.elapsed)
    return replace(request.limits, run_seconds=left, excused=work.excused)


def _shows_console(err: Console) -> Callable[[str, str], None]:
    """Return a function that prints a line of a guest's console with the name of the guest."""

    def show(machine: str, line: str) -> None:
        err.print(f"{machine}| {printable(line)}", style="dim", markup=False, soft_wrap=True)

    return show


def _machines(
    options: Options, request: Request, plan: Plan, settings: Settings, progress: Progress
) -> Backend:
    """Return a backend that boots the kernels of the request."""
    version = qemu.version()
    machines = Machines(request.kernels, options, settings=settings, progress=progress)
    at_a_time = request.jobs or parallelism.default(options.memory_mib)
    return Backend(
        machines.kernels,
        plan,
        machines.start,
        at_a_time,
        version,
        machines.guest_packages,
        first_alone=machines.leaves_snapshot,
    )


def _options(request: Request) -> list[str]:
    """Return the options that a command needs to repeat a cell, beside those in the result."""
    default, given = Options(), request.machine
    values = {
        "--modules": (given.modules, default.modules),
        "--accel": (given.accelerator, default.accelerator),
        "--cpus": (given.cpus, default.cpus),
        "--memory": (given.memory_mib, default.memory_mib),
    }
    words = [word for name, (value, usual) in values.items() if value != usual for word in (name, str(value))]
    return [*words, *(["--disturb"] if request.disturb else [])]


def _compare(baseline: RunResult, request: Request, result: RunResult, out: Console) -> int:
    """Show the changes of the planned cells since the baseline and return the exit status."""
    ran = {(cell.prog_type, cell.case, cell.loader) for cell in result.cells}

    def planned(cell: CellResult) -> bool:
        if request.narrowed:
            return (cell.prog_type, cell.case, cell.loader) in ran
        return fits(cell.prog_type, request.prog_types) and fits(cell.case, request.cases)

    comparison = compare(restricted(result, baseline, planned), result)
    out.print(ComparisonReport(comparison), soft_wrap=not out.is_terminal)
    return int(comparison.run_status)


def _write_files(request: Request, result: RunResult, options: Sequence[str]) -> None:
    if request.json_file:
        output.write(request.json_file, as_json(result).encode())
    if request.junit_file:
        output.write(request.junit_file, as_junit(result))
    if request.ktap_file:
        output.write(request.ktap_file, as_ktap(result, options).encode())
