"""Kernels in build trees and installation targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dynptr_harness import kernels
from dynptr_harness.conformance.kconfig import fragment
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image import kmod
from dynptr_harness.protocol import kconfig

from tests.unit.kernels.package_files import image, module, write_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dynptr_harness.kernels.model import Kernel

RELEASE = "6.12.0-rc1-mine+"
BUILT_IN = "\n".join(fragment())
MODULES = {name: f"drivers/{name}.ko" for name in filter(None, kconfig.BOOT.values())}
MODULAR = BUILT_IN
for _option, _name in kconfig.BOOT.items():
    MODULAR = MODULAR.replace(f"{_option}=y\n", f"{_option}=m\n") if _name else MODULAR


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[..., Kernel]:
    """Return a function that fetches the kernel of a directory."""

    def fetched(directory: Path | str, modules: Path | None = None) -> Kernel:
        settings = Settings(tmp_path / "cache", offline=True)
        (choice,) = kernels.choose([str(directory)], settings=settings, progress=Silent(), modules=modules)
        return choice.fetch()

    return fetched


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A build tree whose kernel has everything built in."""
    files = {"Kbuild": b"", ".config": BUILT_IN.encode(), "arch/x86/boot/bzImage": image(RELEASE)}
    return write_tree(tmp_path / "linux", files)


def with_modules(tree: Path, suffix: str = ".o") -> Path:
    """Add modules to a build tree."""
    order = "".join(f"{path.removesuffix('.ko')}{suffix}\n" for path in MODULES.values())
    files = {path: module(name) for name, path in MODULES.items()}
    files |= {"modules.order": order.encode(), "modules.builtin": b"kernel/drivers/tty/tty.ko\n"}
    files |= {"include/config/auto.conf": MODULAR.encode(), "include/config/kernel.release": RELEASE.encode()}
    return write_tree(tree, files)


def test_a_tree_without_modules(tree: Path, fetch: Callable[..., Kernel]) -> None:
    kernel = fetch(tree)
    assert (kernel.release, kernel.modules, kernel.config) == (RELEASE, None, tree / ".config")
    assert kernel.image == tree / "arch/x86/boot/bzImage"


@pytest.mark.parametrize("suffix", [".o", ".ko"])  # since 6.3, and before
def test_modules_of_a_tree_are_copied(
    tree: Path, suffix: str, fetch: Callable[..., Kernel], tmp_path: Path
) -> None:
    kernel = fetch(with_modules(tree, suffix))
    assert kernel.modules is not None
    assert kernel.config == tree / "include/config/auto.conf"
    work = tmp_path / "work"
    work.mkdir()
    assert {path.name for path in kmod.extract(kernel, work)} == {f"{name}.ko" for name in MODULES}


def test_a_rebuilt_module_is_copied_again(tree: Path, fetch: Callable[..., Kernel]) -> None:
    first = fetch(with_modules(tree))
    assert fetch(tree).modules == first.modules
    (tree / MODULES["erofs"]).write_bytes(module("erofs") + b"more")
    assert fetch(tree).modules != first.modules


def test_modules_can_come_from_elsewhere(tree: Path, fetch: Callable[..., Kernel], tmp_path: Path) -> None:
    given = tmp_path / "root/lib/modules" / RELEASE
    write_tree(given, {"modules.dep": b"kernel/x.ko:\n"})
    assert fetch(tree, tmp_path / "root").modules == given


def test_a_tree_that_is_not_built_is_named(tree: Path, fetch: Callable[..., Kernel]) -> None:
    (tree / "arch/x86/boot/bzImage").unlink()
    with pytest.raises(WrongUsage, match="has no arch/x86/boot/bzImage") as caught:
        fetch(tree)
    assert caught.value.hint == f"build it: make -C {tree} bzImage"


def test_modules_that_are_not_all_built_are_named(tree: Path, fetch: Callable[..., Kernel]) -> None:
    (with_modules(tree) / MODULES["overlay"]).unlink()
    with pytest.raises(WrongUsage, match=r"lacks 1 of 5 modules, such as drivers/overlay\.ko") as caught:
        fetch(tree)
    assert "modules" in caught.value.hint


def test_options_that_a_boot_needs_are_named(tree: Path, fetch: Callable[..., Kernel]) -> None:
    text = BUILT_IN.replace("CONFIG_TMPFS=y", "# CONFIG_TMPFS is not set")
    (tree / ".config").write_text(text.replace("CONFIG_EROFS_FS=y", "CONFIG_EROFS_FS=m"))
    with pytest.raises(WrongUsage, match="CONFIG_TMPFS is not set; CONFIG_EROFS_FS is m, and it has no"):
        fetch(tree)


def test_an_image_older_than_its_modules_is_rejected(tree: Path, fetch: Callable[..., Kernel]) -> None:
    (with_modules(tree) / "include/config/kernel.release").write_text("6.12.0-rc2")
    with pytest.raises(WrongUsage, match=r"image .* is of 6\.12\.0-rc1-mine\+, and its modules are of 6\.12"):
        fetch(tree)


def installed(root: Path) -> Path:
    """Install a kernel as `make dir-pkg` does."""
    modules = f"lib/modules/{RELEASE}"
    files = {
        f"boot/vmlinuz-{RELEASE}": image(RELEASE),
        f"boot/config-{RELEASE}": MODULAR.encode(),
        f"{modules}/modules.dep": "".join(f"kernel/{path}:\n" for path in MODULES.values()).encode(),
    }
    return write_tree(root, files)


def test_an_installed_kernel(tmp_path: Path, fetch: Callable[..., Kernel]) -> None:
    root = installed(tmp_path / "tar-install")
    kernel = fetch(root)
    assert kernel.modules == root / "lib/modules" / RELEASE
    assert kernel.config == root / f"boot/config-{RELEASE}"


def test_what_an_installed_kernel_lacks_is_named(tmp_path: Path, fetch: Callable[..., Kernel]) -> None:
    root = installed(tmp_path / "tar-install")
    index = root / "lib/modules" / RELEASE / "modules.dep"
    index.write_text(index.read_text().replace("erofs", "other"))
    with pytest.raises(WrongUsage, match="CONFIG_EROFS_FS is m, and the module erofs is not in"):
        fetch(root)
    (root / f"boot/config-{RELEASE}").unlink()
    (index.parent / "modules.builtin").write_text("kernel/drivers/tty/tty.ko\n")
    with pytest.raises(WrongUsage, match="there is no module erofs"):
        fetch(root)
    index.unlink()
    with pytest.raises(WrongUsage, match=r"no modules\.dep"):
        fetch(root)


def test_several_installed_kernels_are_ambiguous(tmp_path: Path, fetch: Callable[..., Kernel]) -> None:
    root = write_tree(installed(tmp_path / "root"), {"boot/vmlinuz-6.1": image("6.1")})
    with pytest.raises(WrongUsage, match=r"several kernels in .*: 6\.1, 6\.12\.0-rc1-mine\+"):
        fetch(root)


def test_a_directory_without_a_slash_is_a_tree_unless_its_name_is_a_series(
    tree: Path, fetch: Callable[..., Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.parent)
    assert fetch("linux").release == RELEASE
    tree.rename(tree.with_name("6.12"))
    assert fetch("./6.12").release == RELEASE
    assert kernels.path_of("6.12") is None
