"""The commands that test kernels with random input: fuzz and fuzz-programs."""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dynptr_harness.cli import completion
from dynptr_harness.cli.app import app, say
from dynptr_harness.cli.options import KernelOption, ProbeOptions, console_on, expand_options
from dynptr_harness.core.errors import ExitStatus, WrongUsage
from dynptr_harness.core.output import STANDARD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from dynptr_harness.commands.fuzz_session import FuzzLimits

DEFAULT_SECONDS = 60.0


@dataclass(frozen=True)
class FuzzOptions(ProbeOptions):
    """Options of the commands that test kernels with random input."""

    seconds: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="N", help="Run for N seconds per kernel. Default: 60.", show_default=False
        ),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(metavar="S", help="Repeat the run with this seed.", show_default=False),
    ] = None
    replay: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Run only this replay file; `-` is standard input."),
    ] = None
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Directory for replay files.")
    ] = Path()

    def __post_init__(self) -> None:
        if not self.output.is_dir():
            raise WrongUsage(f"there is no directory {self.output}", "create it, or name another one")

    def limits(self, inputs: int | None) -> FuzzLimits:
        """Return when a run ends, with `inputs` as the option of the command."""
        from dynptr_harness.commands.fuzz_session import FuzzLimits

        default = DEFAULT_SECONDS if inputs is None else None
        return FuzzLimits(default if self.seconds is None else self.seconds, inputs)

    def chosen_seed(self) -> int:
        """Return the seed, a random one if none was given."""
        return secrets.randbelow(1 << 31) if self.seed is None else self.seed

    @property
    def replayed(self) -> tuple[str, str] | None:
        """The text and the name of the replay file."""
        return (_text(self.replay), str(self.replay)) if self.replay else None


@app.command()
@expand_options
def fuzz(
    *,
    kernel: KernelOption = ["6.12"],  # noqa: B006  (typer copies it)
    prog_type: Annotated[
        str,
        typer.Option(
            "--prog-type",
            "-t",
            metavar="TYPE",
            help="Program type to load. See `types`.",
            autocompletion=completion.prog_types,
        ),
    ] = "RAW_TRACEPOINT",
    sequences: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of sequences per kernel.", show_default=False),
    ] = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="Show the coverage of the sequences.")] = False,
    boot: FuzzOptions,
) -> None:
    """Run random sequences of actions and compare each reply with a model of the kernel.

    An action is an event whose program reserves, accesses and releases records, or a call of user space that
    reads the ring or waits for it. A sequence that differs from the model is reduced to the shortest one that
    still differs and written to a replay file.

    Exit status: 0 no difference, 1 a difference, 3 no difference, but a sequence has no answer.

    Examples:

    * `dynptr-harness fuzz --kernel 7.3 --seconds 600`
    * `dynptr-harness fuzz --kernel 6.1 --seed 7 --sequences 1000 -t XDP`
    * `dynptr-harness fuzz --replay fuzz-6.12.117-7-31.json`
    """
    from dynptr_harness.commands import fuzz as fuzzing
    from dynptr_harness.conformance.fuzz.sequence import Sequence
    from dynptr_harness.conformance.loader import load
    from dynptr_harness.vm.launcher import Machines

    names = {each.name.upper(): each.name for each in load().prog_types if each.offers_helper}
    if prog_type.upper() not in names:
        raise WrongUsage(
            f"there is no program type {prog_type!r} that allows the helper",
            "`dynptr-harness types` lists the program types",
        )
    again = Sequence.from_json(*boot.replayed)[0] if boot.replayed else None
    seed, limits = boot.chosen_seed(), boot.limits(sequences)
    progress, out = boot.progress(), console_on()
    machines = Machines(kernel, boot.options(), settings=boot.settings(), progress=progress)
    statuses = [ExitStatus.AS_EXPECTED]
    for prepared in machines.kernels:
        fuzzer = fuzzing.Fuzzer(machines, prepared, names[prog_type.upper()], progress.tell)
        if again:
            lines = fuzzer.replay(again)
            statuses.append(ExitStatus.NOT_AS_EXPECTED if lines else ExitStatus.AS_EXPECTED)
            _print(out, lines or ["no difference"])
            continue
        result = fuzzer.run(seed, limits)
        statuses.append(result.status)
        _print(out, fuzzing.report(result, coverage=coverage))
        for found in result.found:
            say(f"replay file: {fuzzing.write(found, result, boot.output)}")
    raise typer.Exit(_worst(statuses))


@app.command(name="fuzz-programs")
@expand_options
def fuzz_programs(
    *,
    kernel: KernelOption = ["6.12"],  # noqa: B006  (typer copies it)
    programs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of programs per kernel.", show_default=False),
    ] = None,
    boot: FuzzOptions,
) -> None:
    """Load random programs and compare the answers of the verifier with an oracle.

    The oracle walks all paths of a program and decides whether it follows the rules. Fails if a kernel
    accepts a program that breaks one, if it crashes, or if a safe program leaves other records than the
    model predicts. Lists safe programs that a kernel rejects, and programs on which the kernels disagree.

    Exit status: 0 no failure, 1 a failure, 3 no failure, but a program has no answer.

    Examples:

    * `dynptr-harness fuzz-programs --kernel 6.1 --kernel 7.3 --programs 2000 --seed 7`
    * `dynptr-harness fuzz-programs --replay fuzz-program-6.12.117-7-31.json`
    """
    from dynptr_harness.commands import fuzz_programs as fuzzing
    from dynptr_harness.conformance.fuzz.programs import RandomProgram
    from dynptr_harness.vm.launcher import Machines

    again = RandomProgram.from_json(*boot.replayed) if boot.replayed else None
    seed, limits = boot.chosen_seed(), boot.limits(programs)
    progress, out = boot.progress(), console_on()
    machines = Machines(kernel, boot.options(), settings=boot.settings(), progress=progress)
    source, results, statuses = fuzzing.JudgedPrograms(seed), [], [ExitStatus.AS_EXPECTED]
    for prepared in machines.kernels:
        fuzzer = fuzzing.ProgramFuzzer(machines, prepared, progress.tell)
        if again:
            verdict = fuzzing.ProgramVerdict(*fuzzer.replay(again))
            statuses.append(ExitStatus.NOT_AS_EXPECTED if verdict.failed else ExitStatus.AS_EXPECTED)
            _print(out, verdict.lines(again))
            continue
        result = fuzzer.run(source, seed, limits)
        results.append(result)
        statuses.append(result.status)
        _print(out, fuzzing.report(result))
        for failure in result.failures:
            say(f"replay file: {fuzzing.write(failure, result, boot.output)}")
    if len(results) > 1:
        _print(out, fuzzing.compare(results, source))
    raise typer.Exit(_worst(statuses))


def _worst(statuses: list[ExitStatus]) -> ExitStatus:
    """Return the status of all kernels: a failure of any comes before a missing answer."""
    return ExitStatus.NOT_AS_EXPECTED if ExitStatus.NOT_AS_EXPECTED in statuses else max(statuses)


def _text(path: Path) -> str:
    try:
        if path == STANDARD:
            return sys.stdin.buffer.read().decode()
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise WrongUsage(f"cannot read {path}: {error}", "give a file that `fuzz` wrote") from error


def _print(out: Console, lines: Iterable[str]) -> None:
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)
