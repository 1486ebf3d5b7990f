"""Fixtures of the fault suite, and the table of its faults.

Each test states faults and the outcomes that it saw with the fixture `state`. --fault-table FILE writes the
table as Markdown.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core.settings import Settings

from tests.faults.lab import COPIED, FEW, Lab
from tests.vm.conftest import accelerator, image, kernel, settings, stub_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["accelerator", "image", "kernel", "settings", "stub_files"]

HERE = Path(__file__).parent
KERNEL = "6.12"
ROWS: list[tuple[str, str]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-table", metavar="FILE", type=Path, help="write the table of faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.vm)
            item.add_marker(pytest.mark.xdist_group("faults"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        ROWS.extend((fault, str(seen)) for fault, seen in report.user_properties)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if path := session.config.getoption("--fault-table"):
        lines = [
            "| fault | outcome |",
            "|-------|---------|",
            *(f"| {fault} | {seen} |" for fault, seen in ROWS),
        ]
        path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def faults_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache with a snapshot of its own. Everything else is a copy of the user's cache."""
    cache = tmp_path_factory.mktemp("faults") / "cache"
    cache.mkdir()
    origin = Settings.from_environment().cache
    for kind in COPIED:
        for entry in (origin / kind).glob("[!.]*"):
            if kind in ("kernels", "boot") and KERNEL not in entry.name:
                continue
            _copy(entry, cache / kind / entry.name)
    return cache


def _copy(source: Path, target: Path) -> None:
    """Copy with the times: the manifests of the cache have them."""
    target.parent.mkdir(exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


@pytest.fixture
def lab(faults_cache: Path, tmp_path: Path) -> Iterator[Lab]:
    """Return a laboratory. After the test nothing may be left, and the next run must succeed."""
    lab = Lab(faults_cache, tmp_path)
    if not list(faults_cache.glob("snapshots/*/state")):
        assert lab.run(*FEW).status == 0
    yield lab
    lab.assert_nothing_left()
    lab.assert_usable()
    lab.assert_nothing_left()


@pytest.fixture
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, str], None]:
    """Return a function that states a fault and its outcome."""

    def state(fault: str, seen: str) -> None:
        plain = re.sub(r"/\S*/(qemu-system)", r"\1", seen.replace(str(tmp_path), "DIR"))
        plain = re.sub(r"/\S*?/cache/", "CACHE/", plain).replace("|", "\\|")
        request.node.user_properties.append((fault, " ".join(plain.split())))

    return state
