"""The command `bisect`: find the commit that changed a verdict, with `git bisect`, builds and narrow runs."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from dynptr_harness.commands import run as run_command
from dynptr_harness.commands.git_bisect import GitBisect
from dynptr_harness.commands.kernel_build import KernelBuild
from dynptr_harness.conformance.kconfig import fragment
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import EnvironmentFailed, ExitStatus, HarnessError, WrongUsage
from dynptr_harness.core.signals import Interrupted
from dynptr_harness.core.text import counted, printable
from dynptr_harness.guest_image import rootfs
from dynptr_harness.report.console_progress import for_console
from dynptr_harness.results.json_format import as_json
from dynptr_harness.results.json_reader import from_json
from dynptr_harness.results.model import UNANSWERED
from dynptr_harness.vm import qemu

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from dynptr_harness.commands.git_bisect import Marked
    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.results.model import RunResult

STATE = "dynptr-harness-bisect"  # directory in the git directory
SKIP = "skip"
_FEW = 10  # changed cells that are shown


@dataclass(frozen=True)
class BisectQuery:
    """The question of a bisection. Only an equal one resumes it.

    Attributes:
        good: commit before the change, as given. With `fixed`, it is not fixed yet.
        bad: commit with the change, as given. HEAD is another commit while a bisection runs.
        fixed: find the commit that fixed a defect.
        prog_types, cases: selectors of the cells.
        build: shell command that builds the image; '' for the default.
    """

    good: str
    bad: str
    fixed: bool = False
    prog_types: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    build: str = ""


@dataclass(frozen=True)
class Tested:
    """The test of a commit.

    Attributes:
        word: the word for `git bisect`: the old or the new term, or 'skip'.
        reason: the reason, in words.
        result: the result of the run, or None if there is none.
    """

    word: str
    reason: str
    result: RunResult | None = None


def bisect(
    query: BisectQuery,
    *,
    tree: Path,
    config: Path | None,
    check_ends: bool,
    request: run_command.Request,
    settings: Settings,
    out: Console,
    err: Console,
) -> int:
    """Find the first commit with another verdict and return the exit status.

    Args:
        query: the question.
        tree: kernel tree under git.
        config: configuration of the kernels. None for the .config of the tree, or if there is none, the
            smallest one with the fragment of `dynptr-harness kconfig`.
        check_ends: test `good` and `bad` first.
        request: options of the runs. Its kernels are replaced.
        settings: the settings.
        out: console for the steps and the outcome.
        err: console for the progress.

    Raises:
        WrongUsage: the tree, a commit or a selector does not exist, or an end is not as it should be.
        EnvironmentFailed: git, QEMU or the guest image failed, or an end does not build or boot.
        Interrupted: a signal ended the bisection. The same command resumes it.
    """
    old, new = ("broken", "fixed") if query.fixed else ("good", "bad")
    git = GitBisect(tree, old, new)
    ends = git.commit(query.good), git.commit(query.bad)
    run_command.check(request)
    qemu.version()
    rootfs.ensure(settings, for_console(err))
    state = _State(git, query)
    build = KernelBuild(tree, state.config, query.build)
    build.check()
    if before := state.resumed():
        ends = before
        out.print("resuming the bisection", soft_wrap=True)
    else:
        git.check_clean()
        state.begin(config, ends, build)
    query = replace(query, good=ends[0], bad=ends[1])
    bisection = _Bisection(query, git, state, build, request, settings, out, err)
    try:
        return bisection.run(check_ends=check_ends)
    except Interrupted:
        hint = f"repeat the command to resume; `git -C {tree} bisect reset` gives up"
        err.print(hint, markup=False, soft_wrap=True)
        raise


class _State:
    """What a bisection keeps in the git directory until its end: query, configuration and results."""

    def __init__(self, git: GitBisect, query: BisectQuery) -> None:
        self._git = git
        self._query = query
        self._directory = git.path(STATE)
        self.config = self._directory / "config"
        self._used = self._directory / "config-of-the-tree"

    def resumed(self) -> tuple[str, str] | None:
        """Return the ends of a running bisection with this query, or None if none is running.

        Raises:
            WrongUsage: another one is running.
        """
        if not self._git.running:
            return None
        reset = f"finish it, or give it up: git -C {self._git.tree} bisect reset"
        try:
            before = json.loads((self._directory / "query.json").read_text())
        except (OSError, ValueError):
            raise WrongUsage(f"a bisection of git alone is running in {self._git.tree}", reset) from None
        if before["query"] != self._document():
            given = json.dumps(before["query"])
            raise WrongUsage(f"another bisection is running in {self._git.tree}: {given}", reset)
        good, bad = before["ends"]
        return good, bad

    def begin(self, config: Path | None, ends: tuple[str, str], build: KernelBuild) -> None:
        """Keep the query, its ends and the configuration, and start the bisection.

        Raises:
            EnvironmentFailed: there is no configuration, and the tree cannot be configured.
        """
        used = self._git.tree / ".config"
        source = config or used
        content = source.read_bytes() if source.is_file() else None
        shutil.rmtree(self._directory, ignore_errors=True)
        self._directory.mkdir()
        if used.is_file():
            shutil.copyfile(used, self._used)
        if content is None:
            build.configure(fragment())
        else:
            self.config.write_bytes(content)
        document = {"query": self._document(), "ends": ends}
        (self._directory / "query.json").write_text(json.dumps(document))
        self._git.start()

    def result(self, commit: str) -> RunResult | None:
        """Return the result of a tested commit, or None."""
        path = self._directory / f"{commit}.json"
        return from_json(path.read_bytes(), str(path)) if path.exists() else None

    def keep(self, commit: str, result: RunResult) -> None:
        """Keep the result of a commit."""
        part = self._directory / f"{commit}.part"
        part.write_text(as_json(result))
        part.replace(self._directory / f"{commit}.json")

    def end(self) -> None:
        """End the bisection, restore the .config of the tree, and remove the state."""
        self._git.reset()
        if self._used.is_file():
            shutil.copyfile(self._used, self._git.tree / ".config")
        else:
            (self._git.tree / ".config").unlink(missing_ok=True)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _document(self) -> object:
        return json.loads(json.dumps(asdict(self._query)))


class _Bisection:
    """Tests commits until the first one with the change is found."""

    def __init__(
        self,
        query: BisectQuery,
        git: GitBisect,
        state: _State,
        build: KernelBuild,
        request: run_command.Request,
        settings: Settings,
        out: Console,
        err: Console,
    ) -> None:
        self._query = query
        self._git = git
        self._state = state
        self._build = build
        self._request = request
        self._settings = settings
        self._out = out
        self._err = err

    def run(self, *, check_ends: bool) -> int:
        """Test commits to the end. Report the outcome and return the exit status."""
        if self._git.marked:
            marked = self._step()
        else:
            if check_ends:
                self._check_end(self._query.bad, self._git.new, "--bad")
                self._check_end(self._query.good, self._git.old, "--good")
            self._git.mark(self._git.new, self._query.bad)
            marked = self._git.mark(self._git.old, self._query.good)
        while not marked.ended:
            marked = self._step()
        return self._conclude(marked)

    def _step(self) -> Marked:
        """Test the next commit and mark it."""
        commit = self._git.candidate()
        tested = self._test(commit)
        marked = self._git.mark(tested.word, commit)
        left = f" ({marked.left})" if marked.left else ""
        self._say(f"{self._git.title(commit)}: {tested.word}, {tested.reason}{left}")
        return marked

    def _check_end(self, commit: str, word: str, option: str) -> None:
        """Test one of the ends.

        Raises:
            WrongUsage: it is not what the option says.
            EnvironmentFailed: it does not build or boot.
        """
        self._git.check_out(commit)
        tested = self._test(commit)
        title = self._git.title(commit)
        if tested.word == word:
            self._say(f"{title}: {tested.word}, {tested.reason}")
            return
        self._state.end()
        if tested.word == SKIP:
            raise EnvironmentFailed(f"{option} cannot be tested: {title}: {tested.reason}")
        raise WrongUsage(
            f"{option} is {tested.word}, not {word}: {title}: {tested.reason}",
            "choose other commits, or other cells with --case and --prog-type",
        )

    def _test(self, commit: str) -> Tested:
        """Build and run the commit that is checked out, unless it has a result already."""
        result = self._state.result(commit)
        if result is None:
            progress = for_console(self._err)
            try:
                with progress.phase(f"building {self._git.title(commit)}"):
                    self._build.run()
            except EnvironmentFailed as failed:
                return Tested(SKIP, f"it does not build: {_last_line(failed.fact)}")
            try:
                request = replace(self._request, kernels=(str(self._build.selector),))
                outcome = run_command.execute(request, settings=self._settings, err=self._err)
            except HarnessError as failed:
                return Tested(SKIP, f"it does not run: {failed.fact}")
            if outcome.interrupted:
                raise outcome.interrupted
            result = outcome.result
            if (tested := self._judged(result)).word != SKIP:
                self._state.keep(commit, result)
            return tested
        return self._judged(result)

    def _judged(self, result: RunResult) -> Tested:
        """Return the word for a result."""
        defects = [cell for cell in result.cells if self._is_defect(cell)]
        if defects:
            first, more = defects[0], len(defects) - 1
            others = f", and {counted(more, 'more cell')}" if more else ""
            reason = f"{first.verdict} {first.case} in {first.prog_type}{others}"
            return Tested(self._git.old if self._query.fixed else self._git.new, reason, result)
        if any(cell.verdict in UNANSWERED for cell in result.cells):
            stopped = [kernel.stopped for kernel in result.run.kernels if kernel.stopped]
            why = stopped[0] if stopped else "answers are missing"
            return Tested(SKIP, f"it does not run: {printable(why)}", result)
        word = self._git.new if self._query.fixed else self._git.old
        return Tested(word, f"{counted(len(result.cells), 'cell')} as expected", result)

    def _is_defect(self, cell: CellResult) -> bool:
        """Return True if a cell shows the defect. With --fixed, a known defect does, too."""
        if cell.verdict in UNANSWERED:
            return False
        return not cell.ok or (self._query.fixed and cell.verdict is Verdict.KNOWN_DEFECT)

    def _conclude(self, marked: Marked) -> int:
        """Report the first commit, or the candidates, and end the bisection."""
        if not marked.first:
            self._say(f"the first {self._git.new} commit is one of these, and the others cannot be tested:")
            for commit in marked.candidates:
                self._say(f"  {self._git.title(commit)}")
            self._state.end()
            return ExitStatus.ENVIRONMENT_FAILED
        self._say(f"{marked.first} is the first {self._git.new} commit")
        self._say(f"  {self._git.title(marked.first)}")
        before = next(
            filter(None, map(self._state.result, [*self._git.parents(marked.first), self._query.good])), None
        )
        after = self._state.result(marked.first)
        if before and after:
            self._show_changes(before, after)
        self._say(f"show it again: {self._command(marked.first, after)}")
        self._state.end()
        return ExitStatus.AS_EXPECTED

    def _show_changes(self, before: RunResult, after: RunResult) -> None:
        was = {(cell.prog_type, cell.case, cell.loader): cell for cell in before.cells}
        changed = [
            (earlier, cell)
            for cell in after.cells
            if (earlier := was.get((cell.prog_type, cell.case, cell.loader)))
            and (earlier.verdict, earlier.ok) != (cell.verdict, cell.ok)
        ]
        self._say(f"{counted(len(changed), 'verdict')} changed:")
        for earlier, cell in changed[:_FEW]:
            name = f"{cell.case} in {cell.prog_type} ({cell.loader})"
            self._say(f"  {name}: {earlier.verdict} -> {cell.verdict}")
            worse = earlier if self._query.fixed else cell
            self._say(f"    {_first_line(worse.seen)}")
        if len(changed) > _FEW:
            self._say(f"  and {counted(len(changed) - _FEW, 'more verdict')}")

    def _command(self, commit: str, result: RunResult | None) -> str:
        defect = next((cell for cell in result.cells if self._is_defect(cell)), None) if result else None
        words = ["dynptr-harness", "run", "--kernel", str(self._build.selector)]
        types = [defect.prog_type] if defect else self._query.prog_types
        cases = [defect.case] if defect else self._query.cases
        for option, values in (("-t", types), ("-c", cases)):
            words += [word for value in values for word in (option, value)]
        for argument in self._request.machine.append:
            words += ["--append", argument]
        checkout = shlex.join(["git", "-C", str(self._git.tree), "checkout", commit[:12]])
        return f"{checkout} && {self._build.as_words()} && {shlex.join(words)}"

    def _say(self, line: str) -> None:
        self._out.print(printable(line), markup=False, soft_wrap=True)


def _first_line(text: str) -> str:
    return printable(text).partition("\n")[0]


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2].strip()
