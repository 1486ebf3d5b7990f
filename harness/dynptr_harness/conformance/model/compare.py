"""Comparison of predicted replies with those of a kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.experiments.base import each_of, size_of
from dynptr_harness.conformance.model.octets import Octets

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Mismatch:
    """A part of a reply that differs from the prediction.

    Attributes:
        path: keys and indexes that lead to it, such as 'outcomes 0 reserved 1'.
    """

    path: str
    expected: object
    seen: object

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, seen {self.seen}"


def mismatches(expected: object, seen: Any, path: str = "") -> Iterator[Mismatch]:
    """Yield the parts of a reply that differ from the prediction. Parts without a prediction are ignored."""
    if isinstance(expected, Octets):
        if not _matches(expected, seen):
            yield Mismatch(path, str(expected), seen)
    elif isinstance(expected, dict) and isinstance(seen, dict):
        for key, part in expected.items():
            got = each_of(seen[key]) if key == "records" and _is_raw(seen.get(key)) else seen.get(key)
            yield from mismatches(part, got, f"{path} {key}".strip())
    elif isinstance(expected, list) and isinstance(seen, list) and len(expected) == len(seen):
        for number, (part, got) in enumerate(zip(expected, seen, strict=True)):
            yield from mismatches(part, got, f"{path} {number}".strip())
    elif expected != seen:
        yield Mismatch(path, _readable(expected), _readable(seen))


def _is_raw(records: object) -> bool:
    return isinstance(records, list) and bool(records) and isinstance(records[0], dict)


def _matches(expected: Octets, seen: object) -> bool:
    """Compare bytes with the agent's text: hexadecimal digits, or the length and a digest."""
    if not isinstance(seen, str) or size_of(seen) != len(expected):
        return False
    return " bytes" in seen or expected.matches(bytes.fromhex(seen))


def _readable(value: object) -> object:
    """Return a value with its bytes as text."""
    if isinstance(value, Octets):
        return str(value)
    if isinstance(value, list):
        return [_readable(each) for each in value]
    if isinstance(value, dict):
        return {key: _readable(each) for key, each in value.items()}
    return value
