"""The kernel configuration that makes every case testable, and what a configuration costs."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.plan import make
from dynptr_harness.protocol import kconfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dynptr_harness.protocol.kconfig import Version

_VERSION = re.compile(r"^# Linux/\S+ (\d+)\.(\d+)\S* Kernel Configuration$", re.MULTILINE)


@dataclass(frozen=True)
class Lack:
    """An option that a configuration lacks, and its cost.

    Attributes:
        option: its name, with CONFIG_.
        boots: False if the kernel does not boot without it.
        prog_types: types, and ways to attach them, that cannot be tested.
        cases: cases in other types that cannot be tested.
        cells: number of planned cells that cannot be run.
        use: what the option is good for, if no cell depends on it. Otherwise ''.
    """

    option: str
    boots: bool = True
    prog_types: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    cells: int = 0
    use: str = ""


def fragment() -> Iterator[str]:
    """Yield the lines of a configuration fragment that makes every case testable without modules."""
    yield "# Configuration for dynptr-harness. Merge it with scripts/kconfig/merge_config.sh, or append it to"
    yield "# .config and run `make olddefconfig`."
    written: set[str] = set()
    for title, options in _sections():
        new = [each for each in dict.fromkeys(options) if each not in written]
        written.update(new)
        if new:
            yield ""
            yield f"# {title}"
            yield from (f"{each}=y" for each in new)


def _sections() -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "Menus and dependencies of the options below", kconfig.DEPENDENCIES
    yield "To boot in QEMU", tuple(kconfig.BOOT)
    yield "For all program types", kconfig.EVERY_TYPE
    for name, options in kconfig.TYPES.items():
        yield name, (*options.exist, *options.attach)
    single = tuple(option for options in kconfig.KFUNCS.values() for option in options)
    yield "Kfuncs", (*kconfig.EVERY_KFUNC, *single)
    yield "Not needed, but useful", tuple(kconfig.USEFUL)


def version_of(text: str) -> Version | None:
    """Return the version of the kernel in the header of a .config, or None."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2])) if found else None


def lacking(text: str) -> list[Lack]:
    """Return what a configuration lacks: first what a boot needs, then the options with the highest cost.

    Options that were added after the version of the configuration are left out.
    """
    values, version = kconfig.parse(text), version_of(text)

    def is_lacking(option: str) -> bool:
        known = version is None or version >= kconfig.SINCE.get(option, version)
        return known and option not in values

    boot = [Lack(each, boots=False) for each in kconfig.BOOT if is_lacking(each)]
    lost = _costs()
    costly = [_lack(option, cells) for option, cells in lost.items() if is_lacking(option)]
    useful = [Lack(each, use=use) for each, use in kconfig.USEFUL.items() if is_lacking(each)]
    return [*boot, *sorted(costly, key=lambda each: (-each.cells, each.option)), *useful]


def _costs() -> Mapping[str, set[tuple[str, str, str]]]:
    """Return the cells that need each option, as keys of the plan: type, case and loader."""
    lost: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for cell in make(PROG_TYPES, CASES).cells:
        options = kconfig.options_of(cell.prog_type.name)
        kfuncs = [option for kfunc in cell.case.kfuncs for option in kconfig.kfunc_options(kfunc)]
        needed = map(kconfig.options_of, cell.case.needs_types)
        others = [option for each in needed for option in (*each.exist, *each.attach)]
        for option in (*kconfig.EVERY_TYPE, *options.exist, *options.attach, *kfuncs, *others):
            lost[option].add(cell.key)
    return lost


def _lack(option: str, cells: set[tuple[str, str, str]]) -> Lack:
    whole = [each.name for each in PROG_TYPES if _is_needed_by(option, each.name)]
    cases = sorted({case for prog_type, case, _loader in cells if prog_type not in whole})
    return Lack(option, prog_types=tuple(whole), cases=tuple(cases), cells=len(cells))


def _is_needed_by(option: str, prog_type: str) -> bool:
    options = kconfig.options_of(prog_type)
    return option in (*kconfig.EVERY_TYPE, *options.exist, *options.attach)
