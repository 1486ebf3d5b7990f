"""JSON Schemas of the documents that commands print with --json. That of a result is in `results`."""

from __future__ import annotations

from importlib.resources import files

NAMES = ("cache", "cases", "diff", "doctor", "kconfig", "kernels", "probe", "types")


def schema_text(name: str) -> str:
    """Return a schema of `NAMES` as text."""
    directory = files("dynptr_harness.report").joinpath("schema")
    return directory.joinpath(f"{name}-1.schema.json").read_text(encoding="utf-8")
