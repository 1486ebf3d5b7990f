"""Errors of the harness as short messages of pytest, without frames of the harness."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pytest

from dynptr_harness.core import shortage
from dynptr_harness.core.errors import HarnessError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


def or_fail(work: Callable[[], T]) -> T:
    """Return the result of work for a fixture. Show an error of the harness as its message only."""
    try:
        with shortage.reported("the fixture cannot be set up"):
            return work()
    except HarnessError as error:
        message = f"{error}\n{error.hint}".rstrip()
    pytest.fail(message, pytrace=False)  # outside of the handler, so that pytest shows one error only


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
