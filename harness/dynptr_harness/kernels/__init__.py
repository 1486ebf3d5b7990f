"""Where a kernel comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.kernels import bzimage, container_image
from dynptr_harness.kernels.debian import source
from dynptr_harness.kernels.selectors import is_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.model import Kernel

__all__ = ["Choice", "choose"]

MENDING = (
    "name a series such as 6.12, a release such as 6.12.107, a pattern such as '6.*', all, oldest or newest, "
    "the path of a kernel image, or oci:IMAGE"
)


@dataclass(frozen=True)
class Choice:
    """A kernel that was chosen and may have to be fetched yet.

    Attributes:
        selector: what the person said.
        name: what tells it from other choices, for people too: its release, or its path.
        fetch: gets it onto this machine's disk. Raises HarnessError.
    """

    selector: str
    name: str
    fetch: Callable[[], Kernel]


def choose(
    selectors: Sequence[str], *, settings: Settings, progress: Progress, modules: Path | None = None
) -> list[Choice]:
    """The kernels that some selectors mean, in the order of the selectors, each once; none is fetched yet.

    A selector is a series ('6.12'), a release or its leading part ('6.12.107'), a pattern of the shell over
    series or releases, 'all', 'oldest', 'newest', the path of a bzImage, or 'oci:' and the name of a
    container image; `modules` goes with a path only.

    Raises:
        WrongUsage: a kernel does not exist.
        EnvironmentFailed: the machine or the network failed.
    """
    found: dict[str, Choice] = {}
    for selector in selectors:
        for choice in _chosen(selector, settings, progress, modules):
            found.setdefault(choice.name, choice)
    return list(found.values())


def _chosen(selector: str, settings: Settings, progress: Progress, modules: Path | None) -> Iterator[Choice]:
    """A source after the other looks whether it is meant; one that is new comes before Debian."""
    is_image = selector.startswith(container_image.PREFIX)
    if not is_image and ("/" in selector or (Path(selector).is_file() and not is_set(selector))):
        kernel = bzimage.resolve(Path(selector), modules)
        yield Choice(selector, kernel.origin, lambda: kernel)
        return
    if modules:
        raise WrongUsage(f"modules in {modules} were given with {selector!r}, which brings its own")
    if is_image:
        yield Choice(selector, selector, partial(container_image.fetch, selector, settings, progress))
        return
    if "," in selector or not (is_set(selector) or re.match(r"\d+\.\d+", selector)):
        several = "give --kernel once for each; " if "," in selector else ""
        raise WrongUsage(f"{selector!r} is not a kernel", several + MENDING)
    for each in source.choose(selector, settings, progress):
        yield Choice(selector, each.kernel.release, partial(source.fetch, each, settings, progress))
