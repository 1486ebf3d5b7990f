"""Reading verifier logs: the line in them that says why."""

from __future__ import annotations

import os
import re

# What stands in a log beside its reason: instructions, C code, states of registers, statistics.
_ASIDE = re.compile(
    r"\s*$|\d+: |; |from \d+ to |\s*R\d+(_w)?=|arg#\d+ reference type|mark_precise: |caller:|callee:"
    r"|processed \d+ insns|verification time|stack depth|max_states_per"
    r"|libbpf: (prog '.*': (BPF program load failed|failed to load|-- (BEGIN|END))|failed to load|loading )"
)


def reason_in(log: str, errno: int) -> str:
    """The last line of a log that says something of its own; the words for the error number without one."""
    telling = [line.strip() for line in log.splitlines() if not _ASIDE.match(line)]
    return telling[-1] if telling else os.strerror(errno)
