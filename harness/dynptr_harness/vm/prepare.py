"""The preparation of kernels for their boot: kernel, guest image, boot files and accelerator."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness import kernels
from dynptr_harness.core.errors import EnvironmentFailed, HarnessError, WrongUsage
from dynptr_harness.core.kvm import unusable
from dynptr_harness.core.text import counted
from dynptr_harness.guest_image import boot_files, rootfs
from dynptr_harness.vm.accelerator import Accelerator
from dynptr_harness.vm.kvm_probe import choose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.guest_image.model import BootFiles, GuestImage
    from dynptr_harness.kernels.model import Kernel

    OnFailure = Callable[[str, HarnessError], None]


@dataclass(frozen=True)
class PreparedKernel:
    """A kernel that is ready to boot.

    Attributes:
        selector: the selector that chose it.
        kernel: the kernel.
        files: files to boot.
        accelerator: the accelerator.
        append: further kernel arguments.
    """

    selector: str
    kernel: Kernel
    files: BootFiles
    accelerator: Accelerator
    append: tuple[str, ...] = ()


def prepare(
    selectors: Sequence[str],
    *,
    settings: Settings,
    progress: Progress,
    modules: Path | None = None,
    accelerator: str = "auto",
    append: tuple[str, ...] = (),
    on_failure: OnFailure | None = None,
) -> tuple[tuple[PreparedKernel, ...], GuestImage]:
    """Prepare kernels. Return them, each once, and the guest image.

    Args:
        selectors: kernels as in `dynptr_harness.kernels.choose`.
        settings: the settings.
        progress: shows the work.
        modules: directory of the modules of a kernel given as a file.
        accelerator: 'kvm', 'tcg', or 'auto' for KVM if it works.
        append: further kernel arguments, as returned by `dynptr_harness.vm.cmdline.words`.
        on_failure: called with a kernel that the environment cannot prepare, and the error. The others are
            still prepared. None to raise the error.

    Raises:
        WrongUsage: a kernel does not exist, or two have the same release.
        EnvironmentFailed: a tool, the mirror or the disk failed, or KVM is required and does not work.
    """
    found = _fetched(selectors, settings, progress, modules, on_failure)
    image = rootfs.ensure(settings, progress)
    prepared = []
    for selector, kernel in found:
        with _reported(kernel.release, on_failure):
            files = boot_files.files(kernel, image, settings=settings, progress=progress)
            with progress.phase(f"choosing the accelerator for {kernel.release}") as detail:
                chosen = _accelerator(accelerator, files, settings)
                detail(f"{chosen.name}: {chosen.reason}")
            prepared.append(PreparedKernel(selector, kernel, files, chosen, append))
    return tuple(prepared), image


@contextmanager
def _reported(name: str, on_failure: OnFailure | None) -> Iterator[None]:
    """Report a failure of the environment within this context, if there is someone to report it to."""
    try:
        yield
    except WrongUsage:
        raise
    except HarnessError as error:
        if not on_failure:
            raise
        on_failure(name, error)


def _fetched(
    selectors: Sequence[str],
    settings: Settings,
    progress: Progress,
    modules: Path | None,
    on_failure: OnFailure | None,
) -> list[tuple[str, Kernel]]:
    choices = kernels.choose(selectors, settings=settings, progress=progress, modules=modules)
    found: dict[str, tuple[str, Kernel]] = {}
    with progress.phase(f"{counted(len(choices), 'kernel')}: {', '.join(each.name for each in choices)}"):
        for choice in choices:
            with _reported(choice.name, on_failure):
                kernel = choice.fetch()
                first, known = found.setdefault(kernel.release, (choice.selector, kernel))
                if known.sha256 != kernel.sha256:
                    raise WrongUsage(
                        f"{first} and {choice.selector} are two kernels with the same release, "
                        f"{kernel.release}",
                        "run them separately: results are identified by the release",
                    )
    return list(found.values())


def _accelerator(name: str, files: BootFiles, settings: Settings) -> Accelerator:
    if name == "auto":
        return choose(files, settings=settings)
    if name == "tcg":
        return Accelerator("tcg", "requested")
    if reason := unusable():
        raise EnvironmentFailed(f"KVM cannot be used: {reason}", "fix this, or use --accel auto or tcg")
    return Accelerator("kvm", "requested")
