"""The Dockerfile, as far as it can be checked without a container engine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from dynptr_harness.containers import image

TREE = Path(__file__).parents[3]
RECIPE = ("Dockerfile", ".dockerignore")
DOCKERFILE = (TREE / "Dockerfile").read_text()


def test_hadolint_accepts_the_file() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([hadolint, TREE / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (found.stdout, found.returncode) == ("", 0)


def test_the_context_has_exactly_the_copied_files() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    wanted = [TREE / place for line in copied for place in line.split()]
    files = {place: path for place, path in image._files().items() if place not in RECIPE}
    for place, path in files.items():
        assert any(path == each or each in path.parents for each in wanted), f"{place} is not used"
    for each in wanted:
        assert any(path == each or each in path.parents for path in files.values()), f"{each} is left out"


def test_the_context_has_no_bytecode() -> None:
    assert not [place for place in image._files() if "__pycache__" in place]


def test_the_image_name_depends_on_content_and_base_only(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    key = image._key({"file": file}, {"BASE": "a"})
    assert key == image._key({"file": file}, {"BASE": "a", "PIP_INDEX_URL": "b"})
    assert key != image._key({"file": file}, {"BASE": "b"})
    assert key != image._key({"other": file}, {"BASE": "a"})
    file.write_text("two")
    assert key != image._key({"file": file}, {"BASE": "a"})
