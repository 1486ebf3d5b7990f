"""A laboratory for faults: a cache of its own, runs of the command, and a search for leftovers."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

RUN_DEADLINE = 300.0
END_DEADLINE = 30.0  # seconds for processes to end after the command
FEW = ("--kernel=6.12", "--prog-type=KPROBE", "--case=CMT-00[12]")
MANY = ("--kernel=6.12", "--case=RSV-*", "--case=CMT-*")
COPIED = ("apt", "boot", "guest-root", "kernels", "kvm-probe", "objects", "payload")  # kinds of cache entries


@dataclass
class Ended:
    """A command that has ended.

    Attributes:
        cells: the verdict of each cell in its result file, by program type, case and loader. Empty without
            the file.
    """

    status: int
    out: str
    err: str
    cells: dict[tuple[str, str, str], str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All output."""
        return self.out + self.err


@contextmanager
def started(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start the command with additional variables, and end it with the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dynptr_harness", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


class Lab:
    """A cache, a directory for temporary files, and the commands that use them.

    Args:
        cache: the cache of the command.
        directory: empty directory for everything else.
    """

    def __init__(self, cache: Path, directory: Path) -> None:
        self.cache = cache
        self.directory = directory
        self.temporary = directory / "tmp"
        self.temporary.mkdir()

    def command(self, *arguments: str, **environment: str) -> AbstractContextManager[subprocess.Popen[str]]:
        """Start the command, and end it with the context."""
        own = {"DYNPTR_HARNESS_CACHE": str(self.cache), "TMPDIR": str(self.temporary)}
        return started(arguments, own | environment)

    def run(self, *arguments: str, **environment: str) -> Ended:
        """Run `run` to its end."""
        results = self.directory / "results.json"
        results.unlink(missing_ok=True)
        with self.command("run", *arguments, "--json", str(results), **environment) as process:
            return self.ended(process, results)

    def ended(self, process: subprocess.Popen[str], results: Path | None = None) -> Ended:
        """Wait for a command to end."""
        out, err = process.communicate(timeout=RUN_DEADLINE)
        cells = {}
        if results and results.exists():
            document = json.loads(results.read_text())
            cells = {
                (cell["prog_type"], cell["case"], cell["loader"]): cell["verdict"]
                for cell in document["cells"]
            }
        return Ended(process.returncode, out, err, cells)

    def processes(self) -> list[int]:
        """Return the process IDs of the machines that use this cache."""
        return [pid for pid, argv in _processes() if "qemu-system" in argv and str(self.cache) in argv]

    def machine_of(self, process: subprocess.Popen[str]) -> int:
        """Wait until the command has a machine, and return its process ID."""
        give_up = time.monotonic() + RUN_DEADLINE
        while not (found := self.processes()):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < give_up, f"no machine ran within {RUN_DEADLINE:g} s"
            time.sleep(0.01)
        return found[0]

    def assert_nothing_left(self) -> None:
        """Check that no process, mount or file is left."""
        watched = [os.pidfd_open(pid) for pid in self.processes()]
        give_up = time.monotonic() + END_DEADLINE
        for each in watched:
            ended, _, _ = select.select([each], [], [], max(0, give_up - time.monotonic()))
            os.close(each)
            assert ended, f"a machine still ran {END_DEADLINE:g} s after the command"
        assert not list(self.temporary.iterdir())
        mounts = Path("/proc/self/mounts").read_text()
        assert str(self.temporary) not in mounts
        assert not list(self.cache.glob("*/.*.tmp-*"))

    def assert_usable(self) -> None:
        """Check that the next run has all verdicts, without cleaning by hand."""
        ended = self.run(*FEW)
        assert ended.status == 0, ended.text
        assert set(ended.cells.values()) == {"pass"}


def _processes() -> Iterator[tuple[int, str]]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield int(path.parent.name), path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue


def wait_for_line(process: subprocess.Popen[str], pattern: str) -> str:
    """Read the progress of a command until a line matches. Return this line."""
    assert process.stderr
    while line := process.stderr.readline():
        if re.search(pattern, line):
            return line
    raise AssertionError(f"the command ended without {pattern!r}: {process.communicate()}")


def shown(ended: Ended, pattern: str) -> str:
    """Return the match of a pattern in the output of a command. Fails without one."""
    found = re.search(pattern, ended.text)
    assert found, f"{pattern!r} is not in: {ended.text}"
    return found.group()


def totals(cells: Mapping[Any, str]) -> dict[str, int]:
    """Return the number of cells by verdict."""
    values = list(cells.values())
    return {verdict: values.count(verdict) for verdict in sorted(set(values))}
