"""docs/architecture.md matches the packages and the import contract."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from dynptr_harness.core.paths import PACKAGE

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/architecture.md").read_text()
BASES = (ROOT, PACKAGE, ROOT / "bpf_src", PACKAGE / "kernels")


def test_the_layers_are_those_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each["type"] == "layers")
    assert "```\n{}\n```".format("\n".join(layers)) in PAGE


def test_every_package_has_a_row() -> None:
    rows = set(re.findall(r"^\| `(\w+)/` \|", PAGE, re.MULTILINE))
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages <= rows


def test_named_files_exist() -> None:
    named = set(re.findall(r"`([\w./*-]*(?:/|\.py|\.c|\.h|\.toml))`", PAGE))
    assert len(named) > 30
    for name in named:
        pattern = name.rstrip("/").replace("NAME", "*")
        assert any(next(base.glob(pattern), None) for base in BASES), name
