"""The experiments that a host can ask for; each answers with what was seen, and with nothing else.

A request names the experiment in `kind` and the program type in `prog_type`:

- `phases`: the type's example, with its event fired before it is attached, while, and after.
- `script`: acts on a new ring, see stage.py; the reservations are done by the conformance program.
- `load`: functions of the module loaded into the type, and let go again.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from harness.guest.bpf import LoadRefused, Program
from harness.guest.consumer import Consumer
from harness.guest.control import Control
from harness.guest.prog_types import TYPES, AttachFailed, GuestType
from harness.guest.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

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
            "script": self.script,
            "load": self.load,
        }
        return experiments[request["kind"]](self._types[request["prog_type"]], request)

    def phases(self, guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Fire before attach, attached and after detach; in each, what the consumer got."""
        self._release_standing()
        try:
            program = guest_type.load(f"{guest_type.name.lower()}_example")
        except LoadRefused as error:
            return {"loader": guest_type.loader, "refused": _refusal(error)}
        first, second = request["words"]
        words = (first, second)
        try:
            reply: Reply = {"loader": guest_type.loader, "before": self._phase(guest_type, words)}
            with guest_type.attached(program):
                reply["attached"] = self._phase(guest_type, words)
            reply["after"] = self._phase(guest_type, words)
        except AttachFailed as error:
            return {
                "loader": guest_type.loader,
                "attach_failed": {"errno": error.errno, "what": str(error)},
            }
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

    def script(self, guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Acts in a row on a new ring, by the type's conformance program and by user space."""
        try:
            self._stand(guest_type)
        except LoadRefused as error:
            return {"loader": guest_type.loader, "refused": _refusal(error)}
        except AttachFailed as error:
            return {
                "loader": guest_type.loader,
                "attach_failed": {"errno": error.errno, "what": str(error)},
            }
        with Stage(self._rings, request["ring_size"], guest_type, self._control) as stage:
            return {"loader": guest_type.loader, "acts": [stage.perform(act) for act in request["acts"]]}

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
        return {
            "loader": guest_type.loader,
            "functions": {name: self._try(guest_type, name) for name in request["functions"]},
        }

    @staticmethod
    def _try(guest_type: GuestType, function: str) -> Reply:
        try:
            program = guest_type.load(function)
        except LoadRefused as error:
            return {"accepted": False, **_refusal(error)}
        program.close()
        return {"accepted": True}
