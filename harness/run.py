"""The command `run` from beginning to end: plan, make ready, ask, write files, show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import asking, output_file, run_folder, sound_catalogue
from harness.errors import WrongUsage
from harness.plan import make
from harness.prepare import prepare
from harness.progress import Silent
from harness.report.json_report import as_json
from harness.report.junit import as_junit
from harness.report.progress import Timed, for_console
from harness.report.terminal import TerminalReport
from harness.vm import qemu
from harness.vm.qemu import Spec
from harness.vm.snapshot import Snapshots, boot

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from harness.prepare import Subject
    from harness.report.results import RunResult
    from harness.settings import Settings
    from harness.vm.machine import Machine


@dataclass(frozen=True)
class Request:
    """What a person asked for; the fields are the options of the command."""

    kernels: tuple[str, ...]
    prog_types: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    json_file: Path | None = None
    junit_file: Path | None = None
    modules: Path | None = None
    accelerator: str = "auto"
    cpus: int = 2
    memory_mib: int = 1024
    snapshot: bool = True
    quiet: bool = False


def run(request: Request, *, settings: Settings, out: Console, err: Console) -> int:
    """Do what was asked and return the exit status.

    What can be found wrong with the request is found before anything is fetched or booted.

    Args:
        out: gets the report.
        err: gets the progress.

    Raises:
        HarnessError: there is no result: wrong usage, or the environment failed before the first boot.
    """
    catalogue = sound_catalogue.load()
    plan = make(catalogue.prog_types, catalogue.cases, request.prog_types, request.cases)
    _check_files(request)
    version = qemu.version()
    progress = Timed(Silent() if request.quiet else for_console(err))
    subjects, image = prepare(
        request.kernels,
        settings=settings,
        progress=progress,
        modules=request.modules,
        accelerator=request.accelerator,
    )

    start = Snapshots(settings).start if request.snapshot and settings.snapshot_limit_mib else boot

    async def machine(subject: Subject, folder: Path) -> Machine:
        spec = Spec(subject.files, subject.accelerator, request.memory_mib, request.cpus)
        return await start(spec, folder)

    outcome = asking.ask(
        subjects,
        plan,
        boot=machine,
        folder=run_folder.create(settings.cache),
        progress=progress,
        qemu=version,
        guest_packages=image.packages,
    )
    try:
        _write_files(request, outcome.result)
    finally:
        report = TerminalReport(outcome.result, catalogue.cases, brief=request.quiet)
        out.print(report, soft_wrap=not out.is_terminal)
    return outcome.exit_status


def _check_files(request: Request) -> None:
    for option, path in (("--json", request.json_file), ("--junit", request.junit_file)):
        if path:
            output_file.check(option, path)
    if (
        request.json_file
        and request.junit_file
        and request.json_file.resolve() == request.junit_file.resolve()
    ):
        raise WrongUsage(f"--json and --junit both name {request.json_file}", "name two files")


def _write_files(request: Request, result: RunResult) -> None:
    if request.json_file:
        output_file.write(request.json_file, as_json(result).encode())
    if request.junit_file:
        output_file.write(request.junit_file, as_junit(result))
