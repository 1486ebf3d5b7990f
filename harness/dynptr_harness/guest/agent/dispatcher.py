"""Carries out the experiments that the host requests, and returns what was observed.

A request has the experiment in `kind`, the program type in `prog_type` and the loader in `loader`: 'bcc', or
'libbpf' for the ELF object `object`.

- `phases`: fires the event of the type's example before attach, while attached and after detach.
- `script`: runs a list of actions on a ring, see script.py. The type's conformance program makes the
  reservations. The ring is new with `new_ring`; otherwise it may come from the previous script, see
  ringbuf/pool.py.
- `load`: loads functions and closes them. BCC takes them from bpf_src/cases, libbpf from the ELF object. They
  are loaded into the type, or with `sections` into the type that the function's ELF section names.
- `rights`: loads functions of bpf_src/cases in processes with few capabilities, see capabilities.py.
- `maps`: makes a list of system calls on maps, see maps.py.
- `flood`: writes to a ring from all CPUs while it is read, see stress.py.
- `prog_run`: runs a program with BPF_PROG_RUN, see prog_run.py.
- `code`: loads programs given as instructions, and runs some of them, see code.py.
- `example`: runs one of bpf_src/examples, see examples.py.
- `own`: handles users' programs, see user_programs.py. It has no `prog_type` and no `loader`.

With `sysctl` (names to values) the experiment runs under these kernel settings.

The reply has `no_type` if the kernel rejects every program of the type, and the reason in `unavailable` if
the kernel or the machine lacks something else that the experiment needs.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.agent import kconfig
from dynptr_harness.guest.agent.user_programs import UserPrograms
from dynptr_harness.guest.bpf import libbpf, objects, relocated
from dynptr_harness.guest.bpf.libbpf import LoadedProgram, LoadRefused, RingRefused
from dynptr_harness.guest.experiments import capabilities, code, examples, prog_run
from dynptr_harness.guest.experiments.maps import MapScript
from dynptr_harness.guest.experiments.script import ScriptRunner
from dynptr_harness.guest.experiments.stress import StressPage, StressTest
from dynptr_harness.guest.prog_types import TYPES, AttachFailed, GuestType
from dynptr_harness.guest.ringbuf.consumer import Consumer
from dynptr_harness.guest.ringbuf.control import ControlPage
from dynptr_harness.guest.ringbuf.observer import Observer
from dynptr_harness.guest.ringbuf.pauses import PauseMap
from dynptr_harness.guest.ringbuf.pool import RingPool
from dynptr_harness.guest.system import cpus, network, sysctl
from dynptr_harness.guest.system.background import Background
from dynptr_harness.guest.system.sysctl import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcc import BPF

# Timeouts of a poll for a record that must come, and for one that must not come. The second is short because
# every event is over when `fire` returns. For wake-ups see
# harness/dynptr_harness/conformance/experiments/script.py.
POLL_LIMIT_S = 2.0
SILENCE_S = 0.001

OBJECTS = Path("/payload/objects")

ATTACHING = frozenset({"phases", "script", "flood"})

Reply = dict[str, Any]


def _refusal(error: LoadRefused) -> Reply:
    return {"errno": error.errno, "log": error.log_or_messages}


def _loads_into_type(request: dict[str, Any]) -> bool:
    """Return True if the experiment loads programs into the type in the request."""
    return request["kind"] in {"phases", "script", "flood", "load"} and not request.get("sections")


class Dispatcher:
    """Runs experiments with the programs of a compiled module.

    Args:
        compile_cases: compiles the programs of bpf_src/cases.
    """

    def __init__(self, module: BPF, compile_cases: Callable[[], BPF]) -> None:
        self._module = module
        self._compile_cases = compile_cases
        self._types = {name: kind(module) for name, kind in TYPES.items()}
        self._control = ControlPage(module)
        for each in self._types.values():
            each.ran = self._control.ran
        self._consumer = Consumer(module["events"].map_fd)
        self._rings = RingPool(module["rings"].map_fd)
        self._pauses = PauseMap()
        self._stress_page = StressPage()
        self._maps = {
            **libbpf.maps_of(module),
            "pauses": self._pauses.map_fd,
            "flood": self._stress_page.map_fd,
        }
        # The conformance program stays attached between scripts of the same type: attach and detach take
        # longer than the rest of a script.
        self._attached = ExitStack()
        self._attached_as: tuple[str, str, str, int] | None = None
        self._experiments: dict[str, Callable[[GuestType, dict[str, Any]], Reply]] = {
            "phases": self.phases,
            "script": self.script,
            "load": self.load,
            "flood": self.stress,
            "maps": self.maps,
            "rights": self.capabilities,
            "code": self.code,
            "example": self.example,
            "prog_run": self.prog_run,
        }

    def prepare(self) -> None:
        """Compile, create and look up everything now, rather than on first use."""
        _ = self._observer
        with cpus.on_all_cpus():
            lookups = Background(self._look_up)
            _ = self._case_types
            lookups.wait()

    def _look_up(self) -> None:
        with suppress(Unavailable):
            network.veth_pair()
        for guest_type in self._types.values():
            with suppress(LoadRefused):  # a request for the type will report it
                guest_type.look_up_target()
        for path in sorted(OBJECTS.glob("*.o")):
            with suppress(LoadRefused):
                relocated.find(path, "", self._maps)

    def answer(self, request: dict[str, Any]) -> Reply:
        """Carry out one request and return the reply."""
        if request["kind"] == "own":
            self._detach()
            return self._user_programs.answer(request)
        guest_type = self._types[request["prog_type"]]
        if _loads_into_type(request) and guest_type.type_name in libbpf.refused_prog_types():
            return {"loader": request["loader"], "no_type": True}
        try:
            if request["kind"] in ATTACHING:
                kconfig.require(guest_type.name)
            with self._settings(request["sysctl"]) if "sysctl" in request else nullcontext():
                reply = self._experiments[request["kind"]](guest_type, request)
        except Unavailable as error:
            reply = {"unavailable": str(error)}
        return {"loader": request["loader"], **reply}

    @contextmanager
    def _settings(self, settings: dict[str, int]) -> Iterator[None]:
        """Change kernel settings. Detach the program that was loaded under other settings."""
        self._detach()
        with ExitStack() as stack:
            for name, value in settings.items():
                stack.enter_context(sysctl.changed(name, value))
            yield
            self._detach()

    def capabilities(self, _guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Create rings and load programs in processes with few capabilities."""
        return capabilities.experiment(self._case_types, request)

    def phases(self, guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Fire before attach, while attached and after detach. Return the records of each event."""
        self._detach()
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
        """Run a list of actions on one ring."""
        if any(act["act"] == "held" for act in request["acts"]):
            cpus.require_two()
        try:
            self._attach(guest_type, request)
        except LoadRefused as error:
            return {"refused": _refusal(error)}
        except AttachFailed as error:
            return {"attach_failed": {"errno": error.errno, "what": str(error)}}
        except RingRefused as error:
            return {"no_ring": error.errno}
        runner = ScriptRunner(self._rings, request, guest_type, self._control, self._observer)
        return {"acts": runner.run(request["acts"])}

    def _attach(self, guest_type: GuestType, request: dict[str, Any]) -> None:
        """Load and attach the type's conformance program, and detach the previous one."""
        wanted = (guest_type.name, request["loader"], request["object"], request["ring_flags"])
        if self._attached_as == wanted:
            return
        self._detach()
        program = self._load(guest_type, guest_type.steps(request["object"]), request)
        with ExitStack() as stack:
            stack.callback(program.close)
            stack.enter_context(guest_type.attached(program))
            self._attached = stack.pop_all()
        self._attached_as = wanted

    def _load(self, guest_type: GuestType, function: str, request: dict[str, Any]) -> LoadedProgram:
        if request["loader"] == "bcc":
            return guest_type.load(function)
        maps = {**self._maps, "rings": self._rings.map_of(request.get("ring_flags", 0))}
        return guest_type.load_harness_object(OBJECTS / f"{request['object']}.bpf.o", function, maps)

    def _detach(self) -> None:
        self._attached_as = None
        self._attached.close()

    def load(self, guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Load each function and close it. A rejected one has errno and verifier log in the reply."""
        functions = request["functions"]
        return {"functions": {name: self._try_load(guest_type, name, request) for name in functions}}

    def _try_load(self, guest_type: GuestType, function: str, request: dict[str, Any]) -> Reply:
        try:
            program = self._load_case(guest_type, function, request)
        except LoadRefused as error:
            return {"accepted": False, **_refusal(error)}
        program.close()
        return {"accepted": True}

    def _load_case(self, guest_type: GuestType, function: str, request: dict[str, Any]) -> LoadedProgram:
        if request["loader"] == "bcc":
            return self._case_types[guest_type.name].load(function)
        if request.get("sections"):
            return self._load_by_section(OBJECTS / f"{request['object']}.bpf.o", function)
        return self._load(guest_type, function, request)

    def _load_by_section(self, path: Path, function: str) -> LoadedProgram:
        found = relocated.find(path, function, self._maps)
        if not found:
            return objects.load(path, function, None, maps=self._maps)
        return libbpf.load_code(
            found.name, found.code, found.prog_type, license_=found.license, **found.described
        )

    @staticmethod
    def maps(_guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Run a list of system calls on new maps."""
        with MapScript() as script:
            return {"acts": [script.perform(act) for act in request["acts"]]}

    @staticmethod
    def code(_guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Load programs given as instructions."""
        return code.experiment(request)

    def example(self, _guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Run an example."""
        self._detach()
        return examples.run(request)

    def prog_run(self, _guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Run a program with BPF_PROG_RUN."""
        self._detach()
        return prog_run.run(request)

    def stress(self, _guest_type: GuestType, request: dict[str, Any]) -> Reply:
        """Write to a ring from all CPUs, and check the records that arrive."""
        self._detach()
        try:
            with cpus.on_all_cpus():
                return StressTest(self._module, OBJECTS, self._maps, self._stress_page, request).run()
        except LoadRefused as error:
            return {"refused": _refusal(error)}
        except AttachFailed as error:
            return {"attach_failed": {"errno": error.errno, "what": str(error)}}

    @cached_property
    def _observer(self) -> Observer:
        return Observer(self._pauses)

    @cached_property
    def _user_programs(self) -> UserPrograms:
        # separate instances, because users' programs do not use the control page that `ran` reads
        return UserPrograms({name: kind(self._types[name].module) for name, kind in TYPES.items()})

    @cached_property
    def _case_types(self) -> dict[str, GuestType]:
        """The program types with the programs of bpf_src/cases, compiled on first use."""
        return {name: kind(self._case_module) for name, kind in TYPES.items()}

    @cached_property
    def _case_module(self) -> BPF:
        return self._compile_cases()
