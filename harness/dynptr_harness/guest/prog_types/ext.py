"""EXT: programs that replace a function of another program. Here they replace a whole XDP program."""

from __future__ import annotations

import ctypes as ct
import struct
from functools import cache
from typing import TYPE_CHECKING, Any

from bcc.libbcc import lib

from dynptr_harness.guest.bpf import btf, libbpf, objects
from dynptr_harness.guest.prog_types.base import GuestType, open_link
from dynptr_harness.protocol.uapi import AttachType, BpfProgType

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram
    from dynptr_harness.guest.bpf.objects import UserObject

TARGET, CONTEXT = "ext_target", "xdp_md"
XDP_DROP = 1
ANSWER_DROP = struct.pack("=BBhi", 0xB7, 0, 0, XDP_DROP) + struct.pack("=BBhi", 0x95, 0, 0, 0)  # r0 = 1; exit
PACKET = bytes(64)


class Ext(GuestType):
    name = "EXT"
    returns = 2  # XDP_PASS, as the programs replace an XDP program

    def load(self, function: str) -> LoadedProgram:
        replaces: dict[str, Any] = {"attach_prog_fd": _target().fd, "attach_btf_id": _target_btf().id}
        return libbpf.load_by_libbpf(self.module, function, BpfProgType.EXT, **replaces, **_function_info())

    def load_from(self, user_object: UserObject) -> LoadedProgram:
        return self._load_replacing(user_object.path, user_object.function, {}, user_object.unused_maps)

    def load_harness_object(self, path: Path, function: str, maps: dict[str, int]) -> LoadedProgram:
        # not from the cache: the object's BTF must match the target, which fits no other type
        return self._load_replacing(path, function, maps)

    @staticmethod
    def _load_replacing(
        path: Path, function: str, maps: dict[str, int], unused_maps: Container[str] = ()
    ) -> LoadedProgram:
        def replace(obj: int, program: int) -> None:
            btf.retype(objects.btf_of(obj), function, CONTEXT)
            objects.replace_function(program, _target().fd, TARGET)

        return objects.load(
            path, function, BpfProgType.EXT, maps=maps, prepare=replace, unused_maps=unused_maps
        )

    def attached(self, program: LoadedProgram) -> Any:
        # BPF_RAW_TRACEPOINT_OPEN without a name: the load already set the target
        return open_link(lib.bpf_attach_kfunc(program.fd), f"replace {TARGET}")

    def fire(self) -> Any:
        """Run the target, or its replacement if one is attached."""
        _, answer = libbpf.prog_run(_target().fd, data=PACKET)
        return {"answer": answer}


@cache
def _target() -> LoadedProgram:
    """Return the XDP program that EXT programs replace."""
    return libbpf.load_code(
        TARGET, ANSWER_DROP, BpfProgType.XDP, expected_attach_type=AttachType.XDP, **_function_info()
    )


def _target_btf() -> btf.LoadedFunction:
    """Return BTF for the target and its replacements."""
    return btf.global_function(TARGET, CONTEXT)


def _function_info() -> dict[str, Any]:
    """Return fields of struct bpf_prog_load_opts: the whole program is one function with that BTF."""
    info = (ct.c_uint32 * 2)(0, _target_btf().id)  # struct bpf_func_info
    return {
        "prog_btf_fd": _target_btf().fd,
        "func_info": ct.cast(info, ct.c_void_p),
        "func_info_cnt": 1,
        "func_info_rec_size": ct.sizeof(info),
    }


TYPES = (Ext,)
