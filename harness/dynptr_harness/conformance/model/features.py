"""The differences between kernel versions, as data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Features:
    """Behaviour that differs between kernel versions. The defaults are those of the newest kernels.

    Attributes:
        pending_position: an open reservation keeps its room although user space moved the consumer position
            past it (v6.10, commit cfa1a2329a69, also in stable series).
        bounds_first: bpf_dynptr_write checks the bounds before the flags (v6.4, commit b5964b968ac6).
        wide_offsets: offsets and sizes of dynptrs are 64 bits wide (v6.19, commit 531b87d865eb). Before, the
            upper half of the register is ignored.
    """

    pending_position: bool = True
    bounds_first: bool = True
    wide_offsets: bool = True


# The version that changed each behaviour. Older kernels may have either, because of backports.
CHANGED_IN = {"pending_position": (6, 10), "bounds_first": (6, 4), "wide_offsets": (6, 19)}


def documented(version: tuple[int, ...]) -> tuple[Features, ...]:
    """Return every combination of behaviours that a version, such as (6, 12), may show, the newest first."""
    choices = [(True,) if version >= changed else (True, False) for changed in CHANGED_IN.values()]
    return tuple(Features(**dict(zip(CHANGED_IN, values, strict=True))) for values in product(*choices))
