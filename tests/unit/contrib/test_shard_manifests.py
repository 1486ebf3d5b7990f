"""The manifests for shards: valid, and run as their engines would run them, with fake machines."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from tests.unit.fake_command import CASES

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).parents[3]
CONTRIB = PROJECT / "contrib"
JOB = CONTRIB / "kubernetes-job.yaml"
ARRAY = CONTRIB / "slurm-array.sh"
WORKFLOW = CONTRIB / "github-shards.yml"
SCHEMA = Path(__file__).with_name("indexed_job.schema.json")
KERNEL = "6.12.120+deb13-cloud-amd64"
SHARDS = 4


def checked(*arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def documents() -> list[dict[str, Any]]:
    return list(YAML(typ="safe").load_all(JOB))


def job() -> dict[str, Any]:
    (found,) = (each for each in documents() if each["kind"] == "Job")
    return found


def check_job(document: Mapping[str, Any], file: Path) -> None:
    file.write_text(json.dumps(document))
    checked("--schemafile", SCHEMA, file)


class Engine:
    """Runs shell commands in a directory where `dynptr-harness` runs with fake machines."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / ".venv/bin").mkdir(parents=True)
        command = directory / ".venv/bin/dynptr-harness"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.unit.fake_command "$@"\n')
        command.chmod(0o755)
        (directory / "results").mkdir()

    def run(self, argv: list[str], **variables: str) -> None:
        """Run a command with variables of the engine. It must succeed."""
        self.started(argv, **variables).check()

    def started(self, argv: list[str], **variables: str) -> Running:
        """Start a command with variables of the engine."""
        own = {
            "PATH": f"{self.directory / '.venv/bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "DYNPTR_HARNESS_CACHE": str(self.directory / "cache"),
        }
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "JOB_"))
        }
        return Running(argv, self.directory, {**inherited, **variables, **own})

    def merged(self) -> list[str]:
        """Merge the results as the manifests say, and return the keys of all cells."""
        self.run(["sh", "-c", "dynptr-harness merge results --json merged.json"])
        document = json.loads((self.directory / "merged.json").read_text())
        assert [run["shard"]["count"] for run in document["run"]["shards"]] == [SHARDS] * SHARDS
        assert sorted(run["shard"]["index"] for run in document["run"]["shards"]) == [1, 2, 3, 4]
        return sorted(f"{cell['prog_type']} {cell['case']} {cell['loader']}" for cell in document["cells"])


class Running:
    """A started command."""

    def __init__(self, argv: list[str], directory: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            argv, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def check(self) -> None:
        """Wait for its end. It must succeed."""
        said, _nothing = self._process.communicate(timeout=120)
        assert self._process.returncode == 0, said


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The keys of all cells of a run without shards."""
    engine = Engine(tmp_path_factory.mktemp("whole"))
    engine.run(["sh", "-c", f"dynptr-harness run --kernel {KERNEL} --quiet --json r.json"])
    cells = json.loads((engine.directory / "r.json").read_text())["cells"]
    assert len(cells) > len(CASES)
    return sorted(f"{cell['prog_type']} {cell['case']} {cell['loader']}" for cell in cells)


def test_the_job_is_valid(tmp_path: Path) -> None:
    check_job(job(), tmp_path / "job.json")


def test_the_job_is_valid_for_kubernetes() -> None:
    validator = pytest.importorskip("kubernetes_validate")
    for document in documents():
        validator.validate(document, "1.31", strict=True)


@pytest.mark.parametrize("path", [("completionMode",), ("template", "spec", "restartPolicy"), ("template",)])
def test_a_job_without_a_required_field_is_rejected(tmp_path: Path, path: tuple[str, ...]) -> None:
    wrong = job()
    inner = wrong["spec"]
    for name in path[:-1]:
        inner = inner[name]
    inner[f"{path[-1]}s"] = inner.pop(path[-1])
    with pytest.raises(AssertionError, match=path[-1]):
        check_job(wrong, tmp_path / "job.json")


def test_the_numbers_of_the_job_agree() -> None:
    spec = job()["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert spec["completions"] == spec["parallelism"] == int(environment["SHARDS"]) == SHARDS
    assert spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["containerName"] == container["name"]
    mounts = {each["name"] for each in container["volumeMounts"]}
    assert mounts == {each["name"] for each in spec["template"]["spec"]["volumes"]}
    claims = {each["metadata"]["name"] for each in documents() if each["kind"] == "PersistentVolumeClaim"}
    assert claims == {"dynptr-harness-results"}


@pytest.mark.slow
def test_the_pods_of_the_job_make_a_complete_result(engine: Engine, whole: list[str]) -> None:
    (container,) = job()["spec"]["template"]["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    environment |= {"RESULTS": str(engine.directory / "results"), "KERNEL": KERNEL}
    argv = [*container["command"], *container["args"]]
    pods = [engine.started(argv, **environment, JOB_COMPLETION_INDEX=str(index)) for index in range(SHARDS)]
    for pod in pods:
        pod.check()
    assert engine.merged() == whole


def test_the_array_is_a_valid_script() -> None:
    subprocess.run(["sh", "-n", ARRAY], check=True, timeout=60)
    if linter := shutil.which("shellcheck"):
        subprocess.run([linter, ARRAY], check=True, timeout=60)
    text = ARRAY.read_text()
    options = re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", text, re.MULTILINE)
    assert len(options) == text.count("\n#SBATCH")
    # Slurm reads directives up to the first command only.
    assert text.rindex("#SBATCH") < text.index("\nset -eu")
    assert dict(options)["array"] == f"1-{SHARDS}"
    known = {"job-name", "array", "ntasks", "cpus-per-task", "mem", "time", "output"}
    assert {name for name, _value in options} == known


@pytest.mark.slow
def test_the_tasks_of_the_array_make_a_complete_result(engine: Engine, whole: list[str]) -> None:
    variables = {"SLURM_ARRAY_TASK_COUNT": str(SHARDS), "KERNEL": KERNEL, "SLURM_ARRAY_JOB_ID": "7"}
    tasks = [
        engine.started(["sh", str(ARRAY)], **variables, SLURM_ARRAY_TASK_ID=str(number))
        for number in range(1, SHARDS + 1)
    ]
    for task in tasks:
        task.check()
    assert engine.merged() == whole


def workflow() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(WORKFLOW)
    return loaded


def test_the_workflow_is_valid() -> None:
    checked("--builtin-schema", "vendor.github-workflows", WORKFLOW)


def test_an_invalid_workflow_is_rejected(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOW.read_text().replace("matrix:\n        shard", "matrix:\n      shard"))
    with pytest.raises(AssertionError, match="shard"):
        checked("--builtin-schema", "vendor.github-workflows", wrong)


@pytest.mark.slow
def test_the_jobs_of_the_workflow_make_a_complete_result(engine: Engine, whole: list[str]) -> None:
    run = workflow()["jobs"]["run"]
    shards = run["strategy"]["matrix"]["shard"]
    (step,) = (step for step in run["steps"] if "dynptr-harness" in step.get("run", ""))
    for shard in shards:
        values = {
            "inputs.kernel": KERNEL,
            "matrix.shard": str(shard),
            "strategy.job-total": str(len(shards)),
        }
        environment = {
            name: re.sub(r"\$\{\{ (.*?) \}\}", lambda found: values[found[1]], value)  # noqa: B023
            for name, value in step["env"].items()
        }
        engine.run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], **environment)
    assert engine.merged() == whole
    (report,) = (
        each for each in workflow()["jobs"]["report"]["steps"] if "dynptr-harness" in each.get("run", "")
    )
    summary = engine.directory / "summary.md"
    argv = ["bash", "-e", "-o", "pipefail", "-c", report["run"]]
    engine.run(argv, GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text().startswith("## ✅")


@pytest.mark.slow
def test_a_missing_shard_is_named(engine: Engine) -> None:
    variables = {"SLURM_ARRAY_TASK_COUNT": "2", "KERNEL": KERNEL}
    engine.run(["sh", str(ARRAY)], **variables, SLURM_ARRAY_TASK_ID="1")
    merge = engine.started(["sh", "-c", "dynptr-harness merge results --json merged.json"])
    with pytest.raises(AssertionError, match=r"shard 2/2 of 6\.12"):
        merge.check()
