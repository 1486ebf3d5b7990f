"""Instructions against known encodings: llvm-mc -triple bpfel, LLVM 14."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dynptr_harness.conformance.fuzz.assembler import Alu, Assembler, Jump, Label

if TYPE_CHECKING:
    from collections.abc import Callable

ENCODINGS: list[tuple[str, Callable[[Assembler], None], str]] = [
    ("r1 = r2", lambda a: a.alu_register(Alu.MOV, 1, 2), "bf 21 00 00 00 00 00 00"),
    ("r2 += r7", lambda a: a.alu_register(Alu.ADD, 2, 7), "0f 72 00 00 00 00 00 00"),
    ("r3 += -7", lambda a: a.alu(Alu.ADD, 3, -7), "07 03 00 00 f9 ff ff ff"),
    ("r4 *= 31", lambda a: a.alu(Alu.MUL, 4, 31), "27 04 00 00 1f 00 00 00"),
    ("r5 &= 255", lambda a: a.alu(Alu.AND, 5, 255), "57 05 00 00 ff 00 00 00"),
    ("r0 = 0", lambda a: a.alu(Alu.MOV, 0, 0), "b7 00 00 00 00 00 00 00"),
    ("r0 = *(u64 *)(r6 + 88)", lambda a: a.load(8, 0, 6, 88), "79 60 58 00 00 00 00 00"),
    ("r1 = *(u8 *)(r10 - 3)", lambda a: a.load(1, 1, 10, -3), "71 a1 fd ff 00 00 00 00"),
    ("r1 = *(u16 *)(r2 + 4)", lambda a: a.load(2, 1, 2, 4), "69 21 04 00 00 00 00 00"),
    ("r1 = *(u32 *)(r2 + 0)", lambda a: a.load(4, 1, 2, 0), "61 21 00 00 00 00 00 00"),
    ("*(u64 *)(r10 - 16) = r9", lambda a: a.store(8, 10, -16, 9), "7b 9a f0 ff 00 00 00 00"),
    ("*(u32 *)(r1 + 8) = r3", lambda a: a.store(4, 1, 8, 3), "63 31 08 00 00 00 00 00"),
    # LLVM 14 has no syntax for a store of an immediate: instruction-set.rst, BPF_ST | BPF_MEM
    ("*(u16 *)(r10 - 8) = 5", lambda a: a.store_value(2, 10, -8, 5), "6a 0a f8 ff 05 00 00 00"),
    ("call 198", lambda a: a.helper(198), "85 00 00 00 c6 00 00 00"),
    ("a kfunc", lambda a: a.kfunc(1), "85 20 00 00 01 00 00 00"),
    ("a map", lambda a: a.map(1, 1), "18 11 00 00 01 00 00 00 00 00 00 00 00 00 00 00"),
    ("exit", lambda a: a.exit(), "95 00 00 00 00 00 00 00"),
]


@pytest.mark.parametrize(("text", "emit", "encoding"), ENCODINGS)
def test_encoding(text: str, emit: Callable[[Assembler], None], encoding: str) -> None:
    assembler = Assembler()
    emit(assembler)
    assert assembler.code() == bytes.fromhex(encoding), text


JUMPS: list[tuple[str, Callable[[Assembler, Label], None], str]] = [
    ("if r1 == 0 goto +2", lambda a, to: a.jump_if(Jump.EQ, 1, 0, to), "15 01 02 00 00 00 00 00"),
    ("if r9 > 0 goto +2", lambda a, to: a.jump_if(Jump.GT, 9, 0, to), "25 09 02 00 00 00 00 00"),
    ("if r0 != 0 goto +2", lambda a, to: a.jump_if(Jump.NE, 0, 0, to), "55 00 02 00 00 00 00 00"),
    ("if r1 <= r2 goto +2", lambda a, to: a.jump_if_register(Jump.LE, 1, 2, to), "bd 21 02 00 00 00 00 00"),
    ("goto +2", lambda a, to: a.jump(to), "05 00 02 00 00 00 00 00"),
    ("call +2", lambda a, to: a.call(to), "85 10 00 00 02 00 00 00"),
]


@pytest.mark.parametrize(("text", "emit", "encoding"), JUMPS)
def test_jump_forward(text: str, emit: Callable[[Assembler, Label], None], encoding: str) -> None:
    """LD_IMM64 counts as two instructions."""
    assembler, target = Assembler(), Label()
    emit(assembler, target)
    assembler.map(1, 0)
    assembler.place(target)
    assembler.exit()
    assert assembler.code()[:8] == bytes.fromhex(encoding), text


def test_jump_backward() -> None:
    assembler, begin = Assembler(), Label()
    assembler.place(begin)
    assembler.exit()
    assembler.jump(begin)
    assert assembler.code()[8:] == bytes.fromhex("05 00 fe ff 00 00 00 00")


def test_a_label_without_a_place_is_an_error() -> None:
    assembler = Assembler()
    assembler.jump(Label())
    with pytest.raises(ValueError, match="label"):
        assembler.code()
