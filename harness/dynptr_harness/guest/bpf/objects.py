"""ELF objects, loaded through libbpf: programs that BCC cannot compile or load.

The host compiles them: see harness/dynptr_harness/guest_image/bpf_objects.py and bpf_src/elf.
"""

from __future__ import annotations

import ctypes as ct
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc.libbcc import lib

from dynptr_harness.guest.bpf import libbpf, libbpf_messages
from dynptr_harness.guest.bpf.libbpf import LoadedProgram, LoadRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping
    from pathlib import Path

    from dynptr_harness.guest.bpf.verifier_log import VerifierLog
    from dynptr_harness.protocol.uapi import AttachType, BpfProgType


def _declare(name: str, result: type | None, *arguments: type) -> None:
    function = getattr(lib, name)
    function.restype, function.argtypes = result, arguments


_POINTER, _INT, _U32, _TEXT = ct.c_void_p, ct.c_int, ct.c_uint32, ct.c_char_p
_declare("bpf_object__open_file", _POINTER, _TEXT, _POINTER)
_declare("bpf_object__load", _INT, _POINTER)
_declare("bpf_object__close", None, _POINTER)
_declare("bpf_object__next_program", _POINTER, _POINTER, _POINTER)
_declare("bpf_object__find_program_by_name", _POINTER, _POINTER, _TEXT)
_declare("bpf_object__next_map", _POINTER, _POINTER, _POINTER)
_declare("bpf_map__name", _TEXT, _POINTER)
_declare("bpf_map__reuse_fd", _INT, _POINTER, _INT)
_declare("bpf_map__set_autocreate", _INT, _POINTER, ct.c_bool)
_declare("bpf_program__set_autoload", _INT, _POINTER, ct.c_bool)
_declare("bpf_program__set_type", _INT, _POINTER, _INT)
_declare("bpf_program__set_expected_attach_type", _INT, _POINTER, _INT)
_declare("bpf_program__set_attach_target", _INT, _POINTER, _INT, _TEXT)
_declare("bpf_program__set_flags", _INT, _POINTER, _U32)
_declare("bpf_program__set_log_buf", _INT, _POINTER, _POINTER, ct.c_size_t)
_declare("bpf_program__set_log_level", _INT, _POINTER, _U32)
_declare("bpf_program__fd", _INT, _POINTER)
_declare("bpf_program__name", _TEXT, _POINTER)
_declare("bpf_program__section_name", _TEXT, _POINTER)
_declare("bpf_program__attach", _POINTER, _POINTER)
_declare("bpf_link__destroy", _INT, _POINTER)
_declare("bpf_object__btf", _POINTER, _POINTER)


def load(
    path: Path,
    function: str,
    prog_type: BpfProgType | None,
    *,
    maps: Mapping[str, int],
    flags: int = 0,
    attach_type: AttachType | None = None,
    btf_target: str | None = None,
    prepare: Callable[[int, int], None] | None = None,
    unused_maps: Container[str] = (),
) -> LoadedProgram:
    """Load one program of an object.

    Args:
        prog_type: program type. None for the type, attach type, flags and target that the section
            of the program names.
        maps: descriptors of maps that replace the object's own, by name.
        flags: BPF_F_* of the program.
        attach_type: expected attach type.
        btf_target: kernel function or LSM hook of a TRACING or LSM program.
        prepare: called with the handles of the object and the program before the load.
        unused_maps: names of maps that libbpf must not create.

    Raises:
        LoadRefused: libbpf or the kernel rejected the program.
    """
    options = _Options(flags, attach_type, btf_target, prepare, unused_maps)
    with _loaded(path, function, prog_type, maps, options) as program:
        return LoadedProgram(function, os.dup(lib.bpf_program__fd(program)))


def btf_of(obj: int) -> int:
    """Return the BTF of an open object. It can be changed until the load."""
    return int(lib.bpf_object__btf(obj))


def replace_function(program: int, target_fd: int, function: str) -> None:
    """Make a program of an open object replace a function of the program `target_fd`."""
    if lib.bpf_program__set_attach_target(program, target_fd, function.encode()) < 0:
        raise LoadRefused(libbpf.last_errno(), "", (f"the program has no function {function}",))


@dataclass
class BySection(LoadedProgram):
    """A program that is loaded and attached according to its section."""

    handle: int

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Attach the program within this context.

        Raises:
            OSError: the kernel rejected the attach.
        """
        link = _checked(lib.bpf_program__attach(self.handle), f"attach {self.name} as its section says")
        try:
            yield
        finally:
            lib.bpf_link__destroy(link)


@dataclass(frozen=True)
class UserObject:
    """A user's object from which one program is loaded.

    Attributes:
        unused_maps: names of maps that the program does not need.
    """

    path: Path
    function: str
    unused_maps: frozenset[str] = frozenset()

    @contextmanager
    def by_section(self) -> Iterator[BySection]:
        """Load the program by its section, within this context. Raises the errors of `load`."""
        options = _Options(unused_maps=self.unused_maps)
        with _loaded(self.path, self.function, None, {}, options) as program:
            yield BySection(self.function, lib.bpf_program__fd(program), program)


def programs(path: Path) -> dict[str, str]:
    """Return the section of each program of an object, by the name of the program.

    Raises:
        LoadRefused: libbpf rejected the object.
    """
    with libbpf_messages.collected() as messages:
        try:
            obj = open_object(path, {})
        except OSError as error:
            raise LoadRefused(error.errno or 0, "", tuple(messages)) from error
    try:
        return {lib.bpf_program__name(each).decode(): section_of(each) for each in programs_of(obj)}
    finally:
        lib.bpf_object__close(obj)


@dataclass(frozen=True)
class _Options:
    """Further arguments of `load`."""

    flags: int = 0
    attach_type: AttachType | None = None
    btf_target: str | None = None
    prepare: Callable[[int, int], None] | None = None
    unused_maps: Container[str] = ()


@contextmanager
def _loaded(
    path: Path,
    function: str,
    prog_type: BpfProgType | None,
    maps: Mapping[str, int],
    options: _Options,
) -> Iterator[int]:
    with libbpf_messages.collected() as messages:
        try:
            obj, program = _load_object(path, function, prog_type, maps, options)
        except LoadRefused as refused:
            refused.messages = (*messages, *refused.messages)
            raise
        except OSError as error:
            if not messages:
                raise
            raise LoadRefused(error.errno or 0, "", tuple(messages)) from error
    try:
        yield program
    finally:
        lib.bpf_object__close(obj)


def _load_object(
    path: Path,
    function: str,
    prog_type: BpfProgType | None,
    maps: Mapping[str, int],
    options: _Options,
) -> tuple[int, int]:
    """Load an object. Return its handle, which the caller closes, and the handle of the program."""
    loaded: list[tuple[int, int]] = []

    def load(log: VerifierLog, level: int) -> int:
        obj = open_object(path, maps, options.unused_maps)
        try:
            program = _configured(obj, path, function, prog_type, options)
            # like BCC, libbpf requests a log only after the first attempt failed
            lib.bpf_program__set_log_buf(program, log.pointer, log.size)
            lib.bpf_program__set_log_level(program, level)
            result: int = lib.bpf_object__load(obj)
        except BaseException:
            lib.bpf_object__close(obj)
            raise
        if result < 0:
            lib.bpf_object__close(obj)
        else:
            loaded.append((obj, program))
        return result

    libbpf.with_log(load)
    return loaded[0]


def _configured(obj: int, path: Path, function: str, prog_type: BpfProgType | None, options: _Options) -> int:
    """Apply the options to the one program that an open object loads, and return its handle."""
    program = _checked(
        lib.bpf_object__find_program_by_name(obj, function.encode()), f"{path.name} has no {function}"
    )
    for other in programs_of(obj):
        autoload(other, wanted=other == program)
    if prog_type is not None:
        lib.bpf_program__set_type(program, prog_type)
        lib.bpf_program__set_expected_attach_type(program, options.attach_type or 0)
        lib.bpf_program__set_flags(program, options.flags)
    target = options.btf_target
    if target and lib.bpf_program__set_attach_target(program, 0, target.encode()) < 0:
        raise LoadRefused(libbpf.last_errno(), "", (f"{target} is not in the kernel's BTF",))
    if options.prepare:
        options.prepare(obj, program)
    return program


def open_object(path: Path, maps: Mapping[str, int], unused_maps: Container[str] = ()) -> int:
    """Open an object and replace maps by name with these descriptors. The caller closes it.

    Args:
        unused_maps: names of maps that libbpf must not create.
    """
    obj = _checked(lib.bpf_object__open_file(os.fsencode(path), None), f"opening {path}")
    for map_ in _each(lib.bpf_object__next_map, obj):
        name = lib.bpf_map__name(map_).decode()
        if name in maps and lib.bpf_map__reuse_fd(map_, maps[name]) < 0:
            raise OSError(libbpf.last_errno(), f"replacing the map {name} of {path.name}")
        if name in unused_maps:
            lib.bpf_map__set_autocreate(map_, False)
    return obj


def programs_of(obj: int) -> Iterator[int]:
    """Iterate over the handles of the programs of an open object."""
    return _each(lib.bpf_object__next_program, obj)


def section_of(program: int) -> str:
    """Return the section of a program of an open object."""
    name: bytes = lib.bpf_program__section_name(program)
    return name.decode()


def autoload(program: int, *, wanted: bool) -> None:
    """Enable or disable the load of a program together with its object."""
    lib.bpf_program__set_autoload(program, wanted)


def _checked(pointer: int | None, what: str) -> int:
    if not pointer:
        raise OSError(libbpf.last_errno(), f"{what}: {os.strerror(libbpf.last_errno())}")
    return pointer


def _each(following: Callable[[int, int | None], int | None], obj: int) -> Iterator[int]:
    """Iterate over the items of an object. `following` returns the item after a given one."""
    item = following(obj, None)
    while item:
        yield item
        item = following(obj, item)
