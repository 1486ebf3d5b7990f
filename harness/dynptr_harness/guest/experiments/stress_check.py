"""The ledger of a flood: checks a million records in bulk, because a loop over them would take a minute.

The records are all alike in size (struct flood_record of bpf_src/elf/flood.bpf.c), so that a field of all of
them is a slice with a stride, and their checksums are computed in one go on integers of many lanes.
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

from dynptr_harness.guest.system.processes import shared_out

WORDS = 3  # of eight bytes: header, id, checksum
RECORD_BYTES = 16
FOOTPRINT = 8 * WORDS
TOP_BYTE = 7 if sys.byteorder == "little" else 0  # of a word
TOP_OF_LENGTH = 3 if sys.byteorder == "little" else 0  # the byte with the busy and the discard bit
BUSY_BYTE, DISCARD_BYTE = 0x80, 0x40  # the two bits there

WORD = (1 << 64) - 1
SUBMITTED_BELOW = 0xA0  # enum fate
BATCH_BYTES = 16384 * FOOTPRINT

LENGTH = struct.pack("I", RECORD_BYTES)  # of each record, but for the bits in its top byte
IS_BUSY = bytes(int(byte & BUSY_BYTE != 0) for byte in range(256))
KEEP_SUBMITTED = bytes(int(byte == 0) for byte in range(256))
MARK_OF_FATE = bytes(DISCARD_BYTE if byte >= SUBMITTED_BELOW else 0 for byte in range(256))


def committed(ring: memoryview) -> int:
    """How many bytes of these records lie before the first that is still busy."""
    busy = bytes(ring[TOP_OF_LENGTH::FOOTPRINT]).translate(IS_BUSY).find(1)
    return len(ring) if busy < 0 else busy * FOOTPRINT


@lru_cache(maxsize=4)
def in_every_lane(word: int, lanes: int) -> int:
    """An integer that has the word in each of so many lanes of 128 bits."""
    return int.from_bytes(word.to_bytes(16, sys.byteorder) * lanes, sys.byteorder)


def checksums(ids: array[int], seed: int) -> array[int]:
    """What the program writes behind each id: two rounds of xor and multiply, on all ids at once.

    Each id has a lane of 128 bits, so that no product runs into the next.
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
    """What is to be said of some records in a row.

    Attributes:
        wrong: how many were, by what was wrong with them.
        discarded: how many had been.
        first, last: the ids of the first and the last one that was submitted, by source; this and the
            following by the top byte of the id.
        submitted: how many.
        fingerprints: sums of the checksums.
    """

    wrong: Counter[str] = field(default_factory=Counter)
    discarded: int = 0
    first: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    submitted: Counter[int] = field(default_factory=Counter)
    fingerprints: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, records: bytes, seed: int) -> Tally:
        """Check committed records, headers and all."""
        tally = cls()
        words = array("Q", records)
        ids, sums = words[1::WORDS], words[2::WORDS]
        marks = records[TOP_OF_LENGTH::FOOTPRINT]
        tally.discarded = marks.count(DISCARD_BYTE)
        for place, byte in enumerate(LENGTH):
            if place != TOP_OF_LENGTH:
                tally._count_wrong("headers", records[place::FOOTPRINT], bytes([byte]) * len(ids))
        tally._count_wrong("checksums", sums, checksums(ids, seed))
        tally._count_wrong("fates", marks, records[16 + TOP_BYTE :: FOOTPRINT].translate(MARK_OF_FATE))
        tally._count_submitted(records, ids, sums)
        return tally

    def _count_wrong(self, what: str, seen: bytes | array[int], right: bytes | array[int]) -> None:
        if seen != right:
            self.wrong[what] += sum(map(operator.ne, seen, right))

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
        """Take in what is to be said of the records that come next."""
        self.wrong += later.wrong
        self.wrong["order"] += sum(self.last.get(source, 0) >= first for source, first in later.first.items())
        self.discarded += later.discarded
        self.last |= later.last
        self.submitted += later.submitted
        self.fingerprints += later.fingerprints


class RecordChecker:
    """Takes records in the order in which they arrived, and once it is closed says what was wrong."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._pieces: list[memoryview] = []
        self._end = 0  # position in the ring after the last record
        self._astray = 0  # pieces that did not begin there
        self._whole = Tally()

    def enter(self, records: memoryview, position: int) -> None:
        """Committed records, headers and all, as they lay in the ring at a position."""
        self._astray += position != self._end
        self._end = position + len(records)
        self._pieces.append(records)

    def close(self) -> None:
        """Check what was entered, on all processors."""
        records = b"".join(self._pieces)
        batches = [records[start : start + BATCH_BYTES] for start in range(0, len(records), BATCH_BYTES)]
        for tally in shared_out(lambda batch: Tally.of(batch, self._seed), batches):
            self._whole.add(tally)

    def of(self, source: int) -> dict[str, int]:
        """What arrived from one source: how many were submitted, and the sum of their checksums."""
        whole = self._whole
        return {"submitted": whole.submitted[source], "fingerprint": whole.fingerprints[source] & WORD}

    def reply(self) -> dict[str, Any]:
        """For the host: how many records had been discarded, and how many were wrong, and in what."""
        wrong = {what: self._whole.wrong[what] for what in ("headers", "checksums", "order", "fates")}
        return {"discarded": self._whole.discarded, "wrong": {"positions": self._astray, **wrong}}
