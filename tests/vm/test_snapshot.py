"""Snapshots of real guests: a restored guest is complete, and a damaged snapshot is replaced."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image import boot_files, bpf_objects
from dynptr_harness.kernels import bzimage
from dynptr_harness.vm import machine as machine_module
from dynptr_harness.vm.failures import FailureKind, MachineFailed
from dynptr_harness.vm.qemu import Spec
from dynptr_harness.vm.snapshots import KIND, Snapshots, key

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynptr_harness.guest_image.model import BootFiles, GuestImage
    from dynptr_harness.kernels.model import Kernel
    from dynptr_harness.vm.accelerator import Accelerator
    from dynptr_harness.vm.machine import Machine

DAY = 86400.0  # seconds
MANIFEST = ".manifest.json"


@pytest.fixture(scope="module")
def spec(stub_files: BootFiles, accelerator: Accelerator) -> Spec:
    return Spec(stub_files, accelerator)


@pytest.fixture(scope="module")
def cache(spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache with a snapshot of the stub agent."""
    folder = tmp_path_factory.mktemp("cache")

    async def use() -> None:
        async with await Snapshots(Settings(folder)).start(spec, folder / "first") as machine:
            assert not machine.restored
            assert (await machine.ask({"do": "echo", "n": 1}, 20))["n"] == 1  # it still runs after the save

    asyncio.run(use())
    return folder


def snapshot(cache: Path) -> Path:
    (folder,) = Cache(cache).entries(KIND)
    return folder


def test_a_snapshot_is_a_sparse_file(cache: Path) -> None:
    state = (snapshot(cache) / "state").stat()
    assert state.st_blocks * 512 < 256 << 20 < 1024 << 20 < state.st_size


def test_a_restored_guest_is_complete(
    cache: Path, spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the clock of the host says that the snapshot is a day old
    monkeypatch.setattr(machine_module, "time", SimpleNamespace(time=lambda: time.time() + DAY))

    async def use(folder: Path) -> dict[str, Any]:
        async with await Snapshots(Settings(cache)).start(spec, folder) as machine:
            assert machine.restored
            seen = await machine.ask({"do": "look"}, 20)
            assert abs(seen["now"] - time.time() - DAY) < 20
            assert 0 <= seen["uptime"] - machine.facts["uptime"] < 30  # no boot, and time passed
            long = "x" * (4 << 20)
            assert (await machine.ask({"do": "echo", "text": long}, 60))["text"] == long
            assert len((await machine.ask({"do": "log", "bytes": 10 << 20}, 60))["log"]) == 10 << 20
            warned = await machine.ask({"do": "warn"}, 20)
            assert warned["splats"] == ["WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2"]
            return {**seen, "release": machine.facts["release"]}

    first, second = (asyncio.run(use(tmp_path / name)) for name in "ab")
    assert first["random"] != second["random"]
    assert first["release"] == second["release"]


@pytest.mark.parametrize(
    ("do", "kind"), [("panic", FailureKind.CRASH), ("hang", FailureKind.HANG), ("killed", FailureKind.LOST)]
)
def test_a_failed_machine_is_replaced_within_seconds(
    cache: Path, spec: Spec, tmp_path: Path, do: str, kind: FailureKind
) -> None:
    async def use() -> float:
        snapshots = Snapshots(Settings(cache))
        async with await snapshots.start(spec, tmp_path / "a") as machine:
            if do == "killed":
                asyncio.get_running_loop().call_later(0.2, os.kill, machine.pid, signal.SIGKILL)
            with pytest.raises(MachineFailed) as failed:
                await machine.ask({"do": do if do == "panic" else "hang"}, 2 if do == "hang" else 30)
            assert failed.value.kind is kind
        begin = time.monotonic()
        async with await snapshots.start(spec, tmp_path / "b") as machine:
            assert machine.restored
            assert (await machine.ask({"do": "echo"}, 20))["do"] == "echo"
            return time.monotonic() - begin

    assert asyncio.run(use()) < 5


def overwrite(state: Path) -> None:
    """Overwrite the start of the state without changing its size or time."""
    before = state.stat()
    with state.open("r+b") as file:
        file.write(b"garbage" * 1000)
    os.utime(state, ns=(before.st_atime_ns, before.st_mtime_ns))


def truncate(state: Path) -> None:
    """Truncate the state and adapt the manifest."""
    os.truncate(state, state.stat().st_size // 3)
    manifest = state.with_name(MANIFEST)
    content = json.loads(manifest.read_text())
    content["state"] = [state.stat().st_size, state.stat().st_mtime_ns]
    manifest.write_text(json.dumps(content))


def test_a_damaged_snapshot_is_replaced(
    cache: Path, spec: Spec, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(folder: Path) -> Machine:
        async with await Snapshots(Settings(cache)).start(spec, folder) as machine:
            assert (await machine.ask({"do": "echo"}, 20))["do"] == "echo"
            return machine

    damages: list[Callable[[Path], None]] = [truncate, overwrite]
    for damage in damages:
        damage(snapshot(cache) / "state")
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert not asyncio.run(use(tmp_path / damage.__name__)).restored
        # Depending on where the damage is, QEMU reports it or crashes.
        assert "cannot be restored and will be created again: machine lost: QEMU" in caplog.text
    assert asyncio.run(use(tmp_path / "last")).restored


def test_paths_may_have_blanks_and_commas_on_a_hardened_host(
    kernel: Kernel,
    image: GuestImage,
    accelerator: Accelerator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd = tmp_path / "a b,c'd,offset=1"
    odd.mkdir()
    assert kernel.modules
    shutil.copyfile(kernel.image, odd / "bz I,mage")
    shutil.copytree(kernel.modules, odd / kernel.release)
    (tmp_path / "cis.conf").write_text("install overlay /bin/false\ninstall erofs /bin/false\n")
    monkeypatch.setenv("MODPROBE_OPTIONS", f"--config={tmp_path / 'cis.conf'}")
    monkeypatch.setattr(bpf_objects, "compiled", lambda *_: {})
    files = boot_files.files(
        bzimage.resolve(odd / "bz I,mage", odd / kernel.release),
        image,
        settings=Settings(odd),
        progress=Silent(),
        replaced={"dynptr_harness/guest": Path(__file__).with_name("stub_agent")},
    )

    async def use() -> bool:
        async with await Snapshots(Settings(odd)).start(Spec(files, accelerator), odd / "run") as machine:
            assert (await machine.ask({"do": "echo"}, 20))["do"] == "echo"
            return machine.restored

    assert [asyncio.run(use()) for _ in range(2)] == [False, True]


def test_the_key_covers_the_payload(
    kernel: Kernel, image: GuestImage, settings: Settings, spec: Spec, tmp_path: Path
) -> None:
    changed = tmp_path / "agent"
    changed.mkdir()
    for source in Path(__file__).with_name("stub_agent").glob("*.py"):
        (changed / source.name).write_text(f"{source.read_text()}\n")
    files = boot_files.files(
        kernel, image, settings=settings, progress=Silent(), replaced={"dynptr_harness/guest": changed}
    )
    assert key(replace(spec, files=files)) != key(spec)


def test_the_second_run_starts_from_the_snapshot(kernel: Kernel, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    command = [
        sys.executable,
        "-m",
        "dynptr_harness",
        "run",
        "--kernel",
        kernel.release,
        "--json",
        str(results),
    ]
    for _ in range(2):
        done = subprocess.run(
            [*command, "-t", "KPROBE", "-c", "RSV-011"],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    (kernel_run,) = json.loads(results.read_text())["run"]["kernels"]
    assert (kernel_run["boots"], kernel_run["restores"], kernel_run["splats"]) == (1, 1, [])
