"""A cache of directories. An entry is complete or absent, also after kill -9 and with concurrent processes.

Layout: KIND/KEY is a complete entry. It is built in KIND/.KEY.tmp-* and then renamed. The builder holds an
exclusive lock (flock) on KIND/.KEY.lock. Every process that uses the entry holds a shared lock on
KIND/.KEY.use.lock until it ends.
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

from dynptr_harness.core import shortage
from dynptr_harness.core.errors import EnvironmentFailed, HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANIFEST = ".manifest.json"
LOCK_DEADLINE = 1800.0  # seconds; more than any build can take
LOCK_POLL = 0.1  # seconds; flock(2) has no timeout
SPACE_HINT = "free some space there, or set DYNPTR_HARNESS_CACHE to a directory on another disk"

log = logging.getLogger(__name__)


class Cache:
    """Entries by kind and key below one directory.

    Methods that build or lock raise EnvironmentFailed if the disk is full or the directory is not writable.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def entry(self, kind: str, key: str, build: Callable[[Path], None], *, needed_mib: int = 0) -> Path:
        """Return the directory of a complete entry. Build it if it is missing or its files have changed.

        One process builds, and others that need the entry wait. It is marked as used now, and not discarded
        while this process runs.
        If `build` raises an exception, nothing incomplete stays behind.

        Args:
            build: fills the empty directory that it gets.
            needed_mib: disk space that the build needs at most, in MiB.
        """
        home = self._home(kind, key)
        while not (_held(home) and _is_complete(home)):
            with self.locked(kind, key):
                if not _is_complete(home):  # otherwise another process built it meanwhile
                    with self._made(home, needed_mib) as draft:
                        build(draft)
        _mark_used(home)
        return home

    @contextmanager
    def draft(self, kind: str, key: str, *, needed_mib: int = 0) -> Iterator[Path | None]:
        """Yield a directory that becomes the entry when the block ends without an exception.

        Yield None if the entry is complete or another process is building it. This does not wait.
        """
        home = self._home(kind, key)
        with _explained(self.directory), _locked_if_free(_lock_path(home)) as ours:
            if not ours or _is_complete(home):
                yield None
                return
            with self._made(home, needed_mib) as draft:
                yield draft

    def find(self, kind: str, key: str) -> Path | None:
        """Return the directory of a complete entry and mark it as used now, or return None."""
        home = self._home(kind, key)
        if not _is_complete(home):
            return None
        _mark_used(home)
        return home

    def discard(self, kind: str, key: str) -> bool:
        """Remove an entry and return True, unless another process builds or uses it."""
        home = self._home(kind, key)
        if home in _in_use:
            os.close(_in_use.pop(home))
        with _locked_if_free(_lock_path(home)) as ours, _locked_if_free(_use_path(home)) as unused:
            if ours and unused:
                _remove(home)
            return ours and unused

    def prune(self, kind: str, limit_mib: int, *, keep: str) -> None:
        """Remove the least recently used entries of a kind until the others take at most `limit_mib` MiB.

        The entry with the key `keep` is not removed.
        """
        used = {home: _last_used(home) for home in self.entries(kind)}
        sizes = {home: disk_usage(home) for home in used}
        for home in sorted(used, key=lambda home: used[home]):
            if sum(sizes.values()) <= limit_mib << 20:
                return
            if home.name != keep:
                self.discard(kind, home.name)
                del sizes[home]

    def entries(self, kind: str) -> list[Path]:
        """Return the entries of a kind, also damaged ones."""
        return [manifest.parent for manifest in sorted(self.directory.glob(f"{kind}/[!.]*/{MANIFEST}"))]

    @contextmanager
    def locked(self, kind: str, key: str) -> Iterator[None]:
        """Hold an exclusive lock: that of an entry, or one for other work that must not run concurrently."""
        home = self._home(kind, key)
        with _explained(self.directory):
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
                raise ValueError(f"not the name of a cache entry: {name!r}")
        return self.directory / kind / key

    @contextmanager
    def _made(self, home: Path, needed_mib: int) -> Iterator[Path]:
        """Yield a directory that becomes the entry. The caller holds the lock of the entry."""
        self._remove_leftovers(home)
        if home.exists():
            log.warning("cache entry %s is damaged and will be rebuilt", home)
        free = free_mib(home)
        if free < needed_mib:
            raise EnvironmentFailed(
                f"{self.directory} has {free} MiB free, {needed_mib} MiB are needed for {home.name}",
                SPACE_HINT,
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
        """Remove drafts of dead processes: those of `mine`, which is locked, and those with a free lock."""
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
    """Lock a file if it is free, and yield True if it is locked by us."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _remove(home: Path) -> None:
    """Remove an entry atomically."""
    aside = Path(tempfile.mkdtemp(prefix=f".{home.name}.tmp-", dir=home.parent))
    with suppress(FileNotFoundError):
        home.rename(aside / home.name)
    shutil.rmtree(aside, ignore_errors=True)


def _mark_used(home: Path) -> None:
    with suppress(OSError):  # removed by another process meanwhile, or not writable
        os.utime(home / MANIFEST)


def _last_used(home: Path) -> int:
    try:
        return (home / MANIFEST).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def disk_usage(home: Path) -> int:
    """Return the bytes that a directory takes on the disk. Holes in files do not count."""
    return sum(path.stat().st_blocks * 512 for path in home.rglob("*") if path.is_file())


def free_mib(path: Path) -> int:
    """Return the free space in MiB on the disk of a path, which need not exist."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free >> 20


def _lock_path(home: Path) -> Path:
    return home.with_name(f".{home.name}.lock")


def _use_path(home: Path) -> Path:
    return home.with_name(f".{home.name}.use.lock")


_in_use: dict[Path, int] = {}  # descriptors of the shared locks that this process holds until it ends


def _held(home: Path) -> bool:
    """Keep an entry from being discarded until this process ends. Return False if it is being discarded."""
    if home in _in_use:
        return True
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(_use_path(home), os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if shortage.is_shortage(error):
            raise shortage.failure(error, f"cannot lock {home}") from error
        return True  # not writable, so that no process of this user can discard an entry
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    _in_use[home] = lock
    return True


def _wait_for(lock: int, name: str) -> None:
    give_up = time.monotonic() + LOCK_DEADLINE
    warned = False
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise EnvironmentFailed(
                    f"another process has held the lock of {name} for {LOCK_DEADLINE:g} s",
                    "look for a stopped run of this command, and end it",
                ) from None
            if not warned:
                log.warning("waiting for another process that is building %s", name)
                warned = True
            time.sleep(LOCK_POLL)


def _files(directory: Path) -> dict[str, list[int]]:
    """Return size and modification time (ns) of every regular file below a directory, by relative path."""
    found = {}
    for parent, _directories, names in os.walk(directory, onerror=_raise):
        for name in names:
            path = Path(parent, name)
            if name != MANIFEST and not path.is_symlink():
                stat = path.stat()
                found[str(path.relative_to(directory))] = [stat.st_size, stat.st_mtime_ns]
    return found


def _raise(error: OSError) -> None:
    raise error


def _is_complete(home: Path) -> bool:
    try:
        with shortage.reported(f"cannot read {home}"):
            manifest = json.loads((home / MANIFEST).read_text())
            return bool(manifest == _files(home))
    except (OSError, ValueError):
        return False


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    """Convert errors of a full or unwritable disk to EnvironmentFailed."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(directory) from error
        if not (directory.is_dir() and os.access(directory, os.W_OK)):
            raise EnvironmentFailed(
                f"cannot write to the cache directory {directory}: {error.strerror}",
                "make it writable, or set DYNPTR_HARNESS_CACHE to another directory",
            ) from error
        raise
    except HarnessError as error:
        if os.strerror(errno.ENOSPC) in error.fact:  # reported by a tool
            raise _full(directory) from error
        raise


def _full(directory: Path) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"no space left on the disk of {directory}: {free_mib(directory)} MiB free", SPACE_HINT
    )
