"""Shards: a division of the planned cells over several runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from dynptr_harness.core.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of a sequence. `index` counts from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard of a text such as '2/5'.

        Raises:
            WrongUsage: it is not such a text, or the index is not between 1 and the count.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
        shard = cls(int(found[1]), int(found[2])) if found else None
        if not shard or not 1 <= shard.index <= shard.count:
            raise WrongUsage(f"--shard {text} is not a shard", "give I/N with I from 1 to N, such as 2/5")
        return shard

    def part(self, cells: Sequence[T]) -> tuple[T, ...]:
        """Return the cells of this shard. The shards of a sequence are adjacent, in its order.

        Adjacent cells share the program type and the attached program.
        """
        first, end = (len(cells) * number // self.count for number in (self.index - 1, self.index))
        return tuple(cells[first:end])
