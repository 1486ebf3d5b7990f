"""The C programs in two BCC modules: each costs a guest some seconds for the kernel's headers alone.

The first holds what runs; the second what is only given to the verifier, and is compiled when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc import BPF

if TYPE_CHECKING:
    from pathlib import Path

# BCC has clang optimise the code (-O2 in src/cc/frontends/clang/loader.cc), and then does it again itself
# (run_pass_manager in src/cc/bpf_module.cc). Once will do: it takes a third off the compiling, and the
# programs for the verifier have as many instructions as before.
OPTIMISED_ONCE = ("-Xclang", "-disable-llvm-passes")


def sources(folder: Path) -> list[Path]:
    """The C files of the programs that run, the shared header first.

    BCC rewrites map accesses in the main file only, never in an included one: so the files are put one
    behind the other, and the header's include guard makes the #include lines in them do nothing.
    """
    headers = (folder / "include" / name for name in ("dynptr_harness.h", "step_program.h"))
    return [*headers, folder / "steps.c", *sorted((folder / "prog_types").glob("*.c"))]


def case_sources(folder: Path) -> list[Path]:
    """The C files of the programs for the verifier, their headers first."""
    headers = (folder / "include" / name for name in ("dynptr_harness.h", "verifier.h"))
    return [*headers, *sorted((folder / "cases").glob("*.c"))]


def compile_module(folder: Path, files: list[Path]) -> BPF:
    """Compile C files under `folder` (bpf_src) as one. Clang's diagnostics go to the console."""
    # clang's diagnostics then name the file that a person can open
    parts = (f'#line 1 "{path.relative_to(folder.parent)}"\n{path.read_text()}' for path in files)
    return BPF(text="\n".join(parts), cflags=[f"-I{folder / 'include'}", *OPTIMISED_ONCE])
