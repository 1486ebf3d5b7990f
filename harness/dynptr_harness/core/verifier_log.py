"""The reasons in verifier logs."""

from __future__ import annotations

import os
import re

# Lines without a reason: instructions, C code, states of registers, statistics, what libbpf adds, and the
# report of Linux 7.3, which repeats the reason at length.
_NO_REASON = re.compile(
    r"\s*$|\d+: |; |from \d+ to |\s*R\d+(_w)?=|arg#\d+ reference type|mark_precise: |caller:|callee:"
    r"|\s*frame\d+: |returning from callee:|to caller at "
    r"|processed \d+ insns|verification time|stack depth|max_states_per"
    r"|libbpf: (prog '.*': (BPF program load failed|failed to load|-- (BEGIN|END))|failed to load|loading )"
    r"|  |Verification failed:|Reason:|At:|Causal path:|Suggestion:"
)


def reasons_in(log: str) -> list[str]:
    """Return the lines of a log that give the reason of a rejection. The last one is the most precise."""
    return [line.strip() for line in log.splitlines() if not _NO_REASON.match(line)]


def reason_in(log: str, errno: int) -> str:
    """Return the last reason in a log, or the text of the error number if the log has none."""
    reasons = reasons_in(log)
    return reasons[-1] if reasons else os.strerror(errno)
