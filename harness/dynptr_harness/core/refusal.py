"""Who refused a program, and why."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dynptr_harness.core.verifier_log import reason_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Refuser(StrEnum):
    """Who refused a program."""

    COMPILER = "compiler"
    LIBBPF = "libbpf"
    MAP = "kernel map creation"
    VERIFIER = "verifier"
    KERNEL = "kernel"  # the load, before the verifier wrote a log
    ATTACH = "attach"


@dataclass(frozen=True)
class Refusal:
    """A refused program.

    Attributes:
        errno: errno of the load, the map creation or the attach; 0 if there is none.
        reason: one line.
        log: verifier log, or libbpf's messages.
    """

    by: Refuser
    errno: int
    reason: str
    log: str

    @property
    def who(self) -> str:
        """The refuser with its article, for a sentence."""
        return "libbpf" if self.by is Refuser.LIBBPF else f"the {self.by}"


# messages of libbpf and BCC about a map that the kernel did not create
_MAP = re.compile(r"libbpf: map '.*': failed to create|could not open bpf map: ")
# Messages of libbpf without a reason: the steps that failed afterwards, and lists of supported sections.
_NO_REASON = re.compile(
    r"libbpf: (prog '.*': (BPF program load failed|failed to load)|failed to load object|failed to load BPF"
    r"|supported (section|attach)|Error in bpf_create_map_xattr|permission error while running as root"
    r"|loading )"
)


def refusal(reply: Mapping[str, Any], by: Refuser | None = None) -> Refusal:
    """Return who refused a program and why.

    Args:
        reply: `errno`, `log` and `messages` from the agent; see guest/agent/user_programs.py.
        by: the refuser, if known.
    """
    errno, log, messages = reply["errno"], reply.get("log", ""), reply.get("messages", ())
    if log and not by:
        return Refusal(Refuser.VERIFIER, errno, reason_in(log, errno), log)
    text = "\n".join(messages)
    if any(_MAP.search(line) for line in messages):
        line = next(line for line in messages if _MAP.search(line))
        return Refusal(by or Refuser.MAP, errno, line, text)
    if reason := _first_reason(messages):
        return Refusal(by or Refuser.LIBBPF, errno, reason, text)
    return Refusal(by or Refuser.KERNEL, errno, os.strerror(errno), text)


def _first_reason(messages: Sequence[str]) -> str:
    """Return the first of libbpf's messages that gives a reason, or ''."""
    return next((line for line in messages if line.strip() and not _NO_REASON.match(line)), "")
