"""The check that a kernel has what a boot needs, as far as its files tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.protocol import kconfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dynptr_harness.kernels.model import Kernel

HINT = "add the package with the modules, or build the options in: `dynptr-harness kconfig` prints a fragment"


def check(kernel: Kernel) -> Kernel:
    """Return the kernel.

    Raises:
        WrongUsage: its configuration or its list of built-in modules shows that it cannot boot.
    """
    if missing := list(_missing(kernel)):
        raise WrongUsage(f"{kernel.origin} cannot boot: {'; '.join(missing)}", HINT)
    return kernel


def _missing(kernel: Kernel) -> Iterator[str]:
    files = _names(kernel.modules / "modules.dep") if kernel.modules else set()
    built_in = _names(kernel.modules / "modules.builtin") if kernel.modules else set()
    values = kconfig.parse(kernel.config.read_text(errors="replace")) if kernel.config else {}
    for option, module in kconfig.BOOT.items():
        value = values.get(option)
        if value == "m" and module not in files:
            what = (
                f"the module {module} is not in {kernel.modules}" if kernel.modules else "it has no modules"
            )
            yield f"{option} is m, and {what}"
        elif values and not value:
            yield f"{option} is not set"
        elif not values and module and built_in and module not in files | built_in:
            yield f"there is no module {module}"


def _names(index: Path) -> set[str]:
    """Return the names of the modules in modules.dep or modules.builtin, empty if there is no such file."""
    if not index.is_file():
        return set()
    files = (line.partition(":")[0].rpartition("/")[2] for line in index.read_text().splitlines())
    return {re.sub(r"\.ko(\.\w+)?$", "", name).replace("-", "_") for name in files}
