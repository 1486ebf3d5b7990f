"""A command of ours in a container: same arguments, same files, live output, same exit status."""

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

# Of our environment, what means the same in the container.
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
    """Run our command with these arguments in a container of our image, and return its exit status.

    The cache and the folders of `files` are there under the same paths. A signal that ends us is passed on,
    and what was done until then is told; when we are killed, the command in the container ends, too.

    Args:
        module: a module of Python to run in place of the command.

    Raises:
        WrongUsage: a file is where it cannot be had in a container.
        EnvironmentFailed: there is no engine, it failed, or the image cannot be built.
    """
    settings.cache.mkdir(parents=True, exist_ok=True)
    folders = {settings.cache, *map(_folder, files)}
    with engine.connected() as client:
        container = client.containers.create(
            image.ensure(client, settings, progress),
            command=list(arguments),
            entrypoint=["python3", "-m", module] if module else None,
            init=True,
            stdin_open=True,
            network_mode="host",  # where a mirror or proxy of this machine can be reached
            user=f"{os.getuid()}:{os.getgid()}",  # what it writes is ours
            working_dir=str(Path.cwd()),
            volumes=[f"{folder}:{folder}" for folder in sorted(folders)],
            environment=_environment(settings),
            **_kvm(),
        )
        try:
            return _followed(container)
        finally:
            container.remove(force=True)


def repeat(*, files: Iterable[Path], settings: Settings, err: Console) -> int:
    """Run the command that this process is, but for its `--in`, in a container; the exit status."""
    return run(_without_place(sys.argv[1:]), files=files, settings=settings, progress=for_console(err))


def _without_place(arguments: Sequence[str]) -> list[str]:
    """The arguments without the option --in, which is `--in docker` or `--in=docker`."""
    pairs = zip(["", *arguments], arguments, strict=False)
    return [word for before, word in pairs if "--in" not in (before, word.partition("=")[0])]


def _folder(path: Path) -> Path:
    """The folder that a file is in, or will be; modules and results may be folders themselves."""
    whole = path.absolute()
    folder = whole if whole.is_dir() else whole.parent
    if folder == Path("/"):
        raise WrongUsage(f"{path} is at the root of the file system, which the container has its own of")
    return folder


def _environment(settings: Settings) -> dict[str, str]:
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if sys.stdout.isatty() and sys.stderr.isatty():  # rich shows there what it shows here
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
    """What lets the container use KVM, where we can."""
    if kvm.unusable():
        return {}
    device = str(kvm.DEVICE)
    return {"devices": [f"{device}:{device}"], "group_add": [str(kvm.DEVICE.stat().st_gid)]}


def _followed(container: Container) -> int:
    """Start a container, hand on what it says, and wait for its end."""
    # While this is open the command's standard input is, too: it ends with us, however we end.
    everything = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    attached = container.attach_socket(params=everything)
    ended = Event()  # and not join(): a thread counts as ended where a signal interrupts that (bpo-45274)
    Thread(target=_hand_on, args=(attached, ended), daemon=True).start()
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


def _hand_on(attached: Any, ended: Event) -> None:
    """Write what comes from the container where it belongs, until all was said."""
    try:
        for stream, data in frames_iter(attached, tty=False):  # type: ignore[no-untyped-call]
            file = sys.stdout if stream == STDOUT else sys.stderr
            file.buffer.write(data)
            file.flush()
    finally:
        ended.set()
