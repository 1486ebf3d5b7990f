"""The observer: a process on other CPUs that looks at a ring while a program holds reservations in it.

It lives as long as the agent: in an emulated guest, its start takes longer than its work.
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

    from dynptr_harness.guest.ringbuf.pauses import PauseMap
    from dynptr_harness.guest.ringbuf.view import Act

FIRST_DESCRIPTOR = 3  # after standard input, output and error
HIGHEST_DESCRIPTOR = 1 << 16

REPORT_S = 5.0  # deadline of the observer's report after the end of the event
MESSAGE_BYTES = 1 << 16
MAX_DESCRIPTORS = 2


class Observer:
    """Performs actions on the agent's rings during the pauses of a program."""

    def __init__(self, pauses: PauseMap) -> None:
        self._pauses = pauses
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.settimeout(REPORT_S)
        with theirs:
            self._child = Child(lambda: self._serve(theirs))

    @contextmanager
    def watching(self, view: RingView, meanwhile: list[list[Act]]) -> Iterator[Callable[[], list[list[Act]]]]:
        """Perform the actions of each pause when the program reaches it. The event occurs in this context.

        Yields:
            a function that returns the replies, one list for each pause, after the end of the context.

        Raises:
            TimeoutError: the observer did not report in time after the event.
            RuntimeError: the observer failed.
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
            raise TimeoutError(f"the observer of the ring did not report within {REPORT_S:g} s") from None
        if not report:
            raise RuntimeError("the observer of the ring failed; its traceback is on the console")
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
    """Close all inherited descriptors but one. Links among them would keep programs attached."""
    os.closerange(FIRST_DESCRIPTOR, descriptor)
    os.closerange(descriptor + 1, HIGHEST_DESCRIPTOR)
