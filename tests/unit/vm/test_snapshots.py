"""Saved and restored machines, with a fake QEMU that is a script. A failure costs time but not the run."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import HarnessError
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
    """Return a machine whose files exist."""
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
    """Start a machine, send a request, and return its properties."""

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


def test_the_second_machine_is_restored(snapshots: Snapshots, spec: Spec, tmp_path: Path) -> None:
    first, second = (start(snapshots, spec, tmp_path / name) for name in "ab")
    assert (first["restored"], second["restored"]) == (False, True)
    assert second["facts"] == first["facts"]  # also the process ID of the first
    assert second["console"].startswith(first["console"])
    assert second["console"].count("fake QEMU") == 2


def test_a_snapshot_is_known_for_equal_machines_only(
    snapshots: Snapshots, spec: Spec, tmp_path: Path
) -> None:
    machine_spec = replace(spec, cmdline=("fake=",))
    assert not snapshots.has(machine_spec)
    start(snapshots, spec, tmp_path / "a")
    assert snapshots.has(machine_spec)
    assert snapshots.has(replace(machine_spec, round_robin=True))
    assert not snapshots.has(replace(machine_spec, memory_mib=2))


@pytest.mark.parametrize("name", ["facts.json", "console.txt", "state"])
@pytest.mark.parametrize("content", ["", "garbage", None])
def test_a_damaged_snapshot_is_created_again_with_a_warning(
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
    """Change a file and its entry in the manifest."""
    file, manifest = directory / name, directory / ".manifest.json"
    file.write_text(content)
    files = json.loads(manifest.read_text())
    files[name] = [file.stat().st_size, file.stat().st_mtime_ns]
    manifest.write_text(json.dumps(files))


@pytest.mark.parametrize("content", ["no memory", "killed"])
def test_too_little_memory_discards_no_snapshot(
    snapshots: Snapshots, spec: Spec, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    start(snapshots, spec, tmp_path / "a")
    (directory,) = saved(tmp_path)
    state = (directory / "state").read_text()
    damage_unseen(directory, "state", content)
    with caplog.at_level(logging.WARNING):
        assert not start(snapshots, spec, tmp_path / "b")["restored"]
    assert f"{directory} cannot be restored now: machine lost: QEMU" in caplog.text
    damage_unseen(directory, "state", state)
    assert start(snapshots, spec, tmp_path / "c")["restored"]


@pytest.mark.parametrize("more", range(3, 21, 3))  # asyncio needs three
def test_too_few_descriptors_discard_no_snapshot(
    snapshots: Snapshots, spec: Spec, tmp_path: Path, more: int
) -> None:
    start(snapshots, spec, tmp_path / "a")
    (directory,) = saved(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.dup(0)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free + more, before[1]))
    try:
        start(snapshots, spec, tmp_path / "b")
    except (HarnessError, OSError) as error:
        assert "Too many open files" in str(error)  # noqa: PT017  (enough descriptors are no error)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert saved(tmp_path) == [directory]
    assert start(snapshots, spec, tmp_path / "c")["restored"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("state", "garbage", "QEMU ended with status 1: qemu: load of migration failed"),
        ("state", "hang", "no word from the agent 0.3 s after the restore began"),
        ("facts.json", "{", "Expecting property name"),
    ],
)
def test_a_snapshot_that_qemu_cannot_restore_is_created_again_with_a_warning(
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
    assert f"{directory} cannot be restored and will be created again" in caplog.text
    assert reason in caplog.text
    monkeypatch.setattr(snapshot, "RESTORE_DEADLINE", 10)
    assert start(snapshots, spec, tmp_path / "c")["restored"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("full-disk", "the machine could not be saved: Unable to write: No space left on device"),
        ("never-warm", "the agent failed: OSError: no"),
    ],
)
def test_a_machine_that_cannot_be_saved_is_used_nevertheless(
    snapshots: Snapshots, spec: Spec, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str, reason: str
) -> None:
    with caplog.at_level(logging.WARNING):
        start(snapshots, spec, tmp_path / "a", how)
    assert "no snapshot was saved" in caplog.text
    assert reason in caplog.text or "no space left on the disk" in caplog.text
    assert saved(tmp_path) == []
    assert not list((tmp_path / "cache" / KIND).glob(".*.tmp-*"))


def test_too_little_space_is_reported_before_the_save(
    snapshots: Snapshots, spec: Spec, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        start(snapshots, replace(spec, memory_mib=1 << 40), tmp_path / "a")
    assert f"{1 << 40} MiB are needed" in caplog.text


def test_a_machine_lost_during_the_save_is_a_failure(
    snapshots: Snapshots, spec: Spec, tmp_path: Path
) -> None:
    with pytest.raises(MachineFailed, match="SIGKILL"):
        start(snapshots, spec, tmp_path / "a", "dies-saving")
    assert saved(tmp_path) == []


def test_no_machine_waits_for_a_snapshot_of_another_process(
    snapshots: Snapshots, spec: Spec, tmp_path: Path
) -> None:
    name = key(replace(spec, cmdline=("fake=",)))
    with Cache(tmp_path / "cache").locked(KIND, name):
        assert not start(snapshots, spec, tmp_path / "a")["restored"]
    assert saved(tmp_path) == []


def test_machines_can_be_started_concurrently(snapshots: Snapshots, spec: Spec, tmp_path: Path) -> None:
    async def life() -> list[bool]:
        machines = await asyncio.gather(*(snapshots.start(spec, tmp_path / str(n)) for n in range(3)))
        machines += await asyncio.gather(*(snapshots.start(spec, tmp_path / str(n)) for n in range(3, 6)))
        for machine in machines:
            assert (await machine.ask({"do": "echo"}, 10))["do"] == "echo"
            await machine.close()
        return [machine.restored for machine in machines]

    assert asyncio.run(life()) == [False] * 3 + [True] * 3
    assert len(saved(tmp_path)) == 1


def test_the_least_recently_used_snapshots_are_removed(spec: Spec, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for number, name in enumerate(("old", "older", "used")):
        (entry := cache.entry(KIND, name, lambda directory: _mebibyte(directory / "state")))
        os.utime(entry / ".manifest.json", (1000 - number, 1000 - number))
    assert cache.find(KIND, "used")
    start(Snapshots(Settings(tmp_path / "cache", snapshot_limit_mib=2)), spec, tmp_path / "a")
    assert {entry.name for entry in saved(tmp_path)} == {"used", key(replace(spec, cmdline=("fake=",)))}


def _mebibyte(path: Path) -> None:
    path.write_bytes(os.urandom(1 << 20))


def test_the_newest_snapshot_stays_above_the_limit(tmp_path: Path) -> None:
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
    "a rebuilt root": lambda spec, _: touched(spec, spec.files.root),
    "a rebuilt payload": lambda spec, _: touched(spec, spec.files.payload),
    "rebuilt modules": lambda spec, _: touched(spec, spec.files.disks[2]),
    "no modules": lambda spec, _: replace(spec, files=replace(spec.files, modules=None)),
    "more memory": lambda spec, _: replace(spec, memory_mib=2048),
    "more CPUs": lambda spec, _: replace(spec, cpus=4),
    "a kernel argument": lambda spec, _: replace(spec, cmdline=("debug",)),
    "another accelerator": lambda spec, _: replace(spec, accelerator=Accelerator("kvm", "test")),
    "another QEMU": lambda spec, patch: with_qemu(spec, "10.1.0", patch),
    "a rebuilt QEMU": lambda spec, _: touched(spec, Path(qemu.PROGRAM)),
}


def test_a_snapshot_serves_every_shared_directory(spec: Spec) -> None:
    bare = replace(spec, bare=True)
    assert key(spec) != key(bare) == key(replace(bare, share=Path("/s")))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_key_depends_on_everything_that_could_change_the_outcome(
    spec: Spec, monkeypatch: pytest.MonkeyPatch, change: Callable[[Spec, pytest.MonkeyPatch], Spec]
) -> None:
    before = key(spec)
    assert key(spec) == before
    assert key(change(spec, monkeypatch)) != before


def test_under_kvm_the_key_depends_on_the_cpu_of_the_host(
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
