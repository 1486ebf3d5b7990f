"""The protocol of kernel sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.model import Kernel


@dataclass(frozen=True)
class Choice:
    """A kernel that a selector matches. It may not be on the disk yet.

    Attributes:
        selector: the selector.
        name: release or path. Two choices with the same name are the same kernel.
        fetch: puts the kernel on the disk. Raises HarnessError.
    """

    selector: str
    name: str
    fetch: Callable[[], Kernel]


class KernelSource(Protocol):
    """A source of kernels with selectors of its own.

    Attributes:
        help: its selectors, as a part of the help of --kernel: 'the path of a bzImage'.
        takes_modules: True if --modules can name the modules of its kernels.
    """

    help: ClassVar[str]
    takes_modules: ClassVar[bool] = False

    def matches(self, selector: str) -> bool:
        """Return True if a selector belongs to this source. This must not use the network."""

    def choose(
        self, selector: str, *, settings: Settings, progress: Progress, modules: Path | None
    ) -> Iterable[Choice]:
        """Return the kernels that a selector matches.

        Args:
            selector: belongs to this source.
            modules: directory given with --modules. None unless the source takes modules.

        Raises:
            WrongUsage: there is no such kernel.
            EnvironmentFailed: a tool or the network failed.
        """

    def path(self, selector: str) -> Path | None:  # noqa: ARG002
        """Return the file that a selector of this source names, or None."""
        return None
