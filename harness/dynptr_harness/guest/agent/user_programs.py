"""Users' programs: C files for BCC, and BPF objects for libbpf.

The field `do` of a request of kind `own` names the action:

- `compile`: compile `text` (base64) with BCC, or open `object` (base64) with libbpf.
  - `name` is the name of the text in clang's diagnostics. `headers` has the content (base64) of header files
    by path, and `directory` is the directory of the text among them.
  - `kconfig` (base64, gzip) is the kernel configuration, if the object reads it and the host has it.
  - The reply has a number for the `file`, its `programs` with their sections ('' for BCC), and `diagnostics`.
    It has only `diagnostics` if the file does not compile, and `refused` if libbpf or the kernel rejects it.
- `load`: load `function` of `file` into `prog_type`, or by its section if null. The reply has a number for
  the `program`, or `refused`, or `no_type` if the kernel rejects all programs of the type, or `unavailable`
  if the kernel lacks a feature that the type needs.
- `attach`, `detach`: attach `program` to the event of its type, or by its section.
- `fire`: trigger the event once. The reply has its result. Programs loaded by section have no event.
- `records`: return the new records of the ring buffers of `program`, in hex, by name of the ring buffer.
- `close`: close `program`.

`refused` and `attach_failed` have `errno`, `log` (the verifier log, or '') and `messages`, the lines that
libbpf or BCC printed.
"""

from __future__ import annotations

import base64
import gzip
import os
import re
import tempfile
from contextlib import ExitStack, closing, contextmanager
from errno import errorcode
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bcc import BPF
from bcc.libbcc import lib

from dynptr_harness.guest.bpf import libbpf, libbpf_messages, objects
from dynptr_harness.guest.bpf.elf import ElfObject
from dynptr_harness.guest.bpf.libbpf import LoadRefused
from dynptr_harness.guest.bpf.objects import UserObject
from dynptr_harness.guest.ringbuf.consumer import Consumer
from dynptr_harness.guest.system.sysctl import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram
    from dynptr_harness.guest.prog_types import GuestType

BPF_SRC = Path("/payload/bpf_src")
OBJECT = "own.bpf.o"
BOOT = Path("/boot")  # libbpf searches it for the kernel configuration
# BCC creates maps during the compilation (src/cc/bpf_module.cc)
_MAP_FAILED = re.compile(r"could not open bpf map: .*, error: (?P<error>.*)")
# call of a weak kfunc that the kernel lacks (POISON_CALL_KFUNC_BASE in libbpf's libbpf.c)
_UNRESOLVED = re.compile(
    r"(?P<instruction>\d+): \(85\) call unknown#2002\d{6}\ninvalid func unknown#2002\d{6}\n"
)

Reply = dict[str, Any]
_Loadable = tuple["LoadedProgram", "Callable[[], AbstractContextManager[None]]"]  # the callable attaches it


class UserPrograms:
    """Users' files and programs, by number.

    Args:
        types: program types by name. They attach and fire programs.
    """

    def __init__(self, types: Mapping[str, GuestType]) -> None:
        self._types = types
        self._files: list[_Module | _Object] = []
        self._programs: list[_Loaded] = []

    def answer(self, request: dict[str, Any]) -> Reply:
        """Handle a request."""
        match request["do"]:
            case "compile":
                return self._compile(request)
            case "load":
                return self._load(request)
            case act:
                reply: Reply = getattr(self._programs[request["program"]], act)()
                return reply

    def _compile(self, request: dict[str, Any]) -> Reply:
        with _captured_standard_error() as captured:
            try:
                file = _Module(request) if "text" in request else _Object(request)
            except LoadRefused as error:
                return {"diagnostics": "", "refused": _refusal(error, [])}
            except Exception as error:  # BCC raises no subclass
                return _not_compiled(captured() or f"{error}\n")
            self._files.append(file)
            return {"file": len(self._files) - 1, "programs": file.programs, "diagnostics": captured()}

    def _load(self, request: dict[str, Any]) -> Reply:
        guest_type = self._types[request["prog_type"]] if request["prog_type"] else None
        if guest_type and guest_type.type_name in libbpf.refused_prog_types():
            return {"no_type": True}
        with _captured_standard_error() as captured, libbpf_messages.collected() as messages:
            try:
                loaded = _Loaded(self._files[request["file"]], request["function"], guest_type)
            except Unavailable as error:
                return {"unavailable": str(error)}
            except OSError as error:
                return {"refused": _refusal(error, messages or captured().splitlines())}
        self._programs.append(loaded)
        return {"program": len(self._programs) - 1}


def _refusal(error: OSError, messages: Sequence[str]) -> Reply:
    if not isinstance(error, LoadRefused):
        return {"errno": error.errno or 0, "log": "", "messages": [*messages, str(error)]}
    return {"errno": error.errno or 0, "log": error.log, "messages": list(error.messages or messages)}


def _not_compiled(output: str) -> Reply:
    """Return the reply for a text that clang rejected, or for a map that the kernel did not create."""
    if not (failed := _MAP_FAILED.search(output)):
        return {"diagnostics": output}
    errno = next((number for number in errorcode if os.strerror(number) == failed["error"]), 0)
    return {"diagnostics": "", "refused": {"errno": errno, "log": "", "messages": output.splitlines()}}


class _NoAutoload(BPF):  # type: ignore[misc]  # BCC comes without types
    """A module that does not attach functions by name. BCC would attach kprobe__do_exit, for example."""

    def _trace_autoload(self) -> None:
        pass


class _Module:
    """A C file compiled by BCC."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._directory = tempfile.TemporaryDirectory()
        root = Path(self._directory.name)
        for path, content in request["headers"].items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(base64.b64decode(content))
        text = f'#line 1 "{request["name"]}"\n'.encode() + base64.b64decode(request["text"])
        include = [root / request["directory"], BPF_SRC / "include"]
        self._module = _NoAutoload(text=text, cflags=[f"-I{each}" for each in include])

    @property
    def programs(self) -> dict[str, str]:
        """Names of the functions. They have no sections."""
        module = self._module.module
        names = (lib.bpf_function_name(module, number) for number in range(lib.bpf_num_functions(module)))
        return {name.decode(): "" for name in names}

    @contextmanager
    def loaded(self, function: str, guest_type: GuestType | None) -> Iterator[_Loadable]:
        """Load a function within this context."""
        assert guest_type  # noqa: S101  (there is no section to name it)
        with closing(type(guest_type)(self._module).load(function)) as program:
            yield program, partial(guest_type.attached, program)


class _Object:
    """An object for libbpf."""

    def __init__(self, request: dict[str, Any]) -> None:
        if "kconfig" in request:
            config = BOOT / f"config-{os.uname().release}"
            config.parent.mkdir(exist_ok=True)
            config.write_bytes(gzip.decompress(base64.b64decode(request["kconfig"])))
        self._directory = Path(tempfile.mkdtemp())
        self._code = base64.b64decode(request["object"])
        path = self._directory / OBJECT
        path.write_bytes(self._code)
        self.programs = objects.programs(path)

    @contextmanager
    def loaded(self, function: str, guest_type: GuestType | None) -> Iterator[_Loadable]:
        """Load a program within this context, by its section if there is no type."""
        user_object = self._only(function)
        if not guest_type:
            with user_object.by_section() as program:
                yield program, program.attached
            return
        try:
            loaded = guest_type.load_from(user_object)
        except LoadRefused as refused:
            refused.log = _UNRESOLVED.sub(partial(self._unresolved, function), refused.log)
            raise
        with closing(loaded) as program:
            yield program, partial(guest_type.attached, program)

    def _unresolved(self, function: str, call: re.Match[str]) -> str:
        """Return the lines that libbpf writes into the log of a program that it loads itself."""
        name = ElfObject(self._code).symbol_at(function, int(call["instruction"])) or "(unknown)"
        return (
            f"{call['instruction']}: <invalid kfunc call>\nkfunc '{name}' is referenced but wasn't resolved\n"
        )

    def _only(self, function: str) -> UserObject:
        """Return an object for one program. It loads even if other programs of the file cannot."""
        elf = ElfObject(self._code)
        # libbpf names maps of global data after the file
        path = self._directory / function / OBJECT
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(elf.only_for(function))
        return UserObject(path, function, elf.unused_maps(function))


class _Loaded:
    """A loaded program."""

    def __init__(self, file: _Module | _Object, function: str, guest_type: GuestType | None) -> None:
        self._guest_type = guest_type
        self._held = ExitStack()
        self._attached = self._held.enter_context(ExitStack())
        self._program, self._attaching = self._held.enter_context(file.loaded(function, guest_type))
        self._consumers: dict[str, Consumer] | None = None

    def attach(self) -> Reply:
        with libbpf_messages.collected() as messages:
            try:
                self._attached.enter_context(self._attaching())
            except OSError as error:
                return {"attach_failed": {**_refusal(error, messages), "what": str(error)}}
        return {}

    def detach(self) -> Reply:
        self._attached.close()
        return {}

    def fire(self) -> Reply:
        """Trigger the event of the program type."""
        assert self._guest_type  # noqa: S101  (the host fires no programs loaded by section)
        return {"event": self._guest_type.fire()}

    def records(self) -> Reply:
        """Return the new records of the program's ring buffers."""
        if self._consumers is None:
            self._consumers = {}
            for name, ring in libbpf.rings_of(self._program).items():
                self._held.callback(os.close, ring)
                self._consumers[name] = Consumer(ring)
                self._held.callback(self._consumers[name].close)
        return {
            "records": {name: [each.hex() for each in one.take()] for name, one in self._consumers.items()}
        }

    def close(self) -> Reply:
        """Detach and unload the program."""
        self._held.close()
        return {}


@contextmanager
def _captured_standard_error() -> Iterator[Callable[[], str]]:
    """Capture standard error within this context. Return a function that reads it."""
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)

        def captured() -> str:
            return os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace")

        try:
            yield captured
        finally:
            os.dup2(before, 2)
            os.close(before)
