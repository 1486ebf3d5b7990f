"""The record checker of the stress test finds every kind of error."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.guest.experiments.stress_check import (
    BATCH_BYTES,
    FOOTPRINT,
    RecordChecker,
    committed_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 0x5EED
WORD = (1 << 64) - 1
BUSY, DISCARD = 1 << 31, 1 << 30
RECORD = struct.Struct("IIQQ")  # length, page, id, checksum

Records = list[tuple[int, int, int, int]]


def checksum(record_id: int) -> int:
    """As in bpf_src/elf/flood.bpf.c."""
    mixed = ((record_id ^ SEED) * 0x9E3779B97F4A7C15) & WORD
    return ((mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93) & WORD


def right(record_id: int) -> tuple[int, int, int, int]:
    discarded = checksum(record_id) >> 56 >= 0xA0
    return 16 | (DISCARD if discarded else 0), 3, record_id, checksum(record_id)


def records(cnt: int) -> Records:
    """Return records of four sources. Each source numbers its attempts, and the rejected ones are missing."""
    attempts = [0] * 4
    made: Records = []
    while len(made) < cnt:
        source = checksum(len(made)) % 4
        attempts[source] += 1
        record_id = source << 56 | attempts[source]
        if checksum(record_id) >> 56 < 0xE0:
            made.append(right(record_id))
    return made


def checked(made: Records) -> RecordChecker:
    """Return the checker after it got the records in pieces."""
    octets = memoryview(b"".join(RECORD.pack(*record) for record in made))
    checker = RecordChecker(SEED)
    for start in range(0, len(octets), 100 * FOOTPRINT):
        checker.add(octets[start : start + 100 * FOOTPRINT], start)
    checker.finish()
    return checker


def test_correct_records_are_counted_by_source() -> None:
    made = records(BATCH_BYTES // FOOTPRINT + 1000)  # more than a batch
    checker = checked(made)
    submitted = [record for record in made if not record[0] & DISCARD]
    assert not any(checker.reply()["wrong"].values())
    assert checker.reply()["discarded"] == len(made) - len(submitted)
    for source in range(4):
        sums = [record[3] for record in submitted if record[2] >> 56 == source]
        assert checker.of(source) == {"submitted": len(sums), "fingerprint": sum(sums) & WORD}


def change(index: int, field: int, value: Callable[[int], int]) -> Callable[[Records], None]:
    def falsify(made: Records) -> None:
        record = list(made[index])
        record[field] = value(record[field])
        made[index] = (record[0], record[1], record[2], record[3])

    return falsify


def swap(made: Records) -> None:
    """Swap two submitted records of one source."""
    of_source = [i for i, record in enumerate(made) if record[2] >> 56 == 1 and not record[0] & DISCARD]
    first, second = of_source[:2]
    made[first], made[second] = made[second], made[first]


def repeat(made: Records) -> None:
    submitted = [record for record in made if not record[0] & DISCARD]
    made.append(submitted[-1])


FIRST_SUBMITTED = next(i for i, record in enumerate(records(100)) if not record[0] & DISCARD)
FIRST_DISCARDED = next(i for i, record in enumerate(records(100)) if record[0] & DISCARD)


@pytest.mark.parametrize(
    ("error", "falsify"),
    [
        ("headers", change(7, 0, lambda length: length + 8)),
        ("headers", change(7, 0, lambda length: length | 1 << 20)),
        ("checksums", change(7, 3, lambda word: word ^ 1)),
        ("checksums", change(7, 2, lambda word: word ^ 1 << 20)),
        ("fates", change(FIRST_SUBMITTED, 0, lambda length: length | DISCARD)),
        ("fates", change(FIRST_DISCARDED, 0, lambda length: length & ~DISCARD)),
        ("order", swap),
        ("order", repeat),
    ],
)
def test_a_wrong_record_is_counted_by_its_error(error: str, falsify: Callable[[Records], None]) -> None:
    made = records(1000)
    falsify(made)
    assert checked(made).reply()["wrong"][error] >= 1


def test_a_piece_from_another_position_is_counted() -> None:
    piece = memoryview(RECORD.pack(*right(1)))
    checker = RecordChecker(SEED)
    checker.add(piece, 0)
    checker.add(piece, 2 * FOOTPRINT)
    assert checker.reply()["wrong"]["positions"] == 1


@pytest.mark.parametrize("busy", [None, 0, 5, 99])
def test_only_records_before_a_busy_one_are_committed(busy: int | None) -> None:
    made = records(100)
    if busy is not None:
        change(busy, 0, lambda length: length | BUSY)(made)
    octets = memoryview(b"".join(RECORD.pack(*record) for record in made))
    assert committed_bytes(octets) == (100 if busy is None else busy) * FOOTPRINT


def test_the_order_is_checked_across_batches() -> None:
    made = [record for record in records(2 * BATCH_BYTES // FOOTPRINT) if not record[0] & DISCARD]
    last = made[BATCH_BYTES // FOOTPRINT - 1]
    made[BATCH_BYTES // FOOTPRINT] = last  # repeated as the first one of the second batch
    assert checked(made).reply()["wrong"]["order"] == 1
