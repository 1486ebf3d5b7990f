"""The result as JSON, in the format that schema/result-1.schema.json describes."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.model import RunResult


def schema_text() -> str:
    """The JSON Schema of the current format, as it is published."""
    return files("dynptr_harness.results").joinpath("schema/result-1.schema.json").read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """The same as data."""
    loaded: dict[str, Any] = json.loads(schema_text())
    return loaded


def as_json(result: RunResult) -> str:
    """The whole result as JSON text; see `as_document`."""
    return json.dumps(as_document(result), indent=1, allow_nan=False) + "\n"


def as_document(result: RunResult) -> dict[str, Any]:
    """The whole result; `reason`, `log` and `console` of a cell are left out where there are none."""
    return {
        "schema_version": result.schema_version,
        "run": asdict(result.run),
        "cells": [_cell(cell) for cell in result.cells],
        "totals": asdict(result.totals),
    }


def _cell(cell: CellResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(cell).items() if value is not None}
