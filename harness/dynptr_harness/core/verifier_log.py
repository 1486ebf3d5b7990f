"""The reasons in verifier logs."""

from __future__ import annotations

import os
import re

# Lines without a reason: instructions, C code, states of registers, statistics, what libbpf adds, and the
# report of Linux 7.3, which repeats the reason at length.
_NO_REASON = re.compile(
    r"\s*$|\d+: |; |from \d+ to |\s*R\d+(_\w+)?=|\s*frame\d+: |(cur|old|parent) state:|mark_precise: "
    r"|last_idx|regs=|\[\d+ bytes left out|arg#\d+ reference type|reg type unsupported for arg#"
    r"|caller:|callee:|returning from callee:|to caller at "
    r"|processed \d+ insns|verification time|stack depth|max_states_per"
    r"|libbpf: (prog '.*': (BPF program load failed|failed to load|-- (BEGIN|END))|failed to load|loading )"
    r"|  |Verification failed:|Reason:|At:|Causal path:|Suggestion:"
)
# follows "Unreleased reference" since Linux 6.13 (d402755ced2e)
_CONSEQUENCE = re.compile(r"BPF_EXIT instruction in .* would lead to reference leak")
_REPORTED = re.compile(r"^Reason:\n((?:  .*\n)+)", re.MULTILINE)


def reasons_in(log: str) -> list[str]:
    """Return the lines of a log that give the reason of a rejection."""
    return [line.strip() for line in log.splitlines() if not _NO_REASON.match(line)]


def reason_in(log: str, errno: int) -> str:
    """Return the last reason in a log that is not merely the consequence of another.

    Without one, return the reason in the report of Linux 7.3, or the text of the error number.
    """
    reasons = reasons_in(log)
    causes = [reason for reason in reasons if not _CONSEQUENCE.match(reason)]
    if reasons:
        return (causes or reasons)[-1]
    reported = _REPORTED.search(log)
    return " ".join(reported[1].split()) if reported else os.strerror(errno)
