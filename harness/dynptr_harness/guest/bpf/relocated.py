"""Programs of ELF objects that libbpf relocates once, for loads into many program types.

Relocation puts map descriptors and kfunc IDs into the instructions. The result is the same for each type, but
it parses the kernel's BTF, which takes 0.05 s in an emulated guest. So libbpf loads an object only once. This
module copies the relocated instructions of each program and lets libbpf load an empty program in its place.
bpf_prog_load then loads the copy into each type.
"""

from __future__ import annotations

import ctypes as ct
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from bcc.libbcc import lib

from dynptr_harness.guest.bpf import libbpf, libbpf_messages, objects
from dynptr_harness.guest.bpf.libbpf import LoadRefused, ProgLoadOpts
from dynptr_harness.protocol.uapi import BpfProgType

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping
    from pathlib import Path

# Sections whose programs can be copied, with the program type of each. objects.py loads programs in other
# sections, which name an attach target, for example.
SECTIONS = {
    "raw_tp": BpfProgType.RAW_TRACEPOINT,  # PROGRAM in bpf_src/include/dynptr_harness.h
    "tc": BpfProgType.SCHED_CLS,
    "socket": BpfProgType.SOCKET_FILTER,
}
INSTRUCTION_BYTES = 8

lib.bpf_program__insns.restype = ct.c_void_p
lib.bpf_program__insns.argtypes = [ct.c_void_p]
lib.bpf_program__insn_cnt.restype = ct.c_size_t
lib.bpf_program__insn_cnt.argtypes = [ct.c_void_p]
lib.bpf_program__set_insns.restype = ct.c_int
lib.bpf_program__set_insns.argtypes = [ct.c_void_p, ct.c_char_p, ct.c_size_t]
lib.libbpf_register_prog_handler.restype = ct.c_int
lib.libbpf_register_prog_handler.argtypes = [ct.c_char_p, ct.c_int, ct.c_int, ct.c_void_p]
lib.libbpf_unregister_prog_handler.restype = ct.c_int
lib.libbpf_unregister_prog_handler.argtypes = [ct.c_int]

_PrepareLoad = ct.CFUNCTYPE(ct.c_int, ct.c_void_p, ct.POINTER(ProgLoadOpts), ct.c_long)


class _HandlerOpts(ct.Structure):
    """struct libbpf_prog_handler_opts."""

    _fields_ = (
        ("sz", ct.c_size_t),
        ("cookie", ct.c_long),
        ("setup", ct.c_void_p),
        ("prepare_load", _PrepareLoad),
        ("attach", ct.c_void_p),
    )


@dataclass(frozen=True)
class Relocated:
    """A relocated program, without the arguments of a load that depend on the type.

    Attributes:
        prog_type: type of the section.
        code: instructions.
        described: fields of struct bpf_prog_load_opts that describe its BTF.
        gpl: True if the licence of the object is compatible with the GPL.
    """

    name: str
    prog_type: BpfProgType
    code: bytes
    described: dict[str, Any]
    gpl: bool

    @property
    def license(self) -> bytes:
        """A licence for the kernel, which only tests if it is compatible with the GPL."""
        return b"Dual MIT/GPL" if self.gpl else b"Proprietary"


def program(path: Path, function: str, maps: dict[str, int]) -> Relocated:
    """Return one program of an object.

    Args:
        maps: descriptors of maps that replace the object's own, by name.

    Raises:
        LoadRefused: libbpf or the kernel rejected the object.
        LookupError: the object has no such program in one of SECTIONS.
    """
    found = find(path, function, maps)
    if not found:
        raise LookupError(f"{path.name} has no program {function} in a section {' or '.join(SECTIONS)}")
    return found


def find(path: Path, function: str, maps: dict[str, int]) -> Relocated | None:
    """Return the same as `program`, or None if the program is not in one of SECTIONS.

    Raises:
        LoadRefused: see `program`.
    """
    return _programs(path, tuple(sorted(maps.items()))).get(function)


@cache
def _programs(path: Path, maps: tuple[tuple[str, int], ...]) -> dict[str, Relocated]:
    """Relocate the programs of an object. It stays open, because it owns their BTF and maps."""
    return _relocate(path, dict(maps), SECTIONS, lambda each: objects.section_of(each) in SECTIONS)


@cache
def of_user(user_object: objects.UserObject) -> Relocated:
    """Return the program of a user's object, in any section. The object stays open.

    Raises:
        LoadRefused: libbpf or the kernel rejected the object.
    """
    section = objects.programs(user_object.path)[user_object.function]
    wanted = user_object.function.encode()
    found = _relocate(
        user_object.path,
        {},
        {section: BpfProgType.SOCKET_FILTER},
        lambda each: lib.bpf_program__name(each) == wanted,
        user_object.unused_maps,
    )
    return found[user_object.function]


def _relocate(
    path: Path,
    maps: dict[str, int],
    sections: Mapping[str, BpfProgType],
    wanted: Callable[[int], bool],
    unused_maps: Container[str] = (),
) -> dict[str, Relocated]:
    """Relocate the wanted programs of an object, which stays open.

    Args:
        sections: sections of the wanted programs, with the program type of each.
        wanted: called with the handle of a program.
    """
    copies: dict[str, tuple[bytes, dict[str, Any]]] = {}

    def copy_program(handle: int, options: Any, _cookie: int) -> int:
        size = lib.bpf_program__insn_cnt(handle) * INSTRUCTION_BYTES
        code = ct.string_at(lib.bpf_program__insns(handle), size)
        copies[lib.bpf_program__name(handle).decode()] = code, _description(options.contents)
        options.contents.prog_btf_fd = options.contents.func_info_cnt = options.contents.line_info_cnt = 0
        return int(
            lib.bpf_program__set_insns(handle, libbpf.NOTHING, len(libbpf.NOTHING) // INSTRUCTION_BYTES)
        )

    with _before_each_load(sections, copy_program), libbpf_messages.collected() as messages:
        obj = objects.open_object(path, maps, unused_maps)
        for each in objects.programs_of(obj):
            objects.autoload(each, wanted=wanted(each))
        result = lib.bpf_object__load(obj)
    if result < 0:
        lib.bpf_object__close(obj)
        raise LoadRefused(-result, "", tuple(messages))
    loaded = {lib.bpf_program__name(each).decode(): each for each in objects.programs_of(obj)}
    return {
        name: Relocated(
            name,
            sections[objects.section_of(loaded[name])],
            *of_program,
            gpl=libbpf.gpl_compatible(lib.bpf_program__fd(loaded[name])),
        )
        for name, of_program in copies.items()
    }


def _description(options: ProgLoadOpts) -> dict[str, Any]:
    """Copy the options that describe the BTF of a program. libbpf frees its own."""
    described: dict[str, Any] = {"prog_btf_fd": options.prog_btf_fd}
    for info in ("func_info", "line_info"):
        count, size = getattr(options, f"{info}_cnt"), getattr(options, f"{info}_rec_size")
        if count:
            copied = ct.create_string_buffer(ct.string_at(getattr(options, info), count * size), count * size)
            described |= {
                info: ct.cast(copied, ct.c_void_p),  # keeps the buffer alive
                f"{info}_cnt": count,
                f"{info}_rec_size": size,
            }
    return described


@contextmanager
def _before_each_load(sections: Iterable[str], function: Callable[[int, Any, int], int]) -> Iterator[None]:
    """Make libbpf call `function` before it loads a program of these sections, within this context."""
    opts = _HandlerOpts(sz=ct.sizeof(_HandlerOpts), prepare_load=_PrepareLoad(function))
    with ExitStack() as stack:
        for section in sections:
            # the empty program can have any type, and every kernel has this one
            handler = lib.libbpf_register_prog_handler(
                section.encode(), BpfProgType.SOCKET_FILTER, 0, ct.byref(opts)
            )
            if handler < 0:
                raise OSError(
                    -handler, f"registering a libbpf handler for {section}: {os.strerror(-handler)}"
                )
            stack.callback(lib.libbpf_unregister_prog_handler, handler)
        yield
