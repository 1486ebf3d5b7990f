"""The C programs as two BCC modules.

Each module takes a guest seconds to parse the kernel headers. The first has the programs that run. The second
has the programs for the verifier, and is compiled on demand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc import BPF

if TYPE_CHECKING:
    from pathlib import Path

# BCC optimises twice: through clang (-O2 in src/cc/frontends/clang/loader.cc) and by itself (run_pass_manager
# in src/cc/bpf_module.cc). Without the first pass, compilation takes a third less time, and the programs for
# the verifier have the same number of instructions.
OPTIMISED_ONCE = ("-Xclang", "-disable-llvm-passes")


def sources(bpf_src: Path) -> list[Path]:
    """Return the C files of the programs that run, headers first.

    BCC rewrites map accesses in the main file only, so all files become one text. The include guards of the
    headers make the #include lines in the other files do nothing.
    """
    headers = (bpf_src / "include" / name for name in ("dynptr_harness.h", "step_program.h"))
    return [*headers, bpf_src / "steps.c", *sorted((bpf_src / "prog_types").glob("*.c"))]


def case_sources(bpf_src: Path) -> list[Path]:
    """Return the C files of the programs for the verifier, headers first."""
    headers = (bpf_src / "include" / name for name in ("dynptr_harness.h", "verifier.h"))
    return [*headers, *sorted((bpf_src / "cases").glob("*.c"))]


def compile_module(bpf_src: Path, files: list[Path]) -> BPF:
    """Compile C files of `bpf_src` as one module. Clang's diagnostics go to the console."""
    # the #line directives make the diagnostics name these files
    parts = (f'#line 1 "{path.relative_to(bpf_src.parent)}"\n{path.read_text()}' for path in files)
    return BPF(text="\n".join(parts), cflags=[f"-I{bpf_src / 'include'}", *OPTIMISED_ONCE])
