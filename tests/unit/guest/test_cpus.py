"""The CPUs of the guest."""

from __future__ import annotations

import pytest
from dynptr_harness.guest.system import cpus
from dynptr_harness.guest.system.sysctl import Unavailable


def test_a_guest_with_one_cpu_says_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "ALL_CPUS", frozenset({0, 1}))
    cpus.require_two()
    monkeypatch.setattr(cpus, "ALL_CPUS", frozenset({0}))
    with pytest.raises(Unavailable, match="the guest has one CPU"):
        cpus.require_two()
