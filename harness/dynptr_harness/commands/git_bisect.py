"""A `git bisect` in a kernel tree."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage

if TYPE_CHECKING:
    from pathlib import Path

_ONLY_SKIPPED = "There are only 'skip'ped commits left to test"
_COMMIT = re.compile(r"^[0-9a-f]{40}$", re.MULTILINE)


@dataclass(frozen=True)
class Marked:
    """The state of a bisection after a mark.

    Attributes:
        first: the first new commit, if it is found.
        candidates: the commits of which one is the first, if all others are skipped.
        left: git's estimate of the work that is left, such as '5 revisions left to test after this (roughly 3
            steps)'.
    """

    first: str | None = None
    candidates: tuple[str, ...] = ()
    left: str = ""

    @property
    def ended(self) -> bool:
        """True if there is nothing left to test."""
        return bool(self.first or self.candidates)


class GitBisect:
    """Runs git in a tree.

    Args:
        tree: a work tree.
        old: name for commits before the change, such as 'good'.
        new: name for commits with the change, such as 'bad'.

    Raises:
        WrongUsage: the directory is not a work tree of git.
        EnvironmentFailed: git is not installed.
    """

    def __init__(self, tree: Path, old: str, new: str) -> None:
        self.tree = tree
        self.old = old
        self.new = new
        top = self._run("rev-parse", "--show-toplevel")
        if top.returncode:
            raise WrongUsage(f"{tree} is not a work tree of git", "give the directory of a kernel tree")

    @property
    def running(self) -> bool:
        """True if a bisection is running in the tree, started by anyone."""
        return self.path("BISECT_START").exists()

    @property
    def marked(self) -> bool:
        """True if the running bisection knows an old and a new commit."""
        refs = self._git("for-each-ref", "--format=%(refname:lstrip=2)", "refs/bisect/").split()
        return self.new in refs and any(ref.startswith(f"{self.old}-") for ref in refs)

    def path(self, name: str) -> Path:
        """Return the path of a file in the git directory."""
        return (self.tree / self._git("rev-parse", "--git-path", name)).absolute()

    def commit(self, revision: str) -> str:
        """Return the ID of a commit.

        Raises:
            WrongUsage: there is no such commit.
        """
        found = self._run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if found.returncode:
            raise WrongUsage(f"there is no commit {revision} in {self.tree}", "name a commit, tag or branch")
        return found.stdout.strip()

    def parents(self, commit: str) -> list[str]:
        """Return the IDs of the parents of a commit."""
        return self._git("rev-list", "--parents", "--max-count=1", commit).split()[1:]

    def title(self, commit: str) -> str:
        """Return the short ID and the subject of a commit."""
        return self._git("show", "--no-patch", "--format=%h %s", commit)

    def check_clean(self) -> None:
        """Check that no tracked file is changed.

        Raises:
            WrongUsage: one is.
        """
        if changed := self._git("diff", "--name-only", "HEAD").splitlines():
            raise WrongUsage(
                f"{self.tree} has uncommitted changes: {changed[0]}", "commit them, or use another work tree"
            )

    def start(self) -> None:
        """Start a bisection. It knows no commits yet."""
        self._git("bisect", "start", f"--term-old={self.old}", f"--term-new={self.new}")

    def check_out(self, commit: str) -> None:
        """Check out a commit."""
        self._git("checkout", "--quiet", "--detach", commit)

    def candidate(self) -> str:
        """Return the commit to test next, and check it out if it is not."""
        expected = self.path("BISECT_EXPECTED_REV")
        commit = expected.read_text().strip() if expected.exists() else self.commit("HEAD")
        if self.commit("HEAD") != commit:
            self.check_out(commit)
        return commit

    def mark(self, word: str, commit: str) -> Marked:
        """Mark a commit as old, new or 'skip'. Git checks out the next one."""
        done = self._run("bisect", word, commit)
        if done.returncode and _ONLY_SKIPPED not in done.stdout:
            raise self._failed(("bisect", word, commit), done)
        first = rf"^([0-9a-f]{{40}}) is the first {self.new} commit"
        if found := re.search(first, done.stdout, re.MULTILINE):
            return Marked(first=found[1])
        if _ONLY_SKIPPED in done.stdout:
            return Marked(candidates=tuple(_COMMIT.findall(done.stdout)))
        left = re.search(r"^Bisecting: (.*)$", done.stdout, re.MULTILINE)
        return Marked(left=left[1] if left else "")

    def reset(self) -> None:
        """End the bisection and check out what was checked out before it."""
        self._git("bisect", "reset")

    def _git(self, *arguments: str) -> str:
        done = self._run(*arguments)
        if done.returncode:
            raise self._failed(arguments, done)
        return done.stdout.strip()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                ["git", "-C", str(self.tree), *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C"},
            )
        except FileNotFoundError:
            raise EnvironmentFailed("git is not installed", "install git") from None

    def _failed(
        self, arguments: tuple[str, ...], done: subprocess.CompletedProcess[str]
    ) -> EnvironmentFailed:
        said = (done.stderr or done.stdout).strip().replace("\n", "\n  ")
        return EnvironmentFailed(f"git {' '.join(arguments)} failed in {self.tree}: {said}")
