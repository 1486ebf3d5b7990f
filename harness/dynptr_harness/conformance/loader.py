"""The validated catalogue together with the C programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.conformance.c_sources import Programs
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.not_tested import NOT_TESTED
from dynptr_harness.conformance.plan import choose
from dynptr_harness.conformance.validate import validate
from dynptr_harness.core.paths import bpf_src

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynptr_harness.conformance.case import Case
    from dynptr_harness.conformance.prog_types import ProgType


@dataclass(frozen=True)
class Catalogue:
    """The catalogue and the C programs.

    Attributes:
        not_tested: reason for each row that has no test, by its ID.
        texts: text of each C file, by its path relative to bpf_src.
    """

    cases: Sequence[Case]
    not_tested: Mapping[str, str]
    prog_types: Sequence[ProgType]
    programs: Programs
    texts: Mapping[str, str]

    def choose(self, ids: Sequence[str], groups: Sequence[str] = ()) -> tuple[list[Case], dict[str, str]]:
        """Choose rows; see `dynptr_harness.conformance.plan.choose`."""
        return choose(self.cases, self.not_tested, ids, groups)


def load() -> Catalogue:
    """Validate and return the catalogue.

    Raises:
        WrongUsage: a row is wrong; see `dynptr_harness.conformance.validate`.
    """
    texts = _texts()
    programs = Programs(texts)
    validate(CASES, PROG_TYPES, NOT_TESTED, programs)
    return Catalogue(CASES, NOT_TESTED, PROG_TYPES, programs, texts)


def _texts() -> dict[str, str]:
    """Return the text of each C file, by its path relative to bpf_src."""
    directory = bpf_src()
    paths = sorted(directory.rglob("*.[ch]"))
    return {str(path.relative_to(directory)): path.read_text(encoding="utf-8") for path in paths}
