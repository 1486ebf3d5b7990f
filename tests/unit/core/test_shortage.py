"""Shortages of the host are failures of the environment, and nothing else is."""

from __future__ import annotations

import errno
import os

import pytest
from dynptr_harness.core import shortage
from dynptr_harness.core.errors import EnvironmentFailed

SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT)


@pytest.mark.parametrize("number", SHORTAGES)
def test_a_shortage_has_a_reason_and_a_hint(number: int) -> None:
    with (
        pytest.raises(EnvironmentFailed, match="QEMU cannot be started") as failed,
        shortage.reported("QEMU cannot be started"),
    ):
        raise OSError(number, os.strerror(number), "a file")
    assert failed.value.fact == f"QEMU cannot be started: {os.strerror(number)} (a file)"
    assert failed.value.hint
    assert shortage.named_in(f"qemu: cannot open x: {os.strerror(number)}")


def test_another_error_is_not_a_shortage() -> None:
    with pytest.raises(PermissionError), shortage.reported("it cannot continue"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    assert not shortage.named_in("qemu: load of migration failed: Invalid argument")
