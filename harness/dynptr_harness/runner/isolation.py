"""Isolation: how much one machine is asked."""

from __future__ import annotations

from enum import StrEnum


class Isolation(StrEnum):
    """How often a fresh machine takes the place of one that is well."""

    RUN = "run"  # never
    TYPE = "type"  # for each program type
    CASE = "case"  # for each question, which is each cell but for those with the same request
