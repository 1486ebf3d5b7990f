"""Take a picture of an HTML report: `python -m tests.browser.screenshot REPORT.html PICTURE.png`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.browser.chromium import chromium

SIZE = {"width": 1440, "height": 900}  # pixels


def main() -> None:
    """Write the picture, and print the time until the page showed the matrix."""
    page_file, picture = map(Path, sys.argv[1:])
    with chromium() as browser:
        page = browser.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
        begin = time.monotonic()
        page.goto(page_file.resolve().as_uri())
        page.wait_for_selector("html[data-ready]")
        print(f"{page_file}: {page_file.stat().st_size} bytes, shown after {time.monotonic() - begin:.2f} s")
        page.screenshot(path=picture)


if __name__ == "__main__":
    main()
