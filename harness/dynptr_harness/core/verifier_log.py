"""Reading verifier logs: the line that states the problem."""

from __future__ import annotations

import os
import re

# Lines that state no problem: instructions, C code, states of registers, statistics, and what libbpf adds.
_ASIDE = re.compile(
    r"\s*$|\d+: |; |from \d+ to \d+|\s*(frame\d+: )?R\d+(_\w+)?=|(cur|old|parent) state:|mark_precise: "
    r"|last_idx|regs=|\[\d+ bytes left out|arg#\d+ reference type|reg type unsupported for arg#|caller:|callee:"
    r"|processed \d+ insns|verification time|stack depth|max_states_per"
    r"|libbpf: (prog '.*': (BPF program load failed|failed to load|-- (BEGIN|END))|failed to load|loading )"
)
# Newer kernels repeat the problem below the log, at length, with its cause and a suggestion.
_EXPLANATION = re.compile(r"^(?:Verification failed:|Reason:)", re.MULTILINE)


def reason_in(log: str, errno: int) -> str:
    """Return the last line of the log that states a problem, or the text of the error number without one."""
    lines = _EXPLANATION.split(log)[0].splitlines()
    telling = [line.strip() for line in lines if not _ASIDE.match(line)]
    return telling[-1] if telling else os.strerror(errno)
