"""The catalogue as a command takes it: found to be sound, with the C programs at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.conformance.c_sources import Programs
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.not_tested import EXCEPTIONS
from dynptr_harness.conformance.plan import choose
from dynptr_harness.conformance.validate import validate
from dynptr_harness.core.paths import bpf_src

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynptr_harness.conformance.case import Case
    from dynptr_harness.conformance.prog_types import ProgType


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
        """Cases and exceptions as in `dynptr_harness.conformance.plan.choose`."""
        return choose(self.cases, self.exceptions, ids, groups)


def load() -> Catalogue:
    """The catalogue, once it is known to be sound.

    Raises:
        WrongUsage: a row is wrong; see `dynptr_harness.conformance.validate`.
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
