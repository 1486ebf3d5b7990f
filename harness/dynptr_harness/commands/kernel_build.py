"""The build of a kernel tree, for `bisect`."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses
from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "arch/x86/boot/bzImage"
DEADLINE = 6 * 3600.0  # seconds


@dataclass(frozen=True)
class KernelBuild:
    """Builds the image of a tree. Objects of the last build are used again.

    Attributes:
        tree: the tree.
        config: the configuration. Each build starts from it: options that one commit lacks are not lost for
            the next.
        command: shell command that builds the image; '' for the default.
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
        return self.command or f"make olddefconfig && make -j{jobs} bzImage"

    def check(self) -> None:
        """Check that make is installed.

        Raises:
            EnvironmentFailed: it is not.
        """
        if not self.command and subprocesses.find_tool("make") is None:
            raise EnvironmentFailed("make is not installed", "install the tools for kernel builds")

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
