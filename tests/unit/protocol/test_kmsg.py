"""The reader of /dev/kmsg."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.guest.system.log_watch import LogWatch
from dynptr_harness.host.kernel_log import KernelLog
from dynptr_harness.protocol import kmsg

if TYPE_CHECKING:
    from pathlib import Path

Records = deque[bytes | OSError]


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Records:
    """Records of a fake kernel log, which read(2) returns or raises in this order."""
    to_come: Records = deque()

    def read(_fd: int, _size: int) -> bytes:
        record = to_come.popleft() if to_come else BlockingIOError()
        if isinstance(record, OSError):
            raise record
        return record

    device = tmp_path / "kmsg"
    device.write_bytes(b"")
    monkeypatch.setattr(kmsg, "DEVICE", str(device))
    monkeypatch.setattr(os, "read", read)
    return to_come


def test_messages_have_no_prefix_and_no_properties(records: Records) -> None:
    reader = kmsg.KmsgReader()
    records += [b"4,1,17,-;WARNING: one; two\n SUBSYSTEM=acpi\n", b"6,2,18,-;text\n"]
    assert reader.read() == ["WARNING: one; two", "text"]
    assert reader.read() == []
    reader.close()


def test_an_overwritten_record_is_an_empty_message(records: Records) -> None:
    reader = kmsg.KmsgReader()
    records += [BrokenPipeError(), b"6,9,18,-;text\n"]
    assert reader.read() == ["", "text"]
    reader.close()


def test_the_watch_tells_once_that_the_kernel_logged(records: Records) -> None:
    watch = LogWatch()
    assert not watch.kernel_logged()
    for record in (b"6,2,18,-;text\n", BrokenPipeError()):
        records.append(record)
        assert watch.kernel_logged()
        assert not watch.kernel_logged()


def test_a_log_that_cannot_be_read_may_have_messages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kmsg, "DEVICE", str(tmp_path / "missing"))
    assert LogWatch().kernel_logged()
    with pytest.raises(EnvironmentFailed, match="cannot read the kernel log"):
        KernelLog()


def test_the_host_collects_splats_until_it_closes_the_log(records: Records) -> None:
    log = KernelLog()
    records += [b"4,1,17,-;WARNING: CPU: 0\n", b"6,2,18,-;text\n"]
    assert log.read() == ["WARNING: CPU: 0", "text"]
    assert log.splats == ["WARNING: CPU: 0"]
    log.close()
    assert log.read() == []
