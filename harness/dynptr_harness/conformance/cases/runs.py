"""DYN-021, DYN-025 to 029, KFN-030 to 037, CMT-020 to 027: programs run with BPF_PROG_RUN."""

from __future__ import annotations

from errno import E2BIG, EFAULT

from dynptr_harness.conformance.case import Case, Difference
from dynptr_harness.conformance.experiments.prog_run import DAMAGED, ProgRun, ProgRuns

_TYPES = ("SYSCALL",)
_LOADERS = ("libbpf",)

_MEMMOVE = "kernel/bpf/helpers.c, bpf_dynptr_read and bpf_dynptr_write: memmove (v6.2, 76d16077bef0)"
_COPY = "kernel/bpf/helpers.c, bpf_dynptr_copy: memmove (v6.15, daec295a7094)"
_USER = "kernel/trace/bpf_trace.c, __bpf_dynptr_copy (v6.16, a498ee7576de)"
_USER_STR = "kernel/trace/bpf_trace.c, __bpf_dynptr_copy_str (v6.16, a498ee7576de)"
_THROW = "kernel/bpf/helpers.c, bpf_throw: unwinds the stack and releases nothing (v6.7, f18b03fabaa9)"
_TAIL_CALL = "arch/x86/net/bpf_jit_comp.c: the target of a tail call returns to the caller of the function"

_NUMBERS = bytes(range(64))
_FORWARD = _NUMBERS[:8] + _NUMBERS[:48] + _NUMBERS[56:]  # 48 bytes from 0 to 8
_BACKWARD = _NUMBERS[8:56] + _NUMBERS[48:]  # 48 bytes from 8 to 0
_FILL = b"." * 16


def _overlap(case_id: str, title: str, function: str, record: bytes) -> Case:
    """Return a row about a copy by a helper. Kernels before v6.2 may damage the record."""
    right, damaged = (
        ProgRuns("overlap", function, (ProgRun((0, 0), records, intact=record),))
        for records in ((record,), DAMAGED)
    )
    source = "before v6.2 the helpers copy with memcpy, which can damage overlapping ranges (76d16077bef0)"
    return Case(
        case_id,
        title,
        right,
        _MEMMOVE,
        (Difference(damaged, source, before=(6, 2), defect=True),),
        loaders=_LOADERS,
        types=_TYPES,
    )


def _copy(case_id: str, title: str, function: str, record: bytes) -> Case:
    return Case(
        case_id,
        title,
        ProgRuns("overlap", function, (ProgRun((0, 0), (record,)),)),
        _COPY,
        loaders=_LOADERS,
        types=_TYPES,
        kfuncs=("bpf_dynptr_copy",),
    )


def _user(case_id: str, title: str, function: str, *runs: ProgRun) -> Case:
    """Return a row about a kfunc that reads user memory."""
    strings = "_str" in function
    return Case(
        case_id,
        title,
        ProgRuns("user_memory", function, runs),
        _USER_STR if strings else _USER,
        loaders=_LOADERS,
        types=_TYPES,
        kfuncs=(f"bpf_{function.removesuffix('_beyond')}_dynptr",),
    )


def _copied(data: bytes, memory: bytes, result: int = 0) -> ProgRun:
    """Return a run that copies `data` to offset 4 of the record."""
    return ProgRun((0, result, *data[:4]), (_FILL[:4] + data + _FILL[4 + len(data) :],), memory)


def _short(string: bytes, memory: bytes) -> ProgRun:
    """Return a run that copies a string of at most 4 bytes. The bytes after it are unspecified."""
    return ProgRun((0, len(string), *string), (), memory)


_BEYOND = ProgRun((0, -E2BIG), (_FILL,), b"12345678")
_UNMAPPED = ProgRun((0, -EFAULT), ())


def _thrown(case_id: str, title: str, function: str, *records: bytes) -> Case:
    """Return a row about a program that an exception ends."""
    return Case(
        case_id,
        title,
        ProgRuns("left", function, (ProgRun((0, 0), records),)),
        _THROW,
        loaders=_LOADERS,
        types=_TYPES,
        kfuncs=("bpf_throw",),
    )


def _tail_called(case_id: str, title: str, function: str, record: bytes, *, answer: int = 0) -> Case:
    """Return a row about a program that makes a tail call."""
    run = ProgRun((), (record,), answer=answer)
    return Case(
        case_id,
        title,
        ProgRuns("left", function, (run,), "target", packet=True),
        _TAIL_CALL,
        loaders=_LOADERS,
        types=("SCHED_CLS",),
    )


def _beyond(case_id: str, function: str) -> Case:
    """Return a row about a write past the end of the record."""
    title = f"bpf_{function}_dynptr past the end fails with -E2BIG and writes nothing"
    return _user(case_id, title, f"{function}_beyond", _BEYOND)


CASES = (
    _overlap(
        "DYN-021",
        "a write from a record to an overlapping higher offset of the record copies the bytes unchanged",
        "write_forward",
        _FORWARD,
    ),
    _overlap(
        "DYN-025",
        "a write from a record to an overlapping lower offset of the record copies the bytes unchanged",
        "write_backward",
        _BACKWARD,
    ),
    _overlap(
        "DYN-026",
        "a read into the same record at an overlapping higher offset copies the bytes unchanged",
        "read_forward",
        _FORWARD,
    ),
    _overlap(
        "DYN-027",
        "a read into the same record at an overlapping lower offset copies the bytes unchanged",
        "read_backward",
        _BACKWARD,
    ),
    _copy(
        "DYN-028",
        "bpf_dynptr_copy to an overlapping higher offset of the same record copies the bytes unchanged",
        "copy_forward",
        _FORWARD,
    ),
    _copy(
        "DYN-029",
        "bpf_dynptr_copy to an overlapping lower offset of the same record copies the bytes unchanged",
        "copy_backward",
        _BACKWARD,
    ),
    _user(
        "KFN-030",
        "bpf_copy_from_user_dynptr copies user memory, and fails with -EFAULT if it is not mapped",
        "copy_from_user",
        _copied(b"01234567", b"0123456789"),
        _UNMAPPED,
    ),
    _user(
        "KFN-031",
        "bpf_copy_from_user_str_dynptr copies a string, truncated if it is too long, or fails with -EFAULT",
        "copy_from_user_str",
        _short(b"abc\0", b"abc\0defghij"),
        _short(b"\0", b"\0"),
        _copied(b"0123456\0", b"0123456789", 8),
        _UNMAPPED,
    ),
    _user(
        "KFN-032",
        "bpf_probe_read_user_dynptr copies user memory, and fails with -EFAULT if it is not mapped",
        "probe_read_user",
        _copied(b"01234567", b"0123456789"),
        _UNMAPPED,
    ),
    _user(
        "KFN-033",
        "bpf_probe_read_user_str_dynptr copies a string, truncated if it is too long, or fails with -EFAULT",
        "probe_read_user_str",
        _short(b"abc\0", b"abc\0defghij"),
        _short(b"\0", b"\0"),
        _copied(b"0123456\0", b"0123456789", 8),
        _UNMAPPED,
    ),
    _beyond("KFN-034", "copy_from_user"),
    _beyond("KFN-035", "copy_from_user_str"),
    _beyond("KFN-036", "probe_read_user"),
    _beyond("KFN-037", "probe_read_user_str"),
    _thrown("CMT-020", "a record submitted before an exception arrives", "throw_in_main", b"\x01"),
    _thrown(
        "CMT-021",
        "a record that a static function submits before it throws arrives",
        "throw_in_static",
        b"\x01",
    ),
    _thrown(
        "CMT-022",
        "a record discarded before an exception does not arrive",
        "throw_after_discard",
    ),
    _thrown(
        "CMT-023",
        "records submitted before a global function throws arrive",
        "throw_in_global",
        b"\x01",
        b"\x02",
    ),
    _thrown(
        "CMT-024",
        "the callback of an exception gets the cookie, and its record arrives",
        "throw_to_handler",
        b"\x01",
        b"\x05",
    ),
    _tail_called(
        "CMT-025",
        "a static function returns the value of its tail call's target, and its caller's record arrives",
        "call_in_static",
        b"\x07",
    ),
    _tail_called(
        "CMT-026",
        "a global function returns the value of its tail call's target, and its caller's record arrives",
        "call_in_global",
        b"\x07",
    ),
    _tail_called(
        "CMT-027",
        "a record submitted before a tail call arrives, and the program returns the target's value",
        "call_in_main",
        b"\x03",
        answer=7,
    ),
)
