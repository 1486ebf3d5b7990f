"""Set-up of all tests."""

from __future__ import annotations

import signal

from hypothesis import settings

# Every run tries the same examples, so a failure is the commit's. Times depend on the machine.
settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.load_profile("same")


def pytest_configure() -> None:
    """Restore SIGINT for children. A shell that starts the tests in the background ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
