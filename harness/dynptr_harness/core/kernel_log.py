"""Patterns of kernel messages about panics and splats."""

from __future__ import annotations

import re

# A panic (kernel/panic.c), or an error during decompression (arch/x86/boot/compressed/error.c). With
# oops=panic every oops ends in a panic.
PANIC = re.compile(r"(?:^|\] ?)(Kernel panic - not syncing: .*|.* -- System halted)")
# WARN, oops, lockups, RCU stalls, sanitizers.
SPLAT = re.compile(
    r"WARNING: .*|(watchdog: )?BUG: .*|Oops: .*|general protection fault.*"
    r"|rcu: .* detected stall.*|rcu: .*self-detected stall.*|INFO: task .* blocked for more than .*"
)
_TIMESTAMP = re.compile(r"^(\[ *\d+\.\d+\](\[[^\]]*\])? ?)")


def without_timestamp(line: str) -> str:
    """Return a line of the console without its timestamp and caller."""
    return _TIMESTAMP.sub("", line)


def begins_splat(line: str) -> bool:
    """Return True if a line of the console begins a panic or a splat."""
    return bool(PANIC.search(line) or SPLAT.match(without_timestamp(line)))
