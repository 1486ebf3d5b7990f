"""The progress of long work: named phases with lines of detail."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Progress(Protocol):
    """A display of progress."""

    def phase(self, title: str) -> AbstractContextManager[Callable[[str], None]]:
        """Show a phase while the context is open. It yields a function that shows a line of detail."""

    def tell(self, line: str) -> None:
        """Show a permanent line."""


class Silent:
    """A display that shows nothing."""

    @contextmanager
    def phase(self, title: str) -> Iterator[Callable[[str], None]]:  # noqa: ARG002
        yield lambda _line: None

    def tell(self, line: str) -> None:
        """Ignore the line."""
