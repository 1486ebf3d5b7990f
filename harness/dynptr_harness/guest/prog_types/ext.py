"""EXT: programs that take the place of a function of another program, here of a whole XDP program."""

from __future__ import annotations

import ctypes as ct
import struct
from functools import cache
from typing import TYPE_CHECKING, Any

from bcc.libbcc import lib

from dynptr_harness.guest.bpf import btf, libbpf, objects
from dynptr_harness.guest.bpf.libbpf import AttachType, Program, ProgType
from dynptr_harness.guest.prog_types.base import GuestType, held_open

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

    from dynptr_harness.guest.bpf.objects import UserObject

TARGET, CONTEXT = "ext_target", "xdp_md"
XDP_DROP = 1
ANSWER_DROP = struct.pack("=BBhi", 0xB7, 0, 0, XDP_DROP) + struct.pack("=BBhi", 0x95, 0, 0, 0)  # r0 = 1; exit
PACKET = bytes(64)


class Ext(GuestType):
    name = "EXT"
    returns = 2  # as the function that it replaces: XDP_PASS

    def load(self, function: str) -> Program:
        replaces: dict[str, Any] = {"attach_prog_fd": _target().fd, "attach_btf_id": _described().id}
        return libbpf.load_by_libbpf(self.module, function, ProgType.EXT, **replaces, **_function_info())

    def load_from(self, own: UserObject) -> Program:
        return self._load_replacing(own.path, own.function, {}, own.unused_maps)

    def load_ours(self, path: Path, function: str, maps: dict[str, int]) -> Program:
        # the BTF of the whole object has to fit what is replaced, so that it serves no other type
        return self._load_replacing(path, function, maps)

    @staticmethod
    def _load_replacing(
        path: Path, function: str, maps: dict[str, int], unused_maps: Container[str] = ()
    ) -> Program:
        def replace(obj: int, program: int) -> None:
            btf.retype(objects.btf_of(obj), function, CONTEXT)
            objects.replace_function(program, _target().fd, TARGET)

        return objects.load(path, function, ProgType.EXT, maps=maps, prepare=replace, unused_maps=unused_maps)

    def attached(self, program: Program) -> Any:
        # by BPF_RAW_TRACEPOINT_OPEN without a name: what it replaces, the program has said when it was loaded
        return held_open(lib.bpf_attach_kfunc(program.fd), f"replace {TARGET}")

    def fire(self) -> Any:
        """Run the program that is replaced, or not."""
        _, answer = libbpf.prog_run(_target().fd, data=PACKET)
        return {"answer": answer}


@cache
def _target() -> Program:
    """The program that is replaced."""
    return libbpf.load_code(
        TARGET, ANSWER_DROP, ProgType.XDP, expected_attach_type=AttachType.XDP, **_function_info()
    )


def _described() -> btf.LoadedFunction:
    """BTF that fits the target, and all that takes its place."""
    return btf.global_function(TARGET, CONTEXT)


def _function_info() -> dict[str, Any]:
    """Fields of struct bpf_prog_load_opts that describe a program as one such function, from its start on."""
    info = (ct.c_uint32 * 2)(0, _described().id)  # struct bpf_func_info
    return {
        "prog_btf_fd": _described().fd,
        "func_info": ct.cast(info, ct.c_void_p),
        "func_info_cnt": 1,
        "func_info_rec_size": ct.sizeof(info),
    }


TYPES = (Ext,)
