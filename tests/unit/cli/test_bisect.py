"""The command `bisect`, in a tree of small files, with a fake make and fake machines.

The file `kernel` of a commit decides what happens to it: 'good', 'bug', 'no build' or 'no boot'.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.vm.failures import FailureKind, MachineFailed

from tests.unit.samples import FakeGuest, cell, result, subject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.unit.cli.command import Command, Ended

MAKE = """#!/bin/sh
case $* in
allnoconfig) sed '/^#/d' "$KCONFIG_ALLCONFIG" >.config ;;
olddefconfig) echo CONFIG_MADE=y >>.config ;;
*bzImage | *bzImage\\ modules)
	if grep -q 'no build' kernel; then
		echo 'kernel/bpf/ringbuf.c:1: error: expected ;' >&2
		exit 2
	fi
	mkdir -p arch/x86/boot
	cat kernel .config >arch/x86/boot/bzImage
	cp kernel tested
	case $* in *modules) echo modules >>arch/x86/boot/bzImage ;; esac
	;;
*) exit 64 ;;
esac
"""
NO_BOOT = MachineFailed(FailureKind.BOOT, "no word", tail="VFS: no root", console=Path("/runs/1/console.txt"))
CELLS = ("-t", "LSM", "-c", "CMT-001")


class Tree:
    """A git tree with a commit for each state, oldest first. Some files are ignored, as in a kernel tree."""

    def __init__(self, directory: Path, states: Sequence[str]) -> None:
        self.directory = directory
        directory.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        (directory / ".gitignore").write_text(".config\narch\ntested\n")
        (directory / ".config").write_text("CONFIG_MINE=y\n")
        self.commits = [self._commit(number, state) for number, state in enumerate(states)]

    def _commit(self, number: int, state: str) -> str:
        (self.directory / "kernel").write_text(f"{number} {state}\n")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", f"commit {number}: {state}")
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        argv = ["git", "-C", str(self.directory), *identity, *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    @property
    def checked_out(self) -> str:
        return self.git("rev-parse", "--abbrev-ref", "HEAD")

    def states_left(self) -> list[str]:
        """Return what a bisection left in the git directory."""
        return [path.name for path in (self.directory / ".git").iterdir() if "bisect" in path.name.lower()]


STATES = [
    *("good", "good", "good", "good", "no build", "good", "good", "no boot", "good"),
    *("bug", "bug", "no build", "bug", "bug"),
]
FIRST_BUG = 9


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "linux", STATES)


@pytest.fixture
def tested(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Fake make and machines. Return the content of `kernel` of each kernel that is started."""
    assert not command.booted
    started: list[str] = []
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "make").write_text(MAKE)
    (tools / "make").chmod(0o755)
    monkeypatch.setattr(
        "dynptr_harness.core.subprocesses.SEARCH_PATH", f"{tools}:{os.environ['PATH']}:/usr/sbin"
    )
    monkeypatch.setattr("dynptr_harness.commands.bisect.rootfs.ensure", lambda *_: None)

    def prepare(selectors: Sequence[str], **_options: Any) -> Any:
        started.append(_image(selectors[0]).read_text())
        return [replace(subject(), selector=selectors[0])], SimpleNamespace(packages={})

    async def boot(*_: Any) -> FakeGuest:
        if "no boot" in started[-1]:
            raise NO_BOOT
        return FakeGuest({0: {"loader": "bcc"}} if "bug" in started[-1] else {})

    monkeypatch.setattr("dynptr_harness.vm.launcher.prepare", prepare)
    monkeypatch.setattr("dynptr_harness.vm.launcher.Machine.boot", boot)
    return started


def _image(selector: str) -> Path:
    """Return the image that a selector stands for: a file, or the image of a tree."""
    path = Path(selector)
    return path / "arch/x86/boot/bzImage" if path.is_dir() else path


def bisect(command: Command, tree: Tree, good: str, bad: str, *more: str) -> Ended:
    return command("bisect", "--tree", str(tree.directory), "--good", good, "--bad", bad, *CELLS, *more)


def test_the_first_bad_commit_is_found(command: Command, tree: Tree, tested: list[str]) -> None:
    ended = bisect(command, tree, tree.commits[0], "HEAD")
    assert ended.status == 0, ended
    assert f"{tree.commits[FIRST_BUG]} is the first bad commit" in ended.out
    assert "CMT-001 in LSM (bcc): pass -> fail" in ended.out
    (again,) = re.findall(r"^show it again: (.*)$", ended.out, re.MULTILINE)
    assert f"checkout {tree.commits[FIRST_BUG][:12]} && (cd {tree.directory} && make olddefconfig" in again
    assert f"run --kernel {tree.directory}/arch/x86/boot/bzImage -t LSM -c CMT-001" in again
    assert tree.checked_out == "main"
    assert tree.states_left() == []
    assert len(tested) == len({text.partition("\n")[0] for text in tested})


def test_each_build_starts_from_the_configuration(command: Command, tree: Tree, tested: list[str]) -> None:
    assert bisect(command, tree, tree.commits[0], "HEAD").status == 0
    configurations = {text.partition("\n")[2] for text in tested}
    assert configurations == {"CONFIG_MINE=y\nCONFIG_MADE=y\n"}


def test_a_configuration_can_be_given(
    command: Command, tree: Tree, tested: list[str], tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("CONFIG_OTHER=y\n")
    arguments = ("--config", str(tmp_path / "config"), "--build", "cat kernel .config >arch/x86/boot/bzImage")
    (tree.directory / "arch/x86/boot").mkdir(parents=True)
    assert bisect(command, tree, tree.commits[8], tree.commits[9], *arguments).status == 0
    assert tested == ["9 bug\nCONFIG_OTHER=y\n", "8 good\nCONFIG_OTHER=y\n"]
    assert (tree.directory / ".config").read_text() == "CONFIG_MINE=y\n"


def test_modules_of_the_configuration_are_built_and_used(
    command: Command, tree: Tree, tested: list[str]
) -> None:
    (tree.directory / ".config").write_text("CONFIG_MINE=m\n")
    ended = bisect(command, tree, tree.commits[8], tree.commits[9])
    assert ended.status == 0, ended
    assert all(text.endswith("modules\n") for text in tested)
    assert f"bzImage modules) && dynptr-harness run --kernel {tree.directory} -t" in ended.out


def test_a_tree_without_configuration_gets_the_fragment(
    command: Command, tree: Tree, tested: list[str]
) -> None:
    (tree.directory / ".config").unlink()
    assert bisect(command, tree, tree.commits[8], tree.commits[9]).status == 0
    assert all("CONFIG_BPF_SYSCALL=y" in text.splitlines() for text in tested)
    assert not (tree.directory / ".config").exists()


def test_commits_that_do_not_build_or_boot_are_skipped(
    command: Command, tmp_path: Path, tested: list[str]
) -> None:
    tree = Tree(tmp_path / "linux", ["good", "no build", "no boot", "bug"])
    ended = bisect(command, tree, tree.commits[0], "HEAD")
    assert ended.status == 3
    assert "skip, it does not build: kernel/bpf/ringbuf.c:1: error: expected ;" in ended.out
    assert "skip, it does not run: the guest did not boot: no word" in ended.out
    said = ended.out.partition("is one of these")[2]
    assert [f"commit {number}:" in said for number in range(4)] == [False, True, True, True]
    assert tree.checked_out == "main"
    assert tested


def test_the_commit_that_fixed_a_defect_is_found(command: Command, tmp_path: Path, tested: list[str]) -> None:
    tree = Tree(tmp_path / "linux", ["bug", "bug", "no boot", "bug", "good", "good"])
    ended = bisect(command, tree, tree.commits[0], "HEAD", "--fixed")
    assert ended.status == 0, ended
    assert f"{tree.commits[4]} is the first fixed commit" in ended.out
    assert "CMT-001 in LSM (bcc): fail -> pass" in ended.out
    assert tested


def test_a_known_defect_counts_as_one_with_fixed(
    command: Command, tree: Tree, tested: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def execute(request: Any, **_: Any) -> Any:
        defect = "good" in _image(request.kernels[0]).read_text()
        made = cell(verdict=Verdict.KNOWN_DEFECT, reason="a defect") if defect else cell()
        return SimpleNamespace(result=result([made]), interrupted=None)

    monkeypatch.setattr("dynptr_harness.commands.run.execute", execute)
    ended = bisect(command, tree, tree.commits[0], "HEAD", "--fixed")
    assert f"{tree.commits[FIRST_BUG]} is the first fixed commit" in ended.out
    assert "known-defect -> pass" in ended.out
    assert bisect(command, tree, tree.commits[0], "HEAD").status == 2
    assert not tested


@pytest.mark.parametrize("interrupted", [1, 2, 4])
def test_an_interrupted_bisection_is_resumed(
    command: Command, tree: Tree, tested: list[str], monkeypatch: pytest.MonkeyPatch, interrupted: int
) -> None:
    from dynptr_harness.vm.machine import Machine

    boot = Machine.boot
    boots = 0

    async def boot_or_interrupt(*arguments: Any) -> Any:
        nonlocal boots
        boots += 1
        if boots == interrupted:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        return await boot(*arguments)

    monkeypatch.setattr("dynptr_harness.vm.launcher.Machine.boot", boot_or_interrupt)
    ended = bisect(command, tree, tree.commits[0], "HEAD")
    assert ended.status == 130
    assert "repeat the command to resume" in ended.err
    assert bisect(command, tree, tree.commits[1], "HEAD").status == 2
    ended = bisect(command, tree, tree.commits[0], "HEAD")
    assert ended.status == 0, ended
    assert "resuming the bisection" in ended.out
    assert f"{tree.commits[FIRST_BUG]} is the first bad commit" in ended.out
    # Only the kernel of the interruption is started twice.
    assert len(tested) == len(set(tested)) + 1
    assert tree.checked_out == "main"


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [
        (9, 12, ["--good is bad, not good", "commit 9: bug", "fail CMT-001 in LSM"]),
        (0, 8, ["--bad is good, not bad", "commit 8: good"]),
    ],
)
def test_a_wrong_end_is_wrong_usage(
    command: Command, tree: Tree, tested: list[str], good: int, bad: int, words: list[str]
) -> None:
    ended = bisect(command, tree, tree.commits[good], tree.commits[bad])
    assert ended.status == 2
    assert all(word in ended.err for word in words), ended.err
    assert tree.checked_out == "main"
    assert tree.states_left() == []
    assert tested


def test_an_end_that_does_not_build_is_no_verdict(command: Command, tree: Tree, tested: list[str]) -> None:
    ended = bisect(command, tree, tree.commits[0], tree.commits[11])
    assert ended.status == 3
    assert "--bad cannot be tested" in ended.err
    assert not tested


def test_the_ends_need_not_be_checked(command: Command, tree: Tree, tested: list[str]) -> None:
    ended = bisect(command, tree, tree.commits[8], tree.commits[9], "--no-check")
    assert f"{tree.commits[9]} is the first bad commit" in ended.out
    assert not tested


def test_mistakes_are_reported_before_anything_is_built(
    command: Command, tree: Tree, tested: list[str], tmp_path: Path
) -> None:
    def wrong(words: str, *arguments: str, good: str = tree.commits[0]) -> None:
        ended = bisect(command, tree, good, "HEAD", *arguments)
        assert ended.status == 2, ended
        assert words in ended.err

    wrong("there is no commit v9.9", good="v9.9")
    wrong("no case 'RSV-9'", "-c", "RSV-9")
    (tree.directory / "kernel").write_text("changed")
    wrong("uncommitted changes: kernel")
    tree.git("checkout", "kernel")
    tree.git("bisect", "start")
    wrong("a bisection of git alone is running")
    tree.git("bisect", "reset")
    ended = command("bisect", "--tree", str(tmp_path), "--good", "a", "--bad", "b")
    assert ended.status == 2
    assert "is not a work tree of git" in ended.err
    assert not tested
