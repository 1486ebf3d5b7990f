"""The ledger of a flood: checks a million records in bulk, because a loop over them would take a minute.

The records are all alike in size (struct flood_record of bpf_src/flood.c), so that a field of all of them
is a slice with a stride, and their checksums are computed in one go on integers of many lanes.
"""

from __future__ import annotations

import operator
import struct
import sys
from array import array
from collections import Counter
from functools import lru_cache
from itertools import compress, islice
from typing import Any

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


class Ledger:
    """Takes records in the order in which they arrived, and says what was wrong with them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._unchecked: list[memoryview] = []
        self._end = 0  # position in the ring after the last record
        self._last: Counter[int] = Counter()
        self._fingerprints: Counter[int] = Counter()
        self._submitted: Counter[int] = Counter()
        self._wrong = Counter(positions=0, headers=0, checksums=0, order=0, fates=0)
        self._discarded = 0

    def enter(self, records: memoryview, position: int) -> None:
        """Committed records, headers and all, as they lay in the ring at a position."""
        self._wrong["positions"] += position != self._end
        self._end = position + len(records)
        self._unchecked.append(records)
        if sum(map(len, self._unchecked)) >= BATCH_BYTES:
            entered = memoryview(b"".join(self._unchecked))
            while len(entered) >= BATCH_BYTES:
                self._check(bytes(entered[:BATCH_BYTES]))
                entered = entered[BATCH_BYTES:]
            self._unchecked = [entered]

    def close(self) -> None:
        """Check what was entered and is not checked yet."""
        self._check(b"".join(self._unchecked))
        self._unchecked = []

    def _check(self, records: bytes) -> None:
        words = array("Q", records)
        ids, sums = words[1::WORDS], words[2::WORDS]
        marks = records[TOP_OF_LENGTH::FOOTPRINT]
        self._discarded += marks.count(DISCARD_BYTE)
        for place, byte in enumerate(LENGTH):
            if place != TOP_OF_LENGTH:
                self._count_wrong("headers", records[place::FOOTPRINT], bytes([byte]) * len(ids))
        self._count_wrong("checksums", sums, checksums(ids, self._seed))
        self._count_wrong("fates", marks, records[16 + TOP_BYTE :: FOOTPRINT].translate(MARK_OF_FATE))
        self._check_submitted(records, ids, sums)

    def _count_wrong(self, what: str, seen: bytes | array[int], right: bytes | array[int]) -> None:
        if seen != right:
            self._wrong[what] += sum(map(operator.ne, seen, right))

    def _check_submitted(self, records: bytes, ids: array[int], sums: array[int]) -> None:
        keep = records[TOP_OF_LENGTH::FOOTPRINT].translate(KEEP_SUBMITTED)
        sources = bytes(compress(records[8 + TOP_BYTE :: FOOTPRINT], keep))
        submitted, fingerprints = list(compress(ids, keep)), list(compress(sums, keep))
        for source in set(sources):
            of_source = sources.translate(bytes(int(byte == source) for byte in range(256)))
            in_order = [self._last[source], *compress(submitted, of_source)]
            self._wrong["order"] += sum(map(operator.ge, in_order, islice(in_order, 1, None)))
            self._last[source] = in_order[-1]
            self._submitted[source] += len(in_order) - 1
            self._fingerprints[source] += sum(compress(fingerprints, of_source))

    def of(self, source: int) -> dict[str, int]:
        """What arrived from one source: how many were submitted, and the sum of their checksums."""
        return {"submitted": self._submitted[source], "fingerprint": self._fingerprints[source] & WORD}

    def reply(self) -> dict[str, Any]:
        """For the host: how many records had been discarded, and how many were wrong, and in what."""
        return {"discarded": self._discarded, "wrong": dict(self._wrong)}
