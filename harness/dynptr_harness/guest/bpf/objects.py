"""ELF objects, loaded through libbpf: programs with what BCC cannot compile or load.

The host has compiled them; see harness/dynptr_harness/guest_image/bpf_objects.py and bpf_src/elf.
"""

from __future__ import annotations

import ctypes as ct
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bcc.libbcc import lib

from dynptr_harness.guest.bpf import libbpf, libbpf_messages
from dynptr_harness.guest.bpf.libbpf import LoadRefused, Program

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping
    from pathlib import Path

    from dynptr_harness.guest.bpf.libbpf import AttachType, ProgType
    from dynptr_harness.guest.bpf.verifier_log import VerifierLog


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
    prog_type: ProgType | None,
    *,
    maps: Mapping[str, int],
    flags: int = 0,
    attach_type: AttachType | None = None,
    btf_target: str | None = None,
    prepare: Callable[[int, int], None] | None = None,
    unused_maps: Container[str] = (),
) -> Program:
    """Load one program of an object, whatever type its section says.

    Args:
        prog_type: the type; None for what the section says: type, attach type, flags and target.
        maps: descriptors of maps that take the place of the object's own, by name.
        flags: BPF_F_* of the program.
        attach_type: expected attach type.
        btf_target: the kernel function or LSM hook that a TRACING or LSM program is for.
        prepare: is given the object and the program, to do what else is to be done before they are loaded.
        unused_maps: names of the maps that libbpf does not create.

    Raises:
        LoadRefused: libbpf or the kernel rejected the program.
    """
    options = _Options(flags, attach_type, btf_target, prepare, unused_maps)
    with _loaded(path, function, prog_type, maps, options) as program:
        return Program(function, os.dup(lib.bpf_program__fd(program)))


def btf_of(obj: int) -> int:
    """The BTF of an opened object, to be changed before that is loaded."""
    return int(lib.bpf_object__btf(obj))


def replace_function(program: int, target_fd: int, function: str) -> None:
    """Make a program of an opened object one that replaces a function of another program."""
    if lib.bpf_program__set_attach_target(program, target_fd, function.encode()) < 0:
        raise LoadRefused(libbpf.last_errno(), "", (f"the program has no function {function}",))


@dataclass
class BySection(Program):
    """A program that was loaded as its section says, and can be attached so."""

    handle: int

    @contextmanager
    def attached(self) -> Iterator[None]:
        """It is attached within this context. Raises OSError where the kernel does not attach it."""
        link = _checked(lib.bpf_program__attach(self.handle), f"attach {self.name} as its section says")
        try:
            yield
        finally:
            lib.bpf_link__destroy(link)


@dataclass(frozen=True)
class UserObject:
    """A user's object, made ready for one of its programs.

    Attributes:
        unused_maps: names of the maps that the program does not need.
    """

    path: Path
    function: str
    unused_maps: frozenset[str] = frozenset()

    @contextmanager
    def by_section(self) -> Iterator[BySection]:
        """Load the program within this context as its section says.

        Raises:
            LoadRefused: as `load`.
        """
        options = _Options(unused_maps=self.unused_maps)
        with _loaded(self.path, self.function, None, {}, options) as program:
            yield BySection(self.function, lib.bpf_program__fd(program), program)


def programs(path: Path) -> dict[str, str]:
    """The programs of an object: their names, and the section that each is in.

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
    """What else `load` is given."""

    flags: int = 0
    attach_type: AttachType | None = None
    btf_target: str | None = None
    prepare: Callable[[int, int], None] | None = None
    unused_maps: Container[str] = ()


@contextmanager
def _loaded(
    path: Path,
    function: str,
    prog_type: ProgType | None,
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
    prog_type: ProgType | None,
    maps: Mapping[str, int],
    options: _Options,
) -> tuple[int, int]:
    """Load an object and return it with the program. The object must be closed."""
    loaded: list[tuple[int, int]] = []

    def load(log: VerifierLog, level: int) -> int:
        obj = open_object(path, maps, options.unused_maps)
        try:
            program = _prepared(obj, path, function, prog_type, options)
            # libbpf asks for a log, as BCC does, only when the first try has failed
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


def _prepared(obj: int, path: Path, function: str, prog_type: ProgType | None, options: _Options) -> int:
    """Make an opened object load one program as the options say, and return that program."""
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
    """Open an object, and put descriptors of maps in the place of its own by name; it is to be closed.

    Args:
        unused_maps: names of the maps that libbpf does not create.
    """
    obj = _checked(lib.bpf_object__open_file(os.fsencode(path), None), f"opening {path}")
    for map_ in _each(lib.bpf_object__next_map, obj):
        name = lib.bpf_map__name(map_).decode()
        if name in maps and lib.bpf_map__reuse_fd(map_, maps[name]) < 0:
            raise OSError(libbpf.last_errno(), f"putting the agent's map {name} into {path.name}")
        if name in unused_maps:
            lib.bpf_map__set_autocreate(map_, False)
    return obj


def programs_of(obj: int) -> Iterator[int]:
    """The programs of an opened object."""
    return _each(lib.bpf_object__next_program, obj)


def section_of(program: int) -> str:
    """The section that a program of an opened object is in."""
    name: bytes = lib.bpf_program__section_name(program)
    return name.decode()


def autoload(program: int, *, wanted: bool) -> None:
    """Whether a program of an opened object is loaded with it."""
    lib.bpf_program__set_autoload(program, wanted)


def _checked(pointer: int | None, what: str) -> int:
    if not pointer:
        raise OSError(libbpf.last_errno(), f"{what}: {os.strerror(libbpf.last_errno())}")
    return pointer


def _each(following: Callable[[int, int | None], int | None], obj: int) -> Iterator[int]:
    """What libbpf lists of an object, each time asked for what follows the last."""
    item = following(obj, None)
    while item:
        yield item
        item = following(obj, item)
