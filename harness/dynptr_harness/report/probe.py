"""Answers of kernels to users' programs: a matrix followed by the reasons, or JSON."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from errno import errorcode
from typing import TYPE_CHECKING, Any, TypeVar

from rich.text import Text

from dynptr_harness import __version__
from dynptr_harness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

Key = TypeVar("Key", bound="Hashable")
_REFERENCE = re.compile(r"\b(ref_obj_id|ref_id|id)=\d+")
WHOLE_FILE = "(all)"  # replaces the function if the file is refused before its programs are known
MOST_NAMES = 6  # in the heading of a reason


@dataclass(frozen=True)
class Answer:
    """Answer of one kernel to one function in one type.

    Attributes:
        kernel: kernel release.
        function: name of the program.
        prog_type: program type of the load, or the section.
        errno: errno of the refusal, if there is one.
        reason: one line.
        log: verifier log or libbpf's messages; after a crash, the end of the console.
        refused_by: a `Refuser`, or 'crash'; '' if the program is accepted.
        file: the file as given on the command line.
    """

    kernel: str
    function: str
    prog_type: str
    accepted: bool
    errno: int | None = None
    reason: str = ""
    log: str | None = None
    refused_by: str = ""
    file: str = ""

    @property
    def word(self) -> str:
        """The answer in one word."""
        if self.accepted:
            return "accepted"
        return errorcode.get(self.errno, str(self.errno)) if self.errno else self.reason.partition(":")[0]


@dataclass(frozen=True)
class ProbeReport:
    """A rich renderable of the answers. It does not crop lines.

    Attributes:
        with_log: show whole logs instead of reasons.
    """

    answers: Sequence[Answer]
    with_log: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Render the matrix and the reasons; called by rich."""
        yield from self._matrix()
        several = len({answer.file for answer in self.answers}) > 1
        refused = [answer for answer in self.answers if not answer.accepted]
        for (who, _), alike in _grouped(refused, lambda each: (each.refused_by, self._kind(each))):
            reason = self._why(alike[0])
            yield Text("")
            for heading in _headings(alike, with_file=several):
                yield Text(heading, "bold")
            yield Text(f"{who}: {reason}" if who and not reason.startswith(who) else reason)

    def _matrix(self) -> Iterator[Text]:
        kernels = list(dict.fromkeys(answer.kernel for answer in self.answers))
        several = len({answer.file for answer in self.answers}) > 1
        rows = [("file", "program", "loaded as", *kernels)]
        for row, answers in _grouped(self.answers, lambda each: (each.file, each.function, each.prog_type)):
            by_kernel = {answer.kernel: answer for answer in answers}
            words = [by_kernel[kernel].word if kernel in by_kernel else "" for kernel in kernels]
            rows.append((*row, *words))
        columns = list(zip(*rows, strict=True))[0 if several else 1 :]
        widths = [max(map(len, column)) for column in columns]
        answers_from = len(columns) - len(kernels)
        for number, row in enumerate(zip(*columns, strict=True)):
            line = Text()
            for place, (value, width) in enumerate(zip(row, widths, strict=True)):
                is_answer = number and place >= answers_from
                line.append(value, _style(value) if is_answer else "" if number else "bold")
                line.append(" " * (width - len(value) + 2))
            line.rstrip()
            yield line

    def _kind(self, answer: Answer) -> str:
        """Return the reason without reference IDs, which differ between kernels."""
        return _REFERENCE.sub("", self._why(answer))

    def _why(self, answer: Answer) -> str:
        text = answer.log if self.with_log and answer.log else answer.reason
        return printable(text).rstrip()


def _style(word: str) -> str:
    return "green" if word == "accepted" else "red"


def _grouped(items: Iterable[Answer], key: Callable[[Answer], Key]) -> Iterator[tuple[Key, list[Answer]]]:
    groups: dict[Key, list[Answer]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    yield from groups.items()


def _headings(answers: Sequence[Answer], *, with_file: bool) -> Iterator[str]:
    """Yield as few lines as possible that name the programs, types and kernels of all answers."""
    kernels = {
        program: tuple(dict.fromkeys(answer.kernel for answer in alike))
        for program, alike in _grouped(answers, lambda each: (each.file, each.function, each.prog_type))
    }
    types: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (file, function, prog_type), places in kernels.items():
        types.setdefault((file, function, places), []).append(prog_type)
    functions: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (file, function, places), of_function in types.items():
        program = f"{file}: {function}" if with_file else function
        functions.setdefault((tuple(of_function), places), []).append(program)
    for (of_functions, places), whose in functions.items():
        yield f"{_listed(whose)} as {_listed(of_functions)} on {_listed(places)}:"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMES])
    more = len(names) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def as_document(answers: Sequence[Answer], files: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the answers for `--json`.

    With several files, `file` and `loader` are null.

    Args:
        files: each file with its loader.
    """
    file, loader = files[0] if len(files) == 1 else (None, None)
    return {
        "schema_version": 1,
        "harness": __version__,
        "file": file,
        "loader": loader,
        "files": [{"file": file, "loader": loader} for file, loader in files],
        "answers": [asdict(answer) for answer in answers],
    }
