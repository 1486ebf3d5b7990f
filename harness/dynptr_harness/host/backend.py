"""The backend that runs cells on the running kernel."""

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
from dynptr_harness.host.bpf_ids import current_ids, new_since
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

NOTES = Path("/sys/kernel/notes")  # ELF notes of the running kernel with its build ID
# Kinds of requests and fields of actions with effects on other processes. They change kernel settings or
# cgroups, put load on all CPUs, or trace all processes (examples).
DISTURBING_KINDS = frozenset({"example", "flood", "rights"})
DISTURBING_ACTS = frozenset({"by_nobody", "memory"})

log = logging.getLogger(__name__)


def ready(
    selectors: Sequence[str], plan: Plan, *, disturb: bool, settings: Settings, progress: Timed
) -> Backend:
    """Return the backend for the running kernel.

    Args:
        disturb: keep cells that change kernel settings temporarily or put load on the machine.

    Raises:
        WrongUsage: there are other selectors, or no planned cell remains.
        EnvironmentFailed: this process is not root, or a tool failed.
    """
    if len(selectors) > 1:
        raise WrongUsage(
            "the running kernel cannot be combined with other kernels",
            "test it in a separate run, and combine the results with `merge`",
        )
    if os.geteuid() != 0:
        raise EnvironmentFailed("`--kernel host` loads BPF programs, which needs root", "run it with sudo")
    image = rootfs.ensure(settings, progress)
    with progress.phase("unpacking the guest image"):
        files = _files(image, settings)
    before = current_ids()

    def leave() -> None:
        if left := new_since(before):
            named = ", ".join(f"{kind} {number}" for kind, ids in left.items() for number in sorted(ids))
            log.warning("the kernel has BPF objects that it did not have before the run: %s", named)
        else:
            progress.tell("the running kernel has no new BPF objects")

    prepared = PreparedKernel(HOST, _kernel(), files, Accelerator("none", "the running kernel"))
    chosen = plan if disturb else _without_disturbing_cells(plan, progress)

    async def start(kernel: PreparedKernel, directory: Path, *, round_robin: bool) -> HostMachine:
        del round_robin  # there are no vCPUs
        return await HostMachine.start(kernel, directory, disturb=disturb)

    return Backend((prepared,), chosen, start, 1, "", image.packages, leave)


def _without_disturbing_cells(plan: Plan, progress: Timed) -> Plan:
    cells = tuple(cell for cell in plan.cells if not disturbs(cell.request))
    if left_out := len(plan.cells) - len(cells):
        progress.tell(
            f"{counted(left_out, 'cell')} left out, because they change kernel settings or put load on the "
            "machine; --disturb runs them too"
        )
    if not cells:
        raise WrongUsage("all selected cells disturb this machine", "add --disturb, or select other cells")
    return replace(plan, cells=cells)


def disturbs(request: dict[str, Any]) -> bool:
    """Return True if a request affects other processes of this machine."""
    acts = (key for act in request.get("acts", ()) for key in act)
    return request["kind"] in DISTURBING_KINDS or "sysctl" in request or not DISTURBING_ACTS.isdisjoint(acts)


def _files(image: GuestImage, settings: Settings) -> BootFiles:
    """Unpack the guest image and the payload to directories. A VM has disks instead."""
    cache = Cache(settings.cache)
    content = payload.contents(objects=bpf_objects.compiled(paths.bpf_src(), cache))
    tree = cache.entry("guest-tree", image.key, lambda entry: erofs.extract(image.root, entry / "root"))
    key = payload.key(content)
    disk = cache.entry("payload-tree", key, lambda entry: payload.lay_out(content, entry / "payload"))
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
