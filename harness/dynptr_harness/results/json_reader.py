"""Reading of results from JSON, with validation against the schema."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import jsonschema_rs

from dynptr_harness.conformance.cell import CellResult
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.text import counted
from dynptr_harness.results.json_format import schema
from dynptr_harness.results.model import (
    SCHEMA_VERSION,
    KernelRun,
    Phase,
    Provenance,
    RunResult,
    ShardRun,
    key_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

# Half of a surrogate pair, escaped or encoded. JSON can write what UTF-8 cannot encode.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")

_HINT = "give a file that `run --json` or `merge --json` wrote"


def from_json(text: bytes, name: str) -> RunResult:
    """Read a result. Unknown fields are ignored.

    Args:
        text: content of the file.
        name: name of the file, for messages.

    Raises:
        WrongUsage: it is not a result, has another format, or contradicts itself.
    """
    document = _document(text, name)
    version = document.get("schema_version")
    if version is not None and version != SCHEMA_VERSION:
        raise WrongUsage(
            f"{name} is a result of format {version}, and this version reads format {SCHEMA_VERSION}",
            "use the version of dynptr-harness that wrote it, or repeat the run",
        )
    # Implemented in Rust: the Python one takes half a minute for the 100,000 cells of a full matrix.
    error = next(jsonschema_rs.validator_for(schema()).iter_errors(document), None)
    if error:
        where = "/".join(map(str, error.instance_path)) or "the top"
        raise WrongUsage(f"{name} is not a result of dynptr-harness: at {where}: {error.message}", _HINT)
    return _result(document, name)


def _document(text: bytes, name: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WrongUsage(f"{name} is not JSON: {error}", _HINT) from error
    if not isinstance(document, dict):
        raise WrongUsage(f"{name} is not a result of dynptr-harness: it is not a JSON object", _HINT)
    return _encodable(document) if _SURROGATE.search(text) else document


def _encodable(part: Any) -> Any:
    """Return a JSON document with '?' for characters that UTF-8 cannot encode."""
    match part:
        case str():
            return part.encode("utf-8", "replace").decode()
        case list():
            return [_encodable(each) for each in part]
        case dict():
            return {_encodable(name): _encodable(value) for name, value in part.items()}
        case _:
            return part


def _result(document: Mapping[str, Any], name: str) -> RunResult:
    provenance = _provenance(document["run"])
    cells = tuple(_cell(each) for each in document["cells"])
    planned = document["totals"]["planned"]
    if planned != len(cells):
        raise WrongUsage(f"{name} is damaged: it has {len(cells)} of {counted(planned, 'cell')}", _HINT)
    releases = {kernel.release for kernel in provenance.kernels}
    keys = set()
    for cell in cells:
        if cell.kernel not in releases:
            raise WrongUsage(f"{name} is damaged: it lacks the kernel {cell.kernel}", _HINT)
        if key_of(cell) in keys:
            raise WrongUsage(f"{name} is damaged: it has the cell {' '.join(key_of(cell))} twice", _HINT)
        keys.add(key_of(cell))
    return RunResult(provenance, cells, planned, titles=document.get("titles", {}))


def _provenance(run: Mapping[str, Any]) -> Provenance:
    return _made(
        Provenance,
        run,
        kernels=tuple(_made(KernelRun, each) for each in run["kernels"]),
        phases=tuple(_made(Phase, each) for each in run["phases"]),
        shards=tuple(_provenance(each) for each in run.get("shards", ())),
        shard=_made(ShardRun, run["shard"]) if run.get("shard") else None,
    )


def _cell(fields_: Mapping[str, Any]) -> CellResult:
    return _made(CellResult, fields_, verdict=Verdict(fields_["verdict"]))


def _made(kind: type[T], document: Mapping[str, Any], **converted: Any) -> T:
    """Make a dataclass from a JSON object. Lists become tuples; `converted` replaces fields."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    known = {name: value for name, value in document.items() if name in names}
    tuples = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    return kind(**known | tuples | converted)
