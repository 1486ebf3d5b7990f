"""The expected refuser, errno and reason for each program of this directory."""

from __future__ import annotations

Reason = tuple[str, str, str]  # refuser, errno, reason

LIBBPF, MAP, VERIFIER = "libbpf", "kernel map creation", "verifier"
SPECIFIC = "libbpf: prog 'of_an_unknown_"

# By file and function: the reason, None if the program is accepted, or the reason since each series.
EXPECTED: dict[str, Reason | dict[str, Reason] | None] = {
    "bcc.c:address_of_the_ring": (VERIFIER, "EACCES", "R1 type=scalar expected=map_ptr"),
    "bcc.c:faultless": None,
    "bcc.c:leak_after_a_loop": {
        "6.1": (VERIFIER, "EINVAL", "Unreleased reference id=4002 alloc_insn=20"),
        "6.12": (VERIFIER, "EINVAL", "Unreleased reference id=3 alloc_insn=20"),
        "7.3": (VERIFIER, "EINVAL", "Unreleased reference id=2 alloc_insn=20"),
    },
    "bcc.c:unknown_size": {
        "6.1": (VERIFIER, "EACCES", "R2 is not a known constant'"),
        "7.3": (VERIFIER, "EINVAL", "R2 is not a const"),
    },
    "bcc_map.c": (MAP, "EINVAL", "could not open bpf map: events, error: Invalid argument"),
    "missing_kfunc.bpf.c:calls_it": (
        LIBBPF,
        "EINVAL",
        "libbpf: extern (func ksym) 'bpf_dynptr_frobnicate': not found in kernel or module BTFs",
    ),
    "missing_kfunc.bpf.c:faultless": None,
    "missing_option.bpf.c:reads_it": (
        LIBBPF,
        "ESRCH",
        "libbpf: extern 'CONFIG_FROBNICATE_BYTES' (strong): not resolved",
    ),
    "missing_option.bpf.c:faultless": None,
    "missing_size.bpf.c:uses_it": (
        MAP,
        "EINVAL",
        "libbpf: map 'no_size': failed to create: Invalid argument(-22)",
    ),
    "missing_size.bpf.c:faultless": None,
    "no_gpl.bpf.c:not_under_the_gpl": (
        VERIFIER,
        "EINVAL",
        "cannot call GPL-restricted function from non-GPL compatible program",
    ),
    "sections.bpf.c:of_an_unknown_section": (
        LIBBPF,
        "EINVAL",
        f"{SPECIFIC}section': missing BPF prog type, check ELF section name 'frobnicate'",
    ),
    "sections.bpf.c:of_an_unknown_function": (
        LIBBPF,
        "ESRCH",
        f"{SPECIFIC}function': failed to find kernel BTF type ID of 'frobnicate': -3",
    ),
    "sections.bpf.c:faultless": None,
    "too_complex.bpf.c:too_complex": (
        VERIFIER,
        "E2BIG",
        "BPF program is too large. Processed 1000001 insn",
    ),
    "verifier.bpf.c:end_of_a_read_only_slice": {
        "6.1": (
            LIBBPF,
            "EINVAL",
            "libbpf: extern (func ksym) 'bpf_dynptr_slice': not found in kernel or module BTFs",
        ),
        "6.12": (VERIFIER, "EACCES", "dereference of modified rdonly_mem ptr R3 off=4 disallowed"),
    },
    "verifier.bpf.c:faultless": None,
    "verifier.bpf.c:leak": {
        "6.1": (VERIFIER, "EINVAL", "Unreleased reference id=1 alloc_insn=6"),
        "6.12": (VERIFIER, "EINVAL", "Unreleased reference id=2 alloc_insn=6"),
        "7.3": (VERIFIER, "EINVAL", "Unreleased reference id=1 alloc_insn=6"),
    },
    "verifier.bpf.c:leak_after_a_loop": {
        "6.1": (VERIFIER, "EINVAL", "Unreleased reference id=2 alloc_insn=15"),
        "6.12": (VERIFIER, "EINVAL", "Unreleased reference id=3 alloc_insn=15"),
        "7.3": (VERIFIER, "EINVAL", "Unreleased reference id=2 alloc_insn=15"),
    },
    "verifier.bpf.c:slice_of_unknown_length": {
        "6.1": (VERIFIER, "EACCES", "R3 is not a known constant'"),
        "7.3": (VERIFIER, "EINVAL", "R3 is not a const"),
    },
    "verifier.bpf.c:slice_without_check": (VERIFIER, "EACCES", "R0 invalid mem access 'mem_or_null'"),
    "verifier.bpf.c:slice_after_submit": (VERIFIER, "EACCES", "R6 invalid mem access 'scalar'"),
    "verifier.bpf.c:slice_beyond_the_end": (
        VERIFIER,
        "EACCES",
        "R0 min value is outside of the allowed memory range",
    ),
    "verifier.bpf.c:never_reserved": {
        "6.1": (VERIFIER, "EINVAL", "Expected an initialized dynptr as arg #1"),
        "6.12": (VERIFIER, "EINVAL", "Expected an initialized dynptr as arg #0"),
        "7.3": (VERIFIER, "EINVAL", "Expected an initialized dynptr as R1"),
    },
    "verifier.bpf.c:submitted_twice": {
        "6.1": (VERIFIER, "EINVAL", "arg 1 is an unacquired reference"),
        "7.3": (VERIFIER, "EINVAL", "Expected an initialized dynptr as R1"),
    },
    "verifier.bpf.c:reserved_twice": {
        "6.1": (VERIFIER, "EINVAL", "Dynptr has to be an uninitialized dynptr"),
        "6.12": (VERIFIER, "EINVAL", "cannot overwrite referenced dynptr"),
    },
    "verifier.bpf.c:dynptr_in_a_map": (VERIFIER, "EACCES", "R4 type=map_value expected=fp, dynptr_ptr"),
    "verifier.bpf.c:tail_call_with_a_reservation": (
        VERIFIER,
        "EINVAL",
        "tail_call would lead to reference leak",
    ),
    "verifier.bpf.c:dynptr_is_read": (VERIFIER, "EACCES", "invalid read from stack off -16+0 size 8"),
    "verifier.bpf.c:submitted_as_memory": {
        "6.1": (VERIFIER, "EACCES", "R1 type=mem expected=alloc_mem"),
        "6.12": (VERIFIER, "EACCES", "R1 type=mem expected=ringbuf_mem"),
    },
    "verifier.bpf.c:endless_loop": (VERIFIER, "EINVAL", "infinite loop detected at insn 0"),
    "verifier.bpf.c:reads_beyond_the_stack": {
        "6.1": (VERIFIER, "EINVAL", "invalid indirect access to stack R1 off=-400 size=600"),
        "7.3": (VERIFIER, "EINVAL", "invalid write to stack R1 off=-400 size=600"),
    },
    "verifier.bpf.c:uninitialised_register": (VERIFIER, "EACCES", "R7 !read_ok"),
    "verifier.bpf.c:wild_read": (VERIFIER, "EACCES", "R1 invalid mem access 'scalar'"),
}


def version(series: str) -> tuple[int, ...]:
    """Return the numbers of a series, which can be compared."""
    return tuple(map(int, series.split(".")))


def reason_on(program: str, series: str) -> Reason | None:
    """Return the reason since the newest series that is not newer than the kernel."""
    expected = EXPECTED[program]
    if not isinstance(expected, dict):
        return expected
    known = [each for each in expected if version(each) <= version(series)]
    return expected[max(known, key=version)]
