"""The Vagrantfile, as far as it can be checked without a provider."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from dynptr_harness.core.subprocesses import find_tool

TREE = Path(__file__).parents[2]


@pytest.mark.skipif(not find_tool("vagrant"), reason="NOT TESTED: there is no vagrant")
def test_vagrant_accepts_the_file(tmp_path: Path) -> None:
    said = subprocess.run(
        ["vagrant", "validate", "--ignore-provider"],
        cwd=TREE,
        env={
            **os.environ,
            "VAGRANT_HOME": str(tmp_path / "home"),
            "VAGRANT_DOTFILE_PATH": str(tmp_path / "dot"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "validated successfully" in said.stdout
    assert said.returncode == 0
