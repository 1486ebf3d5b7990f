"""What long work tells whoever watches: named phases, with lines of detail, timed."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Progress(Protocol):
    """A watcher of the work. `phase` yields a function that takes one line of detail."""

    def phase(self, title: str) -> AbstractContextManager[Callable[[str], None]]: ...

    def tell(self, line: str) -> None:
        """Show a line at once that is worth it, and let it stay."""


class Silent:
    """Progress that shows nothing, for tests and for --quiet."""

    @contextmanager
    def phase(self, title: str) -> Iterator[Callable[[str], None]]:  # noqa: ARG002
        yield lambda _line: None

    def tell(self, line: str) -> None:
        """Show nothing."""
