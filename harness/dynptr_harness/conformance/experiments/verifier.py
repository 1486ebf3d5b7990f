"""Rows that only load programs, with the expected answers of the verifier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.case import Case, Difference, Splat
from dynptr_harness.conformance.experiments.base import Finding
from dynptr_harness.core.verifier_log import reasons_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dynptr_harness.conformance.experiments.base import Reply
    from dynptr_harness.conformance.prog_types import ProgType, Version

# The type for rows that do not depend on it.
ONE_TYPE = ("RAW_TRACEPOINT",)
ALL_TYPES = ()

BOTH_LOADERS = ("bcc", "libbpf")


@dataclass(frozen=True)
class VerifierProgram:
    """A C function as a program, and the verifier's answer.

    Attributes:
        name: name of the function.
        errno: expected error; 0 if the program must be accepted.
        reasons: parts of the verifier log that must all occur. The whole log is searched, because newer
            kernels print more lines after the reason.
    """

    name: str
    errno: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """The expected answer in words."""
        return _answer(self.errno, "; ".join(self.reasons)) if self.errno else "accepted"

    def seen(self, reply: Reply) -> str:
        """Return the actual answer in words, equal to `answer` if it is as expected."""
        if not reply:
            return "not tried"
        if reply["accepted"]:
            return "accepted"
        as_expected = bool(self.errno) and all(reason in reply["log"] for reason in self.reasons)
        return _answer(reply["errno"], "; ".join(self.reasons) if as_expected else last_reason(reply["log"]))


def _answer(errno: int, reason: str) -> str:
    return f"refused with {-errno}: {reason}"


def last_reason(log: str) -> str:
    """Return the last reason in a verifier log."""
    return (reasons_in(log) or ["(no log)"])[-1]


@dataclass(frozen=True)
class HelperCall:
    """A C function that calls a helper. The verifier must know the helper, even if it rejects the program.

    Attributes:
        name: name of the function.
        helper: number of the helper.
        known: True if the kernel has the helper.
    """

    name: str
    helper: int
    known: bool = True

    @property
    def answer(self) -> str:
        """The expected answer in words."""
        return f"helper {self.helper} {'known' if self.known else 'unknown'}"

    def seen(self, reply: Reply) -> str:
        """Return the actual answer in words."""
        if not reply:
            return "not tried"
        log = "" if reply["accepted"] else reply["log"]
        return replace(self, known=f"invalid func unknown#{self.helper}\n" not in log).answer


def accepted(name: str) -> VerifierProgram:
    """Return a program that the verifier must accept."""
    return VerifierProgram(name)


def refused(name: str, errno: int, *reasons: str) -> VerifierProgram:
    """Return a program that the verifier must reject for these reasons."""
    return VerifierProgram(name, errno, reasons)


@dataclass(frozen=True)
class Verification:
    """Loads programs and never attaches them, because old kernels accept some unsafe ones.

    Attributes:
        programs: each rejected program with its accepted twin, the corrected version.
        object: name of the file: bpf_src/cases/NAME.c for BCC, bpf_src/elf/NAME.bpf.c for libbpf.
        sections: load each program with the type of its section, not the type of the cell.
    """

    programs: tuple[VerifierProgram | HelperCall, ...]
    object: str
    sections: bool = False

    def request(self) -> dict[str, Any]:
        return {
            "kind": "load",
            "object": self.object,
            "sections": self.sections,
            "functions": [program.name for program in self.programs],
        }

    def findings(self, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Iterator[Finding]:  # noqa: ARG002
        functions = reply.get("functions", {})
        for program in self.programs:
            yield Finding(f"{program.name} is", program.answer, program.seen(functions.get(program.name, {})))

    def with_answers(self, *programs: VerifierProgram | HelperCall) -> Verification:
        """Return a copy with other answers for some programs."""
        others = {program.name: program for program in programs}
        unknown = others.keys() - {program.name for program in self.programs}
        if unknown:
            raise ValueError(f"no such programs in the row: {', '.join(sorted(unknown))}")
        return replace(self, programs=tuple(others.get(each.name, each) for each in self.programs))


@dataclass(frozen=True)
class Older:
    """Different answers of older kernels to some programs of a row.

    Attributes:
        before: first version without the old answers.
        source: the change in the kernel.
        programs: the programs with their old answers.
        defect: True if the old answers are wrong.
        since: first version with the old answers, if even older versions do not have them.
    """

    before: Version
    source: str
    programs: tuple[VerifierProgram | HelperCall, ...]
    defect: bool = False
    since: Version | None = None


def row(
    case_id: str,
    title: str,
    file: str,
    programs: tuple[VerifierProgram | HelperCall, ...],
    source: str,
    older: tuple[Older, ...] = (),
    *,
    types: tuple[str, ...] = ONE_TYPE,
    loaders: tuple[str, ...] = BOTH_LOADERS,
    kfuncs: tuple[str, ...] = (),
    needs_types: tuple[str, ...] = (),
    without_helper: bool = False,
    splats: tuple[Splat, ...] = (),
) -> Case:
    """Return a row that loads programs.

    Args:
        file: name of the C file, in bpf_src/cases and bpf_src/elf, or only in the latter for ('libbpf',).
        older: answers of older kernels.
        kfuncs: kfuncs that the programs call.
        needs_types: types of the programs, other than that of the cell.
        without_helper: True if the row also applies to kernels without the helper.
        splats: known warnings of the kernel.
    """
    verification = Verification(programs, file, sections=loaders == ("libbpf",))
    differences = tuple(
        Difference(
            verification.with_answers(*each.programs), each.source, each.before, each.since, each.defect
        )
        for each in older
    )
    return Case(
        case_id,
        title,
        verification,
        source,
        differences,
        loaders=loaders,
        types=types,
        kfuncs=kfuncs,
        needs_types=needs_types,
        without_helper=without_helper,
        splats=splats,
    )
