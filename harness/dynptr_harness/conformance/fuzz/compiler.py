"""Translates programs into instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.conformance.fuzz import programs as ast
from dynptr_harness.conformance.fuzz.assembler import (
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
    Alu,
    Assembler,
    Jump,
    Label,
)

if TYPE_CHECKING:
    from dynptr_harness.conformance.fuzz.programs import Block, Frame, Number, RandomProgram

RING, TAIL_CALLS = 0, 1  # numbers of the maps in a request

# Numbers of helpers: include/uapi/linux/bpf.h.
TAIL_CALL = 12
RESERVE, SUBMIT, DISCARD = 198, 199, 200
READ, WRITE, DATA = 201, 202, 203

CONTEXT, KEPT = R6, R9
SLICE_REGISTERS = (R7, R8)
INT_MASK = 0x7FFFFFFF
DIGEST_FACTOR = 31  # the return value of a traced program: value = value * factor + next


def compiled(program: RandomProgram) -> bytes:
    """Return the instructions of a program."""
    assembler = Assembler()
    functions: list[tuple[Label, ast.Call]] = []
    main = _Function(program, program.main, assembler, functions)
    main.translate_main()
    for label, call in functions:
        assembler.place(label)
        _Function(program, program.function, assembler, functions, inner=True).translate_function(call)
    return assembler.code()


class _Function:
    """Translates one function.

    R6 has the context, R7 and R8 have slices, R9 has the kept bit. R0 to R5 are scratch.
    """

    def __init__(
        self,
        program: RandomProgram,
        frame: Frame,
        assembler: Assembler,
        functions: list[tuple[Label, ast.Call]],
        *,
        inner: bool = False,
    ) -> None:
        self._program = program
        self._frame = frame
        self._out = assembler
        self._functions = functions
        self._inner = inner
        self._depth = 0
        self._end = Label()
        self._reachable = True  # the verifier rejects instructions that no path reaches

    def translate_main(self) -> None:
        out = self._out
        out.alu_register(Alu.MOV, CONTEXT, R1)
        out.load(8, KEPT, CONTEXT, 8 * ast.KEPT_ARGUMENT)
        out.alu(Alu.AND, KEPT, 1)
        if self._program.traced:
            out.store_value(8, R10, self._frame.result, 0)
        self._initialise()
        self._block(self._program.body)
        self._leave()

    def translate_function(self, call: ast.Call) -> None:
        out = self._out
        for register, offset in zip((R1, R2, R3), self._frame.pointers, strict=True):
            out.store(8, R10, offset, register)
        out.alu_register(Alu.MOV, CONTEXT, R4)
        out.alu_register(Alu.MOV, KEPT, R5)
        self._initialise()
        self._block(call.body)
        self._leave()

    def _initialise(self) -> None:
        """Set the buffer to a pattern and each slice to NULL."""
        for word in range(ast.BUFFER // 8):
            self._out.store_value(8, R10, self._frame.buffer + 8 * word, pattern(word))
        for register in SLICE_REGISTERS:
            self._out.alu(Alu.MOV, register, 0)
        for offset in self._frame.slices:
            self._out.store_value(8, R10, offset, 0)

    def _leave(self) -> None:
        """Return from the function: every Return jumps here."""
        out = self._out
        out.place(self._end)
        if self._program.traced and not self._inner:
            out.load(8, R0, R10, self._frame.result)
        else:
            out.alu(Alu.MOV, R0, 0)
        out.exit()

    def _block(self, block: Block) -> None:
        for statement in block:
            if self._reachable:
                getattr(self, ast.METHODS[type(statement)])(statement)

    def _trace(self) -> None:
        """Add R0 to the digest."""
        if self._program.traced and not self._inner:
            out, offset = self._out, self._frame.result
            out.load(8, R1, R10, offset)
            out.alu(Alu.MUL, R1, DIGEST_FACTOR)
            out.alu_register(Alu.ADD, R1, R0)
            out.store(8, R10, offset, R1)

    def _trace_kfunc(self) -> None:
        """Add an int in R0 to the digest. The upper half of the register is undefined."""
        self._out.alu(Alu.AND, R0, INT_MASK)
        self._trace()

    def _number(self, register: int, number: Number) -> None:
        """Load a number into a register."""
        if isinstance(number, ast.Unknown):
            self._out.load(8, register, CONTEXT, 8 * number.argument)
            self._out.alu(Alu.AND, register, number.mask)
        else:
            self._out.alu(Alu.MOV, register, number)

    def _stack(self, register: int, offset: int) -> None:
        """Load the address of a place in the frame."""
        self._out.alu_register(Alu.MOV, register, R10)
        self._out.alu(Alu.ADD, register, offset)

    def _dynptr(self, register: int, dynptr: int, shift: Number = 0) -> None:
        """Load the address of a dynptr. It changes R0 if the shift is unknown."""
        if self._inner and dynptr != ast.LOCAL:
            self._out.load(8, register, R10, self._frame.pointers[dynptr])
        else:
            self._stack(register, self._frame.dynptrs[0 if self._inner else dynptr])
        if isinstance(shift, ast.Unknown):
            self._number(R0, shift)
            self._out.alu_register(Alu.ADD, register, R0)
        elif shift:
            self._out.alu(Alu.ADD, register, shift)

    def _slice(self, slice_: int, scratch: int) -> int:
        """Return a register that has the slice."""
        if slice_ < ast.REGISTER_SLICES:
            return SLICE_REGISTERS[slice_]
        self._out.load(8, scratch, R10, self._slice_offset(slice_))
        return scratch

    def _slice_offset(self, slice_: int) -> int:
        return self._frame.slices[slice_ - ast.REGISTER_SLICES]

    def _set_slice(self, slice_: int, register: int) -> None:
        if slice_ < ast.REGISTER_SLICES:
            self._out.alu_register(Alu.MOV, SLICE_REGISTERS[slice_], register)
        else:
            self._out.store(8, R10, self._slice_offset(slice_), register)

    def _place_in_slice(self, slice_: int, plus: ast.Unknown | None) -> int:
        """Return a register with the address of an access."""
        register = self._slice(slice_, R2)
        if not plus:
            return register
        self._number(R3, plus)
        if register != R2:
            self._out.alu_register(Alu.MOV, R2, register)
        self._out.alu_register(Alu.ADD, R2, R3)
        return R2

    def _branch(self, condition: Jump, register: int, value: int, then: Block, otherwise: Block) -> None:
        """Translate both blocks. `then` runs if the condition is met."""
        out, first, end = self._out, Label(), Label()
        out.jump_if(condition, register, value, first)
        self._block(otherwise)
        if second_continues := self._reachable:
            out.jump(end)
        out.place(first)
        self._reachable = True
        self._block(then)
        out.place(end)
        self._reachable |= second_continues

    def _do_reserve(self, statement: ast.Reserve) -> None:
        self._dynptr(R4, statement.dynptr, statement.shift)
        self._out.map(R1, RING)
        self._number(R2, statement.size)
        self._out.alu(Alu.MOV, R3, statement.flags)
        self._out.helper(RESERVE)
        if statement.failed or statement.granted:
            self._traced_branch(statement)
        else:
            self._trace()

    def _traced_branch(self, statement: ast.Reserve) -> None:
        """The digest may change R1 only, so R0 is still what the helper returned."""
        self._trace()
        self._branch(Jump.NE, R0, 0, statement.failed, statement.granted)

    def _do_release(self, statement: ast.Release) -> None:
        self._dynptr(R1, statement.dynptr, statement.shift)
        self._out.alu(Alu.MOV, R2, 0)
        self._out.helper(DISCARD if statement.discard else SUBMIT)

    def _do_write(self, statement: ast.Write) -> None:
        self._dynptr(R1, statement.dynptr, statement.shift)
        self._number(R2, statement.offset)
        self._stack(R3, self._frame.buffer)
        self._out.alu(Alu.MOV, R4, statement.length)
        self._out.alu(Alu.MOV, R5, statement.flags)
        self._out.helper(WRITE)
        self._trace()

    def _do_read(self, statement: ast.Read) -> None:
        self._dynptr(R3, statement.dynptr, statement.shift)
        if statement.over is None:
            self._stack(R1, self._frame.buffer)
        else:
            self._dynptr(R1, statement.over, statement.at)
        self._out.alu(Alu.MOV, R2, statement.length)
        self._number(R4, statement.offset)
        self._out.alu(Alu.MOV, R5, 0)
        self._out.helper(READ)
        self._trace()

    def _do_slice(self, statement: ast.Slice) -> None:
        self._dynptr(R1, statement.dynptr, statement.shift)
        self._number(R2, statement.offset)
        if statement.kfunc:
            self._out.alu(Alu.MOV, R3, 0)
            self._number(R4, statement.length)
            self._out.kfunc(ast.KFUNCS.index("bpf_dynptr_slice"))
        else:
            self._number(R3, statement.length)
            self._out.helper(DATA)
        self._set_slice(statement.slice, R0)

    def _do_check(self, statement: ast.Check) -> None:
        register = self._slice(statement.slice, R2)
        self._branch(Jump.EQ, register, 0, statement.null, statement.valid)

    def _do_load(self, statement: ast.Load) -> None:
        base = self._place_in_slice(statement.slice, statement.plus)
        self._out.load(statement.width, R0, base, statement.offset)
        self._trace()

    def _do_store(self, statement: ast.Store) -> None:
        base = self._place_in_slice(statement.slice, statement.plus)
        self._out.store_value(statement.width, base, statement.offset, statement.value)

    def _do_copy(self, statement: ast.Copy) -> None:
        self._set_slice(statement.slice, self._place_in_slice(statement.source, statement.plus))

    def _do_overwrite(self, statement: ast.Overwrite) -> None:
        self._dynptr(R1, statement.dynptr)
        self._out.store_value(statement.width, R1, statement.at, 0)

    def _do_look(self, statement: ast.Look) -> None:
        self._dynptr(R1, statement.dynptr)
        self._out.load(statement.width, R0, R1, statement.at)

    def _do_spoil(self, statement: ast.Spoil) -> None:
        offset = self._slice_offset(statement.slice) + statement.at
        self._out.store_value(statement.width, R10, offset, 0)

    def _do_if(self, statement: ast.If) -> None:
        self._number(R1, ast.Unknown(statement.argument, 1))
        self._branch(Jump.EQ, R1, 0, statement.otherwise, statement.then)

    def _do_ifkept(self, statement: ast.IfKept) -> None:
        # "> 0" leaves exactly the value 1 on every kernel, "!= 0" only since v6.8.
        self._branch(Jump.GT, KEPT, 0, statement.then, statement.otherwise)

    def _do_loop(self, statement: ast.Loop) -> None:
        out, begin, end = self._out, Label(), Label()
        counter = self._frame.counters[self._depth]
        self._number(R1, statement.count)
        out.store(8, R10, counter + 8, R1)
        out.alu(Alu.MOV, R1, 0)
        out.store(8, R10, counter, R1)
        out.place(begin)
        out.load(8, R2, R10, counter)
        out.load(8, R1, R10, counter + 8)
        out.jump_if_register(Jump.LE, R1, R2, end)
        self._depth += 1
        self._block(statement.body)
        self._depth -= 1
        if self._reachable:
            out.load(8, R1, R10, counter)
            out.alu(Alu.ADD, R1, 1)
            out.store(8, R10, counter, R1)
            out.jump(begin)
        out.place(end)
        self._reachable = True

    def _do_call(self, statement: ast.Call) -> None:
        label = Label()
        self._functions.append((label, statement))
        for number, register in enumerate((R1, R2, R3)):
            self._dynptr(register, number)
        self._out.alu_register(Alu.MOV, R4, CONTEXT)
        self._out.alu_register(Alu.MOV, R5, KEPT)
        self._out.call(label)

    def _do_return(self, _statement: ast.Return) -> None:
        self._out.jump(self._end)
        self._reachable = False

    def _do_tailcall(self, _statement: ast.TailCall) -> None:
        self._out.alu_register(Alu.MOV, R1, CONTEXT)
        self._out.map(R2, TAIL_CALLS)
        self._out.alu(Alu.MOV, R3, 0)
        self._out.helper(TAIL_CALL)

    def _do_adjust(self, statement: ast.Adjust) -> None:
        self._dynptr(R1, statement.dynptr, statement.shift)
        self._number(R2, statement.start)
        self._number(R3, statement.end)
        self._out.kfunc(ast.KFUNCS.index("bpf_dynptr_adjust"))
        self._trace_kfunc()

    def _do_clone(self, statement: ast.Clone) -> None:
        self._dynptr(R1, statement.source)
        self._dynptr(R2, statement.dynptr, statement.shift)
        self._out.kfunc(ast.KFUNCS.index("bpf_dynptr_clone"))
        self._trace_kfunc()


def pattern(word: int) -> int:
    """Return the 8 bytes that a word of a function's buffer has first, as a number that fits an immediate."""
    return 0x01010101 * (word + 1)
