"""Isolation: how many cells share one machine."""

from __future__ import annotations

from enum import StrEnum


class Isolation(StrEnum):
    """When a fresh machine replaces a working one."""

    RUN = "run"  # never
    TYPE = "type"  # for each program type
    CASE = "case"  # for each query, which is one cell, or several cells with the same request
