"""Look for each planted bug with the catalogue and with random testing, and write results.json.

Each machine starts from one snapshot of the kernel without a bug. A request to the agent then switches one
bug on until the machine ends. So every bug is seen by a kernel that boots.
"""

import argparse
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynptr_harness.commands import fuzz, fuzz_programs, fuzz_session
from dynptr_harness.conformance import loader
from dynptr_harness.conformance.cell import CellResult
from dynptr_harness.conformance.plan import Plan, make
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core import run_dir
from dynptr_harness.core.errors import EnvironmentFailed, HarnessError
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.runner import runner
from dynptr_harness.runner.limits import Limits
from dynptr_harness.runner.timing import Timed
from dynptr_harness.vm import qemu
from dynptr_harness.vm.launcher import Machines, Options
from dynptr_harness.vm.machine import Machine
from dynptr_harness.vm.prepare import PreparedKernel

from tests.mutation.plant import table

RESULTS = Path(__file__).with_name("results.json")
FIRST_TYPES = ("RAW_TRACEPOINT", "SYSCALL")
VERIFIER = "kernel/bpf/verifier.c"
SEEN = {Verdict.FAIL, Verdict.CRASH, Verdict.HANG}  # the other unexpected verdicts blame the environment
ROWS = 3  # failures after which a bug counts as caught
CASE_SECONDS = 20.0  # after which a cell hangs
SWITCH_DEADLINE = 30.0  # seconds
SEED = 1

Record = dict[str, Any]


class BuggyMachines(Machines):
    """Machines with one bug switched on, or none for bug 0."""

    bug = 0

    async def start(
        self, prepared: PreparedKernel, directory: Path | None = None, *, round_robin: bool = False
    ) -> Machine:
        """Start a machine from the snapshot and switch the bug on."""
        machine = await super().start(prepared, directory, round_robin=round_robin)
        if self.bug:
            reply = await machine.ask(_switch_on(self.bug), SWITCH_DEADLINE)
            if "unavailable" in reply:
                raise EnvironmentFailed(
                    f"bug {self.bug} cannot be switched on: {reply['unavailable']}",
                    "build the kernel with `make -C tests/mutation kernel`",
                )
        return machine


def _switch_on(bug: int) -> Record:
    """Return a request that does nothing but set the sysctl, which keeps its value."""
    return {
        "kind": "maps",
        "prog_type": "SYSCALL",
        "loader": "libbpf",
        "acts": [],
        "sysctl": {"kernel.dynptr_bug": bug},
    }


class FirstDifference(fuzz.Fuzzer):
    """A fuzzer that does not reduce what it finds."""

    async def _shrunk(self, sequence, _setting, differences, start, number):  # type: ignore[no-untyped-def]
        return fuzz.Found(number, sequence, tuple(differences), start)


class FirstFailure(fuzz_programs.ProgramFuzzer):
    """A fuzzer of programs that does not reduce what it finds."""

    async def _shrunk(self, judged, lines, _fails):  # type: ignore[no-untyped-def]
        return fuzz_programs.Failure(judged, lines)

    async def _add_examples(self, result: fuzz_programs.Result) -> None:
        pass


@dataclass
class Hunt:
    """The search for bugs on one kernel.

    Attributes:
        known: keys of the cells that fail without a bug.
    """

    machines: BuggyMachines
    known: frozenset[tuple[str, str, str]] = frozenset()

    def failures(self, plan: Plan, jobs: int) -> list[CellResult]:
        """Run cells until `ROWS` of them fail, and return these."""
        outcome = runner.run(
            self.machines.kernels,
            plan,
            boot=self.machines.start,
            folder=run_dir.create(Settings.from_environment().cache),
            progress=Timed(Silent()),
            qemu=qemu.version(),
            guest_packages=self.machines.guest_packages,
            jobs=jobs,
            first_alone=self.machines.leaves_snapshot,
            limits=Limits(
                case_seconds=CASE_SECONDS,
                max_failures=ROWS if self.machines.bug else None,
                excused=self._excused,
            ),
        )
        if outcome.interrupted:
            raise outcome.interrupted
        return [cell for cell in outcome.result.cells if cell.verdict in SEEN and not self._excused(cell)]

    def _excused(self, cell: CellResult) -> bool:
        return cell.ok or (cell.prog_type, cell.case, cell.loader) in self.known

    def sequences(self, seconds: float) -> Record:
        """Run random sequences, and return after how many the first differs."""
        fuzzer = FirstDifference(self.machines, self.machines.kernels[0], "RAW_TRACEPOINT", _nothing)
        result = fuzzer.run(SEED, fuzz_session.FuzzLimits(seconds=seconds))
        first = min(result.found, key=lambda found: found.number, default=None)
        return {
            "ran": result.sequences,
            "seconds": round(result.seconds, 1),
            "found": first and first.number,
            "how": first and first.differences[0][:200],
            "not_answered": len(result.unanswered),
        }

    def programs(self, seconds: float) -> Record:
        """Load random programs, and return after how many the first fails or is refused in another way."""
        fuzzer = FirstFailure(self.machines, self.machines.kernels[0], _nothing)
        source = fuzz_programs.JudgedPrograms(SEED)
        result = fuzzer.run(source, SEED, fuzz_session.FuzzLimits(seconds=seconds))
        first = min(result.failures, key=lambda failure: failure.judged.number, default=None)
        return {
            "ran": len(result.answers),
            "seconds": round(result.seconds, 1),
            "found": first and first.judged.number,
            "how": first and first.lines[0][:200],
            "rejected": {reason: each[0].number for reason, each in result.refused.items()},
        }


def _nothing(_line: str) -> None: ...


def bug_record(hunt: Hunt, plans: dict[str, Plan], jobs: int) -> Record:
    """Run the catalogue with the current bug: the plans in turn until one has failures."""
    began = time.monotonic()
    for name, plan in plans.items():
        if failures := hunt.failures(plan, jobs):
            rows = list(dict.fromkeys(f"{cell.case} in {cell.prog_type}" for cell in failures))
            return {
                "stage": name,
                "rows": rows[:ROWS],
                "verdicts": sorted({cell.verdict.value for cell in failures}),
                "seconds": round(time.monotonic() - began, 1),
            }
    return {"stage": None, "rows": [], "verdicts": [], "seconds": round(time.monotonic() - began, 1)}


def _numbers(text: str) -> list[int]:
    """Return the numbers of a list such as 1,5-9."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", required=True, help="build tree of `make -C tests/mutation kernel`")
    parser.add_argument("--bugs", type=_numbers, default=[], help="such as 0,5-9; 0 is no bug. Default: all")
    parser.add_argument("--only", choices=("catalogue", "sequences", "programs"), help="run only this search")
    parser.add_argument("--seconds", type=float, default=60, help="of each search with random testing")
    parser.add_argument(
        "--first",
        action="store_true",
        help=f"run only the rows of {FIRST_TYPES} that suit the file of the bug",
    )
    parser.add_argument("--case", action="append", help="run only these rows; may be repeated")
    parser.add_argument("--jobs", type=int, default=2, help="machines at a time")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file that is extended")
    return parser.parse_args()


def _plans(given: argparse.Namespace, *, verifier: bool) -> dict[str, Plan]:
    """Return the plans for a bug in the order of their use: rows that may show it first, then all."""
    catalogue = loader.load()
    suits = [case for case in catalogue.cases if (case.id[:3] == "VER") == verifier and case.id[:3] != "LOD"]
    if given.case:
        return {"first": make(catalogue.prog_types, catalogue.cases, FIRST_TYPES, given.case)}
    plans = {"first": make(catalogue.prog_types, suits, FIRST_TYPES)}
    return plans if given.first else plans | {"all": make(catalogue.prog_types, catalogue.cases)}


def searched(hunt: Hunt, plans: dict[str, Plan], given: argparse.Namespace) -> Record:
    """Return the record of the current bug: of each search that was asked for."""
    searches = {
        "catalogue": lambda: bug_record(hunt, plans, given.jobs),
        "sequences": lambda: hunt.sequences(given.seconds),
        "programs": lambda: hunt.programs(given.seconds),
    }
    record: Record = {}
    if not hunt.machines.bug:
        del searches["catalogue"]
    if not hunt.machines.bug and given.only in (None, "catalogue"):
        failed = hunt.failures(list(plans.values())[-1], given.jobs)
        record["failures"] = sorted((cell.prog_type, cell.case, cell.loader) for cell in failed)
    for name in (name for name in searches if given.only in (None, name)):
        try:
            record[name] = searches[name]()
        except HarnessError as failed:
            record[name] = {"ran": 0, "found": None, "error": str(failed)}
    return record


def main() -> None:
    """Search, and write the results after each bug."""
    given = _arguments()
    plans = {verifier: _plans(given, verifier=verifier) for verifier in (False, True)}
    in_verifier = {each["id"]: each["file"] == VERIFIER for each in table()}
    machines = BuggyMachines(
        [given.kernel], Options(), settings=Settings.from_environment(), progress=Silent()
    )
    results: dict[str, Record] = json.loads(given.results.read_text()) if given.results.exists() else {}
    for bug in given.bugs or [0, *(each["id"] for each in table())]:
        machines.bug = bug
        known = results.get("0", {}).get("failures", [])
        record = searched(
            Hunt(machines, frozenset(map(tuple, known))), plans[in_verifier.get(bug, False)], given
        )
        results.setdefault(str(bug), {}).update(record)
        given.results.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
        print(bug, json.dumps(record)[:400], flush=True)


if __name__ == "__main__":
    fuzz_session.MAX_FOUND = 1
    with suppress(KeyboardInterrupt):
        main()
