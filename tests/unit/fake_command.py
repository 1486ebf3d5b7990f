"""The command with a small catalogue, sample kernels and fake machines: `python -m tests.unit.fake_command`.

The kernel in the environment variable WRONG_KERNEL gives a wrong reply to the first request.
"""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from dynptr_harness import cli
from dynptr_harness.conformance import catalogue
from dynptr_harness.conformance.prog_types import PROG_TYPES

from tests.unit.samples import FACTS, FakeGuest, subject

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KERNELS = ("6.1.9-cloud-amd64", "6.12.120+deb13-cloud-amd64")
CASES = ("ATT-001", "CMT-001", "RSV-001", "VER-001")
TYPES = ("KPROBE", "LSM", "SYSCALL")


def _prepare(selectors: Sequence[str], **_options: Any) -> Any:
    subjects = [replace(subject(release), selector=release) for release in selectors]
    return subjects, SimpleNamespace(packages={"python3-bpfcc": "0.31.0+ds-7"})


async def _start(_snapshots: object, _spec: object, folder: Path) -> FakeGuest:
    release = folder.name.rpartition("-")[0]
    trouble = {0: {"loader": "bcc"}} if release == os.environ.get("WRONG_KERNEL") else {}
    return FakeGuest(trouble, facts={**FACTS, "release": release})


def _choose(selectors: Sequence[str], **_options: Any) -> list[Any]:
    names = KERNELS if list(selectors) == ["all"] else selectors
    return [SimpleNamespace(name=name) for name in names]


def main() -> None:
    """Run the command."""
    loader = "dynptr_harness.conformance.loader"
    replacements = {
        f"{loader}.CASES": tuple(case for case in catalogue.CASES if case.id in CASES),
        f"{loader}.PROG_TYPES": tuple(each for each in PROG_TYPES if each.name in TYPES),
        "dynptr_harness.vm.launcher.prepare": _prepare,
        "dynptr_harness.vm.qemu.version": lambda: "10.0.2",
        "dynptr_harness.vm.launcher.Snapshots.start": _start,
        "dynptr_harness.commands.results.choose": _choose,
    }
    for name, replacement in replacements.items():
        patch(name, replacement).start()
    cli.main()


if __name__ == "__main__":
    main()
