"""The command in a container, with the same arguments, files, output and exit status."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from docker.utils.socket import STDOUT, frames_iter

from dynptr_harness.containers import engine, image
from dynptr_harness.core import kvm
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.signals import Interrupted
from dynptr_harness.report.console_progress import for_console

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docker.models.containers import Container
    from rich.console import Console

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings

# Variables of the environment that are passed to the container.
PASSED_ON = (
    *("DYNPTR_HARNESS_MIRROR", "DYNPTR_HARNESS_OFFLINE", "DYNPTR_HARNESS_SNAPSHOT_LIMIT"),
    *("NO_COLOR", "TERM"),
)


def run(
    arguments: Sequence[str],
    *,
    files: Iterable[Path],
    settings: Settings,
    progress: Progress,
    module: str = "",
) -> int:
    """Run the command in a container and return its exit status.

    The cache and the directories of `files` are mounted at the same paths. Signals are forwarded. The command
    in the container ends when this process dies, even from SIGKILL.

    Args:
        arguments: arguments of the command.
        files: files that the command reads or writes.
        settings: the settings.
        progress: shows the build of the image.
        module: Python module to run in place of the command.

    Raises:
        WrongUsage: a file cannot be mounted.
        EnvironmentFailed: there is no engine, it failed, or the image cannot be built.
    """
    settings.cache.mkdir(parents=True, exist_ok=True)
    directories = {settings.cache, *map(_directory, files)}
    with engine.connected() as client:
        container = client.containers.create(
            image.ensure(client, settings, progress),
            command=list(arguments),
            entrypoint=["python3", "-m", module] if module else None,
            init=True,
            stdin_open=True,
            network_mode="host",  # to reach mirrors and proxies on this machine
            user=f"{os.getuid()}:{os.getgid()}",  # owner of the files that it writes
            working_dir=str(Path.cwd()),
            volumes=[f"{directory}:{directory}" for directory in sorted(directories)],
            environment=_environment(settings),
            **_kvm(),
        )
        try:
            return _run_attached(container)
        finally:
            container.remove(force=True)


def repeat(*, files: Iterable[Path], settings: Settings, err: Console) -> int:
    """Run the command of this process in a container, without its option --in. Return the exit status."""
    return run(_without_in(sys.argv[1:]), files=files, settings=settings, progress=for_console(err))


def _without_in(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without `--in docker` and `--in=docker`."""
    pairs = zip(["", *arguments], arguments, strict=False)
    return [word for before, word in pairs if "--in" not in (before, word.partition("=")[0])]


def _directory(path: Path) -> Path:
    """Return the path itself if it is a directory, otherwise its directory."""
    whole = path.absolute()
    directory = whole if whole.is_dir() else whole.parent
    if directory == Path("/"):
        raise WrongUsage(f"{path} is in the root directory, which cannot be mounted into a container")
    return directory


def _environment(settings: Settings) -> dict[str, str]:
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if sys.stdout.isatty() and sys.stderr.isatty():  # rich then formats as it would here
        given |= {"COLUMNS": str(shutil.get_terminal_size().columns), "FORCE_COLOR": "1"}
    elif "COLUMNS" in os.environ:
        given["COLUMNS"] = os.environ["COLUMNS"]
    return {
        **given,
        "HOME": str(settings.cache),
        "DYNPTR_HARNESS_CACHE": str(settings.cache),
        "DYNPTR_HARNESS_UNTIL_EOF": "1",
    }


def _kvm() -> dict[str, Any]:
    """Return the arguments that give the container access to KVM, if we have it."""
    if kvm.unusable():
        return {}
    device = str(kvm.DEVICE)
    return {"devices": [f"{device}:{device}"], "group_add": [str(kvm.DEVICE.stat().st_gid)]}


def _run_attached(container: Container) -> int:
    """Start a container, forward its output, and return its exit status."""
    # The command's standard input is open as long as this socket. It ends when this process ends.
    everything = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    attached = container.attach_socket(params=everything)
    ended = Event()  # not join(): a thread counts as ended if a signal interrupts join() (bpo-45274)
    Thread(target=_copy_output, args=(attached, ended), daemon=True).start()
    container.start()
    signals = 0
    while not ended.is_set():
        try:
            ended.wait()
        except Interrupted as interrupted:
            signals += 1
            container.kill(interrupted.name if signals == 1 else "SIGKILL")
    attached.close()
    return int(container.wait()["StatusCode"])


def _copy_output(attached: Any, ended: Event) -> None:
    """Copy the output of the container to standard output and standard error until it ends."""
    try:
        for stream, data in frames_iter(attached, tty=False):  # type: ignore[no-untyped-call]
            file = sys.stdout if stream == STDOUT else sys.stderr
            file.buffer.write(data)
            file.flush()
    finally:
        ended.set()
