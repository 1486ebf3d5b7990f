"""Programs of the project's own ELF objects, relocated by libbpf once and loaded into type after type.

What libbpf makes of an object is the same for each type: instructions with descriptors of maps and ids of
kfuncs in place. For these it parses the kernel's BTF, which takes a twentieth of a second in an emulated
guest. So an object goes through libbpf once: each program is taken down as the kernel would get it, and one
that does nothing is loaded in its place. The true one is loaded by bpf_prog_load, as often as it is wanted.
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
from dynptr_harness.guest.bpf.libbpf import LoadRefused, ProgLoadOpts, ProgType

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping
    from pathlib import Path

# The sections of the programs that are taken down, and the type that libbpf loads them into by itself. One in
# a section that says more, such as what it attaches to, is loaded by elf.py.
SECTIONS = {
    "raw_tp": ProgType.RAW_TRACEPOINT,  # PROGRAM in bpf_src/include/dynptr_harness.h
    "tc": ProgType.SCHED_CLS,
    "socket": ProgType.SOCKET_FILTER,
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
    """A program as the kernel takes it, but for what depends on the type.

    Attributes:
        prog_type: what its section says.
        code: its instructions.
        described: fields of struct bpf_prog_load_opts, with its BTF.
        gpl: whether the object says that its licence is compatible with the GPL.
    """

    name: str
    prog_type: ProgType
    code: bytes
    described: dict[str, Any]
    gpl: bool

    @property
    def license(self) -> bytes:
        """What the kernel is told; it only looks whether that is compatible with the GPL."""
        return b"Dual MIT/GPL" if self.gpl else b"Proprietary"


def program(path: Path, function: str, maps: dict[str, int]) -> Relocated:
    """One program of an object, in which `maps`, by name, have taken the place of the object's own.

    Raises:
        LoadRefused: libbpf or the kernel rejected the object.
    """
    found = find(path, function, maps)
    if not found:
        raise LookupError(f"{path.name} has no program {function} in a section {' or '.join(SECTIONS)}")
    return found


def find(path: Path, function: str, maps: dict[str, int]) -> Relocated | None:
    """The same, or None for a program that is not in one of SECTIONS. Raises as `program`."""
    return _programs(path, tuple(sorted(maps.items()))).get(function)


@cache
def _programs(path: Path, maps: tuple[tuple[str, int], ...]) -> dict[str, Relocated]:
    """The programs of an object, which stays open for good: their BTF and maps are its own."""
    return _taken_down(path, dict(maps), SECTIONS, lambda each: objects.section_of(each) in SECTIONS)


@cache
def of_user(own: objects.UserObject) -> Relocated:
    """The program of a user's object, whatever its section. The object stays open and keeps its maps.

    Raises:
        LoadRefused: libbpf or the kernel rejected the object.
    """
    section = objects.programs(own.path)[own.function]
    wanted = own.function.encode()
    found = _taken_down(
        own.path,
        {},
        {section: ProgType.SOCKET_FILTER},
        lambda each: lib.bpf_program__name(each) == wanted,
        own.unused_maps,
    )
    return found[own.function]


def _taken_down(
    path: Path,
    maps: dict[str, int],
    sections: Mapping[str, ProgType],
    wanted: Callable[[int], bool],
    unused_maps: Container[str] = (),
) -> dict[str, Relocated]:
    """Relocate the wanted programs of an object.

    Args:
        sections: the sections of the wanted programs, and the type of each.
    """
    taken: dict[str, tuple[bytes, dict[str, Any]]] = {}

    def take_down(handle: int, options: Any, _cookie: int) -> int:
        size = lib.bpf_program__insn_cnt(handle) * INSTRUCTION_BYTES
        code = ct.string_at(lib.bpf_program__insns(handle), size)
        taken[lib.bpf_program__name(handle).decode()] = code, _description(options.contents)
        options.contents.prog_btf_fd = options.contents.func_info_cnt = options.contents.line_info_cnt = 0
        return int(
            lib.bpf_program__set_insns(handle, libbpf.NOTHING, len(libbpf.NOTHING) // INSTRUCTION_BYTES)
        )

    with _asked_before_load(sections, take_down), libbpf_messages.collected() as messages:
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
        for name, of_program in taken.items()
    }


def _description(options: ProgLoadOpts) -> dict[str, Any]:
    """What libbpf tells the kernel of a program, apart from its instructions; copied, for libbpf frees it."""
    described: dict[str, Any] = {"prog_btf_fd": options.prog_btf_fd}
    for info in ("func_info", "line_info"):
        count, size = getattr(options, f"{info}_cnt"), getattr(options, f"{info}_rec_size")
        if count:
            copied = ct.create_string_buffer(ct.string_at(getattr(options, info), count * size), count * size)
            described |= {
                info: ct.cast(copied, ct.c_void_p),  # which keeps what it points to
                f"{info}_cnt": count,
                f"{info}_rec_size": size,
            }
    return described


@contextmanager
def _asked_before_load(sections: Iterable[str], function: Callable[[int, Any, int], int]) -> Iterator[None]:
    """Within this context libbpf calls `function` for each program of these sections before it loads it."""
    opts = _HandlerOpts(sz=ct.sizeof(_HandlerOpts), prepare_load=_PrepareLoad(function))
    with ExitStack() as stack:
        for section in sections:
            # any type would do for a program that does nothing, and this one every kernel has
            handler = lib.libbpf_register_prog_handler(
                section.encode(), ProgType.SOCKET_FILTER, 0, ct.byref(opts)
            )
            if handler < 0:
                raise OSError(-handler, f"making ready to relocate programs: {os.strerror(-handler)}")
            stack.callback(lib.libbpf_unregister_prog_handler, handler)
        yield
