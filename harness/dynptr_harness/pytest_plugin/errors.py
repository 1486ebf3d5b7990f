"""Errors of the harness as short messages of pytest, without frames of the harness."""

from __future__ import annotations

from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pytest

from dynptr_harness.core import shortage
from dynptr_harness.core.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def as_failure() -> Iterator[None]:
    """Show an error of the harness in a fixture as its message only."""
    try:
        with shortage.reported("the fixture cannot be set up"):
            yield
    except HarnessError as error:
        pytest.fail(f"{error}\n{error.hint}".rstrip(), pytrace=False)


def short(method: Callable[P, T]) -> Callable[P, T]:
    """Let a method for tests raise errors of the harness as if they came from the line of the test."""

    @wraps(method)
    def called(*arguments: P.args, **named: P.kwargs) -> T:
        __tracebackhide__ = True
        try:
            with shortage.reported("the request cannot be sent"):
                return method(*arguments, **named)
        except HarnessError as error:
            raise error.with_traceback(None) from None

    return called
