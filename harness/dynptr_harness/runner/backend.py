"""Where kernels are asked: in machines of their own, or the running one right here."""

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
    """All that is ready before the first question.

    Attributes:
        subjects: the kernels.
        plan: what they are asked.
        boot: how a machine comes to be.
        jobs: how many machines there may be at a time.
        qemu: version of QEMU, '' where there is none.
        guest_packages: version of every package of the guest image, by name.
        leave: to be called after the last question.
        first_alone: for which kernels; see `dynptr_harness.runner.kernel_job.KernelJob`.
    """

    subjects: tuple[PreparedKernel, ...]
    plan: Plan
    boot: Boot
    jobs: int
    qemu: str
    guest_packages: Mapping[str, str]
    leave: Callable[[], None] = _nothing
    first_alone: Callable[[PreparedKernel], bool] = always
