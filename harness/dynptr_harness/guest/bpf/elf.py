"""The symbols and maps that a program of an ELF object needs.

libbpf resolves all symbols and creates all maps of an object before it loads a program. If one program calls
a kfunc that the kernel lacks, libbpf would load none of them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# elf(5), 64 bits
_HEADER, _SECTION, _SYMBOL, _RELOCATION = "16xHHIQQQIHHHHHH", "IIQQQQIIQQ", "IBBHQQ", "QQ"
SHT_SYMTAB, SHT_REL = 2, 9
STB_GLOBAL, STB_WEAK, STT_SECTION = 1, 2, 3
STT_FUNC = 2
SHN_UNDEF = 0
OPTION, VARIABLE = "CONFIG_", "LINUX__"
MAPS, STRUCT_OPS = ".maps", ".struct_ops"  # sections; STRUCT_OPS also with a suffix
CALL = 0x85  # BPF_JMP | BPF_CALL; with BPF_PSEUDO_CALL, a call of a function by its offset in the section
INSTRUCTION_BYTES = 8


@dataclass(frozen=True)
class _Section:
    name: str
    type: int
    offset: int
    size: int
    link: int
    info: int


@dataclass(frozen=True)
class _Symbol:
    """A symbol. `entry` is the offset of its entry in the file."""

    name: str
    binding: int
    type: int
    section: int
    value: int
    size: int
    entry: int


class ElfObject:
    """A BPF object in memory."""

    def __init__(self, code: bytes) -> None:
        self._code = code
        self._order = "<" if code[5] == 1 else ">"

    def only_for(self, function: str) -> bytes:
        """Return the object, with the external symbols weak that `function` does not need.

        Kernel options among them (CONFIG_*) are renamed to LINUX__*, for which libbpf does not need the
        kernel configuration. The names have the same length.
        """
        needed = {each.entry for each in self._needed(function)}
        changed = bytearray(self._code)
        for symbol in self._symbols:
            if symbol.section == SHN_UNDEF and symbol.binding == STB_GLOBAL and symbol.entry not in needed:
                changed[symbol.entry + 4] = STB_WEAK << 4 | symbol.type
                if symbol.name.startswith(OPTION):
                    other = symbol.name.replace(OPTION, VARIABLE, 1)
                    changed = changed.replace(f"\0{symbol.name}\0".encode(), f"\0{other}\0".encode())
        return bytes(changed)

    def unused_maps(self, function: str) -> frozenset[str]:
        """Return the names of the maps that `function` does not need."""
        needed = self._needed(function)
        return frozenset(
            each.name
            for each in self._symbols
            if each.type != STT_SECTION
            and self._is_map(each)
            and each not in needed
            # a struct_ops map refers to its programs
            and function not in (referred.name for referred in self._referred(each))
        )

    def _is_map(self, symbol: _Symbol) -> bool:
        name = self._sections[symbol.section].name if symbol.section < len(self._sections) else ""
        return name == MAPS or name.startswith(STRUCT_OPS)

    def symbol_at(self, function: str, instruction: int) -> str:
        """Return the name of the symbol that an instruction of `function` refers to, or ''."""
        for caller in self._symbols:
            inside = instruction * INSTRUCTION_BYTES < caller.size
            if caller.name == function and caller.type == STT_FUNC and inside:
                wanted = caller.value + instruction * INSTRUCTION_BYTES
                relocations = self._relocations.get(caller.section, ())
                return next((symbol.name for place, symbol in relocations if place == wanted), "")
        return ""

    def _needed(self, function: str) -> set[_Symbol]:
        """Return the symbols that a function refers to, directly or through functions and maps."""
        waiting = [each for each in self._symbols if each.name == function and each.type == STT_FUNC]
        needed: set[_Symbol] = set()
        while waiting:
            symbol = waiting.pop()
            if symbol not in needed:
                needed.add(symbol)
                waiting.extend(self._referred(symbol))
        return needed

    def _referred(self, caller: _Symbol) -> Iterator[_Symbol]:
        """Yield the symbols that a function or a map refers to."""
        end = caller.value + caller.size
        relocated: set[int] = set()
        for place, symbol in self._relocations.get(caller.section, ()):
            if caller.value <= place < end:
                relocated.add(place)
                if symbol.type != STT_SECTION:
                    yield symbol
                elif caller.type == STT_FUNC:
                    yield from self._symbols_at(symbol.section, self._target(caller.section, place))
                else:
                    yield from (each for each in self._symbols if each.section == symbol.section)
        if caller.type != STT_FUNC or caller.section == SHN_UNDEF:
            return
        for place in range(caller.value, end, INSTRUCTION_BYTES):
            if place not in relocated and self._is_local_call(caller.section, place):
                target = place + INSTRUCTION_BYTES * (1 + self._immediate(caller.section, place))
                yield from self._symbols_at(caller.section, target)

    def _symbols_at(self, section: int, offset: int) -> Iterator[_Symbol]:
        return (
            each
            for each in self._symbols
            if each.section == section
            and each.type != STT_SECTION
            and each.value <= offset < each.value + each.size
        )

    def _target(self, section: int, place: int) -> int:
        """Return the offset in the section that a relocation against a section refers to."""
        immediate = self._immediate(section, place)
        is_call = self._code[self._sections[section].offset + place] == CALL
        return INSTRUCTION_BYTES * (1 + immediate) if is_call else immediate

    def _is_local_call(self, section: int, place: int) -> bool:
        at = self._sections[section].offset + place
        source = self._code[at + 1] >> 4 if self._order == "<" else self._code[at + 1] & 15
        return self._code[at] == CALL and source == 1

    def _immediate(self, section: int, place: int) -> int:
        at = self._sections[section].offset + place + 4
        (immediate,) = struct.unpack_from(f"{self._order}i", self._code, at)
        return int(immediate)

    @cached_property
    def _sections(self) -> list[_Section]:
        header = struct.unpack_from(self._order + _HEADER, self._code)
        start, size, count, names = header[5], header[10], header[11], header[12]
        raw = [
            struct.unpack_from(self._order + _SECTION, self._code, start + number * size)
            for number in range(count)
        ]
        return [
            _Section(self._text(raw[names][4], each[0]), each[1], each[4], each[5], each[6], each[7])
            for each in raw
        ]

    @cached_property
    def _symbols(self) -> list[_Symbol]:
        table = next((each for each in self._sections if each.type == SHT_SYMTAB), None)
        if not table:
            return []
        strings = self._sections[table.link].offset
        found = []
        for entry in range(table.offset, table.offset + table.size, struct.calcsize(f"<{_SYMBOL}")):
            name, info, _, section, value, size = struct.unpack_from(self._order + _SYMBOL, self._code, entry)
            text = self._text(strings, name)
            found.append(_Symbol(text, info >> 4, info & 15, section, value, size, entry))
        return found

    @cached_property
    def _relocations(self) -> dict[int, list[tuple[int, _Symbol]]]:
        """Offset and symbol of each relocation, by the number of the section."""
        found: dict[int, list[tuple[int, _Symbol]]] = {}
        for section in self._sections:
            if section.type == SHT_REL:
                data = self._code[section.offset : section.offset + section.size]
                found.setdefault(section.info, []).extend(
                    (place, self._symbols[info >> 32])
                    for place, info in struct.iter_unpack(self._order + _RELOCATION, data)
                )
        return found

    def _text(self, strings: int, offset: int) -> str:
        start = strings + offset
        return self._code[start : self._code.index(b"\0", start)].decode(errors="replace")
