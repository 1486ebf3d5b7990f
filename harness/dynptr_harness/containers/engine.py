"""The connection to a container engine: Docker, or one with its API."""

from __future__ import annotations

import os
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.utils import parse_repository_tag
from requests.exceptions import RequestException

from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from docker import DockerClient
    from docker.models.images import Image

    from dynptr_harness.core.progress import Progress

REQUEST_DEADLINE = 600.0  # seconds of silence; the engine can take long to unpack a large layer
PROGRESS = ("current", "total")  # bytes of a layer
MISSING_HINT = "install one, such as Debian's docker.io, and start it; or name it with DOCKER_HOST"
PERMISSION_HINT = "run as root, or as a user in the group docker"


@contextmanager
def connected() -> Iterator[DockerClient]:
    """Yield the client of the engine in DOCKER_HOST, or else of the local engine.

    Raises:
        EnvironmentFailed: there is no engine, the user has no permission, or the engine failed.
    """
    try:
        client = docker.from_env(timeout=int(REQUEST_DEADLINE))
    except DockerException as error:
        raise _unreachable(error) from error
    try:
        yield client
    except APIError as error:
        raise EnvironmentFailed(f"the container engine failed: {error.explanation or error}") from error
    except RequestException as error:
        raise EnvironmentFailed(f"the container engine stopped answering: {error}") from error
    finally:
        client.close()


def _unreachable(error: DockerException) -> EnvironmentFailed:
    where = os.environ.get("DOCKER_HOST", "this machine")
    cause: BaseException | None = error
    while cause and not isinstance(cause, PermissionError):
        cause = cause.__context__
    if cause:
        return EnvironmentFailed(f"no permission to use the container engine of {where}", PERMISSION_HINT)
    return EnvironmentFailed(f"no container engine answers on {where}", MISSING_HINT)


def image(client: DockerClient, name: str, progress: Progress, *, offline: bool = False) -> Image:
    """Return an image. Pull it if the engine does not have it.

    Raises:
        WrongUsage: the image does not exist, or the registry denies access.
        EnvironmentFailed: fetching is disabled or failed.
    """
    try:
        return client.images.get(name)
    except ImageNotFound:
        if offline:
            fact = f"the engine does not have the image {name}, and fetching is disabled"
            raise EnvironmentFailed(fact, f"run `docker pull {name}` beforehand") from None
    except APIError as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            raise
        raise WrongUsage(f"{name!r} is not the name of an image", "give NAME:TAG or NAME@DIGEST") from error
    with progress.phase(f"pulling {name}") as detail:
        _pull(client, name, detail)
    return client.images.get(name)


def _pull(client: DockerClient, name: str, detail: Callable[[str], None]) -> None:
    layers: dict[str, Mapping[str, int]] = {}
    repository, tag = parse_repository_tag(name)
    try:
        for event in client.api.pull(repository, tag or "latest", stream=True, decode=True):
            if "error" in event:
                raise EnvironmentFailed(f"pulling {name} failed: {event['error']}", "check the network")
            if event.get("status") == "Downloading":
                layers[event["id"]] = event["progressDetail"]
                done, size = (sum(layer.get(what, 0) for layer in layers.values()) for what in PROGRESS)
                detail(f"{done >> 20} of {size >> 20} MiB")
    except NotFound as error:
        hint = "check the name; a private image needs `docker login`"
        raise WrongUsage(f"cannot pull the image {name}: {error.explanation}", hint) from error
    except APIError as error:
        raise EnvironmentFailed(f"pulling {name} failed: {error.explanation}", "check the network") from error
