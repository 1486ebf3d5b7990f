"""Real faults during a run cost only the cells in which they occur."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import select
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.plan import make
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core import paths
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image import boot_files, bpf_objects
from dynptr_harness.runner import runner, session
from dynptr_harness.runner.timing import Timed
from dynptr_harness.vm.machine import Machine
from dynptr_harness.vm.prepare import PreparedKernel
from dynptr_harness.vm.qemu import Spec
from dynptr_harness.vm.snapshots import KIND, Snapshots

from tests.faults.lab import started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from dynptr_harness.guest_image.model import GuestImage
    from dynptr_harness.kernels.model import Kernel
    from dynptr_harness.vm.accelerator import Accelerator

FAULTY_AGENT = Path(__file__).with_name("faulty_agent")
SHARED_KINDS = ("apt", "boot", "guest-root", "kernels", "kvm-probe", "objects", "payload")
PLAN = make(
    PROG_TYPES,
    CASES,
    ["KPROBE", "LSM", "TRACING"],
    ["ATT-001", "CMT-00[12]", "RSV-011", "VER-001", "VER-004"],
)
FEW = ("--prog-type=KPROBE", "--case=CMT-00[12]")
RUN_DEADLINE = 300.0
INTERRUPT_FLAG = 1 << 9  # IF of RFLAGS


@pytest.fixture(scope="module")
def cache(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache with its own snapshots that shares everything else with the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    share(settings.cache, folder)
    return folder


def share(cache: Path, folder: Path) -> None:
    """Link everything in the cache into `folder`, except snapshots and consoles."""
    for kind in SHARED_KINDS:
        (cache / kind).mkdir(exist_ok=True)
        (folder / kind).symlink_to(cache / kind)


@pytest.fixture(scope="module")
def subject(
    kernel: Kernel,
    image: GuestImage,
    settings: Settings,
    accelerator: Accelerator,
    tmp_path_factory: pytest.TempPathFactory,
) -> PreparedKernel:
    """Return a kernel with the faulty agent."""
    program = tmp_path_factory.mktemp("objects") / "spin.bpf.o"
    source = FAULTY_AGENT / "spin.bpf.c"
    subprocess.run(["clang", *bpf_objects.FLAGS, "-c", source, "-o", program], check=True, timeout=60)
    replaced = {
        "real_agent.py": paths.PACKAGE / "guest/__main__.py",
        "dynptr_harness/guest/__main__.py": FAULTY_AGENT / "__main__.py",
        "objects/spin.bpf.o": program,
    }
    files = boot_files.files(kernel, image, settings=settings, progress=Silent(), replaced=replaced)
    return PreparedKernel("6.12", kernel, files, accelerator)


def run_plan(cache: Path, folder: Path, *subjects: PreparedKernel) -> runner.RunOutcome:
    """Run the cells of PLAN on two machines."""
    snapshots = Snapshots(Settings(cache))

    async def start(subject: PreparedKernel, folder: Path, *, round_robin: bool) -> Machine:
        spec = Spec(subject.files, subject.accelerator, round_robin=round_robin)
        return await snapshots.start(spec, folder)

    return runner.run(
        subjects,
        PLAN,
        boot=start,
        folder=folder,
        progress=Timed(Silent()),
        qemu="",
        guest_packages={},
        jobs=2,
    )


Key = tuple[str, str]  # of a cell: program type and case


def verdicts(outcome: runner.RunOutcome, release: str) -> dict[Key, Verdict]:
    cells = outcome.result.cells
    return {(cell.prog_type, cell.case): cell.verdict for cell in cells if cell.kernel == release}


ALL_PASS = {(cell.prog_type.name, cell.case.id): Verdict.PASS for cell in PLAN.cells}

# The faults of some cells. These cells must get the verdict, with a reason that matches.
FAULTS: dict[Key, tuple[str, Verdict, str]] = {
    ("KPROBE", "RSV-011"): ("killed", Verdict.LOST, "QEMU was ended by SIGKILL"),
    ("LSM", "VER-001"): ("panic", Verdict.CRASH, "Kernel panic - not syncing: sysrq triggered crash"),
    ("TRACING", "CMT-001"): ("spin", Verdict.HANG, "no reply to request [0-9]+ after 15 s"),
    ("KPROBE", "CMT-001"): ("warn", Verdict.FAIL, "WARNING: CPU: 0 PID: 1 at kernel/test.c:1"),
    ("KPROBE", "ATT-001"): ("garble", Verdict.LOST, "the guest sent an invalid message"),
    ("LSM", "ATT-001"): ("foreign", Verdict.LOST, "the guest sent an invalid message: .*'id': 4711"),
    ("TRACING", "ATT-001"): ("exit", Verdict.LOST, "the agent ended with status 7"),
    ("LSM", "CMT-002"): ("lie", Verdict.LOST, "the guest sent an invalid message"),
    ("TRACING", "VER-001"): ("flood", Verdict.LOST, "a line longer than 64 MiB"),
    ("KPROBE", "VER-004"): ("wait", Verdict.HANG, "no reply to request [0-9]+ after 15 s"),
    ("TRACING", "RSV-011"): ("console", Verdict.PASS, ""),
}
IN_WORDS = {
    "killed": "QEMU is killed while a case runs",
    "panic": "the kernel panics",
    "spin": "a CPU spins with interrupts off",
    "warn": "the kernel logs a warning",
    "garble": "the agent sends bytes that are no message",
    "foreign": "the agent answers a request that was not sent",
    "exit": "the agent ends",
    "lie": "a reply has fewer actions than the request",
    "flood": "the agent sends a line without end",
    "wait": "the agent does not answer",
    "console": "the guest floods the console",
}


def break_machines(
    monkeypatch: pytest.MonkeyPatch, wanted_faults: Mapping[Key, tuple[str, Verdict, str]] = FAULTS
) -> None:
    """Make machines fail when they run these cells."""
    requests = [(cell.request, wanted_faults.get((cell.prog_type.name, cell.case.id))) for cell in PLAN.cells]
    request_batch = Machine.request_batch

    async def fail_or_reply(
        machine: Machine, wanted: Sequence[dict[str, Any]], deadline: float
    ) -> AsyncIterator[dict[str, Any]]:
        faults = [next((fault for asked, fault in requests if asked == request), None) for request in wanted]
        faulty = [
            {**request, "fault": fault[0]} if fault else request
            for request, fault in zip(wanted, faults, strict=True)
        ]
        replies = request_batch(machine, faulty, deadline)
        for fault in faults:
            if fault and fault[0] == "killed":  # in the middle of the case
                asyncio.get_running_loop().call_later(0.2, os.kill, machine.pid, signal.SIGKILL)
            try:
                yield await anext(replies)
            except StopAsyncIteration:
                return

    monkeypatch.setattr(Machine, "request_batch", fail_or_reply)
    monkeypatch.setattr(session, "CELL_DEADLINE", 15.0)


def test_each_fault_costs_one_cell(
    cache: Path,
    subject: PreparedKernel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: Callable[[str, str], None],
) -> None:
    break_machines(monkeypatch)
    outcome = run_plan(cache, tmp_path, subject)
    release = subject.kernel.release
    expected = ALL_PASS | {key: verdict for key, (_, verdict, _) in FAULTS.items()}
    assert verdicts(outcome, release) == expected
    cells = {(cell.prog_type, cell.case): cell for cell in outcome.result.cells}
    for key, (fault, verdict, reason) in FAULTS.items():
        assert re.search(reason, cells[key].seen), cells[key]
        state(IN_WORDS[fault], f"`{verdict}` for its cell" + (f": {cells[key].seen[:80]}" if reason else ""))
    assert "Call Trace:" in str(cells["LSM", "VER-001"].console)
    consoles = [path.read_text() for path in tmp_path.rglob("registers.txt")]
    assert any(map(spins, consoles)), consoles


def spins(registers: str) -> bool:
    """Return True if a CPU runs with interrupts off."""
    processors = re.findall(r"RFL=(\w+) .* HLT=(\d)", registers)
    return any(halted == "0" and not int(flags, 16) & INTERRUPT_FLAG for flags, halted in processors)


def test_a_guest_without_memory_costs_one_cell(
    cache: Path,
    subject: PreparedKernel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: Callable[[str, str], None],
) -> None:
    key = ("LSM", "RSV-011")
    break_machines(monkeypatch, {key: ("memory", Verdict.HANG, "")})
    outcome = run_plan(cache, tmp_path, subject)
    found = verdicts(outcome, subject.kernel.release)
    # The kernel kills the agent, or reads its program from the disk again and again.
    assert found.pop(key) in (Verdict.HANG, Verdict.LOST, Verdict.CRASH)
    assert set(found.values()) == {Verdict.PASS}
    state("the guest's memory is exhausted", "`hang` or `lost` for its cell")


def test_a_case_that_always_panics_costs_only_its_cells(
    cache: Path,
    subject: PreparedKernel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: Callable[[str, str], None],
) -> None:
    panics = {(each.prog_type.name, each.case.id): ("panic", Verdict.CRASH, "") for each in PLAN.cells}
    panics = {key: fault for key, fault in panics.items() if key[1] in ("CMT-001", "CMT-002")}
    break_machines(monkeypatch, panics)
    outcome = run_plan(cache, tmp_path, subject)
    assert verdicts(outcome, subject.kernel.release) == ALL_PASS | dict.fromkeys(panics, Verdict.CRASH)
    state("two cases panic the kernel in every program type", f"`crash` for these {len(panics)} cells")


def test_a_truncated_guest_image_costs_one_kernel(
    cache: Path, subject: PreparedKernel, tmp_path: Path
) -> None:
    short = tmp_path / "root.erofs"
    image = subject.files.root.read_bytes()
    short.write_bytes(image[: len(image) // 2])
    broken = replace(
        subject,
        kernel=replace(subject.kernel, release="broken"),
        files=replace(subject.files, root=short),
    )
    outcome = run_plan(cache, tmp_path, broken, subject)
    assert set(verdicts(outcome, "broken").values()) == {Verdict.NOT_RUN}
    assert verdicts(outcome, subject.kernel.release) == ALL_PASS
    broken_run, intact_run = outcome.result.run.kernels
    assert str(broken_run.stopped).startswith("the guest did not boot: ")
    assert (broken_run.boots, intact_run.stopped) == (1, None)


def test_a_corrupt_snapshot_costs_no_cell(
    cache: Path, subject: PreparedKernel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_plan(cache, tmp_path / "first", subject)  # saves a snapshot
    for folder in Cache(cache).entries(KIND):
        state = folder / "state"
        before = state.stat()
        with state.open("r+b") as file:
            file.write(b"garbage" * 1000)
        os.utime(state, ns=(before.st_atime_ns, before.st_mtime_ns))
    with caplog.at_level(logging.WARNING):
        outcome = run_plan(cache, tmp_path / "second", subject)
    assert verdicts(outcome, subject.kernel.release) == ALL_PASS
    assert "cannot be restored and will be created again" in caplog.text
    (run,) = outcome.result.run.kernels
    assert (run.boots, run.restores) == (2, 1)  # the first machine saved a new snapshot


def command(cache: Path, *arguments: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run the command with this cache within the context."""
    return started(["run", "--kernel", "6.12", *arguments], {"DYNPTR_HARNESS_CACHE": str(cache)})


@pytest.fixture
def small_disk(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """Return a cache on a disk that is too small for a snapshot."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=True, timeout=60)
    try:
        share(settings.cache, folder)
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True, timeout=60)


def test_no_space_for_a_snapshot_costs_no_cell(small_disk: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    with command(small_disk, *FEW, "--json", str(results)) as process:
        out, err = process.communicate(timeout=RUN_DEADLINE)
    assert process.returncode == 0, out + err
    assert re.search(
        rf"warning: no snapshot was saved: {small_disk} has \d+ MiB free, 1024 MiB are needed", err
    )
    cells = json.loads(results.read_text())["cells"]
    assert {cell["verdict"] for cell in cells} == {"pass"}


def test_a_full_disk_fails_the_environment(small_disk: Path) -> None:
    with suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    with command(small_disk, *FEW) as process:
        out, err = process.communicate(timeout=RUN_DEADLINE)
    assert process.returncode == 3, out + err
    assert re.search(rf"cells not run: cannot write {small_disk}/\S+: No space left on device", out)


def test_parallel_runs_share_a_cache(settings: Settings, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    share(settings.cache, cache)
    with ExitStack() as stack:
        runs = [
            stack.enter_context(command(cache, *FEW, "--json", str(tmp_path / f"{name}.json")))
            for name in ("a", "b")
        ]
        for process in runs:
            out, err = process.communicate(timeout=RUN_DEADLINE)
            assert process.returncode == 0, out + err
    for name in ("a", "b"):
        cells = json.loads((tmp_path / f"{name}.json").read_text())["cells"]
        assert {cell["verdict"] for cell in cells} == {"pass"}
    assert len(Cache(cache).entries(KIND)) == 1


def qemus(process: subprocess.Popen[str]) -> list[int]:
    """Return the process IDs of the machines. The command has no other children while it runs cells."""
    return [
        int(each) for each in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]


def wait_for_answers_of_two_machines(process: subprocess.Popen[str]) -> None:
    """Wait until two machines run and a cell has a result."""
    assert process.stderr
    give_up = time.monotonic() + RUN_DEADLINE
    line = ""
    while not re.search(r"[1-9]\d* answered", line) or len(qemus(process)) < 2:
        assert time.monotonic() < give_up, f"two machines did not run within {RUN_DEADLINE:g} s"
        line = process.stderr.readline()
        assert line, process.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_all_machines_within_a_second(
    settings: Settings, number: signal.Signals, status: int
) -> None:
    with command(settings.cache, "--jobs=2", "--case=RSV-*", "--case=CMT-*") as process:
        wait_for_answers_of_two_machines(process)
        watched = [os.pidfd_open(pid) for pid in qemus(process)]
        began = time.monotonic()
        process.send_signal(number)
        for each in watched:
            ended, _, _ = select.select([each], [], [], max(0, began + 1 - time.monotonic()))
            os.close(each)
            assert ended, f"a machine still ran 1 s after {number.name}"
        out, err = process.communicate(timeout=60)
    assert process.returncode == status, out + err
    assert f"interrupted by {number.name}: " in out
    assert re.search(r"[1-9]\d* run, [1-9]\d* not run", out)
