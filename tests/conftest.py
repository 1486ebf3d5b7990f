"""Set-up of all tests."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Restore SIGINT for children. A shell that starts the tests in the background ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
