"""What holds for all tests."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Children heed SIGINT, also where a script started the tests with & and so had it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
