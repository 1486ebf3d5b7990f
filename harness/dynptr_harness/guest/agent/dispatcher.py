"""The experiments that a host can ask for; each answers with what was seen, and with nothing else.

A request names the experiment in `kind`, the program type in `prog_type`, and in `loader` what compiles and
loads the programs: 'bcc', or 'libbpf' from the ELF object `object`.

- `phases`: the type's example, with its event fired before it is attached, while, and after.
- `script`: acts on a ring, see stage.py; the reservations are done by the conformance program. It is a new
  one with `new_ring`, else one that is as good as new, see rings.py.
- `load`: functions loaded and let go again: those of bpf_src/cases by BCC, those of the ELF object by libbpf;
  into the type, or with `sections` into the one that the function's section in the object names.
- `rights`: functions of bpf_src/cases loaded by processes with few capabilities, see rights.py.
- `maps`: calls on maps in a row, see maps.py.
- `flood`: far more reservations than a ring has room for, see flood.py.
- `example`: one of bpf_src/examples while it watches some calls, see examples.py.
- `own`: programs of a person's own, see own_programs.py; without a type or loader of the whole request.

Where the kernel refuses every program of the type, even one that does nothing, the reply is `no_type`.

With `sysctl` in the request, settings of the kernel by their names, all is done under these settings; where
the kernel does not take them the reply says so in `unavailable`.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.agent import kconfig
from dynptr_harness.guest.agent.user_programs import OwnPrograms
from dynptr_harness.guest.bpf import libbpf, objects, relocated
from dynptr_harness.guest.bpf.libbpf import LoadRefused, Program, RingRefused
from dynptr_harness.guest.experiments import capabilities, examples
from dynptr_harness.guest.experiments.maps import Maps
from dynptr_harness.guest.experiments.script import ScriptRunner
from dynptr_harness.guest.experiments.stress import FloodPage, Stress
from dynptr_harness.guest.prog_types import TYPES, AttachFailed, GuestType
from dynptr_harness.guest.ringbuf.consumer import Consumer
from dynptr_harness.guest.ringbuf.control import Control
from dynptr_harness.guest.ringbuf.observer import Observer
from dynptr_harness.guest.ringbuf.pauses import Pauses
from dynptr_harness.guest.ringbuf.pool import Rings
from dynptr_harness.guest.system import cpus, network, sysctl
from dynptr_harness.guest.system.background import Background
from dynptr_harness.guest.system.sysctl import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcc import BPF

# How long a poll may wait for the kernel to say that there is a record, and how long it listens where
# none may come, in seconds. Every event is over when `fire` returns, so that silence needs no long wait;
# see harness/dynptr_harness/conformance/experiments/script.py for why a wake-up is, too.
POLL_LIMIT_S = 2.0
SILENCE_S = 0.001

OBJECTS = Path("/payload/objects")

ATTACHING = frozenset({"phases", "script", "flood"})

Reply = dict[str, Any]


def _refusal(error: LoadRefused) -> Reply:
    return {"errno": error.errno, "log": error.words}


def _loads_into_type(request: dict[str, Any]) -> bool:
    """Whether the experiment loads programs into the type that the request names."""
    return request["kind"] in {"phases", "script", "flood", "load"} and not request.get("sections")


class Dispatcher:
    """The compiled module with all that is needed to experiment with its programs."""

    def __init__(self, module: BPF, compile_cases: Callable[[], BPF]) -> None:
        self._module = module
        self._compile_cases = compile_cases
        self._types = {name: kind(module) for name, kind in TYPES.items()}
        self._control = Control(module)
        for each in self._types.values():
            each.ran = self._control.ran
        self._consumer = Consumer(module["events"].map_fd)
        self._rings = Rings(module["rings"].map_fd)
        self._pauses = Pauses()
        self._flood_page = FloodPage()
        self._maps = {
            **libbpf.maps_of(module),
            "pauses": self._pauses.map_fd,
            "flood": self._flood_page.map_fd,
        }
        # The steps program stays attached from one request to the next of the same type: attaching and
        # detaching cost more than all the rest of an experiment.
        self._standing = ExitStack()
        self._standing_for: tuple[str, str, str, int] | None = None
        self._experiments: dict[str, Callable[[GuestType, dict[str, Any]], Reply]] = {
            "phases": self.phases,
            "script": self.script,
            "load": self.load,
            "flood": self.flood,
            "maps": self.maps,
            "rights": self.rights,
            "example": self.example,
        }

    def prepare(self) -> None:
        """Compile, make and look up now what is else compiled, made or looked up when it is first needed."""
        _ = self._observer
        with cpus.anywhere():
            others = Background(self._look_up)
            _ = self._case_types
            others.wait()

    def _look_up(self) -> None:
        """What takes no compiler."""
        with suppress(Unavailable):
            network.wire()
        for guest_type in self._types.values():
            with suppress(LoadRefused):  # which is said again to whoever asks for the type
                guest_type.look_up_target()
        for path in sorted(OBJECTS.glob("*.o")):
            with suppress(LoadRefused):
                relocated.find(path, "", self._maps)

    def answer(self, request: dict[str, Any]) -> Reply:
        """Do what the request asks for."""
        if request["kind"] == "own":
            self._release_standing()
            return self._own_programs.answer(request)
        guest_type = self._types[request["prog_type"]]
        if _loads_into_type(request) and guest_type.type_name in libbpf.refused_prog_types():
            return {"loader": request["loader"], "no_type": True}
        try:
            if request["kind"] in ATTACHING:
                kconfig.demand(guest_type.type_name)
            with self._settings(request["sysctl"]) if "sysctl" in request else nullcontext():
                reply = self._experiments[request["kind"]](guest_type, request)
        except Unavailable as error:
            reply = {"unavailable": str(error)}
        return {"loader": request["loader"], **reply}

    @contextmanager
    def _settings(self, settings: dict[str, int]) -> Iterator[None]:
        """Settings of the kernel within this context; no program stays that was loaded under other ones."""
        self._release_standing()
        with ExitStack() as stack:
            for name, value in settings.items():
                stack.enter_context(sysctl.changed(name, value))
            yield
            self._release_standing()

    def rights(self, _guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """What processes with few capabilities may make and load."""
        return capabilities.experiment(self._case_types, request)

    def phases(self, guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Fire before attach, attached and after detach; in each, what the consumer got."""
        self._release_standing()
        try:
            program = guest_type.load(guest_type.example)
        except LoadRefused as error:
            return {"refused": _refusal(error)}
        first, second = request["words"]
        words = (first, second)
        try:
            reply: Reply = {"before": self._phase(guest_type, words)}
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

    def script(self, guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Acts in a row on one ring, by the type's conformance program and by user space."""
        try:
            self._stand(guest_type, request)
        except LoadRefused as error:
            return {"refused": _refusal(error)}
        except AttachFailed as error:
            return {"attach_failed": {"errno": error.errno, "what": str(error)}}
        except RingRefused as error:
            return {"no_ring": error.errno}
        stage = ScriptRunner(self._rings, request, guest_type, self._control, self._observer)
        return {"acts": stage.run(request["acts"])}

    def _stand(self, guest_type: GuestType, request: dict[str, Any]) -> None:
        """Load and attach the type's conformance program; what stood before is detached first."""
        wanted = (guest_type.name, request["loader"], request["object"], request["ring_flags"])
        if self._standing_for == wanted:
            return
        self._release_standing()
        program = self._loaded(guest_type, guest_type.steps(request["object"]), request)
        with ExitStack() as stack:
            stack.callback(program.close)
            stack.enter_context(guest_type.attached(program))
            self._standing = stack.pop_all()
        self._standing_for = wanted

    def _loaded(self, guest_type: GuestType, function: str, request: dict[str, Any]) -> Program:
        if request["loader"] == "bcc":
            return guest_type.load(function)
        maps = {**self._maps, "rings": self._rings.map_of(request.get("ring_flags", 0))}
        return guest_type.load_ours(OBJECTS / f"{request['object']}.bpf.o", function, maps)

    def _release_standing(self) -> None:
        self._standing_for = None
        self._standing.close()

    def load(self, guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Load each function of the request and close it again: accepted, or refused with errno and log."""
        return {"functions": {name: self._try(guest_type, name, request) for name in request["functions"]}}

    def _try(self, guest_type: GuestType, function: str, request: dict[str, Any]) -> Reply:
        try:
            program = self._loaded_case(guest_type, function, request)
        except LoadRefused as error:
            return {"accepted": False, **_refusal(error)}
        program.close()
        return {"accepted": True}

    def _loaded_case(self, guest_type: GuestType, function: str, request: dict[str, Any]) -> Program:
        if request["loader"] == "bcc":
            return self._case_types[guest_type.name].load(function)
        if request.get("sections"):
            return self._loaded_by_section(OBJECTS / f"{request['object']}.bpf.o", function)
        return self._loaded(guest_type, function, request)

    def _loaded_by_section(self, path: Path, function: str) -> Program:
        found = relocated.find(path, function, self._maps)
        if not found:
            return objects.load(path, function, None, maps=self._maps)
        return libbpf.load_code(
            found.name, found.code, found.prog_type, license_=found.license, **found.described
        )

    @staticmethod
    def maps(_guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Calls of user space on maps of its own, by bare system calls."""
        with Maps() as maps:
            return {"acts": [maps.perform(act) for act in request["acts"]]}

    def example(self, _guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """An example that watches calls of ours, by its section."""
        self._release_standing()
        return examples.run(request)

    def flood(self, _guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Flood a ring by the type and by a perf event, and read it empty."""
        self._release_standing()
        try:
            with cpus.anywhere():
                return Stress(self._module, OBJECTS, self._maps, self._flood_page, request).run()
        except LoadRefused as error:
            return {"refused": _refusal(error)}
        except AttachFailed as error:
            return {"attach_failed": {"errno": error.errno, "what": str(error)}}

    @cached_property
    def _observer(self) -> Observer:
        return Observer(self._pauses)

    @cached_property
    def _own_programs(self) -> OwnPrograms:
        # types of their own, which do not look at the control page for whether a program ran
        return OwnPrograms({name: kind(self._types[name].module) for name, kind in TYPES.items()})

    @cached_property
    def _case_types(self) -> dict[str, GuestType]:
        """The types over the programs for the verifier, which are compiled when first asked for."""
        return {name: kind(self._case_module) for name, kind in TYPES.items()}

    @cached_property
    def _case_module(self) -> BPF:
        return self._compile_cases()
