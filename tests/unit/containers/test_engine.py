"""Work with a container engine that is missing or not needed."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest
from docker.errors import DockerException
from dynptr_harness.containers import rerun
from dynptr_harness.core import subprocesses
from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.core.subprocesses import find_tool
from dynptr_harness.guest_image import rootfs
from dynptr_harness.kernels import container_image


@pytest.fixture(autouse=True)
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'docker.sock'}")


def refused(*_arguments: object, **_named: object) -> None:
    try:
        raise PermissionError(13, "Permission denied")
    except PermissionError:
        raise DockerException("Error while fetching server API version") from None


def test_a_missing_engine_is_reported_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match=r"no container engine answers on .*docker\.sock") as raised:
        container_image.fetch("oci:some/kernel", Settings(tmp_path), Silent())
    assert "docker.io" in raised.value.hint
    assert "DOCKER_HOST" in raised.value.hint


def test_a_missing_permission_is_reported_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "from_env", refused)
    with pytest.raises(EnvironmentFailed, match="no permission") as raised:
        container_image.fetch("oci:some/kernel", Settings(tmp_path), Silent())
    assert "group docker" in raised.value.hint


def test_without_mmdebstrap_and_an_engine_both_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> str | None:
        return None if name == "mmdebstrap" else find_tool(name)

    monkeypatch.setattr(subprocesses, "find_tool", find)
    with pytest.raises(EnvironmentFailed, match="mmdebstrap is not installed, and no container engine"):
        rootfs.ensure(Settings(tmp_path), Silent())


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        (["run", "--in", "docker", "-k", "6.1"], ["run", "-k", "6.1"]),
        (["run", "-k", "6.1", "--in=docker"], ["run", "-k", "6.1"]),
        (["run", "-c", "docker"], ["run", "-c", "docker"]),
    ],
)
def test_only_the_option_in_is_removed_from_the_arguments(given: list[str], passed_on: list[str]) -> None:
    assert rerun._without_in(given) == passed_on


def test_a_file_in_the_root_directory_cannot_be_mounted() -> None:
    with pytest.raises(WrongUsage, match="in the root directory"):
        rerun._directory(Path("/result.json"))


def test_the_directory_of_a_file_is_mounted(tmp_path: Path) -> None:
    assert rerun._directory(tmp_path / "result.json") == tmp_path
    assert rerun._directory(tmp_path) == tmp_path
