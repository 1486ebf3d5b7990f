"""docs/options.md matches the command line and the settings."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from dynptr_harness.cli import options_page
from dynptr_harness.core import settings

PAGE = Path(__file__).parents[3] / "docs/options.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == options_page.as_markdown(), "stale: run `make docs`"


def test_the_page_lists_every_variable_that_the_settings_read() -> None:
    read = set(re.findall(r'"(DYNPTR_HARNESS_\w+)"', inspect.getsource(settings.Settings)))
    assert read == set(settings.VARIABLES)


def test_the_page_shows_short_and_long_names_with_the_default() -> None:
    page = options_page.as_markdown()
    assert re.search(r"^\| `--kernel`, `-k` `KERNEL` \| .* \| `6\.12` \|$", page, re.MULTILINE)
