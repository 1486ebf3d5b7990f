"""Builds the guest image in the cache. A container runs this for a host without mmdebstrap."""

from __future__ import annotations

import sys

from dynptr_harness.cli.app import say
from dynptr_harness.cli.options import console_on
from dynptr_harness.core import signals
from dynptr_harness.core.errors import HarnessError
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image import rootfs
from dynptr_harness.report.console_progress import for_console


def main() -> None:
    """Build the image, or exit with the status of the error."""
    signals.raise_on_signals()
    try:
        rootfs.ensure(Settings.from_environment(), for_console(console_on(stderr=True)))
    except HarnessError as error:
        say(error.fact, error.hint)
        sys.exit(error.status)


if __name__ == "__main__":
    main()
