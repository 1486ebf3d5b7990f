"""Kernel releases, as uname(2) reports them, and their order."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import total_ordering

HELPER_SINCE = (5, 19)  # bpf_ringbuf_reserve_dynptr, commit bc34dee65a65

_BASE = re.compile(r"\d+(?:\.\d+)*")
_CANDIDATE = re.compile(r"\brc(\d+)")  # 6.12.0-rc1, Debian's 6.12~rc1, Fedora's 6.12.0-0.rc1


@total_ordering
@dataclass(frozen=True)
class KernelVersion:
    """A kernel release. A release candidate is older than its release.

    Any string can be compared. One that does not begin with a number comes first.
    """

    release: str

    @property
    def major_minor(self) -> tuple[int, int]:
        """The first two numbers: (6, 12) for '6.12.117+deb13-cloud-amd64'.

        Raises:
            ValueError: the release does not begin with two numbers.
        """
        numbers = self._base
        if len(numbers) < 2:
            raise ValueError(f"not a kernel release: {self.release!r}")
        return numbers[0], numbers[1]

    @property
    def series(self) -> str:
        """The series: '6.12' for '6.12.117+deb13-cloud-amd64'. The whole release if it has none."""
        numbers = self._base
        return f"{numbers[0]}.{numbers[1]}" if len(numbers) > 1 else self.release

    def __lt__(self, other: KernelVersion) -> bool:
        return self._order < other._order

    @property
    def _base(self) -> tuple[int, ...]:
        """The numbers at the beginning: (6, 12, 117) for '6.12.117+deb13-cloud-amd64'."""
        found = _BASE.match(self.release)
        return tuple(map(int, found[0].split("."))) if found else ()

    @property
    def _order(self) -> tuple[tuple[int, ...], float, tuple[int, ...], str]:
        """The base as 4 numbers, the number of the candidate, all numbers, and the release itself."""
        base = (*self._base, 0, 0, 0)[:4] if self._base else ()
        candidate = _CANDIDATE.search(self.release)
        numbers = tuple(map(int, re.findall(r"\d+", self.release)))
        return base, int(candidate[1]) if candidate else math.inf, numbers, self.release


def series_of(release: str) -> str:
    """Return the series of a release: '6.12' for '6.12.117+deb13-cloud-amd64'."""
    return KernelVersion(release).series
