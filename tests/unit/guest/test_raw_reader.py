"""The raw reader, on a file with the layout of a ring."""

from __future__ import annotations

import mmap
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.conformance.experiments.base import each_of
from dynptr_harness.guest.ringbuf import raw_reader
from dynptr_harness.guest.ringbuf.raw_reader import RawReader, payload_text
from dynptr_harness.protocol.ring import BUSY, DISCARDED, footprint

if TYPE_CHECKING:
    from pathlib import Path

PAGE = mmap.PAGESIZE
SMALL, LARGE = PAGE, 2 * raw_reader.MAX_MAPPED_RING


def record(payload: bytes, bits: int = 0, page_offset: int = 3) -> bytes:
    return (struct.pack("II", len(payload) | bits, page_offset) + payload).ljust(
        footprint(len(payload)), b"\0"
    )


def peek(directory: Path, size: int, start: int, *records: bytes) -> list[tuple[int, int, str, int]]:
    """Return position, header, payload and times of each record of a ring with these records at `start`."""
    data = bytearray(size)
    position = start
    for octet in b"".join(records):
        data[position % size] = octet
        position += 1
    positions = [struct.pack("L", number).ljust(PAGE, b"\0") for number in (start, position)]
    ring = directory / "ring"
    ring.write_bytes(b"".join(positions) + 2 * data)
    with ring.open("r+b") as file, closing(RawReader(file.fileno(), size)) as reader:
        return [(each.position, each.header, each.payload, each.times) for each in reader.peek()]


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["mapped as a whole", "mapped for each read"])
@pytest.mark.parametrize("lap", [0, 1], ids=["at the start of the ring", "across its end"])
def test_a_record_has_its_position_header_and_payload(tmp_path: Path, size: int, lap: int) -> None:
    start = lap * (size - 24)
    assert peek(
        tmp_path, size, start, record(b"first one"), record(b"", DISCARDED), record(b"last", BUSY)
    ) == [
        (start, 9, b"first one".hex(), 1),
        (start + 24, DISCARDED, "", 1),
        (start + 32, BUSY | 4, b"last".hex(), 1),
    ]


@pytest.mark.parametrize(
    "other",
    [record(b"same!"), record(b"same", BUSY), record(b"same", page_offset=4)],
    ids=["payload", "bits", "page"],
)
def test_equal_records_in_a_row_are_returned_once(tmp_path: Path, other: bytes) -> None:
    same = record(b"same")
    seen = peek(tmp_path, SMALL, 0, same, same, same, other, same)
    assert [(position, times) for position, _header, _payload, times in seen] == [
        (0, 3),
        (48, 1),
        (48 + len(other), 1),
    ]


def test_a_long_payload_becomes_its_size_and_a_digest_of_its_beginning(tmp_path: Path) -> None:
    payload = bytes(range(256)) * (LARGE // 512)
    seen = peek(tmp_path, LARGE, 0, record(payload), record(b"next"))
    assert [payload for _position, _header, payload, _times in seen] == [payload_text(payload), b"next".hex()]
    assert payload_text(payload).startswith(f"{len(payload)} bytes, sha256 ")


def test_each_of_repeats_a_record_with_its_position() -> None:
    seen = [{"position": 0, "payload": "00" * 9, "times": 2}, {"position": 48, "payload": "", "times": 1}]
    assert [each["position"] for each in each_of(seen)] == [0, 24, 48]
