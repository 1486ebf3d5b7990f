"""The statements of the helper's reference page, each with the cases that prove it.

A statement belongs here if a case can disprove it. It describes the newest kernels; the page adds how other
kernels differ, from their results.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Statement:
    """One sentence of the page.

    Attributes:
        text: in Markdown.
        cases: IDs of the cases that prove it.
    """

    text: str
    cases: tuple[str, ...]


# Return values of the helper, each with its condition.
ANSWERS: tuple[tuple[str, Statement], ...] = (
    (
        "0",
        Statement(
            "the reservation succeeds: the program owns `size` bytes, possibly 0, until the release",
            ("RSV-002", "RSV-003"),
        ),
    ),
    (
        "0",
        Statement(
            "in an empty ring, `size` is at most ring size - 16: a record has a header of 8 bytes, takes a "
            "multiple of 8 bytes, and cannot fill the ring to its last byte",
            ("RSV-004", "RSV-007", "RSV-013"),
        ),
    ),
    ("-EINVAL", Statement("`flags` is not 0; this is checked first", ("RSV-011", "RSV-012"))),
    (
        "-E2BIG",
        Statement(
            "`size` is larger than a dynptr can hold, 16777215 bytes, even if the ring has space",
            ("RSV-008", "RSV-009", "RSV-010"),
        ),
    ),
    (
        "-EINVAL",
        Statement(
            "there is no space now: the consumer lags, or an open reservation blocks the space",
            ("RSV-014", "RSV-018", "RSV-020"),
        ),
    ),
    ("-EINVAL", Statement("the record is too large for this ring", ("RSV-005", "RSV-006"))),
)

USAGE = (
    Statement(
        "A program must release every reservation with `bpf_ringbuf_submit_dynptr` or "
        "`bpf_ringbuf_discard_dynptr`, on every path and **even if the reservation failed**. Otherwise the "
        "verifier rejects the program.",
        ("VER-001", "VER-003", "VER-004", "VER-006"),
    ),
    Statement(
        "After a failure the dynptr is null: writes and reads return -EINVAL, a slice is NULL, and a "
        "release has no effect.",
        ("RSV-030", "RSV-031", "RSV-032", "RSV-033", "RSV-034"),
    ),
    Statement("The verifier accepts a `size` of unknown value.", ("VER-062",)),
    Statement(
        "`bpf_dynptr_write` and `bpf_dynptr_read` check offsets and lengths at run time: past the end they "
        "return -E2BIG, with flags -EINVAL.",
        ("DYN-001", "DYN-002", "DYN-004", "DYN-010", "DYN-011"),
    ),
    Statement(
        "`bpf_dynptr_data` returns a slice: a pointer into the record, for reads and writes. Its length must "
        "be a constant, its offset may be variable, and the program must test it for NULL.",
        ("DYN-014", "DYN-015", "VER-040", "VER-047", "VER-050"),
    ),
    Statement(
        "The verifier rejects the use of a slice after the release.", ("VER-029", "VER-030", "VER-031")
    ),
    Statement(
        "The bytes of a reservation are not cleared. Unwritten bytes may be those of an older record.",
        ("DYN-018", "DYN-019"),
    ),
    Statement(
        "The dynptr must be on the stack, at a constant offset that is a multiple of 8. The verifier rejects "
        "other writes to its 16 bytes.",
        ("VER-070", "VER-073", "VER-074", "VER-075", "VER-078", "VER-095", "VER-096"),
    ),
    Statement(
        "A program may hold several reservations and release them in any order; records arrive in the order "
        "of reservation.",
        ("VER-033", "VER-079", "CMT-003"),
    ),
    Statement(
        "A program can reserve in an inner ring of a map of maps after a test for NULL.",
        ("RSV-026", "VER-067", "VER-068"),
    ),
    Statement(
        "While a reservation is held, the verifier rejects a tail call and an exception. While a spin lock "
        "is held, it rejects a reservation and a submit.",
        ("VER-132", "VER-135", "VER-136"),
    ),
    Statement("The licence need not be GPL-compatible, unless the program type requires it.", ("VER-150",)),
    Statement(
        "The helper requires CAP_BPF; tracing types also require CAP_PERFMON, and network types "
        "CAP_NET_ADMIN.",
        ("VER-152", "VER-154", "VER-155", "VER-156"),
    ),
)

CONSUMER = (
    Statement(
        "A submitted record arrives once, with exactly the bytes written. A discarded record never arrives; "
        "it takes space until the consumer has passed it.",
        ("CMT-001", "CMT-002", "RSV-022"),
    ),
    Statement(
        "A consumer stops at an open record, even if later records are submitted.",
        ("CMT-005", "CMT-007"),
    ),
    Statement(
        "A release wakes a consumer that has caught up, but not one that lags. With `BPF_RB_NO_WAKEUP` it "
        "never wakes the consumer, with `BPF_RB_FORCE_WAKEUP` always.",
        ("WKP-001", "WKP-002", "WKP-003", "WKP-005", "WKP-007"),
    ),
    Statement(
        "Of a million reservations on all CPUs and in nested contexts, exactly the submitted ones arrive, in "
        "order per CPU.",
        ("LOD-001",),
    ),
)
