"""The words by which a kernel says on its console that something is wrong with itself."""

from __future__ import annotations

import re

# The kernel cannot go on (kernel/panic.c), or cannot even be unpacked (arch/x86/boot/compressed/error.c).
# With oops=panic every oops ends here too.
PANIC = re.compile(r"(?:^|\] ?)(Kernel panic - not syncing: .*|.* -- System halted)")
# WARN, oops, lockups, RCU stalls, sanitizers.
SPLAT = re.compile(
    r"WARNING: .*|(watchdog: )?BUG: .*|Oops: .*|general protection fault.*"
    r"|rcu: .* detected stall.*|rcu: .*self-detected stall.*|INFO: task .* blocked for more than .*"
)
_TIMESTAMP = re.compile(r"^(\[ *\d+\.\d+\](\[[^\]]*\])? ?)")


def without_timestamp(line: str) -> str:
    """A line of the console without the time and the caller that the kernel puts before it."""
    return _TIMESTAMP.sub("", line)


def complains(line: str) -> bool:
    """Whether a line of the console is the first of a complaint."""
    return bool(PANIC.search(line) or SPLAT.match(without_timestamp(line)))
