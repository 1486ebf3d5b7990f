"""All C programs in one BCC module: BCC needs about as long for thirty programs as for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc import BPF

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def sources(folder: Path) -> list[Path]:
    """The C files that make up the module, the shared header first.

    BCC rewrites map accesses in the main file only, never in an included one: so the files are put one
    behind the other, and the header's include guard makes the #include lines in them do nothing.
    """
    examples, cases = ((folder / part).glob("*.c") for part in ("prog_types", "cases"))
    return [folder / "include" / "dynptr_harness.h", folder / "steps.c", *sorted(examples), *sorted(cases)]


def _text(folder: Path) -> Iterator[str]:
    for path in sources(folder):
        # clang's diagnostics then name the file that a person can open
        yield f'#line 1 "{path.relative_to(folder.parent)}"\n{path.read_text()}'


def compile_module(folder: Path) -> BPF:
    """Compile every C program under `folder` (bpf_src). Clang's diagnostics go to the console."""
    return BPF(text="\n".join(_text(folder)), cflags=[f"-I{folder / 'include'}"])
