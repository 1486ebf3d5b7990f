"""The number of machines that a host can run at a time, and the CPUs that each gets."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dynptr_harness.core import cgroups, memory

# Memory of QEMU in addition to the guest's. With emulation, most of it is translated code.
OVERHEAD_MIB = 512


def default(memory_mib: int) -> int:
    """Return the default number of machines: one for each available CPU if memory suffices, at least one.

    The limits of our control groups count too, such as those of a container.

    Args:
        memory_mib: memory of a guest, in MiB.
    """
    quotas = (int(quota) / int(period) for quota, period in cgroups.limits("cpu.max"))
    processors = min([len(os.sched_getaffinity(0)), *quotas])
    return max(1, int(min(processors, memory.available_mib() // (memory_mib + OVERHEAD_MIB))))


@dataclass(frozen=True)
class CpuSlot:
    """The share of the host's CPUs that one of the parallel machines gets.

    Attributes:
        processors: CPUs of the host for the vCPUs of the guest, in order. Empty for no pinning.
        round_robin: True if emulated vCPUs should take turns on one thread.
    """

    processors: tuple[int, ...] = ()
    round_robin: bool = False


def cpu_slots(jobs: int) -> list[CpuSlot]:
    """Return the CPU slot of each parallel machine.

    With as many machines as CPUs, vCPUs are pinned. The first vCPU of a guest runs the agent and has one host
    CPU. The second is mostly idle and shares the CPU of the next machine. Without pinning, a scheduler that
    packs sleeping tasks onto few CPUs made two machines as slow as one after the other. With fewer machines,
    the scheduler knows better what else the host does.

    With a machine on every CPU, none is left for the second vCPU. Each wait of one vCPU for the other is then
    a wait for the host's scheduler. Two machines took 55 s of CPU time with round robin instead of 64
    (docs/benchmarks.md).
    """
    processors = tuple(sorted(os.sched_getaffinity(0)))
    round_robin = jobs >= len(processors)
    if not 1 < jobs == len(processors):
        return [CpuSlot(round_robin=round_robin) for _ in range(jobs)]
    return [CpuSlot(processors[first:] + processors[:first], round_robin) for first in range(jobs)]
