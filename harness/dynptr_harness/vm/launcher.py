"""The start of machines for one or several kernels."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from dynptr_harness.core import run_dir
from dynptr_harness.core.signals import run_until_signal
from dynptr_harness.guest_image import share
from dynptr_harness.vm import cmdline
from dynptr_harness.vm.kvm_probe import confirm
from dynptr_harness.vm.machine import Machine
from dynptr_harness.vm.prepare import prepare
from dynptr_harness.vm.qemu import Spec
from dynptr_harness.vm.snapshots import Snapshots

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.vm.prepare import OnFailure, PreparedKernel


T = TypeVar("T")

SHARE_DEADLINE = 30.0  # seconds for the guest to mount the shared directory


@dataclass(frozen=True)
class Options:
    """The options of a machine. The fields are options of commands.

    Attributes:
        modules: directory of the modules of a kernel given as a file.
        accelerator: 'kvm', 'tcg', or 'auto' for KVM if it works.
        append: kernel arguments, as for `dynptr_harness.vm.cmdline.words`.
        cpus: number of vCPUs.
        memory_mib: memory in MiB.
        snapshot: start from a snapshot. Create it if there is none.
        bare: the guest holds no programs and maps of ours. Its agent runs commands only.
        share: directory of the host, read-only at /share in a bare guest.
        boot_seconds: time for a boot.
        on_console: called with the name of a machine and each line of its console, or None.
    """

    modules: Path | None = None
    accelerator: str = "auto"
    append: tuple[str, ...] = ()
    cpus: int = 2
    memory_mib: int = 1024
    snapshot: bool = True
    bare: bool = False
    share: Path | None = None
    boot_seconds: float = 120
    on_console: Callable[[str, str], None] | None = None


class Machines:
    """Prepares kernels and starts machines with them.

    Args:
        selectors: kernels as in `dynptr_harness.kernels.choose`.
        options: options of all machines.
        settings: the settings.
        progress: shows the preparation.
        on_failure: as for `dynptr_harness.vm.prepare.prepare`.

    Attributes:
        kernels: the prepared kernels.
        guest_packages: versions of the packages in the guest image, by name.

    Raises:
        WrongUsage: `options.append` is not valid.
        HarnessError: see `dynptr_harness.vm.prepare.prepare`.
    """

    def __init__(
        self,
        selectors: Sequence[str],
        options: Options,
        *,
        settings: Settings,
        progress: Progress,
        on_failure: OnFailure | None = None,
    ) -> None:
        self.kernels, image = prepare(
            selectors,
            settings=settings,
            progress=progress,
            modules=options.modules,
            accelerator=options.accelerator,
            append=cmdline.words(options.append, bare=options.bare),
            on_failure=on_failure,
        )
        self._options = options
        saved = options.snapshot and settings.snapshot_limit_mib > 0
        self._snapshots = Snapshots(settings) if saved else None
        self._start = self._snapshots.start if self._snapshots else Machine.boot
        self.guest_packages = image.packages
        self._settings = settings
        self._progress = progress
        self._share: Path | None = None  # the image
        self._started = 0

    @cached_property
    def directory(self) -> Path:
        """The directory of the consoles. Created on first use."""
        return run_dir.create(self._settings.cache)

    async def start(
        self, prepared: PreparedKernel, directory: Path | None = None, *, round_robin: bool = False
    ) -> Machine:
        """Start a fresh machine. The caller ends it.

        Args:
            prepared: the kernel.
            directory: directory of its console. None for a new one in `directory`.
            round_robin: let emulated vCPUs take turns on one thread. KVM ignores it.

        Raises:
            HarnessError: the machine does not start, or runs on another accelerator than chosen.
        """
        self._started += 1
        spec = self._spec(prepared, round_robin=round_robin)
        home = directory or self.directory / f"{prepared.kernel.release}-{self._started}"
        if self._options.on_console:
            spec = replace(spec, on_console=partial(self._options.on_console, home.name))
        machine = await self._start(spec, home)
        try:
            confirm(prepared.accelerator, machine.facts)
            if self._share:
                await machine.ask({"kind": "share"}, SHARE_DEADLINE)
        except BaseException:
            await machine.kill()
            raise
        return machine

    def leaves_snapshot(self, prepared: PreparedKernel) -> bool:
        """Return True if the next machine of a kernel boots and creates a snapshot for the others."""
        return self._snapshots is not None and not self._snapshots.has(self._spec(prepared))

    def _spec(self, prepared: PreparedKernel, *, round_robin: bool = False) -> Spec:
        return Spec(
            prepared.files,
            prepared.accelerator,
            self._options.memory_mib,
            self._options.cpus,
            prepared.append,
            round_robin=round_robin and prepared.accelerator.name == "tcg",
            bare=self._options.bare,
            share=self._share,
            boot_deadline=self._options.boot_seconds,
        )

    def visit(self, prepared: PreparedKernel, work: Callable[[Machine], Awaitable[T]]) -> T:
        """Start a machine, return the result of some work with it, and end it.

        Raises:
            Interrupted: a signal ended the work.
            HarnessError: see `start`, or raised by the work.
        """

        async def stay() -> T:
            machine = await self.start(prepared)
            try:
                return await work(machine)
            finally:
                await machine.kill()

        with self._packed_share():
            return run_until_signal(stay())

    @contextmanager
    def _packed_share(self) -> Iterator[None]:
        """Pack the shared directory for machines that start within this context."""
        if not self._options.share:
            yield
            return
        image = self.directory / "share.erofs"
        try:
            with self._progress.phase(f"packing {self._options.share}"):
                share.write(image, self._options.share.resolve())
            self._share = image
            yield
        finally:
            self._share = None
            image.unlink(missing_ok=True)
