"""The experiments that a host can ask for; each answers with what was seen, and with nothing else.

A request names the experiment in `kind` and the program type in `prog_type`:

- `phases`: the type's example, with its event fired before it is attached, while, and after.
- `steps`: reservations as the request describes them, done by the type's steps program in one event.
- `load`: functions of the module loaded into the type, and let go again.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from harness.guest import bpf
from harness.guest.bpf import LoadRefused, Program
from harness.guest.consumer import Consumer
from harness.guest.control import Control
from harness.guest.prog_types import TYPES, AttachFailed, GuestType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcc import BPF

# How long a poll may wait for the kernel to say that there is a record, and how long it listens where
# none may come, in seconds. Every event is over when `fire` returns, so that silence needs no long wait.
POLL_LIMIT_S = 2.0
SILENCE_S = 0.01

Reply = dict[str, Any]


def _refusal(error: LoadRefused) -> Reply:
    return {"errno": error.errno, "log": error.log}


class Lab:
    """The compiled module with all that is needed to experiment with its programs."""

    def __init__(self, module: BPF) -> None:
        self._types = {name: kind(module) for name, kind in TYPES.items()}
        self._control = Control(module)
        self._consumer = Consumer(module["events"].map_fd)
        self._rings = module["rings"].map_fd
        # The steps program stays attached from one request to the next of the same type: attaching and
        # detaching cost more than all the rest of an experiment.
        self._standing = ExitStack()
        self._standing_for: tuple[str, Program] | None = None

    def answer(self, request: dict[str, Any]) -> Reply:
        """Do what the request asks for."""
        experiments: dict[str, Callable[[GuestType, dict[str, Any]], Reply]] = {
            "phases": self.phases,
            "steps": self.steps,
            "load": self.load,
        }
        return experiments[request["kind"]](self._types[request["prog_type"]], request)

    def phases(self, guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Fire before attach, attached and after detach; in each, what the consumer got."""
        self._release_standing()
        try:
            program = guest_type.load(f"{guest_type.name.lower()}_example")
        except LoadRefused as error:
            return {"refused": _refusal(error)}
        first, second = request["words"]
        words = (first, second)
        try:
            reply: Reply = {"loader": program.loader, "before": self._phase(guest_type, words)}
            with guest_type.attached(program):
                reply["attached"] = self._phase(guest_type, words)
            reply["after"] = self._phase(guest_type, words)
        except AttachFailed as error:
            return {"attach_failed": {"errno": error.errno, "what": str(error)}}
        finally:
            program.close()
        return reply

    def _phase(self, guest_type: GuestType, words: tuple[int, int]) -> Reply:
        with self._control.armed(words=words):
            event = guest_type.fire()
        fired = self._control.fired()
        polled = self._consumer.poll(POLL_LIMIT_S if fired else SILENCE_S)
        records = [record.hex() for record in self._consumer.take()]
        return {"fired": fired, "event": event, "polled": polled, "records": records}

    def steps(self, guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Reserve, write, read back and release as asked, in one event; what program and consumer saw."""
        try:
            program = self._stand(guest_type)
        except LoadRefused as error:
            return {"refused": _refusal(error)}
        except AttachFailed as error:
            return {"attach_failed": {"errno": error.errno, "what": str(error)}}
        with self._ring(request["ring_size"]) as consumer:
            with self._control.armed(steps=request["steps"]):
                guest_type.fire()
            return {
                "loader": program.loader,
                "fired": self._control.fired(),
                "outcomes": self._control.outcomes(),
                "records": [record.hex() for record in consumer.take()],
            }

    @contextmanager
    def _ring(self, size: int) -> Iterator[Consumer]:
        """A new ring for the steps programs, with a consumer."""
        with bpf.ring(size) as ring:
            bpf.map_write_fd(self._rings, 0, ring)
            consumer = Consumer(ring)
            try:
                yield consumer
            finally:
                consumer.close()
                bpf.map_delete(self._rings, 0)

    def _stand(self, guest_type: GuestType) -> Program:
        """The type's steps program, attached; what stood before is detached first."""
        if self._standing_for and self._standing_for[0] == guest_type.name:
            return self._standing_for[1]
        self._release_standing()
        program = guest_type.load(f"steps_return_{guest_type.returns}")
        with ExitStack() as stack:
            stack.callback(program.close)
            stack.enter_context(guest_type.attached(program))
            self._standing = stack.pop_all()
        self._standing_for = (guest_type.name, program)
        return program

    def _release_standing(self) -> None:
        self._standing_for = None
        self._standing.close()

    def load(self, guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Load each function of the request and close it again: accepted, or refused with errno and log."""
        return {"functions": {name: self._try(guest_type, name) for name in request["functions"]}}

    @staticmethod
    def _try(guest_type: GuestType, function: str) -> Reply:
        try:
            program = guest_type.load(function)
        except LoadRefused as error:
            return {"accepted": False, **_refusal(error)}
        program.close()
        return {"accepted": True, "loader": program.loader}
