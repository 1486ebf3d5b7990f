"""The job matrix in CI: every command of the jobs is run, with fake machines."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.report import ci_matrix
from junitparser import JUnitXml
from ruamel.yaml import YAML

from tests.unit.fake_command import KERNELS

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).parents[3]
WORKFLOW = PROJECT / ".github/workflows/matrix.yml"
OLDER = ("6.1.9-cloud-amd64", "6.12.117+deb13-cloud-amd64")


def workflow() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(WORKFLOW)
    return loaded


def check_schema(name: str, file: Path) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{name}", file],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_workflow_is_valid() -> None:
    check_schema("github-workflows", WORKFLOW)


def test_an_invalid_workflow_is_rejected(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOW.read_text().replace("runs-on:", "runs-at:"))
    with pytest.raises(AssertionError, match="runs-at"):
        check_schema("github-workflows", wrong)


def test_the_pipeline_is_valid(tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline.yml"
    pipeline.write_text(ci_matrix.as_gitlab(KERNELS))
    assert YAML(typ="safe").load(pipeline) == json.loads(pipeline.read_text())
    check_schema("gitlab-ci", pipeline)


def test_the_documented_pipeline_is_valid(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(.*?)```", (PROJECT / "docs/reports.md").read_text(), re.DOTALL)
    assert found
    pipeline = tmp_path / ".gitlab-ci.yml"
    pipeline.write_text(found[1])
    check_schema("gitlab-ci", pipeline)


def test_the_matrix_is_one_line_with_one_job_for_each_kernel() -> None:
    line = ci_matrix.as_github(KERNELS)
    assert "\n" not in line
    rows = json.loads(line)["include"]
    assert rows == json.loads(ci_matrix.as_json(KERNELS))
    assert [row["kernel"] for row in rows] == list(KERNELS)
    assert [row["series"] for row in rows] == ["6.1", "6.12"]


def test_no_script_contains_an_expression() -> None:
    for job in workflow()["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


@dataclass
class JobDirectory:
    """Runs CI jobs, each in a directory with the command and the baselines, as in a checkout."""

    folder: Path
    baselines: Path | None = None
    wrong_kernel: str = ""
    statuses: dict[str, int] = field(default_factory=dict)

    def job(self, name: str, scripts: list[str], environment: Mapping[str, str] | None = None) -> str:
        """Run the scripts until one fails, as a job does, and return what they printed."""
        folder = self.folder / name
        command = folder / ".venv/bin/dynptr-harness"
        command.parent.mkdir(parents=True)
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.unit.fake_command "$@"\n')
        command.chmod(0o755)
        if self.baselines:
            shutil.copytree(self.baselines, folder / "baselines")
        variables = {
            **os.environ,
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "DYNPTR_HARNESS_CACHE": str(self.folder / "cache"),
            "WRONG_KERNEL": self.wrong_kernel,
            **(environment or {}),
        }
        said = ""
        for script in scripts:
            done = subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", script],
                cwd=folder, env=variables, timeout=120, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            said += done.stdout
            self.statuses[name] = done.returncode
            if done.returncode:
                break
        return said

    def hand_on(self, name: str, artifact: str) -> None:
        """Copy an artifact of a job to the job that reports."""
        shutil.copytree(self.folder / name / artifact, self.folder / "report" / artifact, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return baselines of runs on older kernels of the same series."""
    place = JobDirectory(tmp_path_factory.mktemp("baselines"))
    kernels = " ".join(f"--kernel {release}" for release in OLDER)
    said = place.job(
        "made", [f"dynptr-harness run {kernels} --json r.json", "dynptr-harness baseline r.json"]
    )
    assert place.statuses == {"made": 0}, said
    return place.folder / "made/baselines"


def steps(job: Mapping[str, Any], values: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the scripts of a job that use the command, and their environment, with expressions evaluated."""

    def evaluated(text: str) -> str:
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: values[found[1]], text)

    ours = [step for step in job["steps"] if "dynptr-harness" in step.get("run", "")]
    environment = {name: evaluated(value) for step in ours for name, value in step.get("env", {}).items()}
    return [step["run"] for step in ours], environment


def run_workflow(place: JobDirectory) -> tuple[str, str]:
    """Run the matrix, a job for each row, and the report. Return the report's output and its summary."""
    jobs = workflow()["jobs"]
    outputs, summary = place.folder / "outputs", place.folder / "summary.md"
    scripts, environment = steps(jobs["matrix"], {"inputs.kernels || 'all'": "all"})
    place.job("matrix", scripts, {**environment, "GITHUB_OUTPUT": str(outputs)})
    for row in json.loads(outputs.read_text().removeprefix("matrix="))["include"]:
        place.job(row["kernel"], *steps(jobs["run"], {f"matrix.{name}": row[name] for name in row}))
        place.hand_on(row["kernel"], "results")
    scripts, environment = steps(jobs["report"], {})
    said = place.job("report", scripts, {**environment, "GITHUB_STEP_SUMMARY": str(summary)})
    return said, summary.read_text()


def run_pipeline(place: JobDirectory) -> tuple[str, str]:
    """Do the same with a child pipeline of GitLab."""
    place.job("matrix", ["dynptr-harness matrix --format gitlab >pipeline.yml"])
    pipeline = YAML(typ="safe").load(place.folder / "matrix/pipeline.yml")
    before = [line for line in pipeline["default"]["before_script"] if line.startswith("mkdir")]
    for name in (name for name in pipeline if name.startswith("run ")):
        kernel = name.removeprefix("run ")
        place.job(kernel, [*before, *pipeline[name]["script"]])
        place.hand_on(kernel, *pipeline[name]["artifacts"]["paths"])
    said = place.job("report", pipeline["report"]["script"])
    promised = pipeline["report"]["artifacts"]
    for name in (*promised["paths"], promised["reports"]["junit"]):
        assert (place.folder / "report" / name).is_file()
    return said, (place.folder / "report/matrix.md").read_text()


def suites_of(place: JobDirectory) -> list[Any]:
    return list(JUnitXml.fromstring((place.folder / "report/matrix.xml").read_bytes()))


@pytest.mark.slow
def test_shards_are_merged_reported_and_compared(tmp_path: Path, baselines: Path) -> None:
    place = JobDirectory(tmp_path, baselines)
    said, summary = run_pipeline(place)
    assert set(place.statuses.values()) == {0}, said
    merged = json.loads((tmp_path / "report/matrix.json").read_text())
    assert [kernel["release"] for kernel in merged["run"]["kernels"]] == list(KERNELS)
    assert len(merged["run"]["shards"]) == len(KERNELS)
    assert [suite.name for suite in suites_of(place)] == list(KERNELS)
    assert summary.startswith("## ✅ Every cell is as expected")
    assert "6.12.117+deb13-cloud-amd64 became 6.12.120+deb13-cloud-amd64" in said
    assert "no regression" in said


@pytest.mark.slow
def test_a_regression_fails_its_job_and_is_in_every_report(tmp_path: Path, baselines: Path) -> None:
    place = JobDirectory(tmp_path, baselines, wrong_kernel=KERNELS[1])
    said, summary = run_workflow(place)
    failed = [name for name, status in place.statuses.items() if status]
    assert failed == [KERNELS[1], "report"], said
    assert [place.statuses[name] for name in failed] == [1, 1]
    assert summary.startswith("## ❌ Not every cell is as expected")
    assert [suite.failures for suite in suites_of(place)] == [0, 1]
    assert "1 newly failing" in said
    assert {path.suffix for path in (tmp_path / "report").glob("matrix.*")} >= {".html", ".svg", ".md"}
