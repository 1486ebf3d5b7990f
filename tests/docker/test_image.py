"""The image of the Dockerfile: its properties, and a run in it without privileges."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import dynptr_harness
from dynptr_harness.containers import image
from dynptr_harness.core import subprocesses
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.subprocesses import find_tool
from dynptr_harness.guest_image import erofs, rootfs

from tests.docker import command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest
    from docker import DockerClient
    from dynptr_harness.core.settings import Settings

LARGEST_MIB = 900
USER = 65532  # of the image
# Cells of every kind: examples, scripts by both loaders, programs for the verifier.
SELECTION = (
    "--kernel",
    "6.12",
    "--prog-type",
    "SYSCALL",
    "--prog-type",
    "TRACEPOINT",
    "--case",
    "[ACDRQ]*-00*",
)


class Phases(Silent):
    """Records the titles of all phases."""

    def __init__(self) -> None:
        self.titles: list[str] = []

    @contextmanager
    def phase(self, title: str) -> Iterator[Callable[[str], None]]:
        self.titles.append(title)
        yield lambda _line: None


def test_the_image_is_small_and_labelled_and_runs_without_root(
    client: DockerClient, harness_image: str
) -> None:
    facts = client.images.get(harness_image).attrs
    assert facts["Size"] < LARGEST_MIB << 20
    assert facts["Config"]["User"] == f"{USER}:{USER}"
    assert facts["Config"]["Labels"]["org.opencontainers.image.version"] == dynptr_harness.__version__
    assert facts["Config"]["Healthcheck"]["Test"] == ["CMD", "dynptr-harness", "--version"]


def test_the_health_check_succeeds(client: DockerClient, harness_image: str) -> None:
    said = client.containers.run(harness_image, ["--version"], remove=True, network_mode="none")
    assert said.decode() == f"dynptr-harness {dynptr_harness.__version__}\n"


def test_the_image_of_a_tree_is_built_once(
    client: DockerClient, harness_image: str, settings: Settings
) -> None:
    phases = Phases()
    assert image.ensure(client, settings, phases) == harness_image
    assert phases.titles == []


def test_a_run_without_privileges_has_the_same_results(
    client: DockerClient, harness_image: str, cache: Path, tmp_path: Path
) -> None:
    for path in (cache, *cache.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)
    client.containers.run(
        harness_image,
        ["run", *SELECTION, "--no-snapshot", "--json", "/cache/result.json"],
        remove=True,
        network_mode="host",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        volumes=[f"{cache}:/cache"],
    )
    status, _, err = command.run("run", *SELECTION, "--json", "result.json", folder=tmp_path)
    assert status == 0, err
    inside_cells = command.cells(cache / "result.json")
    assert len(inside_cells) > 50
    assert inside_cells == command.cells(tmp_path / "result.json")


def files_of(guest_image: Path, folder: Path) -> dict[str, tuple[int, str]]:
    """Return mode and digest of every file of a guest image.

    The images themselves may differ, because other versions of the tools pack files differently.
    """
    erofs.extract(guest_image, folder)
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, _digest(path)) for path in folder.rglob("*")
    }


def _digest(path: Path) -> str:
    if path.is_symlink():
        return str(path.readlink())
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def test_a_guest_image_built_in_a_container_has_the_same_files(
    harness_image: str,  # noqa: ARG001  (found by the tree)
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A host without mmdebstrap builds it in a container."""

    def find(name: str) -> str | None:
        return None if name == "mmdebstrap" else find_tool(name)

    monkeypatch.setattr(subprocesses, "find_tool", find)
    made = [rootfs.ensure(each, Silent()).root for each in (replace(settings, cache=tmp_path), settings)]
    one, other = (files_of(path, tmp_path / str(number)) for number, path in enumerate(made))
    assert len(one) > 1000
    assert one == other
