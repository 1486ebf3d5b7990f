"""What is costly to make again: folders that are complete or absent, safe against kill -9 and each other.

Layout: KIND/KEY is a complete entry. KIND/.KEY.lock is locked (flock) while it is made, in KIND/.KEY.tmp-*,
which is renamed when it is complete. KIND/.KEY.use.lock is locked by every process that was given the entry,
as long as that lives.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import re
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed, HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANIFEST = ".manifest.json"
LOCK_DEADLINE = 1800.0  # seconds; the longest build is bounded by less
LOCK_POLL = 0.1  # seconds; flock has no call that waits with a deadline
MENDING_ROOM = "free some room there, or set DYNPTR_HARNESS_CACHE to a folder on another disk"

log = logging.getLogger(__name__)


class Cache:
    """Entries by kind and key below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entry(self, kind: str, key: str, build: Callable[[Path], None], *, room_mib: int = 0) -> Path:
        """Return the folder of a complete entry, made by `build` where there is none.

        `build` fills the empty folder that it is given; `room_mib` is the disk room it needs at most.
        Only one process makes an entry; others that want the same wait for it. An entry whose files have
        changed since is made anew. Nobody discards it as long as this process lives.

        Raises EnvironmentFailed when the disk is full or the folder cannot be written, and whatever `build`
        raises; nothing incomplete is left in either case.
        """
        home = self._home(kind, key)
        while not (_held(home) and _is_complete(home)):
            with self.locked(kind, key):
                if not _is_complete(home):  # else made by another process meanwhile
                    with self._made(home, room_mib) as draft:
                        build(draft)
        return home

    @contextmanager
    def draft(self, kind: str, key: str, *, room_mib: int = 0) -> Iterator[Path | None]:
        """As `entry`, for a build that is no function: what is put into the folder becomes the entry.

        Yields None when the entry is complete, and when another process is making it: nobody waits here.
        """
        home = self._home(kind, key)
        with _explained(self.folder), _locked_if_free(_lock_path(home)) as ours:
            if not ours or _is_complete(home):
                yield None
                return
            with self._made(home, room_mib) as draft:
                yield draft

    def find(self, kind: str, key: str) -> Path | None:
        """The folder of an entry that is there and complete, which counts as used now; else None."""
        home = self._home(kind, key)
        if not _is_complete(home):
            return None
        with suppress(OSError):  # removed by another process just now, or not ours to write
            os.utime(home / MANIFEST)
        return home

    def discard(self, kind: str, key: str) -> bool:
        """Remove an entry, unless another process makes it or was given it; whether that was done."""
        home = self._home(kind, key)
        if home in _in_use:
            os.close(_in_use.pop(home))
        with _locked_if_free(_lock_path(home)) as ours, _locked_if_free(_use_path(home)) as unused:
            if ours and unused:
                _remove(home)
            return ours and unused

    def prune(self, kind: str, limit_mib: int, *, keep: str) -> None:
        """Remove entries of a kind, the longest unused first, until all take at most `limit_mib` MiB.

        The entry whose key is `keep` stays in any case.
        """
        used = {home: _last_used(home) for home in self.entries(kind)}
        sizes = {home: room_taken(home) for home in used}
        for home in sorted(used, key=lambda home: used[home]):
            if sum(sizes.values()) <= limit_mib << 20:
                return
            if home.name != keep:
                self.discard(kind, home.name)
                del sizes[home]

    def entries(self, kind: str) -> list[Path]:
        """The entries of a kind; `entry` is what finds out whether one is damaged."""
        return [manifest.parent for manifest in sorted(self.folder.glob(f"{kind}/[!.]*/{MANIFEST}"))]

    @contextmanager
    def locked(self, kind: str, key: str) -> Iterator[None]:
        """Hold the lock of an entry, or of anything else that only one process may do at a time."""
        home = self._home(kind, key)
        with _explained(self.folder):
            home.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(_lock_path(home), os.O_RDWR | os.O_CREAT, 0o644)
            try:
                _wait_for(lock, f"{kind}/{key}")
                yield
            finally:
                os.close(lock)  # the kernel drops the lock with the descriptor, also after kill -9

    def _home(self, kind: str, key: str) -> Path:
        for name in (kind, key):
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+~-]*", name):
                raise ValueError(f"not a name for a cache entry: {name!r}")
        return self.folder / kind / key

    @contextmanager
    def _made(self, home: Path, room_mib: int) -> Iterator[Path]:
        """The folder that becomes the entry `home` when all went well; its lock must be held."""
        self._remove_leftovers(home)
        if home.exists():
            log.warning("cache entry %s is damaged and is made anew", home)
        free = free_mib(home)
        if free < room_mib:
            raise EnvironmentFailed(
                f"{self.folder} has {free} MiB free, {room_mib} MiB are needed for {home.name}", MENDING_ROOM
            )
        draft = Path(tempfile.mkdtemp(prefix=f".{home.name}.tmp-", dir=home.parent))
        try:
            yield draft
            draft.chmod(0o755)
            (draft / MANIFEST).write_text(json.dumps(_files(draft)))
            if home.exists():
                home.rename(draft.with_name(f"{draft.name}-damaged"))
            draft.rename(home)
        finally:
            for leftover in home.parent.glob(f"{draft.name}*"):
                shutil.rmtree(leftover, ignore_errors=True)

    @staticmethod
    def _remove_leftovers(mine: Path) -> None:
        """Remove drafts whose maker is gone: those of `mine`, whose lock we hold, and of any free lock."""
        for draft in mine.parent.glob(".*.tmp-*"):
            home = draft.with_name(draft.name[1:].rsplit(".tmp-", 1)[0])
            with _lock_path(home).open("a") as lock:
                try:
                    if home != mine:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _locked_if_free(path: Path) -> Iterator[bool]:
    """Hold a lock if nobody else does; whether it is held."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _remove(home: Path) -> None:
    """Remove an entry so that nobody sees a part of it."""
    aside = Path(tempfile.mkdtemp(prefix=f".{home.name}.tmp-", dir=home.parent))
    with suppress(FileNotFoundError):
        home.rename(aside / home.name)
    shutil.rmtree(aside, ignore_errors=True)


def _last_used(home: Path) -> int:
    try:
        return (home / MANIFEST).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def room_taken(home: Path) -> int:
    """Bytes on the disk that an entry takes: of a file with holes, those that are there."""
    return sum(path.stat().st_blocks * 512 for path in home.rglob("*") if path.is_file())


def free_mib(path: Path) -> int:
    """Free room, in MiB, on the disk where a path is or would be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free >> 20


def _lock_path(home: Path) -> Path:
    return home.with_name(f".{home.name}.lock")


def _use_path(home: Path) -> Path:
    return home.with_name(f".{home.name}.use.lock")


_in_use: dict[Path, int] = {}  # descriptors of the shared locks that this process holds until it ends


def _held(home: Path) -> bool:
    """Keep others from discarding an entry as long as this process lives; False while one is doing that."""
    if home in _in_use:
        return True
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(_use_path(home), os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:  # a cache that nobody here can write to, so that nobody discards from it either
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _in_use[home] = lock
    return True


def _wait_for(lock: int, name: str) -> None:
    give_up = time.monotonic() + LOCK_DEADLINE
    told = False
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise EnvironmentFailed(
                    f"another process has held the lock of {name} for {LOCK_DEADLINE:g} s",
                    "look for another run of this command that is stopped, and end it",
                ) from None
            if not told:
                log.warning("waiting for another process that is making %s", name)
                told = True
            time.sleep(LOCK_POLL)


def _files(folder: Path) -> dict[str, list[int]]:
    """Size and modification time (ns) of every regular file below a folder, by relative path."""
    found = {}
    for parent, _folders, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if name != MANIFEST and not path.is_symlink():
                stat = path.stat()
                found[str(path.relative_to(folder))] = [stat.st_size, stat.st_mtime_ns]
    return found


def _is_complete(home: Path) -> bool:
    try:
        manifest = json.loads((home / MANIFEST).read_text())
        return bool(manifest == _files(home))
    except (OSError, ValueError):
        return False


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn the errors of a full or unwritable disk into one that says where and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(folder) from error
        if not (folder.is_dir() and os.access(folder, os.W_OK)):
            raise EnvironmentFailed(
                f"cannot write to the cache folder {folder}: {error.strerror}",
                "make it writable, or set DYNPTR_HARNESS_CACHE to another folder",
            ) from error
        raise
    except HarnessError as error:
        if os.strerror(errno.ENOSPC) in error.fact:  # said by a tool that we ran
            raise _full(folder) from error
        raise


def _full(folder: Path) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"no room left on the disk of {folder}: {free_mib(folder)} MiB free", MENDING_ROOM
    )
