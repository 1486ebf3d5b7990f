"""Programs of a person's own: a C file that BCC compiles here, or an object that clang compiled on the host.

A request of kind `own` says in `do` what is to be done:

- `compile`: BCC compiles `text`, which clang's diagnostics call `name`; or `object` (base64) is taken as it
  is. The reply has a number for the `file`, its `programs` with the section that each is in (empty for BCC),
  and `diagnostics`; or only these, when it cannot be compiled.
- `load`: `function` of `file` into `prog_type`, or as its section says when that is null: a number for the
  `program`; or `refused` with errno and log, or `no_type` where the kernel refuses every program of the type.
- `attach`, `detach`: `program` to the event of its type, or as its section says.
- `fire`: that event happens, once; what it saw itself. The event of a section is not ours to make.
- `records`: what came since the last time from the ring buffers of `program`, by their names, in hex.
- `close`: `program` is let go of.
"""

from __future__ import annotations

import base64
import os
import tempfile
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bcc import BPF
from bcc.libbcc import lib

from dynptr_harness.guest.bpf import libbpf, objects
from dynptr_harness.guest.ringbuf.consumer import Consumer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from dynptr_harness.guest.bpf.libbpf import Program
    from dynptr_harness.guest.prog_types import GuestType

BPF_SRC = Path("/payload/bpf_src")

Reply = dict[str, Any]
_Loadable = tuple["Program", "Callable[[], AbstractContextManager[None]]"]  # and what attaches it


class OwnPrograms:
    """All files and programs so far, by their numbers.

    Args:
        types: what attaches and fires, by name.
    """

    def __init__(self, types: Mapping[str, GuestType]) -> None:
        self._types = types
        self._files: list[_Module | _Object] = []
        self._programs: list[_Loaded] = []

    def answer(self, request: dict[str, Any]) -> Reply:
        """Do what the request asks for."""
        match request["do"]:
            case "compile":
                return self._compile(request)
            case "load":
                return self._load(request)
            case act:
                reply: Reply = getattr(self._programs[request["program"]], act)()
                return reply

    def _compile(self, request: dict[str, Any]) -> Reply:
        with _standard_error() as said:
            try:
                file = _Module(request) if "text" in request else _Object(request)
            except Exception as error:  # BCC raises nothing more special
                return {"diagnostics": said() or f"{error}\n"}
            self._files.append(file)
            return {"file": len(self._files) - 1, "programs": file.programs, "diagnostics": said()}

    def _load(self, request: dict[str, Any]) -> Reply:
        guest_type = self._types[request["prog_type"]] if request["prog_type"] else None
        if guest_type and guest_type.type_name in libbpf.refused_prog_types():
            return {"no_type": True}
        with _standard_error() as said:
            try:
                loaded = _Loaded(self._files[request["file"]], request["function"], guest_type)
            except OSError as error:  # LoadRefused, or what the type takes beside cannot be had
                log = getattr(error, "log", "") or said() or str(error)
                return {"refused": {"errno": error.errno, "log": log}}
        self._programs.append(loaded)
        return {"program": len(self._programs) - 1}


class _NothingByItself(BPF):  # type: ignore[misc]  # BCC comes without types
    """A module of which nothing is loaded and attached because of its name, such as kprobe__do_exit."""

    def _trace_autoload(self) -> None:
        pass


class _Module:
    """A file that BCC compiled."""

    def __init__(self, request: dict[str, Any]) -> None:
        text = f'#line 1 "{request["name"]}"\n{request["text"]}'
        self._module = _NothingByItself(text=text, cflags=[f"-I{BPF_SRC / 'include'}"])

    @property
    def programs(self) -> dict[str, str]:
        """The functions that can be loaded; none has a section."""
        module = self._module.module
        names = (lib.bpf_function_name(module, number) for number in range(lib.bpf_num_functions(module)))
        return {name.decode(): "" for name in names}

    @contextmanager
    def loaded(self, function: str, guest_type: GuestType | None) -> Iterator[_Loadable]:
        """A function, loaded within this context."""
        assert guest_type  # noqa: S101  (there is no section to take it from)
        with closing(type(guest_type)(self._module).load(function)) as program:
            yield program, partial(guest_type.attached, program)


class _Object:
    """An object that clang compiled."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._path = Path(tempfile.mkdtemp()) / "own.bpf.o"
        self._path.write_bytes(base64.b64decode(request["object"]))
        self.programs = objects.programs(self._path)

    @contextmanager
    def loaded(self, function: str, guest_type: GuestType | None) -> Iterator[_Loadable]:
        """A program, loaded within this context, as its section says where there is no type."""
        if not guest_type:
            with objects.by_section(self._path, function) as own:
                yield own, own.attached
            return
        with closing(guest_type.load_from(self._path, function, {})) as program:
            yield program, partial(guest_type.attached, program)


class _Loaded:
    """A program that is loaded, until it is closed."""

    def __init__(self, file: _Module | _Object, function: str, guest_type: GuestType | None) -> None:
        self._guest_type = guest_type
        self._held = ExitStack()
        self._attached = self._held.enter_context(ExitStack())
        self._program, self._attaching = self._held.enter_context(file.loaded(function, guest_type))
        self._consumers: dict[str, Consumer] | None = None

    def attach(self) -> Reply:
        """Attach it."""
        try:
            self._attached.enter_context(self._attaching())
        except OSError as error:
            return {"attach_failed": {"errno": error.errno, "what": str(error)}}
        return {}

    def detach(self) -> Reply:
        """Detach it."""
        self._attached.close()
        return {}

    def fire(self) -> Reply:
        """Make the event of its type happen."""
        assert self._guest_type  # noqa: S101  (the host asks for no other)
        return {"event": self._guest_type.fire()}

    def records(self) -> Reply:
        """What is in its rings."""
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
        """Detach it and let it go."""
        self._held.close()
        return {}


@contextmanager
def _standard_error() -> Iterator[Callable[[], str]]:
    """What the libraries say on standard error within this context is read by the function, not shown."""
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)

        def said() -> str:
            return os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace")

        try:
            yield said
        finally:
            os.dup2(before, 2)
            os.close(before)
