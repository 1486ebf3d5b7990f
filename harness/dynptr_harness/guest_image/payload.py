"""The payload disk: the agent, the C programs, BCC's headers, the compiled BPF objects, and the scripts."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

from dynptr_harness.core.paths import PACKAGE, bpf_src
from dynptr_harness.guest_image import erofs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def contents(
    replaced: Mapping[str, Path] | None = None, objects: Mapping[str, Path] | None = None
) -> dict[str, Path]:
    """Return the files of the payload by their path below /payload.

    Args:
        replaced: files or directories that replace those at the same path, for tests.
        objects: the BPF objects by name.
    """
    sources = {
        "dynptr_harness/__init__.py": PACKAGE / "__init__.py",
        "dynptr_harness/guest": PACKAGE / "guest",
        "dynptr_harness/protocol": PACKAGE / "protocol",
        "bpf_src": bpf_src(),
        "bcc_headers": PACKAGE / "guest_image/bcc_headers",
        "agent-start.sh": PACKAGE / "guest_image/agent-start.sh",
        "guest-start.sh": PACKAGE / "guest_image/guest-start.sh",
        **{f"objects/{name}": path for name, path in (objects or {}).items()},
        **(replaced or {}),
    }
    files: dict[str, Path] = {}
    for place, source in sources.items():
        if source.is_dir():
            inside = (path for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc")
            files |= {f"{place}/{path.relative_to(source)}": path for path in inside}
        elif source.exists():
            files[place] = source
    return dict(sorted(files.items()))


def key(files: Mapping[str, Path]) -> str:
    """Return a hash of the content."""
    digest = hashlib.sha256()
    for place, path in files.items():
        digest.update(f"{place}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:24]


def write(files: Mapping[str, Path], target: Path) -> None:
    """Write the payload as an erofs image."""
    tree = target.parent / "payload"
    lay_out(files, tree)
    erofs.write(target, tree)
    shutil.rmtree(tree)


def lay_out(files: Mapping[str, Path], tree: Path) -> None:
    """Write the payload as a directory."""
    for place, path in files.items():
        copy = tree / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
