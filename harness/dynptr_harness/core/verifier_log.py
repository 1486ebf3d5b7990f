"""Reading verifier logs: the line that states the problem."""

from __future__ import annotations

import os
import re

# Lines that state no problem: instructions, C code, states of registers, statistics, and what libbpf adds.
_ASIDE = re.compile(
    r"\s*$|\d+: |; |from \d+ to \d+|\s*(frame\d+: )?R\d+(_\w+)?=|(cur|old|parent) state:|mark_precise: "
    r"|last_idx|regs=|\[\d+ bytes left out|arg#\d+ reference type|reg type unsupported for arg#"
    r"|caller:|callee:|processed \d+ insns|verification time|stack depth|max_states_per"
    r"|libbpf: (prog '.*': (BPF program load failed|failed to load|-- (BEGIN|END))|failed to load|loading )"
    # below "Unreleased reference", since Linux 6.16
    r"|BPF_EXIT instruction in .* would lead to reference leak"
    # Since Linux 7.3 an explanation follows, indented but for its headings.
    r"|  |Verification failed:|Reason:$|At:$|Causal path:$|Suggestion:$"
)
_EXPLAINED = re.compile(r"^Reason:\n((?:  .*\n)+)", re.MULTILINE)


def reason_in(log: str, errno: int) -> str:
    """Return the last line of the log that states a problem.

    Without one, return the reason of the verifier's explanation, or else the text of the error number.
    """
    telling = [line.strip() for line in log.splitlines() if not _ASIDE.match(line)]
    if telling:
        return telling[-1]
    explained = _EXPLAINED.search(log)
    return " ".join(explained[1].split()) if explained else os.strerror(errno)
