"""The observer: a process on other processors that looks at a ring while a program holds reservations there.

It is there for good, since the start of a process takes longer in an emulated guest than all that it does.
"""

from __future__ import annotations

import json
import os
import select
import socket
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.ringbuf.view import RingView
from dynptr_harness.guest.system import cpus
from dynptr_harness.guest.system.processes import Child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dynptr_harness.guest.ringbuf.pauses import Pauses
    from dynptr_harness.guest.ringbuf.view import Act

STANDARD = 3  # descriptors: input, output, errors
HIGHEST = 1 << 16

# From the end of the event until the process that looked has told what it saw.
REPORT_S = 5.0
MESSAGE_BYTES = 1 << 16
MAX_DESCRIPTORS = 2


class Observer:
    """Does acts on rings of the agent in the pauses of a program; lives as long as the agent."""

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.settimeout(REPORT_S)
        with theirs:
            self._child = Child(lambda: self._serve(theirs))

    @contextmanager
    def watching(self, view: RingView, meanwhile: list[list[Act]]) -> Iterator[Callable[[], list[list[Act]]]]:
        """Within this context the acts of each pause are done when the program has come to it.

        Yields:
            what gives the replies to them, once the context has been left.

        Raises:
            TimeoutError: it said nothing in time after the event.
            RuntimeError: it failed.
        """
        descriptors = [view.ring, *([view.epoll.fileno()] if view.epoll else [])]
        request = {"size": view.size, "overwrites": view.overwrites, "meanwhile": meanwhile}
        self._pauses.begin()
        socket.send_fds(self._ours, [json.dumps(request).encode()], descriptors)
        seen: list[list[Act]] = []
        try:
            yield lambda: seen
        finally:
            self._pauses.end()
            seen += self._report()

    def _report(self) -> list[list[Act]]:
        try:
            report = self._ours.recv(MESSAGE_BYTES)
        except TimeoutError:
            late = f"the process that looks at the ring said nothing for {REPORT_S:g} s"
            raise TimeoutError(late) from None
        if not report:
            raise RuntimeError("the process that looks at the ring failed; the console says more")
        seen: list[list[Act]] = json.loads(report)
        return seen

    def _serve(self, theirs: socket.socket) -> None:
        cpus.pin_thread(cpus.OTHER_CPUS)
        _close_all_but(theirs.fileno())
        while True:
            message, descriptors, _flags, _address = socket.recv_fds(theirs, MESSAGE_BYTES, MAX_DESCRIPTORS)
            if not message:
                return  # the agent has ended
            theirs.send(json.dumps(self._observe(json.loads(message), *descriptors)).encode())

    def _observe(self, request: dict[str, Any], ring: int, epoll: int | None = None) -> list[list[Act]]:
        with ExitStack() as stack:
            stack.callback(os.close, ring)
            watching = select.epoll.fromfd(epoll) if epoll is not None else None
            view = RingView(ring, request["size"], overwrites=request["overwrites"], epoll=watching)
            stack.enter_context(closing(view))
            seen = []
            for number, acts in enumerate(request["meanwhile"], 1):
                if not self._pauses.wait_for(number):
                    break
                seen.append([view.perform(act) for act in acts])
                self._pauses.resume(number)
            return seen


def _close_all_but(descriptor: int) -> None:
    """Let go of what the agent had open when it forked: links among them, that keep programs attached."""
    os.closerange(STANDARD, descriptor)
    os.closerange(descriptor + 1, HIGHEST)
