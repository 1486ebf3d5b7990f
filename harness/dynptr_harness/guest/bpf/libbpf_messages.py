"""The messages that libbpf prints.

libbpf has one print callback for the process. BCC installs one that drops all messages, so `collected` sets
the callback again each time.
"""

from __future__ import annotations

import ctypes as ct
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bcc.libbcc import lib

if TYPE_CHECKING:
    from collections.abc import Iterator

WARN = 0  # enum libbpf_print_level
LONGEST_MESSAGE = 8192  # bytes
# libbpf also prints the verifier log, after this line. The caller has it in a buffer.
VERIFIER_LOG = b"-- BEGIN PROG LOAD LOG --"

# on x86-64 and arm64, a va_list is passed as a pointer
_Print = ct.CFUNCTYPE(ct.c_int, ct.c_int, ct.c_char_p, ct.c_void_p)
_libc = ct.CDLL(None)
_libc.vsnprintf.argtypes = [ct.c_void_p, ct.c_size_t, ct.c_char_p, ct.c_void_p]
lib.libbpf_set_print.restype = ct.c_void_p
lib.libbpf_set_print.argtypes = [ct.c_void_p]


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collect the lines of libbpf's warnings within this context. Contexts may be nested."""
    lines: list[str] = []

    def take(level: int, template: bytes, arguments: int) -> int:
        if level != WARN or VERIFIER_LOG in template:
            return 0
        text = ct.create_string_buffer(LONGEST_MESSAGE)
        _libc.vsnprintf(text, len(text), template, arguments)
        lines.extend(text.value.decode(errors="replace").splitlines())
        return 0

    callback = _Print(take)
    before = lib.libbpf_set_print(ct.cast(callback, ct.c_void_p))
    try:
        yield lines
    finally:
        lib.libbpf_set_print(before)
