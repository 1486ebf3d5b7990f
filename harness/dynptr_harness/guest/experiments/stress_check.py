"""Checks the records of a stress test in bulk, because a loop over a million records would take a minute.

All records have the same size (struct flood_record of bpf_src/elf/flood.bpf.c). So one field of all records
is a slice with a stride, and one large integer holds the checksum inputs of many records in lanes.
"""

from __future__ import annotations

import operator
import struct
import sys
from array import array
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import compress, islice
from typing import Any

from dynptr_harness.guest.system.processes import parallel_map

WORDS = 3  # eight bytes each: header, id, checksum
RECORD_BYTES = 16
FOOTPRINT = 8 * WORDS
TOP_BYTE = 7 if sys.byteorder == "little" else 0  # index of the highest byte of a word
TOP_OF_LENGTH = 3 if sys.byteorder == "little" else 0  # index of the highest byte of the length
BUSY_BYTE, DISCARD_BYTE = 0x80, 0x40  # BPF_RINGBUF_BUSY_BIT and BPF_RINGBUF_DISCARD_BIT in that byte

WORD = (1 << 64) - 1
SUBMITTED_BELOW = 0xA0  # enum fate
BATCH_BYTES = 16384 * FOOTPRINT

LENGTH = struct.pack("I", RECORD_BYTES)  # of each record, without the flag bits
IS_BUSY = bytes(int(byte & BUSY_BYTE != 0) for byte in range(256))
KEEP_SUBMITTED = bytes(int(byte == 0) for byte in range(256))
MARK_OF_FATE = bytes(DISCARD_BYTE if byte >= SUBMITTED_BELOW else 0 for byte in range(256))


def committed_bytes(ring: memoryview) -> int:
    """Return the number of bytes before the first busy record."""
    busy = bytes(ring[TOP_OF_LENGTH::FOOTPRINT]).translate(IS_BUSY).find(1)
    return len(ring) if busy < 0 else busy * FOOTPRINT


@lru_cache(maxsize=4)
def in_every_lane(word: int, lanes: int) -> int:
    """Return an integer with this word in each of its 128-bit lanes."""
    return int.from_bytes(word.to_bytes(16, sys.byteorder) * lanes, sys.byteorder)


def checksums(ids: array[int], seed: int) -> array[int]:
    """Return the checksum that the program writes for each id: two rounds of xor and multiply.

    Each id has a 128-bit lane, so that no product overflows into the next lane.
    """
    lanes = array("Q", bytes(16 * len(ids)))
    low = 0 if sys.byteorder == "little" else 1
    lanes[low::2] = ids
    seeds, mask = in_every_lane(seed, len(ids)), in_every_lane(WORD, len(ids))
    mixed = ((int.from_bytes(lanes.tobytes(), sys.byteorder) ^ seeds) * 0x9E3779B97F4A7C15) & mask
    mixed = ((mixed ^ (mixed >> 32) & mask) * 0xD6E8FEB86659FD93) & mask
    lanes = array("Q", mixed.to_bytes(16 * len(ids), sys.byteorder))
    return lanes[low::2]


@dataclass
class Tally:
    """Results of the check of consecutive records. The source of a record is the top byte of its id.

    Attributes:
        wrong: number of wrong records, by kind of error.
        discarded: number of discarded records.
        first, last: ids of the first and the last submitted record, by source.
        submitted: number of submitted records, by source.
        fingerprints: sum of the checksums of submitted records, by source.
    """

    wrong: Counter[str] = field(default_factory=Counter)
    discarded: int = 0
    first: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    submitted: Counter[int] = field(default_factory=Counter)
    fingerprints: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, records: bytes, seed: int) -> Tally:
        """Check committed records, which include their headers."""
        tally = cls()
        words = array("Q", records)
        ids, sums = words[1::WORDS], words[2::WORDS]
        marks = records[TOP_OF_LENGTH::FOOTPRINT]
        tally.discarded = marks.count(DISCARD_BYTE)
        for index, byte in enumerate(LENGTH):
            if index != TOP_OF_LENGTH:
                tally._count_wrong("headers", records[index::FOOTPRINT], bytes([byte]) * len(ids))
        tally._count_wrong("checksums", sums, checksums(ids, seed))
        tally._count_wrong("fates", marks, records[16 + TOP_BYTE :: FOOTPRINT].translate(MARK_OF_FATE))
        tally._count_submitted(records, ids, sums)
        return tally

    def _count_wrong(self, error: str, seen: bytes | array[int], right: bytes | array[int]) -> None:
        if seen != right:
            self.wrong[error] += sum(map(operator.ne, seen, right))

    def _count_submitted(self, records: bytes, ids: array[int], sums: array[int]) -> None:
        keep = records[TOP_OF_LENGTH::FOOTPRINT].translate(KEEP_SUBMITTED)
        sources = bytes(compress(records[8 + TOP_BYTE :: FOOTPRINT], keep))
        submitted, fingerprints = list(compress(ids, keep)), list(compress(sums, keep))
        for source in set(sources):
            of_source = sources.translate(bytes(int(byte == source) for byte in range(256)))
            in_order = list(compress(submitted, of_source))
            self.wrong["order"] += sum(map(operator.ge, in_order, islice(in_order, 1, None)))
            self.first[source], self.last[source] = in_order[0], in_order[-1]
            self.submitted[source] = len(in_order)
            self.fingerprints[source] = sum(compress(fingerprints, of_source))

    def add(self, later: Tally) -> None:
        """Add the results of the records that follow."""
        self.wrong += later.wrong
        self.wrong["order"] += sum(self.last.get(source, 0) >= first for source, first in later.first.items())
        self.discarded += later.discarded
        self.last |= later.last
        self.submitted += later.submitted
        self.fingerprints += later.fingerprints


class RecordChecker:
    """Checks records. Call `add` in the order of arrival, then `finish`, then `of` and `reply`."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._pieces: list[memoryview] = []
        self._end = 0  # position in the ring after the last record
        self._misplaced = 0  # number of pieces that did not start there
        self._total = Tally()

    def add(self, records: memoryview, position: int) -> None:
        """Add committed records, with headers, from this position in the ring."""
        self._misplaced += position != self._end
        self._end = position + len(records)
        self._pieces.append(records)

    def finish(self) -> None:
        """Check the records on all CPUs."""
        records = b"".join(self._pieces)
        batches = [records[start : start + BATCH_BYTES] for start in range(0, len(records), BATCH_BYTES)]
        for tally in parallel_map(lambda batch: Tally.of(batch, self._seed), batches):
            self._total.add(tally)

    def of(self, source: int) -> dict[str, int]:
        """Return the number of submitted records of one source, and the sum of their checksums."""
        total = self._total
        return {"submitted": total.submitted[source], "fingerprint": total.fingerprints[source] & WORD}

    def reply(self) -> dict[str, Any]:
        """Return the number of discarded records, and of wrong records by kind of error."""
        wrong = {error: self._total.wrong[error] for error in ("headers", "checksums", "order", "fates")}
        return {"discarded": self._total.discarded, "wrong": {"positions": self._misplaced, **wrong}}
