"""Where kernels are asked: in machines of their own, or the running one right here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.asking.account import always

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.asking.session import Boot
    from harness.plan import Plan
    from harness.prepare import Subject


def _nothing() -> None: ...


@dataclass(frozen=True)
class Ground:
    """All that is ready before the first question.

    Attributes:
        subjects: the kernels.
        plan: what they are asked.
        boot: how a machine comes to be.
        jobs: how many machines there may be at a time.
        qemu: version of QEMU, '' where there is none.
        guest_packages: version of every package of the guest image, by name.
        leave: to be called after the last question.
        first_alone: for which kernels; see `harness.asking.account.Account`.
    """

    subjects: tuple[Subject, ...]
    plan: Plan
    boot: Boot
    jobs: int
    qemu: str
    guest_packages: Mapping[str, str]
    leave: Callable[[], None] = _nothing
    first_alone: Callable[[Subject], bool] = always
