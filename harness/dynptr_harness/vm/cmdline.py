"""Kernel arguments given by the user. Arguments that would break the harness are rejected.

The syntax is that of Documentation/admin-guide/kernel-parameters.rst: '-' and '_' are the same in a name,
double quotes keep spaces in a value, and a later argument overrides an earlier one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
LONGEST = 1500  # characters. x86 cuts the line after 2047, and the harness uses about 300.
LOWEST_LOGLEVEL = 5  # a lower one hides the WARN and BUG lines that fail a case

_CONSOLE = "the console is read from the first serial port"
_PANIC = "the harness detects a crash by the immediate reset after a panic or oops"
_FIRST_PROCESS = "the first process starts the agent"
REFUSED = {
    "console": _CONSOLE,
    "earlyprintk": _CONSOLE,
    "quiet": f"it hides WARN and BUG lines; the log level is {LOWEST_LOGLEVEL} without it",
    "oops": _PANIC,
    "panic": _PANIC,
    "panic_on_oops": _PANIC,
    "sysctl.kernel.panic": _PANIC,
    "sysctl.kernel.panic_on_oops": _PANIC,
    "reboot": _PANIC,
    "init": _FIRST_PROCESS,
    "rdinit": _FIRST_PROCESS,
    "noinitrd": _FIRST_PROCESS,
    "--": _FIRST_PROCESS,
}
RESERVED_PREFIX = "dynptr_harness."


def words(texts: Iterable[str], *, bare: bool = False) -> tuple[str, ...]:
    """Split texts into single kernel arguments.

    Args:
        bare: allow arguments that only the programs of the harness do not work with.

    Raises:
        WrongUsage: a quote is not closed, the arguments are too long, or one would break the harness.
    """
    found: list[str] = []
    for text in texts:
        if text.count('"') % 2:
            raise WrongUsage(f"--append has a quote that is not closed: {text}", "close it")
        found += WORD.findall(text)
    if len(" ".join(found)) > LONGEST:
        raise WrongUsage(
            f"--append has more than {LONGEST} characters", "leave some out: the kernel would cut the line"
        )
    for word in found:
        if reason := _refused(word) or (not bare and _refused_with_programs(word)):
            raise WrongUsage(f"--append {word} is not allowed: {reason}", "leave it out")
    return tuple(found)


def _name_and_value(word: str) -> tuple[str, str]:
    name, _, value = word.replace('"', "").partition("=")
    return name.replace("-", "_") if name != "--" else name, value


def _refused_with_programs(word: str) -> str:
    """Return the reason why an argument is not allowed in a guest with programs, or ''."""
    if _name_and_value(word) == ("lockdown", "confidentiality"):
        return "it forbids kprobes, perf events and reads of kernel memory; `exec` and `shell` accept it"
    return ""


def _refused(word: str) -> str:
    """Return the reason why an argument is not allowed, or ''."""
    name, value = _name_and_value(word)
    if name.startswith(RESERVED_PREFIX):
        return "the harness uses these names"
    if name == "loglevel" and not (value.isdecimal() and int(value) >= LOWEST_LOGLEVEL):
        return f"the console shows WARN and BUG lines only from level {LOWEST_LOGLEVEL} on"
    if name == "lsm" and "bpf" not in value.split(","):
        return "without bpf, LSM programs attach and never run"
    return REFUSED.get(name, "")
