"""Validation of the documents that commands print, against the published schemas."""

from __future__ import annotations

import json
from typing import Any

from dynptr_harness.report.schemas import schema_text
from jsonschema import Draft202012Validator


def validated(name: str, text: str) -> Any:
    """Return a document. It must match the schema, and every field must be in the schema."""
    schema = json.loads(schema_text(name))
    Draft202012Validator.check_schema(schema)
    document = json.loads(text)
    Draft202012Validator(_closed(schema)).validate(document)
    return document


def _closed(schema: Any) -> Any:
    """Return a schema that rejects unknown fields."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    return (
        {**closed, "additionalProperties": False} if "properties" in schema and "type" in schema else closed
    )
