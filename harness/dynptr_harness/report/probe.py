"""What kernels said of a person's own programs: a matrix, the reasons below it, or JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from errno import errorcode
from itertools import groupby
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from dynptr_harness import __version__
from dynptr_harness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType


@dataclass(frozen=True)
class Answer:
    """What one kernel said of one function in one type.

    Attributes:
        kernel: its release.
        function: the program.
        prog_type: the type that it was loaded into, or the section that says so.
        accepted: whether it was loaded.
        errno: of the refusal, where there is one.
        reason: the line of the verifier's log that says why it was not.
        log: the whole log; of a kernel that did not survive it, the end of its console.
    """

    kernel: str
    function: str
    prog_type: str
    accepted: bool
    errno: int | None = None
    reason: str = ""
    log: str | None = None

    @property
    def word(self) -> str:
        """The answer in one word."""
        if self.accepted:
            return "accepted"
        return errorcode.get(self.errno, str(self.errno)) if self.errno else self.reason.partition(":")[0]


@dataclass(frozen=True)
class ProbeReport:
    """The answers as something rich prints.

    Attributes:
        with_log: show whole logs in place of reasons.
    """

    answers: Sequence[Answer]
    with_log: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """What rich calls to print this."""
        kernels = list(dict.fromkeys(answer.kernel for answer in self.answers))
        table = Table("program", "loaded as", *kernels, box=None, pad_edge=False, header_style="bold")
        found = {(each.function, each.prog_type, each.kernel): each for each in self.answers}
        for function, prog_type in dict.fromkeys((each.function, each.prog_type) for each in self.answers):
            words = [_word(found[function, prog_type, kernel]) for kernel in kernels]
            table.add_row(function, prog_type, *words)
        yield table
        refused = [answer for answer in self.answers if not answer.accepted]
        for (function, reason), alike in groupby(refused, lambda each: (each.function, self._why(each))):
            places = [f"{answer.prog_type} on {answer.kernel}" for answer in alike]
            others = f" and {len(places) - 1} more" if len(places) > 1 else ""
            yield Text(f"\n{function} as {places[0]}{others}:", "bold")
            yield Text(reason)

    def _why(self, answer: Answer) -> str:
        text = answer.log if self.with_log and answer.log else answer.reason
        return printable(text).rstrip()


def _word(answer: Answer) -> Text:
    return Text(answer.word, "green" if answer.accepted else "red")


def as_document(answers: Sequence[Answer], file: str, loader: str) -> dict[str, object]:
    """The answers for `--json`."""
    return {
        "schema_version": 1,
        "harness": __version__,
        "file": file,
        "loader": loader,
        "answers": [asdict(answer) for answer in answers],
    }
