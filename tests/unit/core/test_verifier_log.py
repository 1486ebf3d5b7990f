"""The reasons in verifier logs."""

from __future__ import annotations

import pytest
from dynptr_harness.core.verifier_log import reason_in, reasons_in


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("", "Invalid argument"),
        (
            "0: R1=ctx() R10=fp0\n5: (95) exit\nUnreleased reference\nprocessed 9 insns\n",
            "Unreleased reference",
        ),
        ("R0 !read_ok\nprocessed 3 insns\nverification time 3 usec\n\n", "R0 !read_ok"),
        (
            (
                "libbpf: prog 'f': missing BPF prog type, check ELF section name 'x'\n"
                "libbpf: prog 'f': failed to load: -22\nlibbpf: failed to load object 'own'\n"
            ),
            "libbpf: prog 'f': missing BPF prog type, check ELF section name 'x'",
        ),
        ("libbpf: no BTF\nlibbpf: prog 'f': failed to load: -22\n", "libbpf: no BTF"),
        ("R0 !read_ok\nVerification failed: x\nReason: z\nSuggestion:\n  y\n", "R0 !read_ok"),
        (
            "caller:\n R10=fp0\ncallee:\n frame1: R1=ctx()\nR0 !read_ok\nto caller at 1:\n R0=0\n",
            "R0 !read_ok",
        ),
        ("R2 unbounded memory access, use 'x'\nstack depth 264\n", "R2 unbounded memory access, use 'x'"),
    ],
)
def test_the_reason_is_the_last_line_that_gives_one(log: str, reason: str) -> None:
    assert reason_in(log, 22) == reason


def test_all_reasons_of_a_log_are_kept() -> None:
    log = "0: (b7) r0 = 0\nUnreleased reference id=1\nBPF_EXIT would lead to a leak\nprocessed 1 insns\n"
    assert reasons_in(log) == ["Unreleased reference id=1", "BPF_EXIT would lead to a leak"]
