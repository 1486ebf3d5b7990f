"""The statements of the reference page about the helper, each with the cases that prove it.

A statement belongs here if a case can disprove it. It is about the newest kernels. The results show how other
kernels differ.
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
            "granted: `size` bytes, which may be none, are the program's until it releases them",
            ("RSV-002", "RSV-003"),
        ),
    ),
    (
        "0",
        Statement(
            "in an empty ring up to ring size - 16: a record has a header of 8 bytes and takes a multiple "
            "of 8, and a ring never fills to its last byte",
            ("RSV-004", "RSV-007", "RSV-013"),
        ),
    ),
    ("-EINVAL", Statement("`flags` is not 0; that is looked at first", ("RSV-011", "RSV-012"))),
    (
        "-E2BIG",
        Statement(
            "`size` is more than a dynptr can hold, 16777215 bytes, whatever room there is",
            ("RSV-008", "RSV-009", "RSV-010"),
        ),
    ),
    (
        "-EINVAL",
        Statement(
            "there is no room now: the consumer is behind, or an open reservation is in the way",
            ("RSV-014", "RSV-018", "RSV-020"),
        ),
    ),
    ("-EINVAL", Statement("the record could never fit into this ring", ("RSV-005", "RSV-006"))),
)

USAGE = (
    Statement(
        "Every reservation is released by `bpf_ringbuf_submit_dynptr` or `bpf_ringbuf_discard_dynptr`, on "
        "every path and **also when it failed**: the verifier insists.",
        ("VER-001", "VER-003", "VER-004", "VER-006"),
    ),
    Statement(
        "After a failure the dynptr is null: writing and reading give -EINVAL, a slice is NULL, and the "
        "release does nothing.",
        ("RSV-030", "RSV-031", "RSV-032", "RSV-033", "RSV-034"),
    ),
    Statement("`size` may be a number of which the verifier knows nothing.", ("VER-062",)),
    Statement(
        "`bpf_dynptr_write` and `bpf_dynptr_read` take offsets and lengths that only the run knows; past "
        "the end they give -E2BIG, with flags -EINVAL.",
        ("DYN-001", "DYN-002", "DYN-004", "DYN-010", "DYN-011"),
    ),
    Statement(
        "`bpf_dynptr_data` gives a slice, a pointer to read and write through. Its length is a constant, its "
        "offset need not be one, and it must be tested for NULL.",
        ("DYN-014", "DYN-015", "VER-040", "VER-047", "VER-050"),
    ),
    Statement("No slice can be used after the release.", ("VER-029", "VER-030", "VER-031")),
    Statement(
        "The bytes of a reservation are not cleared: where nothing is written an older record shows through.",
        ("DYN-018", "DYN-019"),
    ),
    Statement(
        "The dynptr is on the stack, at a place that the verifier knows and that is a multiple of eight; "
        "nothing else can write to its 16 bytes.",
        ("VER-070", "VER-073", "VER-074", "VER-075", "VER-078", "VER-095", "VER-096"),
    ),
    Statement(
        "A program may hold several reservations and release them in any order; records arrive in the order "
        "of reservation.",
        ("VER-033", "VER-079", "CMT-003"),
    ),
    Statement(
        "A ring found in a map of maps can be reserved from, once it was tested for NULL.",
        ("RSV-026", "VER-067", "VER-068"),
    ),
    Statement(
        "While it holds a reservation, a program can make no tail call and throw no exception; with a spin "
        "lock held it can neither reserve nor submit.",
        ("VER-132", "VER-135", "VER-136"),
    ),
    Statement("The licence need not be the GPL, where the program type does not demand it.", ("VER-150",)),
    Statement(
        "CAP_BPF suffices for the helper; types that trace demand CAP_PERFMON too, types of the network "
        "CAP_NET_ADMIN.",
        ("VER-152", "VER-154", "VER-155", "VER-156"),
    ),
)

CONSUMER = (
    Statement(
        "A submitted record arrives once, with exactly the bytes written; a discarded one never does, and "
        "takes its room until the consumer has passed it.",
        ("CMT-001", "CMT-002", "RSV-022"),
    ),
    Statement(
        "A consumer stops at a record that is still open, though later ones are submitted.",
        ("CMT-005", "CMT-007"),
    ),
    Statement(
        "A release wakes a consumer that has caught up, and not one that lags; with `BPF_RB_NO_WAKEUP` it "
        "wakes nobody, with `BPF_RB_FORCE_WAKEUP` it always wakes.",
        ("WKP-001", "WKP-002", "WKP-003", "WKP-005", "WKP-007"),
    ),
    Statement(
        "Of a million reservations on all CPUs, in nested contexts too, just those submitted arrive, in "
        "the order of each CPU.",
        ("LOD-001",),
    ),
)
