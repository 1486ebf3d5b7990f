"""The backend of a run: VMs, or the running kernel of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.runner.kernel_job import always

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dynptr_harness.conformance.plan import Plan
    from dynptr_harness.runner.session import Boot
    from dynptr_harness.vm.prepare import PreparedKernel


def _nothing() -> None: ...


@dataclass(frozen=True)
class Backend:
    """Everything that a run needs before the first cell runs.

    Attributes:
        prepared: the prepared kernels.
        plan: the cells to run on each of them.
        boot: starts a machine.
        jobs: maximum number of machines at a time.
        qemu: version of QEMU, '' without QEMU.
        guest_packages: version of every package of the guest image, by name.
        leave: called after the last cell.
        first_alone: see `dynptr_harness.runner.kernel_job.KernelJob`.
    """

    prepared: tuple[PreparedKernel, ...]
    plan: Plan
    boot: Boot
    jobs: int
    qemu: str
    guest_packages: Mapping[str, str]
    leave: Callable[[], None] = _nothing
    first_alone: Callable[[PreparedKernel], bool] = always
