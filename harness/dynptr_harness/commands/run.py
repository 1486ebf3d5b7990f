"""The command `run`: plan, prepare, run, write files, report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dynptr_harness.conformance import loader
from dynptr_harness.conformance.plan import fits, make
from dynptr_harness.core import output, run_dir
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.progress import Silent
from dynptr_harness.host import HOST, backend
from dynptr_harness.kernels import path_of
from dynptr_harness.report.comparison import ComparisonReport
from dynptr_harness.report.console_progress import for_console
from dynptr_harness.report.junit import as_junit
from dynptr_harness.report.terminal import TerminalReport
from dynptr_harness.results import files as result_files
from dynptr_harness.results.comparison import compare, restricted
from dynptr_harness.results.json_format import as_json
from dynptr_harness.runner import parallelism, runner
from dynptr_harness.runner.backend import Backend
from dynptr_harness.runner.isolation import Isolation
from dynptr_harness.runner.timing import Timed
from dynptr_harness.vm import qemu
from dynptr_harness.vm.launcher import Machines, Options

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.plan import Plan
    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.results.model import RunResult


@dataclass(frozen=True)
class Request:
    """The options of the command."""

    kernels: tuple[str, ...]
    prog_types: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    json_file: Path | None = None
    junit_file: Path | None = None
    baseline: Path | None = None
    machine: Options = field(default_factory=Options)
    jobs: int | None = None
    isolation: Isolation = Isolation.RUN
    quiet: bool = False
    disturb: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file and directory that the options name."""
        named = (self.json_file, self.junit_file, self.baseline, self.machine.modules)
        return tuple(filter(None, (*map(path_of, self.kernels), *named)))


def run(request: Request, *, settings: Settings, out: Console, err: Console) -> int:
    """Run the planned cells and return the exit status.

    The request is validated before anything is fetched or booted.

    Args:
        out: console for the report.
        err: console for the progress.

    Raises:
        HarnessError: wrong usage, or the environment failed before the first boot. There is no result.
    """
    catalogue = loader.load()
    plan = make(catalogue.prog_types, catalogue.cases, request.prog_types, request.cases)
    output.check_all({"--json": request.json_file, "--junit": request.junit_file})
    baseline = result_files.read([request.baseline]) if request.baseline else None
    progress = Timed(Silent() if request.quiet else for_console(err))
    if HOST in request.kernels:
        if request.machine.append or request.machine.modules:
            raise WrongUsage("--append and --modules are for kernels that are booted")
        target = backend.ready(
            request.kernels, plan, disturb=request.disturb, settings=settings, progress=progress
        )
    else:
        target = _machines(request, plan, settings, progress)
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
    )
    target.leave()
    try:
        _write_files(request, outcome.result)
    finally:
        report = TerminalReport(outcome.result, catalogue.cases, brief=request.quiet)
        out.print(report, soft_wrap=not out.is_terminal)
    if baseline and not outcome.interrupted:
        return _compare(baseline, request, outcome.result, out)
    return outcome.exit_status


def _machines(request: Request, plan: Plan, settings: Settings, progress: Progress) -> Backend:
    """Return a backend that boots the kernels of the request."""
    version = qemu.version()
    machines = Machines(request.kernels, request.machine, settings=settings, progress=progress)
    at_a_time = request.jobs or parallelism.default(request.machine.memory_mib)
    return Backend(
        machines.kernels,
        plan,
        machines.start,
        at_a_time,
        version,
        machines.guest_packages,
        first_alone=machines.leaves_snapshot,
    )


def _compare(baseline: RunResult, request: Request, result: RunResult, out: Console) -> int:
    """Show the changes of the planned cells since the baseline and return the exit status."""

    def planned(cell: CellResult) -> bool:
        return fits(cell.prog_type, request.prog_types) and fits(cell.case, request.cases)

    comparison = compare(restricted(result, baseline, planned), result)
    out.print(ComparisonReport(comparison), soft_wrap=not out.is_terminal)
    return int(comparison.run_status)


def _write_files(request: Request, result: RunResult) -> None:
    if request.json_file:
        output.write(request.json_file, as_json(result).encode())
    if request.junit_file:
        output.write(request.junit_file, as_junit(result))
