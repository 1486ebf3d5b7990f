"""Machines saved and restored, against a QEMU that is a script: what fails costs time and never a run."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image.model import BootFiles
from dynptr_harness.vm import machine as machine_module
from dynptr_harness.vm import qemu
from dynptr_harness.vm import snapshots as snapshot
from dynptr_harness.vm.accelerator import Accelerator
from dynptr_harness.vm.failures import MachineFailed
from dynptr_harness.vm.qemu import Spec
from dynptr_harness.vm.snapshots import KIND, Snapshots, key

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynptr_harness.vm.machine import Machine

TCG = Accelerator("tcg", "test")


@pytest.fixture
def spec(fake_qemu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spec:
    """A machine whose files exist."""
    monkeypatch.setattr(qemu, "PROGRAM", str(fake_qemu))
    monkeypatch.setattr(qemu, "version", lambda: "10.0.2")
    monkeypatch.setattr(machine_module, "GRACE", 0.5)
    names = ("kernel", "initramfs", "root", "payload", "modules")
    for name in names:
        (tmp_path / name).write_text(f"the {name}")
    kernel, initramfs, root, payload, modules = (tmp_path / name for name in names)
    return Spec(BootFiles(kernel, initramfs, root, payload, modules, "a key"), TCG, memory_mib=1)


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    return Snapshots(Settings(tmp_path / "cache"))


def saved(tmp_path: Path) -> list[Path]:
    return Cache(tmp_path / "cache").entries(KIND)


def start(snapshots: Snapshots, spec: Spec, directory: Path, how: str = "") -> dict[str, Any]:
    """Start a machine, ask it something, and say what it was."""

    async def life() -> dict[str, Any]:
        machine: Machine = await snapshots.start(replace(spec, cmdline=(f"fake={how}",)), directory)
        async with machine:
            answer = await machine.ask({"do": "echo"}, 10)
            assert answer["do"] == "echo"
            return {
                "restored": machine.restored,
                "facts": machine.facts,
                "splats": machine.splats,
                "console": machine.console.read_text(),
            }

    return asyncio.run(life())


def test_the_second_machine_goes_on_where_the_first_was_ready(
    snapshots: Snapshots, spec: Spec, tmp_path: Path
) -> None:
    first, second = (start(snapshots, spec, tmp_path / name) for name in "ab")
    assert (first["restored"], second["restored"]) == (False, True)
    assert second["facts"] == first["facts"]  # among them the process id of the first
    assert second["console"].startswith(first["console"])
    assert second["console"].count("fake QEMU") == 2


def test_what_was_saved_is_known_to_be_there_for_such_a_machine_only(
    snapshots: Snapshots, spec: Spec, tmp_path: Path
) -> None:
    made_of = replace(spec, cmdline=("fake=",))
    assert not snapshots.has(made_of)
    start(snapshots, spec, tmp_path / "a")
    assert snapshots.has(made_of)
    assert snapshots.has(replace(made_of, round_robin=True))
    assert not snapshots.has(replace(made_of, memory_mib=2))


@pytest.mark.parametrize("name", ["facts.json", "console.txt", "state"])
@pytest.mark.parametrize("content", ["", "garbage", None])
def test_a_damaged_snapshot_is_told_and_made_anew(
    snapshots: Snapshots,
    spec: Spec,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    content: str | None,
) -> None:
    start(snapshots, spec, tmp_path / "a")
    (directory,) = saved(tmp_path)
    (directory / name).unlink() if content is None else (directory / name).write_text(content)
    with caplog.at_level(logging.WARNING):
        assert not start(snapshots, spec, tmp_path / "b")["restored"]
    assert f"{directory} is damaged" in caplog.text
    assert start(snapshots, spec, tmp_path / "c")["restored"]


def damage_unseen(directory: Path, name: str, content: str) -> None:
    """Change a file so that size and time do not tell."""
    file, manifest = directory / name, directory / ".manifest.json"
    file.write_text(content)
    files = json.loads(manifest.read_text())
    files[name] = [file.stat().st_size, file.stat().st_mtime_ns]
    manifest.write_text(json.dumps(files))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("state", "garbage", "QEMU ended with status 1: qemu: load of migration failed"),
        ("state", "hang", "no word from the agent 0.3 s after the restore began"),
        ("facts.json", "{", "Expecting property name"),
    ],
)
def test_a_snapshot_that_qemu_cannot_use_is_told_and_made_anew(
    snapshots: Snapshots,
    spec: Spec,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: str,
    reason: str,
) -> None:
    monkeypatch.setattr(snapshot, "RESTORE_DEADLINE", 0.3 if content == "hang" else 10)
    start(snapshots, spec, tmp_path / "a")
    (directory,) = saved(tmp_path)
    damage_unseen(directory, name, content)
    with caplog.at_level(logging.WARNING):
        assert not start(snapshots, spec, tmp_path / "b")["restored"]
    assert f"{directory} is of no use and is made anew" in caplog.text
    assert reason in caplog.text
    assert start(snapshots, spec, tmp_path / "c")["restored"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("full-disk", "the machine could not be saved: Unable to write: No space left on device"),
        ("never-warm", "the agent failed: OSError: no"),
    ],
)
def test_a_machine_that_cannot_be_saved_is_used_all_the_same(
    snapshots: Snapshots, spec: Spec, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str, reason: str
) -> None:
    with caplog.at_level(logging.WARNING):
        start(snapshots, spec, tmp_path / "a", how)
    assert "no snapshot was made" in caplog.text
    assert reason in caplog.text or "no room left on the disk" in caplog.text
    assert saved(tmp_path) == []
    assert not list((tmp_path / "cache" / KIND).glob(".*.tmp-*"))


def test_too_little_room_is_told_before_anything_is_saved(
    snapshots: Snapshots, spec: Spec, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        start(snapshots, replace(spec, memory_mib=1 << 40), tmp_path / "a")
    assert f"{1 << 40} MiB are needed" in caplog.text


def test_a_machine_that_is_lost_while_it_is_saved_is_a_failure(
    snapshots: Snapshots, spec: Spec, tmp_path: Path
) -> None:
    with pytest.raises(MachineFailed, match="SIGKILL"):
        start(snapshots, spec, tmp_path / "a", "dies-saving")
    assert saved(tmp_path) == []


def test_a_snapshot_that_another_process_makes_is_not_waited_for(
    snapshots: Snapshots, spec: Spec, tmp_path: Path
) -> None:
    name = key(replace(spec, cmdline=("fake=",)))
    with Cache(tmp_path / "cache").locked(KIND, name):
        assert not start(snapshots, spec, tmp_path / "a")["restored"]
    assert saved(tmp_path) == []


def test_many_at_the_same_time_do_no_harm(snapshots: Snapshots, spec: Spec, tmp_path: Path) -> None:
    async def life() -> list[bool]:
        machines = await asyncio.gather(*(snapshots.start(spec, tmp_path / str(n)) for n in range(3)))
        machines += await asyncio.gather(*(snapshots.start(spec, tmp_path / str(n)) for n in range(3, 6)))
        for machine in machines:
            assert (await machine.ask({"do": "echo"}, 10))["do"] == "echo"
            await machine.close()
        return [machine.restored for machine in machines]

    assert asyncio.run(life()) == [False] * 3 + [True] * 3
    assert len(saved(tmp_path)) == 1


def test_the_limit_is_kept_by_removing_what_was_not_used_for_long(spec: Spec, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for number, name in enumerate(("old", "older", "used")):
        (entry := cache.entry(KIND, name, lambda directory: _mebibyte(directory / "state")))
        os.utime(entry / ".manifest.json", (1000 - number, 1000 - number))
    assert cache.find(KIND, "used")
    start(Snapshots(Settings(tmp_path / "cache", snapshot_limit_mib=2)), spec, tmp_path / "a")
    assert {entry.name for entry in saved(tmp_path)} == {"used", key(replace(spec, cmdline=("fake=",)))}


def _mebibyte(path: Path) -> None:
    path.write_bytes(os.urandom(1 << 20))


def test_the_newest_stays_whatever_the_limit_is(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    cache.entry(KIND, "mine", lambda directory: _mebibyte(directory / "state"))
    cache.prune(KIND, 0, keep="mine")
    assert [entry.name for entry in cache.entries(KIND)] == ["mine"]


def touched(spec: Spec, path: Path) -> Spec:
    os.utime(path, ns=(1, 1))
    return spec


def with_qemu(spec: Spec, version: str, patch: pytest.MonkeyPatch) -> Spec:
    patch.setattr(qemu, "version", lambda: version)
    return spec


CHANGES: dict[str, Callable[[Spec, pytest.MonkeyPatch], Spec]] = {
    "another payload": lambda spec, _: replace(spec, files=replace(spec.files, key="another key")),
    "a kernel with another time": lambda spec, _: touched(spec, spec.files.kernel),
    "another initramfs": lambda spec, _: touched(spec, spec.files.initramfs),
    "a root made anew": lambda spec, _: touched(spec, spec.files.root),
    "a payload made anew": lambda spec, _: touched(spec, spec.files.payload),
    "modules made anew": lambda spec, _: touched(spec, spec.files.disks[2]),
    "no modules": lambda spec, _: replace(spec, files=replace(spec.files, modules=None)),
    "more memory": lambda spec, _: replace(spec, memory_mib=2048),
    "more processors": lambda spec, _: replace(spec, cpus=4),
    "a kernel argument": lambda spec, _: replace(spec, cmdline=("debug",)),
    "another accelerator": lambda spec, _: replace(spec, accelerator=Accelerator("kvm", "test")),
    "another QEMU": lambda spec, patch: with_qemu(spec, "10.1.0", patch),
    "QEMU built anew": lambda spec, _: touched(spec, Path(qemu.PROGRAM)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_could_change_the_outcome_changes_the_key(
    spec: Spec, monkeypatch: pytest.MonkeyPatch, change: Callable[[Spec, pytest.MonkeyPatch], Spec]
) -> None:
    before = key(spec)
    assert key(spec) == before
    assert key(change(spec, monkeypatch)) != before


def test_under_kvm_the_processor_of_the_host_counts(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kvm = replace(spec, accelerator=Accelerator("kvm", "test"))
    monkeypatch.setattr(snapshot, "CPUINFO", tmp_path / "cpuinfo")
    keys = []
    for model, clock in ((1, 2000), (2, 2000), (2, 2100)):
        (tmp_path / "cpuinfo").write_text(f"model\t\t: {model}\ncpu MHz\t\t: {clock}\n\nprocessor\t: 1\n")
        keys.append((key(kvm), key(spec)))
    assert keys[0][0] != keys[1][0] == keys[2][0]
    assert keys[0][1] == keys[1][1]
