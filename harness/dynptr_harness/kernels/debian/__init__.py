"""Kernels in Debian's packages."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from dynptr_harness.kernels.selectors import is_set
from dynptr_harness.kernels.source import Choice, KernelSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings


class DebianSource(KernelSource):
    """Kernels that Debian's suites serve or the cache has."""

    help = "a series (6.12), a release or its leading part (6.12.107), a pattern ('6.*'), oldest, newest, all"

    def matches(self, selector: str) -> bool:
        """Return True for a keyword, a pattern, and everything that begins like a release."""
        return "," not in selector and bool(is_set(selector) or re.match(r"\d+\.\d+", selector))

    def choose(
        self,
        selector: str,
        *,
        settings: Settings,
        progress: Progress,
        modules: Path | None,  # noqa: ARG002
    ) -> Iterator[Choice]:
        """Yield the matching kernels in the order of `source.choose`."""
        from dynptr_harness.kernels.debian import source  # slow to import, and --help needs this class

        for match in source.choose(selector, settings, progress):
            yield Choice(selector, match.kernel.release, partial(source.fetch, match, settings, progress))
