"""The command `kconfig`."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.cli.app import app
from typer.testing import CliRunner

from tests.unit.schemas import validated

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["kconfig", *arguments], input=stdin)


FRAGMENT = run().output


def test_the_fragment_passes_its_own_check(tmp_path: Path) -> None:
    config = tmp_path / ".config"
    config.write_text(FRAGMENT)
    for path in (config, tmp_path):  # the file and the build tree
        checked = run("--check", str(path))
        assert checked.exit_code == 0
        assert "has every option" in checked.output


def test_a_lack_is_named_with_its_cost_and_the_status_is_1(tmp_path: Path) -> None:
    config = tmp_path / "config.gz"
    text = FRAGMENT.replace("CONFIG_BPF_LSM=y", "").replace("CONFIG_IKCONFIG=y", "")
    config.write_bytes(gzip.compress(text.replace("CONFIG_EROFS_FS=y", "").encode()))
    checked = run("--check", str(config))
    assert checked.exit_code == 1
    heading, erofs, lsm, useful, hint = checked.output.splitlines()
    assert "lacks 2 options" in heading
    assert " ".join(erofs.split()) == "CONFIG_EROFS_FS no boot the harness cannot boot the kernel"
    assert lsm.split()[0] == "CONFIG_BPF_LSM"
    assert "types LSM, LSM/cgroup, LSM/sleepable" in lsm
    assert useful.split()[:2] == ["CONFIG_IKCONFIG", "useful"]
    assert "`dynptr-harness kconfig`" in hint


def test_an_option_that_is_only_useful_does_not_change_the_status() -> None:
    checked = run("--check", "-", stdin=FRAGMENT.replace("CONFIG_IKCONFIG=y", ""))
    assert checked.exit_code == 0
    assert "CONFIG_IKCONFIG" in checked.output


def test_json_has_all_fields() -> None:
    checked = run("--check", "-", "--json", stdin=FRAGMENT.replace("CONFIG_FPROBE=y", ""))
    (lack,) = validated("kconfig", checked.output)
    assert lack.pop("cells") > 0
    assert lack == {
        "option": "CONFIG_FPROBE",
        "boots": True,
        "prog_types": ["KPROBE/multi"],
        "cases": [],
        "use": "",
    }


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("hello\n", "sets no option")])
def test_a_file_that_is_no_configuration_is_wrong_usage(
    tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "file").write_text(content)
    checked = run("--check", str(tmp_path / "file"))
    assert checked.exception is not None
    assert said in str(checked.exception)


def test_the_fragment_and_a_complete_configuration_match_the_schema() -> None:
    assert "CONFIG_BPF_SYSCALL=y" in validated("kconfig", run("--json").output)
    assert validated("kconfig", run("--check", "-", "--json", stdin=FRAGMENT).output) == []
