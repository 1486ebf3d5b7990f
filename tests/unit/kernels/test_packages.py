"""Kernels in packages and tars, with the layouts of distributions and of the kernel's own build."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dynptr_harness import kernels
from dynptr_harness.conformance.kconfig import fragment
from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image import kmod
from dynptr_harness.kernels import archives
from dynptr_harness.protocol import kconfig

from tests.unit.kernels.package_files import image, module, write_deb, write_rpm, write_tar

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynptr_harness.kernels.model import Kernel

BUILT_IN = "\n".join(fragment()).encode()
BOOT_MODULES = tuple(filter(None, kconfig.BOOT.values()))


@pytest.fixture(scope="module")
def plain() -> dict[str, bytes]:
    """Modules for the boot, by name."""
    return {name: module(name) for name in BOOT_MODULES}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The directory of the packages."""
    directory = tmp_path / "packages"
    directory.mkdir()
    return directory


@pytest.fixture
def fetch(tmp_path: Path) -> Callable[..., list[Kernel]]:
    """Return a function that fetches the kernels of selectors."""

    def fetched(*selectors: object) -> list[Kernel]:
        settings = Settings(tmp_path / "cache", offline=True)
        names = [str(each) for each in selectors]
        return [each.fetch() for each in kernels.choose(names, settings=settings, progress=Silent())]

    return fetched


def modular() -> bytes:
    """Return a configuration in which the drivers for the boot are modules."""
    lines = [f"{option}={'m' if name else 'y'}" for option, name in kconfig.BOOT.items()]
    return "\n".join(lines).encode()


def below(root: str, release: str, modules: dict[str, bytes], suffix: str = ".ko") -> dict[str, bytes]:
    return {f"{root}/{release}/kernel/drivers/{name}{suffix}": content for name, content in modules.items()}


def debian(place: Path, modules: dict[str, bytes]) -> tuple[str, list[Path]]:
    release = "6.12.9-amd64"
    files = {f"boot/vmlinuz-{release}": image(release), f"boot/config-{release}": modular()}
    files |= below("usr/lib/modules", release, modules)
    return release, [write_deb(place / f"linux-image-{release}_6.12.9-1_amd64.deb", files)]


def split_debian(place: Path, modules: dict[str, bytes]) -> tuple[str, list[Path]]:
    """As Debian does since Linux 6.19: linux-image is empty."""
    release = "7.3.4+deb13-amd64"
    parts = {
        "linux-image": {"usr/share/doc/linux-image/copyright": b"GPL"},
        "linux-binary": {f"boot/vmlinuz-{release}": image(release)},
        "linux-base": {f"boot/config-{release}": modular()},
        "linux-modules": below("usr/lib/modules", release, modules),
    }
    depends = {"linux-image": f"linux-binary-{release} (= 7.3.4-1), linux-modules-{release} (= 7.3.4-1)"}
    debs = {
        name: write_deb(place / f"{name}-{release}_7.3.4-1_amd64.deb", files, depends.get(name, ""))
        for name, files in parts.items()
    }
    return release, [debs["linux-binary"], debs["linux-base"], debs["linux-modules"]]


def ubuntu(place: Path, modules: dict[str, bytes]) -> tuple[str, list[Path]]:
    release = "6.8.0-45-generic"
    rare = {name: content for name, content in modules.items() if name == "erofs"}
    common = {name: content for name, content in modules.items() if name not in rare}
    parts = {
        "linux-image-unsigned": {f"boot/vmlinuz-{release}": image(release)},
        "linux-modules": {
            f"boot/config-{release}": modular(),
            f"lib/modules/{release}/modules.builtin": b"",
            **below("lib/modules", release, common),
        },
        "linux-modules-extra": below("lib/modules", release, rare),
    }
    depends = {
        "linux-image-unsigned": f"kmod, linux-base (>= 4.5), linux-modules-{release}",
        "linux-modules": "",
        "linux-modules-extra": f"linux-image-unsigned-{release} | linux-image-{release}, wireless-regdb",
    }
    return release, [
        write_deb(place / f"{name}-{release}_6.8.0-45.45_amd64.deb", files, depends[name])
        for name, files in parts.items()
    ]


def fedora(place: Path, modules: dict[str, bytes]) -> tuple[str, list[Path]]:
    release = "6.11.4-301.fc41.x86_64"
    parts = {
        "kernel-core": {
            f"lib/modules/{release}/vmlinuz": image(release),
            f"lib/modules/{release}/config": modular(),
            f"lib/modules/{release}/System.map": b"0 T _text\n",
        },
        "kernel-modules": below("lib/modules", release, {"erofs": modules["erofs"]}),
        "kernel-modules-core": below(
            "lib/modules", release, {name: each for name, each in modules.items() if name != "erofs"}
        ),
    }
    return release, [write_rpm(place / f"{name}-{release}.rpm", files) for name, files in parts.items()]


def opensuse(place: Path, modules: dict[str, bytes]) -> tuple[str, list[Path]]:
    release = "6.4.0-150600.23.25-default"
    files = {
        f"usr/lib/modules/{release}/vmlinuz": image(release),
        f"usr/lib/modules/{release}/config": modular(),
        f"usr/lib/modules/{release}/vmlinux.xz": b"",
        **below("usr/lib/modules", release, modules),
    }
    return release, [write_rpm(place / "kernel-default-6.4.0-150600.23.25.1.x86_64.rpm", files)]


def binrpm(place: Path, modules: dict[str, bytes]) -> tuple[str, list[Path]]:
    release = "6.12.0-rc1-mine"
    files = {f"boot/vmlinuz-{release}": image(release), f"boot/config-{release}": modular()}
    files |= below("lib/modules", release, modules)
    return release, [write_rpm(place / "kernel-6.12.0_rc1_mine-1.x86_64.rpm", files)]


def tar_pkg(place: Path, modules: dict[str, bytes]) -> tuple[str, list[Path]]:
    release = "6.12.0-rc1-mine"
    files = {f"boot/vmlinuz-{release}": image(release), f"boot/config-{release}": modular()}
    files |= {f"boot/vmlinux-{release}": b"\x7fELF", **below("lib/modules", release, modules)}
    return release, [write_tar(place / f"linux-{release}-x86.tar.zst", files)]


LAYOUTS = [debian, split_debian, ubuntu, fedora, opensuse, binrpm, tar_pkg]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_kernel_is_unpacked_from_any_of_its_packages(
    layout: Callable[[Path, dict[str, bytes]], tuple[str, list[Path]]],
    place: Path,
    plain: dict[str, bytes],
    fetch: Callable[..., list[Kernel]],
    tmp_path: Path,
) -> None:
    release, parts = layout(place, plain)
    is_tar = parts[0].suffix not in (".deb", ".rpm")
    selectors = parts if is_tar else [*place.iterdir(), place, place / f"*{parts[0].suffix}"]
    found = fetch(*selectors)
    assert len(found) == 1  # all name the same kernel
    (kernel,) = found
    assert kernel.release == release
    assert kernel.image.read_bytes() == image(release)
    assert kernel.config is not None
    assert all(part.name in kernel.origin for part in parts)
    assert kernel.modules is not None
    assert not (kernel.modules / "System.map").exists()
    work = tmp_path / "work"
    work.mkdir()
    extracted = {path.name for path in kmod.extract(kernel, work)}
    assert extracted == {f"{name}.ko" for name in BOOT_MODULES}


@pytest.mark.parametrize(("suffix", "tool"), [(".ko.gz", "gzip"), (".ko.xz", "xz"), (".ko.zst", "zstd")])
def test_compressed_modules(
    suffix: str, tool: str, place: Path, fetch: Callable[..., list[Kernel]], tmp_path: Path
) -> None:
    release = "6.12.9"
    files = {f"boot/vmlinuz-{release}": image(release), f"boot/config-{release}": modular()}
    packed = {name: module(name, tool) for name in BOOT_MODULES}
    files |= below("lib/modules", release, packed, suffix)
    (kernel,) = fetch(write_tar(place / "kernel.tar", files))
    work = tmp_path / "work"
    work.mkdir()
    extracted = kmod.extract(kernel, work)
    assert {path.name for path in extracted} == {f"{name}.ko" for name in BOOT_MODULES}
    assert all(path.read_bytes()[:4] == b"\x7fELF" for path in extracted)


def test_a_source_tree_beside_the_modules_is_left_out(
    place: Path, fetch: Callable[..., list[Kernel]]
) -> None:
    release = "6.12.9"
    files = {f"boot/vmlinuz-{release}": image(release), f"boot/config-{release}": modular()}
    files |= below("lib/modules", release, {name: module(name) for name in BOOT_MODULES}, ".ko")
    files[f"lib/modules/{release}/build/Makefile"] = b"all:"
    (kernel,) = fetch(write_tar(place / "kernel.tar", files))
    assert kernel.modules is not None
    assert not (kernel.modules / "build").exists()


def test_a_directory_with_several_kernels_has_them_all(
    place: Path, plain: dict[str, bytes], fetch: Callable[..., list[Kernel]]
) -> None:
    releases = {debian(place, plain)[0], ubuntu(place, plain)[0], fedora(place, plain)[0]}
    (place / "linux-headers-6.12.9-amd64_6.12.9-1_amd64.deb").write_bytes(b"not read")
    (place / "notes.txt").touch()
    assert {kernel.release for kernel in fetch(place)} == releases
    assert {kernel.release for kernel in fetch(f"{place}/*.deb")} == {
        debian(place, plain)[0],
        "6.8.0-45-generic",
    }


def test_a_kernel_that_needs_no_modules_may_have_none(
    place: Path, fetch: Callable[..., list[Kernel]]
) -> None:
    files = {"boot/vmlinuz-6.12.9": image("6.12.9"), "boot/config-6.12.9": BUILT_IN}
    (kernel,) = fetch(write_deb(place / "linux-image-6.12.9_1_amd64.deb", files))
    assert kernel.modules is None


def test_the_second_fetch_uses_the_cache(
    place: Path, plain: dict[str, bytes], fetch: Callable[..., list[Kernel]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _release, (deb,) = debian(place, plain)
    (first,) = fetch(deb)
    monkeypatch.setattr(archives, "unpack", NotImplemented)
    monkeypatch.setattr(archives, "_names", NotImplemented)
    assert fetch(deb) == [first]
    os.utime(deb, (0, 0))
    with pytest.raises(TypeError):  # a changed file is read again
        fetch(deb)


def test_missing_modules_are_named(
    place: Path, plain: dict[str, bytes], fetch: Callable[..., list[Kernel]]
) -> None:
    release, (core, modules, modules_core) = fedora(place, plain)
    modules.unlink()
    with pytest.raises(WrongUsage, match="CONFIG_EROFS_FS is m, and the module erofs is not in"):
        fetch(core)
    modules_core.unlink()
    with pytest.raises(WrongUsage, match="CONFIG_VIRTIO_BLK is m, and it has no modules") as caught:
        fetch(core)
    assert "dynptr-harness kconfig" in caught.value.hint
    assert release in caught.value.fact


def test_an_image_without_configuration_and_modules_is_rejected(
    place: Path, plain: dict[str, bytes], fetch: Callable[..., list[Kernel]]
) -> None:
    release, (image_deb, modules, extra) = ubuntu(place, plain)
    modules.unlink()
    with pytest.raises(WrongUsage, match=f"only a part .*: linux-modules-{release} is missing"):
        fetch(image_deb)
    extra.unlink()
    with pytest.raises(WrongUsage, match=f"only a part .*: linux-modules-{release} is missing"):
        fetch(image_deb)
    rpm = write_rpm(place / "kernel-core.rpm", {"lib/modules/6.11/vmlinuz": image("6.11")})
    with pytest.raises(WrongUsage, match=r"only a part .*: kernel-modules-core of 6\.11 is missing"):
        fetch(rpm)


def test_modules_without_their_kernel_are_rejected(
    place: Path, plain: dict[str, bytes], fetch: Callable[..., list[Kernel]]
) -> None:
    release, (image_deb, modules, _extra) = ubuntu(place, plain)
    image_deb.unlink()
    with pytest.raises(WrongUsage, match=f"has modules of {release}, and no package") as caught:
        fetch(modules)
    assert "linux-image" in caught.value.hint


def test_a_module_in_two_packages_is_ambiguous(
    place: Path, plain: dict[str, bytes], fetch: Callable[..., list[Kernel]]
) -> None:
    release, (image_deb, *_others) = ubuntu(place, plain)
    newer = below("lib/modules", release, {"overlay": plain["overlay"]})
    write_deb(place / f"linux-modules-{release}_6.8.0-45.46_amd64.deb", newer)
    with pytest.raises(WrongUsage, match=r"both linux-modules.*and linux-modules.* have the modules"):
        fetch(image_deb)


def test_two_images_of_one_release_are_ambiguous_in_a_directory_only(
    place: Path, plain: dict[str, bytes], fetch: Callable[..., list[Kernel]]
) -> None:
    release, (first,) = debian(place, plain)
    second = write_deb(
        place / f"linux-image-{release}_6.12.9-2_amd64.deb", {f"boot/vmlinuz-{release}": image(release)}
    )
    with pytest.raises(WrongUsage, match=f"both {first.name} and {second.name} have the kernel"):
        fetch(place)
    (kernel,) = fetch(first)
    assert second.name not in kernel.origin


@pytest.mark.parametrize("name", ["linux-image-6.12_1_amd64.deb", "kernel-core-6.12.rpm"])
def test_a_file_of_another_kind_is_rejected(
    place: Path, name: str, fetch: Callable[..., list[Kernel]]
) -> None:
    (place / name).write_bytes(b"<html>not found</html>")
    with pytest.raises(WrongUsage, match=r"is not a .(deb|rpm) package"):
        fetch(place / name)
    with pytest.raises(WrongUsage, match="No such file"):
        fetch(place / f"other-{name}")


def test_a_damaged_package_is_reported(
    place: Path, plain: dict[str, bytes], fetch: Callable[..., list[Kernel]]
) -> None:
    _release, (deb,) = debian(place, plain)
    deb.write_bytes(deb.read_bytes()[:-200])
    with pytest.raises(EnvironmentFailed, match=f"listing {deb.name}"):
        fetch(deb)


def test_a_package_without_a_kernel_is_rejected(place: Path, fetch: Callable[..., list[Kernel]]) -> None:
    deb = write_deb(place / "linux-doc_1_amd64.deb", {"usr/share/doc/linux/index": b""})
    with pytest.raises(WrongUsage, match="neither boot/vmlinuz-RELEASE"):
        fetch(deb)


def test_a_kernel_for_another_machine_is_rejected(place: Path, fetch: Callable[..., list[Kernel]]) -> None:
    files = {"boot/vmlinuz-6.12.9": b"MZ" + bytes(600), "boot/config-6.12.9": BUILT_IN}
    with pytest.raises(WrongUsage, match="no x86 setup header"):
        fetch(write_deb(place / "linux-image-6.12.9_1_arm64.deb", files))


def test_a_pattern_that_matches_nothing_is_rejected(place: Path, fetch: Callable[..., list[Kernel]]) -> None:
    with pytest.raises(WrongUsage, match="no file matches"):
        fetch(f"{place}/*.deb")


def test_the_directory_of_a_package_is_mounted_for_a_container(place: Path) -> None:
    assert kernels.path_of(f"{place}/linux.deb") == place
    assert kernels.path_of("linux.deb") == Path()
