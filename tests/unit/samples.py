"""Sample cases, results and machines for tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.case import Case
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.cell import CellResult
from dynptr_harness.conformance.experiments.verifier import Verification, accepted, refused
from dynptr_harness.conformance.plan import make
from dynptr_harness.conformance.prog_types import ProgType
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.guest_image.model import BootFiles
from dynptr_harness.kernels.model import Kernel
from dynptr_harness.protocol.kfuncs import KFUNCS
from dynptr_harness.results.model import KernelRun, Phase, Provenance, RunResult
from dynptr_harness.vm.accelerator import Accelerator
from dynptr_harness.vm.prepare import PreparedKernel

from tests.unit import kernel_model
from tests.unit.kernel_model import KernelModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from dynptr_harness.report.matrix import CaseHead

RELEASE = "6.12.107+deb13-cloud-amd64"
SHA256 = "0123456789abcdef" * 4
FACTS = {
    **kernel_model.FACTS,
    "release": RELEASE,
    "accelerator": "tcg",
    "bcc": "0.31.0",
    "libbpf": "1.5",
    "clang": "19.1",
    "has_helper": True,
    "kfuncs": list(KFUNCS),
    "lsm": ["lockdown", "bpf"],
}
# The program types of sample results. They do not depend on the catalogue.
TYPES = [
    *("CGROUP_SOCK", "CGROUP_SOCK_ADDR", "KPROBE", "LSM", "PERF_EVENT", "RAW_TRACEPOINT"),
    *("RAW_TRACEPOINT_WRITABLE", "SK_MSG", "SYSCALL", "TRACEPOINT", "TRACING"),
]


@dataclass(frozen=True)
class Head:
    """The fields of a case that headings use."""

    id: str
    title: str


HEADS = [Head(f"RSV-{number:03}", f"what {number} says") for number in range(1, 14)]


def sample_case(case_id: str, **changes: Any) -> Case:
    """Return a case that is not in the catalogue."""
    name = case_id.lower().replace("-", "_")
    programs = (refused(name, 22, "Unreleased reference"), accepted(f"{name}_accepted"))
    experiment = Verification(programs, "file")
    return replace(Case(case_id, f"what {case_id} says", experiment, "a file, a commit"), **changes)


def sample_type(name: str) -> ProgType:
    """Return a program type that does not exist."""
    return ProgType(name, (5, 19), f"the event of {name}")


def cell(prog_type: str = "KPROBE", case: str = "RSV-011", **changes: Any) -> CellResult:
    """Return a passed cell, with changes."""
    passed = CellResult(
        kernel=RELEASE,
        arch="x86_64",
        prog_type=prog_type,
        case=case,
        loader="bcc",
        verdict=Verdict.PASS,
        ok=True,
        expected="reserve: -22",
        seen="reserve: -22",
        seconds=0.123,
    )
    return replace(passed, **changes)


def full(cases: Sequence[CaseHead] = HEADS) -> list[CellResult]:
    """Return a passed cell of every type and case."""
    return [cell(prog_type, case.id) for prog_type in TYPES for case in cases]


def kernel_run(**changes: Any) -> KernelRun:
    """Return a kernel that booted once, with changes."""
    booted = KernelRun(
        selector="6.12",
        release=RELEASE,
        arch="x86_64",
        sha256=SHA256,
        package=f"linux-image-{RELEASE}",
        package_version="6.12.107-1",
        origin="Debian trixie",
        accelerator="tcg",
        accelerator_asked="tcg",
        accelerator_reason="/dev/kvm does not exist",
        guest=FACTS,
        boots=1,
        consoles=("/runs/1/console.txt",),
    )
    return replace(booted, **changes)


def result(
    cells: Iterable[CellResult], kernels: Sequence[KernelRun] | None = None, **changes: Any
) -> RunResult:
    """Return a result with these cells."""
    filled = tuple(cells)
    run = Provenance(
        harness="0.1.0",
        started="2026-01-02T03:04:05Z",
        seconds=33.25,
        qemu="10.0.2",
        kernels=tuple(kernels or (kernel_run(),)),
        guest_packages={"python3-bpfcc": "0.31.0+ds-7"},
        phases=(Phase("booting", 5.5),),
    )
    return RunResult(replace(run, **changes), filled, planned=len(filled))


def subject(release: str = RELEASE) -> PreparedKernel:
    """Return a prepared kernel whose files do not exist."""
    nowhere = Path("/nonexistent")
    return PreparedKernel(
        selector="6.12",
        kernel=Kernel(release, "x86_64", nowhere, None, SHA256, f"linux-image-{release}", "6.12.107-1"),
        files=BootFiles(nowhere, nowhere, nowhere, nowhere, None, "test"),
        accelerator=Accelerator("tcg", "asked for"),
    )


# Programs of the catalogue's verifier rows: the model answers them from its recording or not at all.
CATALOGUED = {
    program.name
    for case in CASES
    if isinstance(case.experiment, Verification)
    for program in case.experiment.programs
}

# six cells in a fixed order
SMALL = make(PROG_TYPES, CASES, ["KPROBE", "LSM"], ["VER-001", "VER-002", "VER-004"])


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the reply of a correct kernel. It accepts sample programs whose name ends with '_accepted'."""
    names = request.get("functions", [])
    if request["kind"] != "load" or CATALOGUED & set(names):
        return KernelModel().answer(request)
    refusal = {"accepted": False, "errno": 22, "log": kernel_model.LEAK}
    return {
        "loader": request["loader"],
        "functions": {name: {"accepted": True} if name.endswith("_accepted") else refusal for name in names},
    }


@dataclass
class FakeGuest:
    """A machine with a correct kernel.

    Attributes:
        trouble: deviations by the index of the request: an exception to raise, a reply to return, or a
            coroutine function to await before the reply.
        asked: the requests so far.
        closed: True if the machine was ended.
    """

    trouble: dict[int, Any] = field(default_factory=dict)
    console: Path = Path("/runs/1/console.txt")
    facts: dict[str, Any] = field(default_factory=lambda: dict(FACTS))
    asked: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False
    restored: bool = False
    round_robin: bool = False
    splats: list[str] = field(default_factory=list)

    async def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Return a reply, or do what `trouble` says."""
        assert deadline > 0
        assert not self.closed
        trouble = self.trouble.get(len(self.asked))
        self.asked.append(request)
        if isinstance(trouble, Exception):
            self.splats += getattr(trouble, "complaints", {}).get("splats", [])
            raise trouble
        if callable(trouble):
            await trouble()
        if isinstance(trouble, dict):
            self.splats += trouble.get("splats", [])
        if request["kind"] == "forget_warnings":
            return {"seconds": 0.25}
        reply = trouble if isinstance(trouble, dict) else answer(request)
        return {**reply, "seconds": 0.25}

    async def request_batch(
        self, requests: Sequence[dict[str, Any]], deadline: float
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the replies, up to the first with a kernel warning."""
        for request in requests:
            reply = await self.ask(request, deadline)
            yield reply
            if "splats" in reply:
                return

    async def pin_vcpus(self, processors: Sequence[int]) -> None:
        self.processors = tuple(processors)

    async def kill(self) -> None:
        """Mark the machine as ended."""
        self.closed = True
