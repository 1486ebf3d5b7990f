"""The files of a boot, without a boot."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core import subprocesses
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image import boot_files, bpf_objects, initramfs, kmod, payload
from dynptr_harness.guest_image.model import GuestImage
from dynptr_harness.kernels.model import Kernel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def busybox(tmp_path: Path) -> Path:
    path = tmp_path / "busybox"
    path.write_bytes(b"a static program")
    return path


@pytest.fixture(autouse=True)
def _no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpf_objects, "compiled", lambda _bpf_src, _cache: {})


def listed(archive: Path) -> list[str]:
    """Return the verbose listing of a cpio archive, without link counts."""
    said = subprocess.run(
        ["cpio", "-itv", "--quiet", "--numeric-uid-gid", f"--file={archive}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.splitlines()


def test_the_initramfs_has_the_modules_in_load_order(tmp_path: Path, busybox: Path) -> None:
    sources = [tmp_path / name for name in ("zlib.ko", "a.ko")]
    for source in sources:
        source.write_text(source.name)
    target = tmp_path / "out/initramfs.cpio"
    target.parent.mkdir()
    initramfs.write(target, busybox=busybox, modules=sources)
    lines = listed(target)
    names = [line.split()[-1] for line in lines]
    assert names == [
        "bin",
        "bin/busybox",
        "dev",
        "init",
        "modules",
        "modules/00-zlib.ko",
        "modules/01-a.ko",
        "proc",
        "sys",
    ]
    assert {tuple(line.split()[2:4]) for line in lines} == {("0", "0")}
    assert all(line[3] == "x" and "1970" in line for line in lines)
    assert [path.name for path in target.parent.iterdir()] == ["initramfs.cpio"]


def test_the_initramfs_is_reproducible(tmp_path: Path, busybox: Path) -> None:
    archives = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        archives.append(tmp_path / name / "initramfs.cpio")
        initramfs.write(archives[-1], busybox=busybox, modules=[])
    assert archives[0].read_bytes() == archives[1].read_bytes()


def kernel(tmp_path: Path, modules_directory: Path | None) -> Kernel:
    image = tmp_path / "bzImage"
    image.write_text("a kernel")
    return Kernel("6.12.1-test", "x86_64", image, modules_directory, sha256="12ab")


def test_modules_are_uncompressed_and_in_load_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "lib/modules/6.12.1-test"
    directory.mkdir(parents=True)
    for name in ("crc", "erofs", "overlay"):
        (directory / f"{name}.ko").write_text(name)
    subprocess.run(["xz", directory / "erofs.ko"], check=True)
    depends = {
        "virtio_blk": ["builtin virtio_blk"],
        "erofs": ["insmod {}/crc.ko ", "insmod {}/erofs.ko.xz "],
        "overlay": ["insmod {}/crc.ko ", "insmod {}/overlay.ko redirect_dir=on "],
    }
    real_run = subprocesses.run

    def run(argv: Sequence[str], *, what: str, deadline: float, env: dict[str, str] | None = None) -> str:
        if argv[0] != "modprobe":
            return real_run(argv, what=what, deadline=deadline, env=env)
        base = next(word.partition("=")[2] for word in argv if word.startswith("--dirname="))
        if argv[-1] not in depends:
            raise EnvironmentFailed(f"{what} failed: FATAL: Module {argv[-1]} not found in directory x")
        lines = (line.format(f"{base}/lib/modules/6.12.1-test") for line in depends[argv[-1]])
        return "\n".join(lines)

    monkeypatch.setattr(subprocesses, "run", run)
    work = tmp_path / "work"
    work.mkdir()
    found = kmod.extract(kernel(tmp_path, directory), work)
    assert [(path.name, path.read_text()) for path in found] == [
        ("crc.ko", "crc"),
        ("erofs.ko", "erofs"),
        ("overlay.ko", "overlay"),
    ]


def test_modules_are_found_on_a_hardened_host_and_below_an_odd_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, work, config = tmp_path / "a b,c'd", tmp_path / "w o,r'k", tmp_path / "cis.conf"
    directory = root / "lib/modules/6.12.1-test"
    (directory / "kernel").mkdir(parents=True)
    work.mkdir()
    source = 'char license[] __attribute__((section(".modinfo"), used)) = "license=GPL";'
    module = directory / "kernel/overlay.ko"
    subprocess.run(["clang", "-x", "c", "-c", "-", "-o", module], input=source, text=True, check=True)
    subprocesses.run(["depmod", "-b", root, directory.name], what="indexing", deadline=30)
    config.write_text("install overlay /bin/false\nblacklist overlay\n")
    monkeypatch.setenv("MODPROBE_OPTIONS", f"--config={config}")
    assert [path.name for path in kmod.extract(kernel(tmp_path, directory), work)] == ["overlay.ko"]


def test_another_failure_of_modprobe_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: Sequence[str], *, what: str, **_: object) -> str:  # noqa: ARG001
        raise EnvironmentFailed(f"{what} failed: Segmentation fault")

    monkeypatch.setattr(subprocesses, "run", run)
    (tmp_path / "work").mkdir()
    with pytest.raises(EnvironmentFailed, match=r"looking up module virtio_pci of .* failed: Segmentation"):
        kmod.extract(kernel(tmp_path, tmp_path), tmp_path / "work")


def test_the_payload_has_all_files_without_bytecode() -> None:
    names = set(payload.contents())
    for needed in (
        "guest-start.sh",
        "dynptr_harness/__init__.py",
        "dynptr_harness/guest/__main__.py",
        "dynptr_harness/protocol/structs.py",
    ):
        assert needed in names
    assert any(name.startswith("bpf_src/") for name in names)
    assert any(name.startswith("bcc_headers/") for name in names)
    assert not [name for name in names if name.endswith(".pyc") or name.startswith("dynptr_harness/vm")]


def test_a_replaced_file_changes_the_key_of_the_payload(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("print(1)")
    usual = payload.contents()
    replaced = payload.contents({"dynptr_harness/guest": tmp_path})
    assert replaced["dynptr_harness/guest/__main__.py"] == tmp_path / "__main__.py"
    assert "dynptr_harness/guest/agent/ports.py" not in replaced
    keys = {payload.key(usual), payload.key(replaced)}
    (tmp_path / "__main__.py").write_text("print(2)")
    assert len(keys | {payload.key(payload.contents({"dynptr_harness/guest": tmp_path}))}) == 3


def test_boot_files_are_built_once(tmp_path: Path, busybox: Path) -> None:
    image = GuestImage(tmp_path / "root.erofs", busybox, {}, "key")
    settings = Settings(tmp_path / "cache")
    first = boot_files.files(kernel(tmp_path, None), image, settings=settings, progress=Silent())
    made = first.initramfs.stat()
    assert boot_files.files(kernel(tmp_path, None), image, settings=settings, progress=Silent()) == first
    assert first.initramfs.stat() == made


def test_changed_modules_change_the_boot_files(tmp_path: Path, busybox: Path) -> None:
    image = GuestImage(tmp_path / "root.erofs", busybox, {}, "key")
    module = tmp_path / "modules/kernel/a.ko"
    module.parent.mkdir(parents=True)
    keys = set()
    for text in ("one", "another"):
        module.write_text(text)
        keys.add(boot_files.key(kernel(tmp_path, tmp_path / "modules"), image))
    assert len(keys) == 2


def test_a_kernel_without_modules_has_two_disks(tmp_path: Path, busybox: Path) -> None:
    image = GuestImage(tmp_path / "root.erofs", busybox, {}, "key")
    files = boot_files.files(
        kernel(tmp_path, None), image, settings=Settings(tmp_path / "cache"), progress=Silent()
    )
    assert files.disks == (image.root, files.payload)
    assert files.payload.read_bytes()[1024:1028] == bytes.fromhex("e2e1f5e0")  # the superblock's magic
