"""The catalogue: every case with its stable ID.

A new case is one row here; where it needs a program of its own, one small C function in bpf_src/cases/.
"""

from __future__ import annotations

from dataclasses import dataclass
from errno import E2BIG, EINVAL
from typing import TYPE_CHECKING, Any

from harness.conformance.experiments import RING_SIZE, Phases, Rejection, Step, Steps
from harness.conformance.prog_types import PROG_TYPES, ProgType

if TYPE_CHECKING:
    from harness.conformance.experiments import Experiment

__all__ = ["CASES", "PROG_TYPES", "Case", "ProgType"]

DYNPTR_MAX_SIZE = (1 << 24) - 1  # kernel/bpf/helpers.c: three bytes of the dynptr hold the size
NO_WAKEUP, FORCE_WAKEUP = 1, 2  # BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP


@dataclass(frozen=True)
class Case:
    """One row of the catalogue.

    Attributes:
        id: stable; group and number.
        column: heading in the matrix, at most nine characters.
        title: what is done and must be seen, in one line.
        experiment: what the agent is asked, and what must come of it.
        source: where the expectation comes from.
    """

    id: str
    column: str
    title: str
    experiment: Experiment
    source: str

    def request(self, prog_type: ProgType) -> dict[str, Any]:
        """What the agent is asked for this cell."""
        return {"prog_type": prog_type.name, **self.experiment.request()}

    def applies(self, prog_type: ProgType) -> bool:  # noqa: ARG002  (every case so far is for all types)
        """Whether the case says anything of this type."""
        return True


_RESERVE = "kernel/bpf/ringbuf.c, bpf_ringbuf_reserve_dynptr (v5.19, commit bc34dee65a65)"
_COMMIT = "kernel/bpf/ringbuf.c, bpf_ringbuf_commit (v5.8, commit 457f44363a88)"
_RELEASE = "kernel/bpf/ringbuf.c, bpf_ringbuf_{submit,discard}_dynptr (v5.19, commit bc34dee65a65)"
_VERIFIER = "kernel/bpf/verifier.c, check_reference_leak (v5.19: a dynptr is a reference, bc34dee65a65)"
_ATTACH = "the program type's own rules: a program runs on its event while it is attached"

CASES: tuple[Case, ...] = (
    Case(
        "ATT-001",
        "before",
        "before the example is attached, its event runs no program and brings no record",
        Phases("before"),
        _ATTACH,
    ),
    Case(
        "ATT-002",
        "event",
        "the event runs the attached example once, and its record arrives once, as it was written",
        Phases("attached"),
        _ATTACH,
    ),
    Case(
        "ATT-003",
        "after",
        "after the example was detached, its event runs no program and brings no record",
        Phases("after"),
        _ATTACH,
    ),
    Case(
        "CMT-001",
        "submit",
        "a submitted record arrives once, with exactly the payload written",
        Steps((Step.submit(b"submitted: this must arrive once"),)),
        _COMMIT,
    ),
    Case(
        "CMT-002",
        "discard",
        "a discarded record never arrives and yet moves the producer position; the next one arrives",
        Steps((Step.discard(b"discarded: this must not arrive!"), Step.submit(b"submitted after a discard"))),
        _COMMIT,
    ),
    Case(
        "RSV-005",
        "no room",
        "with the ring empty, a payload above ring size - 16 is refused with -EINVAL, the dynptr is null",
        Steps((Step.refused(EINVAL, RING_SIZE - 15), Step.refused(EINVAL, RING_SIZE - 8))),
        _RESERVE,
    ),
    Case(
        "RSV-006",
        "> ring",
        "a record larger than the ring is refused with -EINVAL, the dynptr is null",
        Steps((Step.refused(EINVAL, RING_SIZE - 7), Step.refused(EINVAL, DYNPTR_MAX_SIZE))),
        _RESERVE,
    ),
    Case(
        "RSV-009",
        "> dynptr",
        "a size above the limit of a dynptr (2^24 - 1) is refused with -E2BIG, the dynptr is null",
        Steps((Step.refused(E2BIG, DYNPTR_MAX_SIZE + 1), Step.refused(E2BIG, 0xFFFFFFFF))),
        "kernel/bpf/helpers.c, bpf_dynptr_check_size (v5.19, commit 263ae152e962)",
    ),
    Case(
        "RSV-011",
        "flags",
        "flags other than 0, in any of their 64 bits, are refused with -EINVAL, the dynptr is null",
        Steps(tuple(Step.refused(EINVAL, 8, flags=flags) for flags in (1, 2, 4, 1 << 32, (1 << 64) - 1))),
        _RESERVE,
    ),
    Case(
        "RSV-033",
        "null sub",
        "submitting the null dynptr of a failed reservation, with any flags, does nothing",
        Steps(
            (
                *(Step.refused(EINVAL, 8, flags=1, release_flags=f) for f in (0, NO_WAKEUP, FORCE_WAKEUP)),
                Step.submit(b"submitted after null ones"),
            )
        ),
        _RELEASE,
    ),
    Case(
        "RSV-034",
        "null disc",
        "discarding the null dynptr of a failed reservation, with any flags, does nothing",
        Steps(
            (
                *(
                    Step.refused(EINVAL, RING_SIZE, release="discard", release_flags=f)
                    for f in (0, NO_WAKEUP, FORCE_WAKEUP)
                ),
                Step.submit(b"submitted after null ones"),
            )
        ),
        _RELEASE,
    ),
    Case(
        "VER-001",
        "forgotten",
        "a program that never submits or discards its reservation is rejected",
        Rejection("ver_001", EINVAL, "Unreleased reference"),
        _VERIFIER,
    ),
    Case(
        "VER-004",
        "on error",
        "a program that submits or discards only when the reservation was granted is rejected",
        Rejection("ver_004", EINVAL, "Unreleased reference"),
        _VERIFIER,
    ),
)
