"""The system's Chromium, driven by Playwright. Playwright fetches no browser."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless Chromium within this context. Raises FileNotFoundError if none is installed."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        raise FileNotFoundError("there is no Chromium: install the package chromium")
    with sync_playwright() as playwright:
        # the sandbox does not work for root, and we open only our own page
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
