"""What needs a container engine, where there is none, and what can be said before one is asked."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from harness import process
from harness.containers import inside
from harness.errors import EnvironmentFailed, WrongUsage
from harness.guest_image import root
from harness.kernels import oci
from harness.process import find_tool
from harness.progress import Silent
from harness.settings import Settings


@pytest.fixture(autouse=True)
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'docker.sock'}")


def refused(*_arguments: object, **_named: object) -> None:
    try:
        raise PermissionError(13, "Permission denied")
    except PermissionError:
        raise DockerException("Error while fetching server API version") from None


def test_a_missing_engine_is_one_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match=r"no container engine answers on .*docker\.sock") as raised:
        oci.fetch("oci:some/kernel", Settings(tmp_path), Silent())
    assert "docker.io" in raised.value.mend
    assert "DOCKER_HOST" in raised.value.mend


def test_a_missing_permission_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "from_env", refused)
    with pytest.raises(EnvironmentFailed, match="no permission") as raised:
        oci.fetch("oci:some/kernel", Settings(tmp_path), Silent())
    assert "group docker" in raised.value.mend


def test_without_mmdebstrap_and_engine_both_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> str | None:
        return None if name == "mmdebstrap" else find_tool(name)

    monkeypatch.setattr(process, "find_tool", find)
    with pytest.raises(EnvironmentFailed, match="mmdebstrap is not installed, and no container engine"):
        root.ensure(Settings(tmp_path), Silent())


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        (["run", "--in", "docker", "-k", "6.1"], ["run", "-k", "6.1"]),
        (["run", "-k", "6.1", "--in=docker"], ["run", "-k", "6.1"]),
        (["run", "-c", "docker"], ["run", "-c", "docker"]),
    ],
)
def test_the_arguments_are_the_same_but_for_the_place(given: list[str], passed_on: list[str]) -> None:
    assert inside._without_place(given) == passed_on


def test_a_file_at_the_root_cannot_be_shared() -> None:
    with pytest.raises(WrongUsage, match="root of the file system"):
        inside._folder(Path("/result.json"))


def test_a_file_is_shared_with_its_folder_and_a_folder_as_it_is(tmp_path: Path) -> None:
    assert inside._folder(tmp_path / "result.json") == tmp_path
    assert inside._folder(tmp_path) == tmp_path
