"""The catalogue on a real kernel: correct programs pass, and deliberately broken programs fail."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.judge import Judgement, judge
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.progress import Silent
from dynptr_harness.guest_image import boot_files, payload
from dynptr_harness.vm.machine import Machine
from dynptr_harness.vm.qemu import Spec

if TYPE_CHECKING:
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.guest_image.model import GuestImage
    from dynptr_harness.kernels.model import Kernel
    from dynptr_harness.vm.accelerator import Accelerator

ALL_TYPES = "*"

# Cases for the broken programs: one of each kind, in every type.
CORE = (
    "ATT-001",
    "ATT-002",
    "ATT-003",
    "CMT-001",
    "CMT-002",
    "RSV-006",
    "RSV-009",
    "RSV-011",
    "VER-001",
    "VER-004",
)

PLANNED = [(prog_type, case) for prog_type in PROG_TYPES for case in CASES if case.applies(prog_type)]
CORE_CELLS = [(prog_type, case) for prog_type, case in PLANNED if case.id in CORE]
# The first case that observes a held reservation starts the observing process. That process must not keep the
# program attached, because the program would then take the events of all later cases.
HELD = [(each, case) for each, case in PLANNED if (each.name, case.id) == ("RAW_TRACEPOINT", "RSV-001")]

Cells = dict[tuple[str, str], Judgement]


def test_all_cells_are_as_expected(kernel: Kernel, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    command = [
        sys.executable,
        "-m",
        "dynptr_harness",
        "run",
        "--kernel",
        kernel.release,
        "--json",
        str(results),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = json.loads(results.read_text())["cells"]
    assert {cell["kernel"] for cell in cells} == {kernel.release}
    planned = {(prog_type.name, case.id) for prog_type, case in PLANNED}
    assert {(cell["prog_type"], cell["case"]) for cell in cells} == planned
    core = [cell for cell in cells if cell["case"] in CORE]
    assert {cell["verdict"] for cell in core if "/" not in cell["prog_type"]} == {"pass"}
    # QEMU emulates no hardware perf events
    assert {cell["prog_type"] for cell in core if cell["verdict"] != "pass"} <= {"PERF_EVENT/hardware"}


# Each row: what is broken, file, text, replacement, and the cells that must fail. One guest has all rows, so
# their cells must not overlap.
Breakage = tuple[str, str, str, str, set[tuple[str, str]]]

BREAKAGES: list[Breakage] = [
    (
        "a wrong payload",
        "prog_types/kprobe.c",
        "fill_record(&record, control_page, BPF_PROG_TYPE_KPROBE);",
        "fill_record(&record, control_page, BPF_PROG_TYPE_KPROBE);\n\trecord.words[1] ^= 1;",
        {("KPROBE*", "ATT-002")},
    ),
    (
        "a discard in place of a submit",
        "prog_types/tracepoint.c",
        "bpf_ringbuf_submit_dynptr",
        "bpf_ringbuf_discard_dynptr",
        {("TRACEPOINT", "ATT-002")},
    ),
    (
        "a record sent twice",
        "prog_types/tracing.c",
        "bpf_ringbuf_submit_dynptr(&ptr, 0);",
        (
            "bpf_ringbuf_submit_dynptr(&ptr, 0);\n\tbpf_ringbuf_reserve_dynptr(events_map(), 24, 0, &ptr);"
            "\n\tbpf_ringbuf_submit_dynptr(&ptr, 0);"
        ),
        {("TRACING*", "ATT-002")},
    ),
    (
        "a reservation that fails",
        "prog_types/cgroup_sock.c",
        "sizeof(record), 0, &ptr)",
        "sizeof(record), 1, &ptr)",
        {("CGROUP_SOCK", "ATT-002"), ("CGROUP_SOCK/*", "ATT-002")},
    ),
    (
        "a program that ignores its own event",
        "prog_types/lsm.c",
        "int lsm_example(unsigned long long *ctx)\n{\n\tstruct control *control_page = claim_own_event();",
        "int lsm_example(unsigned long long *ctx)\n{\n\tstruct control *control_page = 0;",
        {("LSM", "ATT-002"), ("LSM/sleepable", "ATT-002")},
    ),
    (
        "a wrong value written to the context",
        "prog_types/raw_tracepoint_writable.c",
        "#define TEST_RUN_RESULT (-86)",
        "#define TEST_RUN_RESULT (-85)",
        {("RAW_TRACEPOINT_WRITABLE", "ATT-002")},
    ),
    (
        "a leak that is fixed",
        "cases/release.c",
        "	reserve(&ptr);\n	return 0;\n}\n\nPROGRAM\nint ver_001_accepted",
        "	reserve(&ptr);\n	submit(&ptr);\n	return 0;\n}\n\nPROGRAM\nint ver_001_accepted",
        {(ALL_TYPES, "VER-001")},
    ),
]

# Examples that record program type 0.
BREAKAGES += [
    (
        f"a record of type 0 in {name}",
        f"prog_types/{name.lower()}.c",
        f"BPF_PROG_TYPE_{name});",
        "0);",
        {(name, "ATT-002"), (f"{name}/*", "ATT-002")},
    )
    for name in (
        *("CGROUP_DEVICE", "CGROUP_SKB", "CGROUP_SOCKOPT", "CGROUP_SOCK_ADDR", "CGROUP_SYSCTL", "EXT"),
        *("FLOW_DISSECTOR", "LWT_IN", "LWT_OUT", "LWT_SEG6LOCAL", "LWT_XMIT", "NETFILTER", "PERF_EVENT"),
        *("RAW_TRACEPOINT", "SCHED_ACT", "SCHED_CLS", "SK_LOOKUP", "SK_MSG", "SK_REUSEPORT", "SK_SKB"),
        *("SOCKET_FILTER", "SOCK_OPS", "STRUCT_OPS", "SYSCALL", "XDP"),
    )
]

BREAKAGES += [
    (
        "a submit in place of a discard",
        "steps.c",
        "reservation->release == DISCARD",
        "reservation->release == 99",
        {(ALL_TYPES, "CMT-002")},
    ),
    (
        "a wrong errno for wrong flags",
        "steps.c",
        "outcome->reserved[0] = reserve_dynptr(ring, slots[0].size, slots[0].flags, &a);",
        (
            "outcome->reserved[0] = reserve_dynptr(ring, slots[0].size, slots[0].flags, &a);\n"
            "\tif (slots[0].flags)\n\t\toutcome->reserved[0] = -1;"
        ),
        {(ALL_TYPES, "RSV-011")},
    ),
    (
        "a leak in the accepted twin",
        "cases/release.c",
        "	if (reserve(&ptr)) {\n		discard(&ptr);\n",
        "	if (reserve(&ptr)) {\n",
        {(ALL_TYPES, "VER-004")},
    ),
]


def test_broken_programs_fail_and_no_others(
    kernel: Kernel,
    image: GuestImage,
    settings: Settings,
    accelerator: Accelerator,
    tmp_path: Path,
) -> None:
    sources = _broken_sources(tmp_path / "bpf_src")
    files = boot_files.files(
        kernel, image, settings=settings, progress=Silent(), replaced={"bpf_src": sources}
    )

    async def run() -> Cells:
        async with await Machine.boot(Spec(files, accelerator), tmp_path) as machine:
            for prog_type, case in HELD:
                await machine.ask(case.request(prog_type, "libbpf"), 60)
            return {
                (prog_type.name, case.id): judge(
                    case, prog_type, machine.facts, await machine.ask(case.request(prog_type), 60)
                )
                for prog_type, case in CORE_CELLS
            }

    cells = asyncio.run(run())
    failed = {cell for cell, judgement in cells.items() if not judgement.ok}
    patterns = {pattern for breakage in BREAKAGES for pattern in breakage[4]}
    assert failed == {
        (name, case)
        for (name, case), judgement in cells.items()
        for types, of_case in patterns
        if fnmatch(name, types) and case == of_case and judgement.verdict is not Verdict.ABSENT
    }
    assert cells["LSM", "ATT-002"].verdict is Verdict.NOT_FIRED


def _broken_sources(folder: Path) -> Path:
    """Return a copy of the C programs with all breakages."""
    shutil.copytree(Path(payload.contents()["bpf_src/steps.c"]).parent, folder)
    for what, name, text, replacement, _ in BREAKAGES:
        source = folder / name
        before = source.read_text()
        assert before.count(text) == 1, f"{what}: the text occurs {before.count(text)} times in {name}"
        source.write_text(before.replace(text, replacement))
    return folder
