"""The options of `run` that choose, limit and divide the cells, with fake machines."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.plan import make
from dynptr_harness.conformance.shard import Shard
from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage
from dynptr_harness.vm.failures import FailureKind, MachineFailed

from tests.unit.samples import RELEASE, FakeGuest

if TYPE_CHECKING:
    from tests.unit.cli.command import Command

NO_BOOT = MachineFailed(FailureKind.BOOT, "no word", tail="VFS: no root", console=Path("/runs/1/console.txt"))
WRONG = {"loader": "bcc"}  # a reply that is not as expected
CHOICE = ("-t", "KPROBE", "-c", "CMT-*")


def result(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def verdicts(path: Path) -> list[str]:
    return [cell["verdict"] for cell in result(path)["cells"]]


def keys(path: Path) -> list[tuple[str, str, str]]:
    return [(cell["prog_type"], cell["case"], cell["loader"]) for cell in result(path)["cells"]]


@pytest.mark.parametrize(
    ("arguments", "failures"), [(["-x"], 1), (["--fail-fast"], 1), (["--max-failures", "2"], 2)]
)
def test_a_run_stops_after_so_many_failures(
    command: Command, tmp_path: Path, arguments: list[str], failures: int
) -> None:
    guest = FakeGuest(dict.fromkeys(range(100), WRONG))
    command.machines = [guest]
    json_file = tmp_path / "r.json"
    ended = command("run", *CHOICE, *arguments, "--jobs", "1", "--json", str(json_file))
    assert ended.status == 1, ended
    assert len(guest.asked) == failures
    reason = f"stopped after {failures} unexpected cell{'s' * (failures > 1)}"
    assert result(json_file)["run"]["ended"] == reason
    assert f"cells not run: {reason}" in ended.out


def test_a_run_that_ends_with_its_last_allowed_failure_is_complete(command: Command, tmp_path: Path) -> None:
    command.machines = [FakeGuest({0: WRONG})]
    ended = command("run", "-t", "KPROBE", "-c", "CMT-001", "-x", "--json", str(tmp_path / "r.json"))
    assert ended.status == 1
    assert result(tmp_path / "r.json")["run"]["ended"] == "complete"


def test_failures_of_the_baseline_do_not_stop_a_run(command: Command, tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    command.machines = [FakeGuest({0: WRONG}), FakeGuest({0: WRONG})]
    assert command("run", *CHOICE, "--json", str(before)).status == 1
    ended = command("run", *CHOICE, "-x", "--baseline", str(before), "--json", str(after))
    assert ended.status == 0, ended
    assert result(after)["run"]["ended"] == "complete"


def test_a_rerun_has_only_the_unexpected_cells(command: Command, tmp_path: Path) -> None:
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    command.machines = [FakeGuest({1: WRONG, 3: WRONG})]
    command("run", *CHOICE, "--jobs", "1", "--json", str(first))
    unexpected = [
        key for key, cell in zip(keys(first), result(first)["cells"], strict=True) if not cell["ok"]
    ]
    ended = command("run", "--rerun", str(first), "--json", str(second))
    assert ended.status == 0, ended
    assert keys(second) == unexpected
    assert unexpected
    assert command.prepared[-1]["selectors"] == (RELEASE,)


def test_a_rerun_on_a_kernel_that_the_result_lacks_has_all_unexpected_cells(
    command: Command, tmp_path: Path
) -> None:
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    command.machines = [FakeGuest({1: WRONG})]
    command("run", *CHOICE, "--jobs", "1", "--json", str(first))
    first.write_text(first.read_text().replace(RELEASE, "6.12.0-rc1-other"))
    command("run", "--rerun", str(first), "-k", "arch/bzImage", "--json", str(second))
    assert len(keys(second)) == sum(not cell["ok"] for cell in result(first)["cells"])
    assert command.prepared[-1]["selectors"] == ("arch/bzImage",)


def test_nothing_is_booted_to_rerun_an_expected_result(command: Command, tmp_path: Path) -> None:
    command("run", *CHOICE, "--json", str(tmp_path / "r.json"))
    booted = len(command.booted)
    ended = command("run", "--rerun", str(tmp_path / "r.json"))
    assert (ended.status, len(command.booted)) == (0, booted)
    assert f"nothing to run: every cell of {tmp_path / 'r.json'} is as expected" in ended.out


def test_a_loader_is_chosen(command: Command, tmp_path: Path) -> None:
    json_file = tmp_path / "r.json"
    arguments = ("-t", "SYSCALL", "-c", "CMT-00[12]", "--json", str(json_file))
    command("run", *arguments)
    assert {key[2] for key in keys(json_file)} == {"bcc", "libbpf"}
    assert command("run", *arguments, "--loader", "libbpf").status == 0
    assert {key[2] for key in keys(json_file)} == {"libbpf"}
    ended = command("run", "-t", "LSM", "-c", "CMT-001", "--loader", "libbpf")
    assert ended.status == 2
    assert "no loader libbpf" in ended.err


async def never() -> None:
    await asyncio.sleep(60)


def test_the_time_for_a_run_is_limited(command: Command, tmp_path: Path) -> None:
    guest = FakeGuest({2: never})
    command.machines = [guest]
    json_file = tmp_path / "r.json"
    ended = command("run", *CHOICE, "--jobs", "1", "--run-timeout", "1", "--json", str(json_file))
    assert ended.status == 3, ended
    assert guest.closed
    assert verdicts(json_file)[:2] == ["pass", "pass"]
    assert set(verdicts(json_file)[2:]) == {"not-run"}
    assert result(json_file)["run"]["ended"] == "the time for the run was over"


def test_the_times_for_a_boot_and_a_case_reach_the_machine(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines, boots = [], []

    class Timed(FakeGuest):
        async def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
            deadlines.append(deadline)
            return await super().ask(request, deadline)

    async def start(_snapshots: object, spec: Any, _folder: Path) -> FakeGuest:
        boots.append(spec.boot_deadline)
        return Timed()

    monkeypatch.setattr("dynptr_harness.vm.launcher.Snapshots.start", start)
    assert command("run", *CHOICE, "--boot-timeout", "7", "--case-timeout", "5").status == 0
    assert command("run", *CHOICE).status == 0
    assert (set(deadlines), boots) == ({5, 60}, [7, 120])


def choose(selectors: Any, **_options: Any) -> list[Any]:
    return [SimpleNamespace(name=f"{name}.1-cloud-amd64") for name in selectors]


def test_a_dry_run_lists_kernels_types_and_cells(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynptr_harness.commands.dry_run.choose", choose)
    chosen = ("-t", "SYSCALL", "-t", "LSM", "-c", "CMT-001")
    ended = command("run", "--dry-run", "-k", "6.1", "-k", "7.3", *chosen)
    assert ended.status == 0, ended
    assert ended.out.splitlines()[:3] == [
        "2 kernels: 6.1.1-cloud-amd64, 7.3.1-cloud-amd64",
        "2 program types: LSM, SYSCALL",
        "3 cells of each kernel:",
    ]
    assert re.findall(r"^(\w+) +CMT-001 +(\w+) +\w", ended.out, re.MULTILINE) == [
        ("LSM", "bcc"),
        ("SYSCALL", "bcc"),
        ("SYSCALL", "libbpf"),
    ]
    assert ended.out.endswith("6 cells would run. Nothing was fetched or booted.\n")
    assert not command.prepared


def test_a_dry_run_of_a_shard_lists_its_cells(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynptr_harness.commands.dry_run.choose", choose)
    ended = command("run", "--dry-run", "-t", "SYSCALL", "-c", "CMT-001", "--shard", "2/2")
    assert "1 cell:" in ended.out


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_are_disjoint_and_complete(count: int) -> None:
    cells = range(100)
    parts = [Shard(index, count).part(cells) for index in range(1, count + 1)]
    assert [cell for part in parts for cell in part] == list(cells)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/0", "1/2/3", "-1/2", "1.5/2", "²/3"])
def test_a_wrong_shard_is_wrong_usage(text: str) -> None:
    with pytest.raises(WrongUsage, match="is not a shard"):
        Shard.parse(text)


def test_more_shards_than_cells_are_wrong_usage(command: Command) -> None:
    ended = command("run", "-t", "LSM", "-c", "CMT-001", "--shard", "1/2")
    assert ended.status == 2
    assert "there are only 1 cell" in ended.err


def run_shards(command: Command, folder: Path, *numbers: int, of: int = 3) -> None:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        file = folder / f"{number}.json"
        assert command("run", *CHOICE, "--shard", f"{number}/{of}", "--json", str(file)).status == 0


def test_merged_shards_are_the_whole_run(command: Command, tmp_path: Path) -> None:
    whole, merged = tmp_path / "whole.json", tmp_path / "merged.json"
    command("run", *CHOICE, "--json", str(whole))
    run_shards(command, tmp_path / "shards", 3, 1, 2)
    parts = [keys(file) for file in (tmp_path / "shards").iterdir()]
    assert sorted(key for part in parts for key in part) == sorted(keys(whole))
    assert command("merge", str(tmp_path / "shards"), "--json", str(merged)).status == 0
    assert sorted(keys(merged)) == sorted(keys(whole))
    assert len(set(keys(merged))) == len(keys(merged))
    assert [run["shard"]["index"] for run in result(merged)["run"]["shards"]]
    assert result(merged)["run"]["shard"] is None
    assert command("merge", str(merged), "--json", str(tmp_path / "again.json")).status == 0


@pytest.mark.parametrize(
    ("numbers", "missing"), [((1, 3), "shard 2/3"), ((2,), "shards 1/3, 3/3")], ids=["one", "two"]
)
def test_a_missing_shard_is_an_error_that_names_it(
    command: Command, tmp_path: Path, numbers: tuple[int, ...], missing: str
) -> None:
    run_shards(command, tmp_path / "shards", *numbers)
    merge = ("merge", str(tmp_path / "shards"), "--json", str(tmp_path / "merged.json"))
    ended = command(*merge)
    assert ended.status == 2
    assert f"{missing} of {RELEASE} missing" in ended.err
    assert not (tmp_path / "merged.json").exists()
    assert command(*merge, "--partial").status == 0


def test_shards_of_different_cells_do_not_complete_each_other(command: Command, tmp_path: Path) -> None:
    run_shards(command, tmp_path / "shards", 1, of=2)
    other = ("run", "-t", "LSM", "-c", "CMT-*", "--shard", "2/2")
    command(*other, "--json", str(tmp_path / "shards/2.json"))
    ended = command("merge", str(tmp_path / "shards"), "--json", str(tmp_path / "merged.json"))
    assert ended.status == 2
    assert "shard 2/2" in ended.err
    assert "shard 1/2" in ended.err


@pytest.mark.parametrize(
    ("machines", "arguments", "status"),
    [
        ([], [], 0),
        ([FakeGuest({0: WRONG})], [], 1),
        ([NO_BOOT], [], 125),
        ([], ["--nonsense"], 125),
        ([], ["-t", "nonsense"], 125),
    ],
)
def test_the_exit_status_for_git_bisect(
    command: Command, machines: list[Any], arguments: list[str], status: int
) -> None:
    command.machines = machines
    assert command("run", *CHOICE, "--bisect-exit", *arguments).status == status


def test_a_failed_environment_has_no_verdict_for_git_bisect(command: Command) -> None:
    command.failure = EnvironmentFailed("no network")
    assert command("run", *CHOICE, "--bisect-exit").status == 125
    assert command("run", *CHOICE).status == 3


def test_the_consoles_of_guests_are_shown(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(_snapshots: object, spec: Any, _folder: Path) -> FakeGuest:
        if spec.on_console:
            spec.on_console("[    0.1] Linux \x1b[1mbooted\x07")
        return FakeGuest()

    monkeypatch.setattr("dynptr_harness.vm.launcher.Snapshots.start", start)
    assert f"{RELEASE}-1| [    0.1] Linux booted?\n" in command("run", *CHOICE, "-v").err
    assert "booted?" not in command("run", *CHOICE).err


def test_a_failure_shows_how_to_repeat_it_and_where_it_comes_from(command: Command, tmp_path: Path) -> None:
    command.machines = [FakeGuest({0: WRONG})]
    ended = command("run", "-t", "SYSCALL", "-c", "VER-001", "--loader", "bcc", "--append", "nokaslr debug")
    (repeat,) = re.findall(r"^ +repeat: +dynptr-harness (.*)$", ended.out, re.MULTILINE)
    (case,) = (case for case in CASES if case.id == "VER-001")
    (row,) = re.findall(r"^ +row: +(\S+):(\d+)$", ended.out, re.MULTILINE)
    line = Path(row[0]).read_text().splitlines()[int(row[1]) - 1 : int(row[1]) + 1]
    assert case.id in "".join(line)
    programs = re.findall(r"^ +(\S+\.c):(\d+) (ver_001\w*)$", ended.out, re.MULTILINE)
    assert [name for _path, _line, name in programs] == ["ver_001", "ver_001_accepted"]
    for path, number, name in programs:
        assert f"{name}(" in Path(path).read_text().splitlines()[int(number) - 1]
    assert command(*shlex.split(repeat), "--json", str(tmp_path / "r.json")).status == 0
    assert keys(tmp_path / "r.json") == [("SYSCALL", "VER-001", "bcc")]
    assert command.booted[-1]["cmdline"] == ("nokaslr", "debug")


def test_every_row_and_its_functions_have_a_place() -> None:
    from dynptr_harness.conformance import places
    from dynptr_harness.conformance.loader import load

    catalogue = load()
    for case in catalogue.cases:
        path, _, line = str(places.row(case.id)).rpartition(":")
        assert Path(path).read_text().splitlines()[int(line) - 1], case.id
    for cell in make(PROG_TYPES, CASES).cells:
        if cell.case.id.startswith(("VER", "CMT", "ATT")):
            assert places.functions(cell.case, cell.prog_type.name, catalogue), cell.key
