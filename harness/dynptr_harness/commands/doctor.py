"""Checks of the host. Each result says how to fix a problem."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core import kvm, memory, subprocesses
from dynptr_harness.core.cache import free_mib
from dynptr_harness.core.errors import EnvironmentFailed, HarnessError
from dynptr_harness.guest_image import boot_files, bpf_objects, rootfs
from dynptr_harness.kernels.debian import apt, index, store
from dynptr_harness.vm import kvm_probe, qemu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings

OLDEST_PYTHON = (3, 11)
MIRROR_DEADLINE = 60.0
GUEST_MIB = 1024  # default memory of a guest
FRESH_MIB = 2500  # disk space for a first run: package lists, building the guest image, one kernel
WARM_MIB = 500

# Required tools and their Debian packages.
TOOLS = {
    "apt-cache": "apt",
    "apt-get": "apt",
    "bsdtar": "libarchive-tools",
    "clang": "clang",
    "cpio": "cpio",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "gzip": "gzip",
    "mkfs.erofs": "erofs-utils",
    "mmdebstrap": "mmdebstrap",
    "modprobe": "kmod",
    "setpriv": "util-linux",
    "tar": "tar",
    "timeout": "coreutils",
    "xz": "xz-utils",
    "zstd": "zstd",
}


class State(StrEnum):
    """Outcome of a check."""

    OK = "ok"
    WARN = "warn"  # works, but slower or not for everything
    FAIL = "fail"


@dataclass(frozen=True)
class CheckResult:
    """The result of a check. `hint` says what to do; it is empty if there is nothing to do."""

    name: str
    state: State
    fact: str
    hint: str = ""


class Warned(Exception):
    """A check found a problem that does not prevent runs."""

    def __init__(self, fact: str, hint: str = "") -> None:
        super().__init__(fact)
        self.fact = fact
        self.hint = hint


def examine(settings: Settings, progress: Progress) -> Iterator[CheckResult]:
    """Run the checks, cheap ones first, and yield each result as it comes."""
    for name, check in CHECKS.items():
        try:
            yield CheckResult(name, State.OK, check(settings, progress))
        except Warned as warned:
            yield CheckResult(name, State.WARN, warned.fact, warned.hint)
        except HarnessError as failed:
            yield CheckResult(name, State.FAIL, failed.fact, failed.hint)


def _python(_settings: Settings, _progress: Progress) -> str:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        raise EnvironmentFailed(f"Python {found} is too old", "install Python 3.11 or newer")
    return found


def _tools(_settings: Settings, _progress: Progress) -> str:
    missing = {tool: package for tool, package in TOOLS.items() if not subprocesses.find_tool(tool)}
    if not Path(apt.KEYRING).exists():
        missing[apt.KEYRING] = "debian-archive-keyring"
    if not bpf_objects.HEADERS.exists():
        missing[str(bpf_objects.HEADERS)] = "libbpf-dev"
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        fact = f"not installed: {', '.join(missing)}"
        raise EnvironmentFailed(fact, f"run `make setup`, or `apt-get install {packages}` as root")
    return f"all {len(TOOLS)} installed, and Debian's keyring"


def _qemu(_settings: Settings, _progress: Progress) -> str:
    return qemu.version()


def _memory(_settings: Settings, _progress: Progress) -> str:
    available = memory.available_mib()
    if available < GUEST_MIB:
        fact = f"{available} MiB available, but a guest needs {GUEST_MIB} MiB"
        raise EnvironmentFailed(fact, "end other programs, or give guests less with --memory")
    if available < 2 * GUEST_MIB:
        raise Warned(f"{available} MiB available: enough for one guest of {GUEST_MIB} MiB only")
    return f"{available} MiB available"


def _disk(settings: Settings, _progress: Progress) -> str:
    free = free_mib(settings.cache)
    is_warm = rootfs.is_cached(settings) and store.cached(settings)
    needed = WARM_MIB if is_warm else FRESH_MIB
    fact = f"{free} MiB free for {settings.cache}"
    if free < needed:
        hint = "free some space, or set DYNPTR_HARNESS_CACHE to a directory on another disk"
        raise EnvironmentFailed(f"{fact}, but {needed} MiB are needed", hint)
    return fact


def _guest_image(settings: Settings, _progress: Progress) -> str:
    return "built" if rootfs.is_cached(settings) else "not built yet; the first run builds it"


def _kvm(settings: Settings, progress: Progress) -> str:
    """Return the evidence that KVM works. KVM is optional, so a failure is only a warning."""
    if reason := kvm.unusable():
        raise Warned(f"not used: {reason}", "guests run under TCG, several times slower")
    kernels = store.cached(settings)
    if not kernels or not rootfs.is_cached(settings):
        raise Warned("the device opens; the first boot shows if it works", "run `make setup`")
    kernel = store.fetch(kernels[-1], settings, progress)
    files = boot_files.files(kernel, rootfs.ensure(settings, progress), settings=settings, progress=progress)
    chosen = kvm_probe.choose(files, settings=settings)
    if chosen.name != "kvm":
        raise Warned(f"not used: {chosen.reason}", "guests run under TCG, several times slower")
    return chosen.reason


def _mirror(settings: Settings, _progress: Progress) -> str:
    if settings.offline:
        raise Warned("not checked: fetching is disabled", "unset DYNPTR_HARNESS_OFFLINE")
    where = apt.mirror(settings)
    archive = apt.Archive(settings, index.ARCHITECTURE)
    with archive.lock():
        troubles = archive.update(MIRROR_DEADLINE)
    if troubles:
        raise Warned(f"{where.main}: {troubles[0]}", apt.MIRROR_HINT)
    return f"{where.main} serves all {len(apt.SUITES) + len(apt.SECURITY_SUITES)} suites"


CHECKS: dict[str, Callable[[Settings, Progress], str]] = {
    "Python": _python,
    "tools": _tools,
    "QEMU": _qemu,
    "memory": _memory,
    "disk": _disk,
    "guest image": _guest_image,
    "KVM": _kvm,
    "mirror": _mirror,
}
