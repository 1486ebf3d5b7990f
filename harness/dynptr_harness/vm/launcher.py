"""Machines for what a person wants to do with a kernel: made ready together, started one by one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from dynptr_harness.core import run_dir
from dynptr_harness.core.signals import until_signal
from dynptr_harness.vm import cmdline
from dynptr_harness.vm.kvm_probe import confirm
from dynptr_harness.vm.machine import Machine
from dynptr_harness.vm.prepare import prepare
from dynptr_harness.vm.qemu import Spec
from dynptr_harness.vm.snapshots import Snapshots

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.vm.prepare import PreparedKernel


T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """What a machine is made of beside its kernel; the fields are options of commands.

    Attributes:
        modules: directory of modules, for a single kernel that is given as a file.
        accelerator: 'kvm', 'tcg', or 'auto' for KVM where it works.
        append: texts of kernel arguments, as `dynptr_harness.vm.cmdline.words` takes them.
        cpus: processors of the guest.
        memory_mib: memory of the guest in MiB.
        snapshot: start from a snapshot, made where there is none.
    """

    modules: Path | None = None
    accelerator: str = "auto"
    append: tuple[str, ...] = ()
    cpus: int = 2
    memory_mib: int = 1024
    snapshot: bool = True


class Machines:
    """Starts machines of some kernels.

    Args:
        selectors: kernels as in `dynptr_harness.kernels.choose`.

    Attributes:
        subjects: the kernels.
        guest_packages: version of every package of the guest image, by name.

    Raises:
        WrongUsage: `options.append` is not valid.
        HarnessError: as `dynptr_harness.vm.prepare.prepare`.
    """

    def __init__(
        self, selectors: Sequence[str], options: Options, *, settings: Settings, progress: Progress
    ) -> None:
        self.subjects, image = prepare(
            selectors,
            settings=settings,
            progress=progress,
            modules=options.modules,
            accelerator=options.accelerator,
            append=cmdline.words(options.append),
        )
        self._options = options
        saved = options.snapshot and settings.snapshot_limit_mib > 0
        self._snapshots = Snapshots(settings) if saved else None
        self._start = self._snapshots.start if self._snapshots else Machine.boot
        self.guest_packages = image.packages
        self._settings = settings
        self._started = 0

    @cached_property
    def directory(self) -> Path:
        """Gets the consoles."""
        return run_dir.create(self._settings.cache)

    async def start(
        self, subject: PreparedKernel, directory: Path | None = None, *, round_robin: bool = False
    ) -> Machine:
        """A machine that nobody has asked anything; whoever has it ends it.

        Args:
            directory: for its console; else one of our own.
            round_robin: its processors had better take turns, which only those can that are emulated.

        Raises:
            HarnessError: it does not come up, or is not what was asked for.
        """
        self._started += 1
        spec = self._spec(subject, round_robin=round_robin)
        place = directory or self.directory / f"{subject.kernel.release}-{self._started}"
        machine = await self._start(spec, place)
        try:
            confirm(subject.accelerator, machine.facts)
        except BaseException:
            await machine.kill()
            raise
        return machine

    def leaves_snapshot(self, subject: PreparedKernel) -> bool:
        """Whether the next machine of a kernel boots, and leaves a snapshot from which others go on."""
        return self._snapshots is not None and not self._snapshots.has(self._spec(subject))

    def _spec(self, subject: PreparedKernel, *, round_robin: bool = False) -> Spec:
        return Spec(
            subject.files,
            subject.accelerator,
            self._options.memory_mib,
            self._options.cpus,
            subject.append,
            round_robin=round_robin and subject.accelerator.name == "tcg",
        )

    def visit(self, subject: PreparedKernel, work: Callable[[Machine], Awaitable[T]]) -> T:
        """What comes of some work with a machine of its own, which ends with the work.

        Raises:
            Interrupted: a signal ended the work.
            HarnessError: as `start`, and what the work raises.
        """
        done: list[T] = []

        async def stay() -> None:
            machine = await self.start(subject)
            try:
                done.append(await work(machine))
            finally:
                await machine.kill()

        if interrupted := asyncio.run(until_signal(stay())):
            raise interrupted
        return done[0]
