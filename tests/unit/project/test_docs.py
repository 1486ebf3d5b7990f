"""Links, headings, commands and options in the documents exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
from dynptr_harness import cli  # noqa: F401  (it registers all commands)
from dynptr_harness.cli.app import app

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS: Any = typer.main.get_command(app)

LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")
BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
IN_BLOCK = re.compile(r"^ *(?:sudo )?(?:\.venv/bin/)?dynptr-harness (.*)$", re.MULTILINE)
IN_TEXT = re.compile(r"`dynptr-harness ([^`]+)`")


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings of a document, and its explicit anchors."""
    text = path.read_text()
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    named = {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
    return named | set(re.findall(r'<a id="([^"]*)">', text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_has_a_target(document: Path) -> None:
    for target, anchor in LINK.findall(document.read_text()):
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), target
        assert not anchor or path.suffix != ".md" or anchor in anchors(path), f"{target}#{anchor}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_option_exists(document: Path) -> None:
    text = document.read_text()
    calls = [call for block in BLOCK.findall(text) for call in IN_BLOCK.findall(block)]
    for call in [*calls, *IN_TEXT.findall(text)]:
        words = shlex.split(call, comments=True)
        command = COMMANDS
        while words and words[0] in getattr(command, "commands", ()):
            command = command.commands[words.pop(0)]
        assert command is not COMMANDS or not words or words[0].isupper(), call
        ours = words[: words.index("--")] if "--" in words else words
        known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        for word in ours:
            if word.startswith("-") and word not in ("--help", "-"):
                assert word.partition("=")[0] in known, f"{word} of {call}"
