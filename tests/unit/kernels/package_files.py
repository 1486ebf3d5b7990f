"""Small packages and tars with the layouts of distributions."""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.kernels.test_bzimage import bzimage

if TYPE_CHECKING:
    from collections.abc import Mapping

    Files = Mapping[str, bytes]

RPM_LEAD = struct.pack(">4s2B2H66s2H16x", b"\xed\xab\xee\xdb", 3, 0, 0, 1, b"kernel", 1, 5)


def image(release: str) -> bytes:
    """Return a kernel image with this release."""
    return bzimage(f"{release} (me@here) #1 SMP")


def module(name: str, compress: str = "") -> bytes:
    """Return a kernel module that only has a name, compressed by this command if one is given."""
    with tempfile.TemporaryDirectory() as directory:
        source, plain = Path(directory, "m.s"), Path(directory, "m.o")
        source.write_text(f'.section .modinfo, "a"\n.asciz "name={name}"\n.asciz "license=GPL"\n')
        subprocess.run(["clang", "-c", "-o", plain, source], check=True)
        content = plain.read_bytes()
    if not compress:
        return content
    return subprocess.run([compress, "--stdout"], input=content, capture_output=True, check=True).stdout


def write_tree(root: Path, files: Files) -> Path:
    """Write files below a directory and return it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_tar(path: Path, files: Files) -> Path:
    """Write a tar as `make tar-pkg` does, compressed as its suffix says."""
    with tempfile.TemporaryDirectory() as directory:
        write_tree(Path(directory), files)
        subprocess.run(["tar", "-C", directory, "--auto-compress", "-cf", path, "."], check=True)
    return path


def write_deb(path: Path, files: Files, depends: str = "") -> Path:
    """Write a .deb. Package and version are taken from its name."""
    name, version, _ = path.stem.split("_")
    with tempfile.TemporaryDirectory() as directory:
        control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
        control += "Maintainer: me <me@here>\nDescription: none\n"
        control += f"Depends: {depends}\n" if depends else ""
        tree = write_tree(Path(directory), {**files, "DEBIAN/control": control.encode()})
        tree.chmod(0o755)
        subprocess.run(["dpkg-deb", "--build", tree, path], check=True, capture_output=True)
    return path


def write_rpm(path: Path, files: Files) -> Path:
    """Write a .rpm with two empty headers, the signature and the real one, and a compressed payload."""
    with tempfile.TemporaryDirectory() as directory:
        tree = write_tree(Path(directory), files)
        paths = "\n".join(f"./{each.relative_to(tree)}" for each in sorted(tree.rglob("*")))
        archive = subprocess.run(
            ["cpio", "-o", "-H", "newc", "--quiet", "-D", tree],
            input=paths.encode(),
            capture_output=True,
            check=True,
        ).stdout
    # An entry of type int32 in a region of four bytes: bsdtar rejects a header without entries.
    header = struct.pack(">3sB4x2I4I", b"\x8e\xad\xe8", 1, 1, 4, 1000, 4, 0, 1) + bytes(4)
    path.write_bytes(RPM_LEAD + header + bytes(-len(header) % 8) + header + gzip.compress(archive))
    return path


def copy(path: Path, directory: Path) -> Path:
    """Copy a file into a directory, which is made, and return the copy."""
    directory.mkdir(exist_ok=True)
    return Path(shutil.copy(path, directory))
