"""The cache: an entry is complete or absent, whatever happens during the build."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core import cache as cache_module
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KIND, KEY = "things", "one_1.0-b1"


def write(text: str) -> Callable[[Path], None]:
    """Return a build that writes one file."""

    def build(directory: Path) -> None:
        (directory / "sub").mkdir()
        (directory / "sub" / "file").write_text(text)

    return build


def never(_directory: Path) -> None:
    pytest.fail("a complete entry was made again")


def names(cache: Cache) -> list[str]:
    """Return the names in the directory of the kind, without lock files."""
    return sorted(path.name for path in (cache.directory / KIND).iterdir() if path.suffix != ".lock")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_an_entry_is_built_once(cache: Cache) -> None:
    made = cache.entry(KIND, KEY, write("hello"))
    assert cache.entry(KIND, KEY, never) == made
    assert (made / "sub" / "file").read_text() == "hello"
    assert cache.entries(KIND) == [made]


def damage_by_truncation(file: Path) -> None:
    file.write_text("")


def damage_by_removal(file: Path) -> None:
    file.unlink()


def damage_by_addition(file: Path) -> None:
    file.with_name("another").touch()


def damage_in_place(file: Path) -> None:
    file.write_text("HELLO")


def damage_the_manifest(file: Path) -> None:
    (file.parents[1] / cache_module.MANIFEST).write_text('{"sub/fi')


@pytest.mark.parametrize(
    "damage",
    [
        damage_by_truncation,
        damage_by_removal,
        damage_by_addition,
        damage_in_place,
        damage_the_manifest,
    ],
)
def test_a_damaged_entry_is_built_again_with_a_warning(
    cache: Cache, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    made = cache.entry(KIND, KEY, write("hello"))
    damage(made / "sub" / "file")
    with caplog.at_level(logging.WARNING):
        cache.entry(KIND, KEY, write("anew"))
    assert (made / "sub" / "file").read_text() == "anew"
    assert str(made) in caplog.text
    assert names(cache) == [KEY]


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_a_failed_build_leaves_nothing(cache: Cache, error: BaseException) -> None:
    def build(directory: Path) -> None:
        write("half")(directory)
        raise error

    with pytest.raises(type(error)):
        cache.entry(KIND, KEY, build)
    assert names(cache) == []
    cache.entry(KIND, KEY, write("whole"))


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        EnvironmentFailed("packing failed: tar: file: Cannot write: No space left on device"),
    ],
)
def test_a_full_disk_is_reported(cache: Cache, error: Exception) -> None:
    def build(_directory: Path) -> None:
        raise error

    with pytest.raises(EnvironmentFailed) as caught:
        cache.entry(KIND, KEY, build)
    assert "no space left" in caught.value.fact
    assert str(cache.directory) in caught.value.fact
    assert "DYNPTR_HARNESS_CACHE" in caught.value.hint
    assert names(cache) == []


def test_too_little_space_is_reported_before_the_build(cache: Cache) -> None:
    with pytest.raises(EnvironmentFailed, match=rf"{1 << 40} MiB are needed for {KEY}"):
        cache.entry(KIND, KEY, never, needed_mib=1 << 40)


def test_a_file_in_place_of_the_cache_is_reported(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(EnvironmentFailed, match=str(tmp_path / "cache")):
        Cache(tmp_path / "cache").entry(KIND, KEY, never)


@pytest.mark.parametrize("key", ["../other", "a/b", "", ".hidden", "a b"])
def test_a_key_must_be_one_directory_name(cache: Cache, key: str) -> None:
    with pytest.raises(ValueError, match="not the name of a cache entry"):
        cache.entry(KIND, key, never)


# Program of the other processes: report the build, then wait for a line before its end.
CHILD = """
import sys
from pathlib import Path
from dynptr_harness.core.cache import Cache

def build(directory):
    (directory / "file").write_text("by the child")
    print("building", flush=True)
    sys.stdin.readline()

print(Cache(Path(sys.argv[1])).entry(sys.argv[2], sys.argv[3], build), flush=True)
"""


def child_that_builds(cache: Cache) -> subprocess.Popen[str]:
    """Return another process that is building the entry."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(cache.directory), KIND, KEY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "building\n"
    return child


def test_two_processes_build_an_entry_once(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    child = child_that_builds(cache)
    with ThreadPoolExecutor() as threads, caplog.at_level(logging.WARNING):
        ours = threads.submit(cache.entry, KIND, KEY, never)
        while "waiting for another process" not in caplog.text:
            assert not ours.done()
        theirs, _ = child.communicate("\n", timeout=10)
        assert str(ours.result(timeout=10)) == theirs.strip()
    assert names(cache) == [KEY]


def test_sigkill_during_a_build_leaves_no_damage(cache: Cache) -> None:
    child = child_that_builds(cache)
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=10)
    assert len(names(cache)) == 1  # the draft
    assert cache.entries(KIND) == []
    cache.entry(KIND, KEY, write("ours"))
    assert names(cache) == [KEY]


def test_the_next_build_removes_the_drafts_of_a_killed_process(cache: Cache) -> None:
    child = child_that_builds(cache)
    cache.entry(KIND, "another", write("ours"))
    assert len(names(cache)) == 2, "the draft of a living process was removed"
    child.kill()
    child.communicate(timeout=10)
    cache.entry(KIND, "third", write("ours"))
    assert names(cache) == ["another", "third"]


def test_a_lock_that_is_never_released_is_an_error(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "LOCK_DEADLINE", 0.2)
    with cache.locked(KIND, KEY), pytest.raises(EnvironmentFailed, match=f"lock of {KIND}/{KEY}"):
        cache.entry(KIND, KEY, never)


USER = """
import sys
from pathlib import Path
from dynptr_harness.core.cache import Cache

Cache(Path(sys.argv[1])).entry(sys.argv[2], sys.argv[3], lambda _directory: None)
print("has it", flush=True)
sys.stdin.readline()
"""


def test_an_entry_in_use_by_another_process_is_not_discarded(cache: Cache) -> None:
    made = cache.entry(KIND, KEY, write("hello"))
    child = subprocess.Popen(
        [sys.executable, "-c", USER, str(cache.directory), KIND, KEY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "has it\n"
    assert not cache.discard(KIND, KEY)
    assert cache.entries(KIND) == [made]
    child.kill()
    child.communicate(timeout=10)
    assert cache.discard(KIND, KEY)
    assert cache.entries(KIND) == []
    assert cache.entry(KIND, KEY, write("anew")) == made
