"""The JSON of each command matches its published schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import typer
from dynptr_harness.cli.app import app
from dynptr_harness.commands.doctor import CheckResult, State
from dynptr_harness.report.schemas import NAMES, schema_text
from dynptr_harness.results.json_format import as_json
from jsonschema import Draft202012Validator, ValidationError

from tests.unit.samples import cell, result
from tests.unit.schemas import validated

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.command import Command

# Commands whose JSON is a result.
WITHOUT_SCHEMA = {"run", "merge"}


def options_of(command: Any) -> set[str]:
    children = getattr(command, "commands", {})
    own = {option for parameter in command.params for option in parameter.opts}
    return own.union(*map(options_of, children.values()))


def test_every_command_with_json_has_a_schema() -> None:
    group: Any = typer.main.get_command(app)
    with_json = {name for name, each in group.commands.items() if "--json" in options_of(each)}
    with_schema = {name for name, each in group.commands.items() if "--schema" in options_of(each)}
    assert with_json - WITHOUT_SCHEMA == set(NAMES)
    assert with_schema == {*NAMES, "report"}


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_is_printed(command: Command, name: str) -> None:
    ended = command(name, "--schema")
    assert (ended.status, ended.out) == (0, schema_text(name))
    assert json.loads(ended.out)["$id"] == f"urn:dynptr-harness:{name}:1"
    Draft202012Validator.check_schema(json.loads(ended.out))


@pytest.mark.parametrize("arguments", [["cases"], ["cases", "CMT-*"], ["cases", "-g", "RSV"], ["types"]])
def test_lists_match_their_schema(command: Command, arguments: list[str]) -> None:
    assert validated(arguments[0], command(*arguments, "--json").out)


def test_types_of_a_result_match_the_schema(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(as_json(result([cell("LSM", "ATT-002"), cell("LSM")])))
    (row,) = validated("types", command("types", "--result", str(path), "--json").out)
    assert row["prog_type"] == "LSM"


@pytest.mark.parametrize("state", list(State))
def test_findings_of_doctor_match_the_schema(
    command: Command, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    findings = [CheckResult("tools", State.OK, "all"), CheckResult("disk", state, "10 MiB", "free some")]
    monkeypatch.setattr("dynptr_harness.commands.doctor.examine", lambda *_: iter(findings))
    ended = command("doctor", "--json")
    document = validated("doctor", ended.out)
    assert document["ok"] is (ended.status == 0) is (state is not State.FAIL)
    assert [check["hint"] for check in document["checks"]] == ["", "free some"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"checks": []},
        {"schema_version": 1, "harness": "1", "ok": True, "checks": [{"name": "disk"}]},
        {"schema_version": 1, "harness": "1", "ok": True, "checks": [], "unknown": 1},
    ],
)
def test_a_wrong_document_is_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        validated("doctor", json.dumps(wrong))
