"""Results as JSON, in the format of schema/result-1.schema.json."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.model import RunResult


def schema_text() -> str:
    """Return the JSON Schema of the current format as text."""
    return files("dynptr_harness.results").joinpath("schema/result-1.schema.json").read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the current format."""
    loaded: dict[str, Any] = json.loads(schema_text())
    return loaded


def as_json(result: RunResult) -> str:
    """Return a result as JSON text; see `as_document`."""
    return json.dumps(as_document(result), indent=1, allow_nan=False) + "\n"


def as_document(result: RunResult) -> dict[str, Any]:
    """Return a result as a JSON object. Fields of a cell that are None are left out."""
    return {
        "schema_version": result.schema_version,
        "run": asdict(result.run),
        "cells": [_cell(cell) for cell in result.cells],
        "totals": asdict(result.totals),
    }


def _cell(cell: CellResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(cell).items() if value is not None}
