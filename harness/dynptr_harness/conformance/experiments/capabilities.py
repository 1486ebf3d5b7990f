"""Creation of rings and loading of programs by processes with few capabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.experiments.base import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dynptr_harness.conformance.experiments.base import Experiment, Reply
    from dynptr_harness.conformance.experiments.verifier import VerifierProgram
    from dynptr_harness.conformance.prog_types import ProgType

ANYBODY, ADMINISTRATORS = 0, 2  # values of kernel.unprivileged_bpf_disabled


@dataclass(frozen=True)
class LimitedProcess:
    """A process with some capabilities and no others.

    Attributes:
        capabilities: without the CAP_ prefix.
        programs: program types and functions to load, with the expected answers.
        ring: expected errno of creating a ring; 0 for success.
    """

    capabilities: tuple[str, ...]
    programs: tuple[tuple[str, VerifierProgram], ...]
    ring: int = 0

    @property
    def name(self) -> str:
        """The capabilities of the process in words."""
        return " and ".join(f"CAP_{name}" for name in self.capabilities) or "no capability"

    def request(self) -> dict[str, Any]:
        return {
            "capabilities": list(self.capabilities),
            "programs": [{"prog_type": kind, "function": each.name} for kind, each in self.programs],
        }

    def findings(self, reply: Reply) -> Iterator[Finding]:
        yield Finding(f"with {self.name} a ring is", _ring(self.ring), _ring(reply.get("ring")))
        seen = reply.get("programs", [])
        for i, (kind, program) in enumerate(self.programs):
            name = f"with {self.name} {program.name} in {kind} is"
            yield Finding(name, program.answer, program.seen(seen[i] if i < len(seen) else {}))


def _ring(errno: int | None) -> str:
    if errno is None:
        return "not tried"
    return f"refused with {-errno}" if errno else "made"


@dataclass(frozen=True)
class Capabilities:
    """Processes with few capabilities.

    Attributes:
        unprivileged: value of kernel.unprivileged_bpf_disabled during the experiment.
    """

    processes: tuple[LimitedProcess, ...]
    unprivileged: int = ANYBODY

    def request(self) -> dict[str, Any]:
        functions = {program.name: None for holder in self.processes for _, program in holder.programs}
        return {
            "kind": "rights",
            "unprivileged_bpf_disabled": self.unprivileged,
            "holders": [holder.request() for holder in self.processes],
            "functions": list(functions),
        }

    def findings(self, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Iterator[Finding]:  # noqa: ARG002
        seen = reply.get("holders", [])
        for i, holder in enumerate(self.processes):
            yield from holder.findings(seen[i] if i < len(seen) else {})


@dataclass(frozen=True)
class WithSysctl:
    """Another experiment under changed sysctl settings.

    Attributes:
        sysctl: values by name, such as net.core.bpf_jit_enable.
    """

    sysctl: Mapping[str, int]
    experiment: Experiment

    def request(self) -> dict[str, Any]:
        return {**self.experiment.request(), "sysctl": dict(self.sysctl)}

    def findings(self, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Iterator[Finding]:
        return self.experiment.findings(prog_type, facts, reply)
