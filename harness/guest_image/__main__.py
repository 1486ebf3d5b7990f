"""Makes the guest image in the cache: what a container does for a host that has no mmdebstrap."""

from __future__ import annotations

import sys

from harness import interrupt
from harness.cli.app import say
from harness.cli.options import console_on
from harness.errors import HarnessError
from harness.guest_image import root
from harness.report.progress import for_console
from harness.settings import Settings


def main() -> None:
    """Make it, or end with the status of what went wrong."""
    interrupt.raise_on_signals()
    try:
        root.ensure(Settings.from_environment(), for_console(console_on(stderr=True)))
    except HarnessError as error:
        say(error.fact, error.mend)
        sys.exit(error.status)


if __name__ == "__main__":
    main()
