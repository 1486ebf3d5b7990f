"""The build of a kernel tree, for `bisect`."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses
from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

IMAGE = "arch/x86/boot/bzImage"
MODULE = b"=m\n"  # end of the line of a module in a .config
DEADLINE = 6 * 3600.0  # seconds
CONFIGURE_DEADLINE = 600.0


@dataclass(frozen=True)
class KernelBuild:
    """Builds the image and the modules of a tree. Objects of the last build are used again.

    Attributes:
        tree: the tree.
        config: the configuration. Each build starts from it: options that one commit lacks are not lost for
            the next.
        command: shell command that builds the image, and modules if they are needed; '' for the default.
    """

    tree: Path
    config: Path
    command: str = ""

    @property
    def image(self) -> Path:
        """The image to boot."""
        return self.tree / IMAGE

    @property
    def script(self) -> str:
        """The shell command."""
        jobs = len(os.sched_getaffinity(0))
        return self.command or f"make olddefconfig && make -j{jobs} {' '.join(self._targets)}"

    @property
    def _targets(self) -> tuple[str, ...]:
        return ("bzImage", "modules") if self._has_modules else ("bzImage",)

    @property
    def _has_modules(self) -> bool:
        return MODULE in self.config.read_bytes()

    @property
    def selector(self) -> Path:
        """The kernel to run: the tree, with its modules, unless the modules in it are of an earlier build."""
        return self.tree if self.command or self._has_modules else self.image

    def check(self) -> None:
        """Check that make is installed.

        Raises:
            EnvironmentFailed: it is not.
        """
        if not self.command and subprocesses.find_tool("make") is None:
            raise EnvironmentFailed("make is not installed", "install the tools for kernel builds")

    def configure(self, fragment: Iterable[str]) -> None:
        """Make the configuration from a fragment, with nothing else that can be left out.

        Raises:
            EnvironmentFailed: the tree cannot be configured.
        """
        part = self.config.with_name("fragment")
        part.write_text("".join(f"{line}\n" for line in fragment))
        subprocesses.run(
            ["make", "allnoconfig"],
            what=f"the configuration of {self.tree}",
            deadline=CONFIGURE_DEADLINE,
            cwd=self.tree,
            env={"KCONFIG_ALLCONFIG": str(part)},
        )
        self.config.write_bytes((self.tree / ".config").read_bytes())

    def run(self) -> None:
        """Build.

        Raises:
            EnvironmentFailed: the tree does not build.
        """
        wanted, current = self.config.read_bytes(), self.tree / ".config"
        if not current.exists() or current.read_bytes() != wanted:
            current.write_bytes(wanted)
        self.image.unlink(missing_ok=True)
        what = f"the build of {self.tree}"
        subprocesses.run(["sh", "-c", self.script], what=what, deadline=DEADLINE, cwd=self.tree)
        if not self.image.is_file():
            raise EnvironmentFailed(f"{what} made no {IMAGE}")

    def as_words(self) -> str:
        """Return the command for a shell, in any directory."""
        return f"(cd {shlex.quote(str(self.tree))} && {self.script})"
