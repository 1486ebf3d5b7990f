"""The configuration file: values, precedence and mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.command import Command

RUN = """
kernel = ["6.1", "7.3"]
prog-type = ["LSM"]
case = ["CMT-001"]
cpus = 3
accel = "tcg"
snapshot = false
json = "out/r.json"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project directory. The current directory is below it."""
    directory = tmp_path / "project"
    (directory / "out").mkdir(parents=True)
    (directory / "deep/er").mkdir(parents=True)
    monkeypatch.chdir(directory / "deep/er")
    return directory


@pytest.mark.parametrize(
    ("name", "table"), [("dynptr-harness.toml", "[run]"), ("pyproject.toml", "[tool.dynptr-harness.run]")]
)
def test_the_values_of_a_file_are_defaults(command: Command, project: Path, name: str, table: str) -> None:
    (project / name).write_text(table + RUN)
    ended = command("run")
    assert ended.status == 0, ended
    assert command.prepared[0]["selectors"] == ("6.1", "7.3")
    assert command.prepared[0]["accelerator"] == "tcg"
    (booted,) = command.booted
    assert (booted["cpus"], booted["snapshot"]) == (3, False)
    assert (project / "out/r.json").is_file()


def test_the_command_line_wins(command: Command, project: Path) -> None:
    (project / "dynptr-harness.toml").write_text("[run]" + RUN)
    command("run", "--kernel", "6.12", "--cpus", "1", "--snapshot")
    assert command.prepared[0]["selectors"] == ("6.12",)
    assert (command.booted[0]["cpus"], command.booted[0]["snapshot"]) == (1, True)


def test_the_nearest_file_counts(command: Command, project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.dynptr-harness.run]\nkernel = ['6.1']\n")
    (project / "dynptr-harness.toml").write_text("[run]\nkernel = ['6.2']\n")
    (project / "deep/pyproject.toml").write_text("[tool.other]\n")
    command("run", "-t", "LSM", "-c", "CMT-001")
    (project / "deep/dynptr-harness.toml").write_text("[run]\nkernel = ['6.3']\n")
    command("run", "-t", "LSM", "-c", "CMT-001")
    assert [each["selectors"] for each in command.prepared] == [("6.2",), ("6.3",)]


def test_a_kernel_file_is_relative_to_the_configuration(command: Command, project: Path) -> None:
    (project / "bzImage").touch()
    (project / "dynptr-harness.toml").write_text("[run]\nkernel = ['./bzImage', 'newest']\n")
    command("run", "-t", "LSM", "-c", "CMT-001")
    assert command.prepared[0]["selectors"] == ("../../bzImage", "newest")


def test_a_command_of_a_group_has_a_table(command: Command, project: Path) -> None:
    (project / "dynptr-harness.toml").write_text("[cases.list]\ngroup = ['CMT']\n")
    out = command("cases", "list").out
    assert "CMT-001" in out
    assert "RSV-001" not in out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[run]\nkernle = ['6.1']", ["there is no key 'kernle' in [run]", "did you mean kernel?"]),
        ("[rnu]\nkernel = ['6.1']", ["there is no key 'rnu' in the file", "did you mean run?"]),
        ("kernel = ['6.1']", ["there is no key 'kernel'"]),
        ("run = 3", ["run: it must be a table"]),
        ("[run]\nkernel = '6.1'", ["run.kernel: it must be a list, not '6.1'"]),
        ("[run]\nkernel = [6.1]", ["run.kernel: it must be a string, not 6.1"]),
        ("[run]\ncpus = '3'", ["run.cpus: it must be a whole number, not '3'"]),
        ("[run]\ncpus = true", ["run.cpus: it must be a whole number, not True"]),
        ("[run]\ncpus = 0", ["run.cpus: 0 is wrong: Input should be"]),
        ("[run]\nquiet = 1", ["run.quiet: it must be true or false, not 1"]),
        ("[run]\naccel = 'xen'", ["run.accel: 'xen' is wrong: 'xen' is not one of"]),
        ("[run]\nyes = true", ["there is no key 'yes' in [run]", "on the command line"]),
        ("[run", ["is not TOML"]),
        ("[run]\nx = '\udcff'", ["is not TOML"]),
    ],
)
def test_a_mistake_is_one_message(command: Command, project: Path, text: str, words: list[str]) -> None:
    path = project / "dynptr-harness.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    ended = command("run")
    assert ended.status == 2
    assert str(path) in ended.err
    assert all(word in ended.err for word in words), ended.err
    assert not command.prepared


def test_a_mistake_in_pyproject_names_the_whole_table(command: Command, project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.dynptr-harness.run]\njobs = 'many'\n")
    assert "tool.dynptr-harness.run.jobs: it must be a whole number" in command("run").err


def test_a_container_does_not_start_another(
    command: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNPTR_HARNESS_UNTIL_EOF", "1")
    monkeypatch.setattr("dynptr_harness.core.signals.raise_when_stdin_ends", lambda: None)
    (project / "dynptr-harness.toml").write_text("[run]\nin = 'docker'\n")
    assert command("run", "-t", "LSM", "-c", "CMT-001").status == 0
