"""ATT: the example of each type before the attach, while attached, and after the detach."""

from __future__ import annotations

from dynptr_harness.conformance.case import Case
from dynptr_harness.conformance.experiments.base import Phases

_SOURCE = "the rules of the program type: a program runs on its event while it is attached"

CASES = (
    Case(
        "ATT-001",
        "before the attach, the event runs no program and produces no record",
        Phases("before"),
        _SOURCE,
        variants=True,
    ),
    Case(
        "ATT-002",
        "the event runs the attached example once, and its record arrives once and unchanged",
        Phases("attached"),
        _SOURCE,
        variants=True,
    ),
    Case(
        "ATT-003",
        "after the detach, the event runs no program and produces no record",
        Phases("after"),
        _SOURCE,
        variants=True,
    ),
)
