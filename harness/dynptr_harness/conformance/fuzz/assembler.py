"""An assembler for eBPF, after Documentation/bpf/standardization/instruction-set.rst.

The code refers to maps and kfuncs by number. The guest puts descriptors and BTF IDs in their place.
"""

from __future__ import annotations

import struct
from enum import IntEnum

INSTRUCTION = struct.Struct("<BBhi")  # opcode, registers, offset, immediate

# Classes, sources and modes of opcodes.
LDX, ST, STX, JMP, ALU64 = 0x01, 0x02, 0x03, 0x05, 0x07
REGISTER = 0x08  # the second operand is a register
MEM = 0x60
LD_IMM64 = 0x18
WIDTHS = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}

# What the source register of a call or of LD_IMM64 says about the immediate.
PSEUDO_MAP_FD = PSEUDO_CALL = 1
PSEUDO_KFUNC_CALL = 2

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = range(11)  # R10 is the frame pointer


class Alu(IntEnum):
    """Operations of the class ALU64."""

    ADD = 0x00
    MUL = 0x20
    AND = 0x50
    MOV = 0xB0


class Jump(IntEnum):
    """Conditions of a jump. Comparisons are unsigned."""

    EQ = 0x10
    GT = 0x20
    NE = 0x50
    LE = 0xB0


class Label:
    """A place in the code."""

    def __init__(self) -> None:
        self.position: int | None = None


class Assembler:
    """Collects instructions. Numbers of instructions count LD_IMM64 twice, as in the kernel."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int, int]] = []
        self._targets: dict[int, Label] = {}

    def alu(self, operation: Alu, register: int, value: int) -> None:
        """Combine a register with an immediate of 32 bits, sign-extended."""
        self._put(ALU64 | operation, register, 0, 0, value)

    def alu_register(self, operation: Alu, register: int, source: int) -> None:
        """Combine a register with another one."""
        self._put(ALU64 | operation | REGISTER, register, source)

    def load(self, width: int, register: int, base: int, offset: int) -> None:
        """Load `width` bytes."""
        self._put(LDX | MEM | WIDTHS[width], register, base, offset)

    def store(self, width: int, base: int, offset: int, register: int) -> None:
        """Store the low `width` bytes of a register."""
        self._put(STX | MEM | WIDTHS[width], base, register, offset)

    def store_value(self, width: int, base: int, offset: int, value: int) -> None:
        """Store an immediate of 32 bits, sign-extended or truncated to `width` bytes."""
        self._put(ST | MEM | WIDTHS[width], base, 0, offset, value)

    def map(self, register: int, number: int) -> None:
        """Load the address of a map, by its number in the request to the guest."""
        self._put(LD_IMM64, register, PSEUDO_MAP_FD, 0, number)
        self._put(0, 0, 0)

    def helper(self, number: int) -> None:
        """Call a helper."""
        self._put(JMP | 0x80, 0, 0, 0, number)

    def kfunc(self, number: int) -> None:
        """Call a kfunc, by its number in the request to the guest."""
        self._put(JMP | 0x80, 0, PSEUDO_KFUNC_CALL, 0, number)

    def call(self, function: Label) -> None:
        """Call a function of this program."""
        self._targets[len(self._code)] = function
        self._put(JMP | 0x80, 0, PSEUDO_CALL)

    def jump(self, target: Label) -> None:
        """Jump."""
        self._targets[len(self._code)] = target
        self._put(JMP, 0, 0)

    def jump_if(self, condition: Jump, register: int, value: int, target: Label) -> None:
        """Jump if a register and an immediate meet the condition."""
        self._targets[len(self._code)] = target
        self._put(JMP | condition, register, 0, 0, value)

    def jump_if_register(self, condition: Jump, register: int, other: int, target: Label) -> None:
        """Jump if two registers meet the condition."""
        self._targets[len(self._code)] = target
        self._put(JMP | condition | REGISTER, register, other)

    def exit(self) -> None:
        """Return from the function."""
        self._put(JMP | 0x90, 0, 0)

    def place(self, label: Label) -> None:
        """Put a label before the next instruction."""
        label.position = len(self._code)

    def code(self) -> bytes:
        """Return the instructions.

        Raises:
            ValueError: a label has no place.
        """
        return b"".join(self._encoded(number) for number in range(len(self._code)))

    def _put(self, opcode: int, register: int, source: int, offset: int = 0, value: int = 0) -> None:
        self._code.append((opcode, register, source, offset, value))

    def _encoded(self, number: int) -> bytes:
        opcode, register, source, offset, value = self._code[number]
        if label := self._targets.get(number):
            if label.position is None:
                raise ValueError(f"instruction {number} refers to a label without a place")
            distance = label.position - number - 1
            if (opcode, source) == (JMP | 0x80, PSEUDO_CALL):
                value = distance
            else:
                offset = distance
        return INSTRUCTION.pack(opcode, register | source << 4, offset, value)
