"""The GitHub workflow for every push and pull request."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

PROJECT = Path(__file__).parents[3]
WORKFLOW = PROJECT / ".github/workflows/checks.yml"


def workflow() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(WORKFLOW)
    return loaded


def check_schema(file: Path) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", file],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_workflow_matches_the_schema() -> None:
    check_schema(WORKFLOW)


def test_the_schema_rejects_a_wrong_workflow(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOW.read_text().replace("runs-on:", "runs-at:"))
    with pytest.raises(AssertionError, match="runs-at"):
        check_schema(wrong)


def test_it_runs_lint_and_unit_tests() -> None:
    assert workflow()["on"] == ["push", "pull_request"]
    scripts = [step["run"] for step in workflow()["jobs"]["checks"]["steps"] if "run" in step]
    assert scripts[1:] == ["make lint", "make unit"]


def test_its_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    called = set(re.findall(r"^ *(?:run: )?make ([a-z-]+)$", WORKFLOW.read_text(), re.MULTILINE))
    assert called == {"install", "lint", "unit"}
    assert called <= targets
