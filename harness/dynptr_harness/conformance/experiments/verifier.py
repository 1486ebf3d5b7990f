"""Programs given to the verifier, and what it must answer: rows that no event fires."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.case import Case, Difference, Splat
from dynptr_harness.conformance.experiments.base import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dynptr_harness.conformance.experiments.base import Reply
    from dynptr_harness.conformance.prog_types import ProgType, Version

# What does not depend on the type of the program is asked in one type.
ONE_TYPE = ("RAW_TRACEPOINT",)
ALL_TYPES = ()

BOTH_LOADERS = ("bcc", "libbpf")


@dataclass(frozen=True)
class VerifierProgram:
    """A C function as a program, and the verifier's answer.

    Attributes:
        name: of the function.
        errno: of the refusal; 0 if the program must be accepted.
        reasons: distinctive parts of the verifier's log, all of which must be there. The whole log is
            searched: newer kernels print more lines after the one that tells.
    """

    name: str
    errno: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """What the verifier must say, for people."""
        return _answer(self.errno, "; ".join(self.reasons)) if self.errno else "accepted"

    def seen(self, reply: Reply) -> str:
        """What it did say, in the same words where it is the same."""
        if not reply:
            return "not tried"
        if reply["accepted"]:
            return "accepted"
        told = bool(self.errno) and all(reason in reply["log"] for reason in self.reasons)
        return _answer(reply["errno"], "; ".join(self.reasons) if told else telling_line(reply["log"]))


def _answer(errno: int, reason: str) -> str:
    return f"refused with {-errno}: {reason}"


def telling_line(log: str) -> str:
    """The last line of a verifier's log that is not about its work, nor of the report that newer ones add."""
    classic = log.partition("\nVerification failed:")[0]
    lines = [line for line in classic.splitlines() if line.strip() and not line.startswith("processed ")]
    return lines[-1] if lines else "(no log)"


@dataclass(frozen=True)
class HelperCall:
    """A C function that calls a helper, as a program: refused or not, the verifier must know the helper.

    Attributes:
        name: of the function.
        helper: number of the helper.
        known: whether the kernel has it.
    """

    name: str
    helper: int
    known: bool = True

    @property
    def answer(self) -> str:
        """What the verifier must say, for people."""
        return f"helper {self.helper} {'known' if self.known else 'unknown'}"

    def seen(self, reply: Reply) -> str:
        """What it did say, in the same words."""
        if not reply:
            return "not tried"
        log = "" if reply["accepted"] else reply["log"]
        return replace(self, known=f"invalid func unknown#{self.helper}\n" not in log).answer


def accepted(name: str) -> VerifierProgram:
    """A program that the verifier must take."""
    return VerifierProgram(name)


def refused(name: str, errno: int, *reasons: str) -> VerifierProgram:
    """A program that the verifier must refuse for these reasons."""
    return VerifierProgram(name, errno, reasons)


@dataclass(frozen=True)
class Verification:
    """Programs loaded and let go again, never attached: some are unsafe, and an old kernel takes them.

    Attributes:
        programs: with each that is refused, its twin that is accepted: the same, made right.
        object: file of the programs: bpf_src/cases/NAME.c for BCC, bpf_src/elf/NAME.bpf.c for libbpf.
        sections: load each program into the type that its section names, not into the cell's.
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
        """The same programs with other answers for some."""
        others = {program.name: program for program in programs}
        unknown = others.keys() - {program.name for program in self.programs}
        if unknown:
            raise ValueError(f"no such programs in the row: {', '.join(sorted(unknown))}")
        return replace(self, programs=tuple(others.get(each.name, each) for each in self.programs))


@dataclass(frozen=True)
class Older:
    """What kernels before some version answer to some programs of a row.

    Attributes:
        before: the first version that must not answer so any more.
        source: what changed it.
        programs: those that were answered differently, with that answer.
        defect: the old answer is wrong.
        since: the first version that answers so, if an even older one does not.
    """

    before: Version
    source: str
    programs: tuple[VerifierProgram | HelperCall, ...]
    defect: bool = False
    since: Version | None = None


def row(
    case_id: str,
    column: str,
    title: str,
    file: str,
    programs: tuple[VerifierProgram | HelperCall, ...],
    source: str,
    older: tuple[Older, ...] = (),
    *,
    types: tuple[str, ...] = ONE_TYPE,
    loaders: tuple[str, ...] = BOTH_LOADERS,
    kfuncs: tuple[str, ...] = (),
    without_helper: bool = False,
    splats: tuple[Splat, ...] = (),
) -> Case:
    """A row about programs for the verifier.

    Args:
        file: name of the C file, in bpf_src/cases and bpf_src/elf; in the latter alone for ('libbpf',).
        older: what older kernels answer.
        kfuncs: that the programs call.
        without_helper: whether the row says something of kernels that lack the helper.
        splats: complaints of the kernel about itself that are known.
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
        column,
        title,
        verification,
        source,
        differences,
        loaders=loaders,
        types=types,
        kfuncs=kfuncs,
        without_helper=without_helper,
        splats=splats,
    )
