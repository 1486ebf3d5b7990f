"""The container image of the harness, built from this checkout."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections import deque
from typing import TYPE_CHECKING

from docker.errors import ImageNotFound
from docker.utils.build import exclude_paths

import dynptr_harness
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.core.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker import DockerClient

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings

REPOSITORY = "dynptr-harness"
# Variables of the environment that a build needs to reach the network.
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
PASSED_ON = ("PIP_INDEX_URL", *PROXIES, *(name.upper() for name in PROXIES))
TAIL_LINES = 12


def ensure(client: DockerClient, settings: Settings, progress: Progress) -> str:
    """Return the name of the image. Build it if the engine does not have it.

    Raises:
        EnvironmentFailed: this is not a checkout, or the build failed.
    """
    files = _files()
    arguments = _arguments(settings)
    name = f"{REPOSITORY}:{_key(files, arguments)}"
    try:
        client.images.get(name)
    except ImageNotFound:
        if settings.offline:
            fact = f"the engine does not have the image {name} of this tree, and fetching is disabled"
            raise EnvironmentFailed(fact, "run this once without --offline") from None
        with progress.phase(f"building the image {name}") as detail:
            _build(client, name, _context(files), arguments, detail)
    return name


def _build(
    client: DockerClient,
    name: str,
    context: io.BytesIO,
    arguments: dict[str, str],
    detail: Callable[[str], None],
) -> None:
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    for event in client.api.build(
        fileobj=context,
        custom_context=True,
        tag=name,
        buildargs=arguments,
        network_mode="host",  # to reach mirrors and proxies on this machine
        rm=True,
        forcerm=True,
        decode=True,
    ):
        if "error" in event:
            details = "".join(f"\n  {line}" for line in tail)
            raise EnvironmentFailed(f"building the image {name} failed: {event['error']}{details}")
        for line in filter(str.strip, event.get("stream", "").splitlines()):
            tail.append(line)
            if line.startswith("Step "):
                detail(line)


def _files() -> dict[str, Path]:
    """Return the files of the build, filtered by .dockerignore, by path in the context."""
    dockerfile, ignored = CHECKOUT / "Dockerfile", CHECKOUT / ".dockerignore"
    if not dockerfile.is_file():
        raise EnvironmentFailed(
            f"there is no {dockerfile} to build an image from", "run this from a checkout of the project"
        )
    patterns = [line for line in ignored.read_text().splitlines() if line and not line.startswith("#")]
    places = exclude_paths(str(CHECKOUT), patterns)
    return {place: CHECKOUT / place for place in sorted(places) if (CHECKOUT / place).is_file()}


def _arguments(settings: Settings) -> dict[str, str]:
    arguments = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
    arguments["VERSION"] = dynptr_harness.__version__
    if settings.mirror:
        arguments["DYNPTR_HARNESS_MIRROR"] = settings.mirror
    if settings.base_image:
        arguments["BASE"] = settings.base_image
    return arguments


def _key(files: dict[str, Path], arguments: dict[str, str]) -> str:
    """Return a hash of the files and the base image. The network configuration does not matter."""
    digest = hashlib.sha256(arguments.get("BASE", "").encode())
    for place, path in files.items():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{place}\0{path.stat().st_mode:o}\0{content}\n".encode())
    return digest.hexdigest()[:16]


def _context(files: dict[str, Path]) -> io.BytesIO:
    """Return a reproducible tar archive of the files."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.mode & 0o100 else 0o644
        return member

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for place, path in files.items():
            tar.add(path, place, filter=plain)
    archive.seek(0)
    return archive
