"""ATT: the example of each type, before it is attached, while, and after."""

from __future__ import annotations

from dynptr_harness.conformance.case import Case
from dynptr_harness.conformance.experiments.base import Phases

_SOURCE = "the program type's own rules: a program runs on its event while it is attached"

CASES = (
    Case(
        "ATT-001",
        "before the example is attached, its event runs no program and brings no record",
        Phases("before"),
        _SOURCE,
        variants=True,
    ),
    Case(
        "ATT-002",
        "the event runs the attached example once, and its record arrives once, as it was written",
        Phases("attached"),
        _SOURCE,
        variants=True,
    ),
    Case(
        "ATT-003",
        "after the example was detached, its event runs no program and brings no record",
        Phases("after"),
        _SOURCE,
        variants=True,
    ),
)
