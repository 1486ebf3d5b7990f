"""The running kernel made ready: what it is, what it is not asked unbidden, what was left behind."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.core import paths
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage
from dynptr_harness.core.text import counted
from dynptr_harness.guest_image import bpf_objects, erofs, payload, rootfs
from dynptr_harness.guest_image.model import BootFiles
from dynptr_harness.host import HOST
from dynptr_harness.host.bpf_ids import new_since, present
from dynptr_harness.host.machine import HostMachine
from dynptr_harness.kernels.model import Kernel
from dynptr_harness.runner.backend import Backend
from dynptr_harness.vm.accelerator import Accelerator
from dynptr_harness.vm.prepare import PreparedKernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.conformance.plan import Plan
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.guest_image.model import GuestImage
    from dynptr_harness.runner.timing import Timed

NOTES = Path("/sys/kernel/notes")  # ELF notes of the running kernel, its build ID among them
# What limits memory or rights of processes does so by settings of the whole kernel, as `sysctl` does. The
# examples record what all processes write.
DISTURBING_KINDS = frozenset({"example", "flood", "rights"})
DISTURBING_ACTS = frozenset({"by_nobody", "memory"})

log = logging.getLogger(__name__)


def ready(
    selectors: Sequence[str], plan: Plan, *, disturb: bool, settings: Settings, progress: Timed
) -> Backend:
    """All that it takes to ask the running kernel.

    Args:
        disturb: ask also what changes settings of the kernel for a moment, or floods the machine.

    Raises:
        WrongUsage: other kernels were named with it, or nothing of the plan is left.
        EnvironmentFailed: this process is not root, or a tool failed.
    """
    if len(selectors) > 1:
        raise WrongUsage(
            "the running kernel is asked alone", "run it by itself; `merge` puts results together"
        )
    if os.geteuid() != 0:
        raise EnvironmentFailed("only root may load what `--kernel host` loads", "run it with sudo")
    image = rootfs.ensure(settings, progress)
    with progress.phase("unpacking the guest image for use on this host"):
        files = _files(image, settings)
    before = present()

    def leave() -> None:
        if left := new_since(before):
            named = ", ".join(f"{kind} {number}" for kind, ids in left.items() for number in sorted(ids))
            log.warning("the kernel has BPF objects of us or others that it had not before: %s", named)
        else:
            progress.tell("the running kernel has no BPF object that it had not before")

    prepared = PreparedKernel(HOST, _kernel(), files, Accelerator("none", "the running kernel"))
    chosen = plan if disturb else _undisturbing(plan, progress)

    async def start(prepared: PreparedKernel, folder: Path, *, round_robin: bool) -> HostMachine:
        del round_robin  # its processors are our own
        return await HostMachine.start(prepared, folder, disturb=disturb)

    return Backend((prepared,), chosen, start, 1, "", image.packages, leave)


def _undisturbing(plan: Plan, progress: Timed) -> Plan:
    cells = tuple(cell for cell in plan.cells if not disturbs(cell.request))
    if left_out := len(plan.cells) - len(cells):
        progress.tell(
            f"{counted(left_out, 'cell')} left out: they change settings of the running kernel or flood the "
            "machine; --disturb asks them, too"
        )
    if not cells:
        raise WrongUsage("all that was chosen disturbs the running kernel", "add --disturb, or choose others")
    return replace(plan, cells=cells)


def disturbs(request: dict[str, Any]) -> bool:
    """Whether a question has effects beyond the agent: settings of the whole kernel, or load on it."""
    acts = (key for act in request.get("acts", ()) for key in act)
    return request["kind"] in DISTURBING_KINDS or "sysctl" in request or not DISTURBING_ACTS.isdisjoint(acts)


def _files(image: GuestImage, settings: Settings) -> BootFiles:
    """What the agent runs from: folders, where a machine has disks."""
    cache = Cache(settings.cache)
    content = payload.contents(objects=bpf_objects.compiled(paths.bpf_src(), cache))
    tree = cache.entry("guest-tree", image.key, lambda folder: erofs.extract(image.root, folder / "root"))
    key = payload.key(content)
    disk = cache.entry("payload-tree", key, lambda folder: payload.lay_out(content, folder / "payload"))
    nothing = Path(os.devnull)
    return BootFiles(nothing, nothing, tree / "root", disk / "payload", None, key)


def _kernel() -> Kernel:
    release = os.uname().release
    image = Path(f"/boot/vmlinuz-{release}")
    known = image if image.exists() else NOTES
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return Kernel(
        release=release,
        arch=os.uname().machine,
        image=known,
        modules=None,
        sha256=hashlib.sha256(known.read_bytes()).hexdigest(),
        origin=f"running kernel of {system}; the SHA-256 is that of {known}",
    )
