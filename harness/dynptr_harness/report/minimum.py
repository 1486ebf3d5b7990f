"""The oldest kernel on which each program loads, and what newer kernels change: `probe --minimum`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from dynptr_harness.core.kernel_version import KernelVersion, series_of
from dynptr_harness.core.text import printable
from dynptr_harness.report.probe import WHOLE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

    from dynptr_harness.report.probe import Answer

Program = tuple[str, str, str]  # file, function, program type or section


@dataclass(frozen=True)
class Minimum:
    """The kernels on which a program loads.

    Attributes:
        answers: one for each kernel that answered, oldest kernel first.
        not_answered: kernels that did not answer.
    """

    file: str
    function: str
    prog_type: str
    answers: tuple[Answer, ...]
    not_answered: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True if every kernel answered."""
        return not self.not_answered

    @property
    def older_unknown(self) -> bool:
        """True if a kernel that did not answer may be older than `oldest`."""
        oldest = self.oldest
        return oldest is not None and any(
            KernelVersion(kernel) < KernelVersion(oldest) for kernel in self.not_answered
        )

    @property
    def oldest(self) -> str | None:
        """The release of the oldest kernel on which the program loads, or None."""
        return next((answer.kernel for answer in self.answers if answer.accepted), None)

    @property
    def changes(self) -> tuple[Answer, ...]:
        """The answers of the kernels after the oldest that differ from those of the kernel before."""
        accepted = [answer.accepted for answer in self.answers]
        first = accepted.index(True) if True in accepted else len(accepted)
        return tuple(
            answer
            for before, answer in zip(self.answers[first:], self.answers[first + 1 :], strict=False)
            if answer.accepted != before.accepted
        )

    @property
    def refused_before(self) -> Answer | None:
        """The answer of the newest kernel older than `oldest`; without `oldest`, of the newest kernel."""
        before = None
        for answer in self.answers:
            if answer.accepted:
                break
            before = answer
        return before

    @property
    def loads_from_then_on(self) -> bool:
        """True if the program loads on a kernel and on all newer ones."""
        return self.oldest is not None and not self.changes


def minima(answers: Sequence[Answer], not_answered: Mapping[str, str]) -> list[Minimum]:
    """Return the minimum of each program, in the order of the answers.

    Args:
        not_answered: kernels without answers, with the reason.
    """
    by_program: dict[Program, dict[str, Answer]] = {}
    for answer in answers:
        by_program.setdefault((answer.file, answer.function, answer.prog_type), {})[answer.kernel] = answer
    whole = {program[0]: found for program, found in by_program.items() if program[1] == WHOLE_FILE}
    kernels = sorted({answer.kernel for answer in answers}, key=KernelVersion)
    files_with_programs = {file for file, function, _ in by_program if function != WHOLE_FILE}
    return [
        Minimum(
            *program,
            _in_order(kernels, {**whole.get(program[0], {}), **found}),
            not_answered=tuple(not_answered),
        )
        for program, found in by_program.items()
        if program[1] != WHOLE_FILE or program[0] not in files_with_programs
    ]


def _in_order(kernels: Iterable[str], by_kernel: Mapping[str, Answer]) -> tuple[Answer, ...]:
    return tuple(by_kernel[kernel] for kernel in kernels if kernel in by_kernel)


@dataclass(frozen=True)
class MinimumReport:
    """A rich renderable of minima. It does not crop lines.

    Attributes:
        not_answered: kernels without answers, with the reason.
    """

    programs: Sequence[Minimum]
    not_answered: Mapping[str, str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Render the kernels, and each program with its reasons; called by rich."""
        names = _names({*self.not_answered, *(each.kernel for one in self.programs for each in one.answers)})
        answered = [name for kernel, name in names.items() if kernel not in self.not_answered]
        yield Text(f"kernels: {', '.join(answered) or 'none answered'}")
        several = len({each.file for each in self.programs}) > 1
        for program in self.programs:
            name = f"{program.file}: {program.function}" if several else program.function
            yield Text(f"\n{name} as {program.prog_type}: {_verdict(program, names)}", "bold")
            for line in _reasons(program, names):
                yield Text(f"  {line}")
        if self.not_answered:
            yield Text("")
        for kernel in sorted(self.not_answered, key=KernelVersion):
            yield Text(f"{names[kernel]} not answered: {printable(self.not_answered[kernel])}")


def _names(kernels: Iterable[str]) -> dict[str, str]:
    """Return the series of each release, or the release if two kernels are of the same series."""
    ordered = sorted(kernels, key=KernelVersion)
    series = [series_of(kernel) for kernel in ordered]
    return {
        kernel: name if series.count(name) == 1 else kernel
        for kernel, name in zip(ordered, series, strict=True)
    }


def _verdict(program: Minimum, names: Mapping[str, str]) -> str:
    if program.oldest is None:
        return "loads on no kernel" if program.complete else "loads on no kernel that answered"
    changes = [
        f"{'accepted' if change.accepted else 'rejected'} again on {names[change.kernel]}"
        for change in program.changes
    ]
    limit = ""
    if program.older_unknown:
        limit = ", or an older kernel that is not answered"
    elif program.answers[0].accepted:
        limit = ", the oldest that was asked"
    return "; ".join([f"loads from {names[program.oldest]}{limit}", *changes])


def _reasons(program: Minimum, names: Mapping[str, str]) -> Iterator[str]:
    before = program.refused_before
    refused = [*([before] if before else []), *(each for each in program.changes if not each.accepted)]
    for answer in refused:
        who = answer.refused_by
        reason = printable(answer.reason).rstrip()
        words = f"{who}: {reason}" if who and not reason.startswith(who) else reason
        yield f"{names[answer.kernel]}: {words}"


def as_fields(programs: Sequence[Minimum], not_answered: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields that `--minimum` adds to the JSON of `probe`."""
    return {
        "minimum": [
            {
                "file": each.file,
                "function": each.function,
                "prog_type": each.prog_type,
                "oldest": each.oldest,
                "complete": each.complete,
                "changes": [_change(answer) for answer in each.changes],
                "refused_before": _change(each.refused_before) if each.refused_before else None,
            }
            for each in programs
        ],
        "not_answered": [
            {"kernel": kernel, "reason": reason} for kernel, reason in sorted(not_answered.items())
        ],
    }


def _change(answer: Answer) -> dict[str, Any]:
    return {
        "kernel": answer.kernel,
        "accepted": answer.accepted,
        "refused_by": answer.refused_by,
        "reason": answer.reason,
    }
