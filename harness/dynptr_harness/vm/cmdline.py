"""Kernel arguments of a person's own, beside those that a machine needs: taken, or refused with the reason.

Names and quotes are those of Documentation/admin-guide/kernel-parameters.rst: '-' and '_' are the same in a
name, double quotes keep spaces in a value, and of an argument that comes twice the later one counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
LONGEST = 1500  # characters; x86 cuts a command line off behind 2047, and the machine's own take some 300
LOWEST_LOGLEVEL = 5  # below it the console lacks the WARN and BUG lines that fail a case

_CONSOLE = "the console is read from the first serial port"
_PANIC = "a kernel that panics or oopses must reset at once, which is how a crash is seen"
_FIRST_PROCESS = "the first process starts the agent"
REFUSED = {
    "console": _CONSOLE,
    "earlyprintk": _CONSOLE,
    "quiet": f"it hides WARN and BUG lines; the console's level is {LOWEST_LOGLEVEL} without it",
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
OURS = "dynptr_harness."


def words(texts: Iterable[str]) -> tuple[str, ...]:
    """The single arguments in some texts of arguments.

    Raises:
        WrongUsage: a quote is not closed, there is too much, or the machine could not do its work with one.
    """
    found: list[str] = []
    for text in texts:
        if text.count('"') % 2:
            raise WrongUsage(f"--append has a quote that is not closed: {text}", "close it")
        found += WORD.findall(text)
    if len(" ".join(found)) > LONGEST:
        raise WrongUsage(
            f"--append has more than {LONGEST} characters", "leave some out: the kernel would cut them off"
        )
    for word in found:
        if reason := _refused(word):
            raise WrongUsage(f"--append {word} cannot be: {reason}", "leave it out")
    return tuple(found)


def _refused(word: str) -> str:
    """Why an argument cannot be, or ''."""
    name, _, value = word.replace('"', "").partition("=")
    name = name.replace("-", "_") if name != "--" else name
    if name.startswith(OURS):
        return "it is the harness's own"
    if name == "loglevel" and not (value.isdecimal() and int(value) >= LOWEST_LOGLEVEL):
        return f"WARN and BUG lines are on the console from level {LOWEST_LOGLEVEL} on"
    if name == "lsm" and "bpf" not in value.split(","):
        return "without bpf in it LSM programs are attached and never run"
    return REFUSED.get(name, "")
