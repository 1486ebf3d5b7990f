"""The catalogue as a command takes it: found to be sound, with the C programs at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.conformance.catalogue import CASES, PROG_TYPES
from harness.conformance.exceptions import EXCEPTIONS
from harness.conformance.programs import Programs
from harness.conformance.validate import validate
from harness.guest_image.payload import bpf_src
from harness.plan import choose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.conformance.case import Case
    from harness.conformance.prog_types import ProgType


@dataclass(frozen=True)
class Catalogue:
    """The cases, the rows that are no test with the reason, the program types, and the C programs.

    Attributes:
        texts: the text of each C file, by its path below the folder of the C programs.
    """

    cases: Sequence[Case]
    exceptions: Mapping[str, str]
    prog_types: Sequence[ProgType]
    programs: Programs
    texts: Mapping[str, str]

    def choose(self, ids: Sequence[str], groups: Sequence[str] = ()) -> tuple[list[Case], dict[str, str]]:
        """Cases and exceptions as in `harness.plan.choose`."""
        return choose(self.cases, self.exceptions, ids, groups)


def load() -> Catalogue:
    """The catalogue, once it is known to be sound.

    Raises:
        WrongUsage: a row is wrong; see `harness.conformance.validate`.
    """
    texts = _texts()
    programs = Programs(texts)
    validate(CASES, PROG_TYPES, EXCEPTIONS, programs)
    return Catalogue(CASES, EXCEPTIONS, PROG_TYPES, programs, texts)


def _texts() -> dict[str, str]:
    """The text of every C file, by its path below the folder of the C programs."""
    folder = bpf_src()
    paths = sorted(folder.rglob("*.[ch]"))
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in paths}
