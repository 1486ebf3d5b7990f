"""Where a kernel comes from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import WrongUsage
from harness.kernels import debian, local

if TYPE_CHECKING:
    from harness.kernels.model import Kernel
    from harness.progress import Progress
    from harness.settings import Settings

__all__ = ["resolve"]


def resolve(selector: str, *, settings: Settings, progress: Progress, modules: Path | None = None) -> Kernel:
    """The kernel that a selector means, on this machine's disk.

    `selector` is a series ('6.12'), a release or its leading part ('6.12.107'), or the path of a bzImage;
    `modules` goes with a path only. Raises WrongUsage for what does not exist, EnvironmentFailed where
    the machine or the network fails.
    """
    if "/" in selector or Path(selector).is_file():
        return local.resolve(Path(selector), modules)
    if modules:
        raise WrongUsage(f"modules in {modules} were given with {selector!r}, which brings its own")
    if not re.match(r"\d+\.\d+", selector):
        raise WrongUsage(
            f"{selector!r} is not a kernel",
            "name a series such as 6.12, a release such as 6.12.107, or the path of a kernel image",
        )
    return debian.resolve(selector, settings, progress)
