"""Fixtures of the unit tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def fake_qemu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program fake_qemu.py, made executable."""
    program = tmp_path_factory.mktemp("fake") / "qemu"
    source = Path(__file__).with_name("fake_qemu.py").read_text()
    program.write_text(f"#!{sys.executable}\n{source}")
    program.chmod(0o755)
    return program
