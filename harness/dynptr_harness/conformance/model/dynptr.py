"""Dynptrs of ring buffer records, with the helpers and kfuncs that take them.

The rules are those of kernel/bpf/helpers.c. Each function returns r0 as a signed number, and
performs the checks in the order of the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from errno import E2BIG, EINVAL, ERANGE
from typing import TYPE_CHECKING

from dynptr_harness.conformance.model.octets import Octets

if TYPE_CHECKING:
    from dynptr_harness.conformance.model.features import Features
    from dynptr_harness.conformance.model.ring import Record, Ring

MAX_SIZE = (1 << 24) - 1  # three bytes of a dynptr hold its size
U32 = 1 << 32


@dataclass
class Dynptr:
    """A range of a record. Without a record the dynptr is null."""

    ring: Ring
    features: Features
    record: Record | None = None
    offset: int = 0
    size: int = 0

    @classmethod
    def reserve(cls, ring: Ring, features: Features, size: int, flags: int) -> tuple[int, Dynptr]:
        """bpf_ringbuf_reserve_dynptr: return the answer and the dynptr. `size` is a u32."""
        null = cls(ring, features)
        size %= U32
        if flags:
            return -EINVAL, null
        if size > MAX_SIZE:
            return -E2BIG, null
        record = ring.reserve(size)
        if not record:
            return -EINVAL, null
        return 0, cls(ring, features, record, 0, size)

    def release(self, *, discard: bool, flags: int) -> None:
        """bpf_ringbuf_submit_dynptr or bpf_ringbuf_discard_dynptr. A null dynptr is ignored."""
        if self.record:
            self.ring.commit(self.record, discard=discard, flags=flags)

    def write(self, offset: int, data: bytes, flags: int) -> int:
        """bpf_dynptr_write."""
        if not self.record or (flags and not self.features.bounds_first):
            return -EINVAL
        if self._outside(offset, len(data)):
            return -E2BIG
        if flags:
            return -EINVAL
        self._put(offset, Octets.of(data))
        return 0

    def read(self, offset: int, length: int, flags: int) -> tuple[int, Octets]:
        """bpf_dynptr_read: return the answer and the bytes. After an error there are none."""
        if not self.record or flags:
            return -EINVAL, Octets.of(b"")
        if self._outside(offset, length):
            return -E2BIG, Octets.of(b"")
        return 0, self._get(offset, length)

    def slice(self, offset: int, length: int) -> bool:
        """bpf_dynptr_data, bpf_dynptr_slice, bpf_dynptr_slice_rdwr: return True for a pointer."""
        return self.record is not None and not self._outside(offset, length)

    def adjust(self, start: int, end: int) -> int:
        """bpf_dynptr_adjust."""
        start, end = self._argument(start), self._argument(end)
        if not self.record or start > end:
            return -EINVAL
        if end > self.size:
            return -ERANGE
        self.offset, self.size = self.offset + start, end - start
        return 0

    def clone(self) -> tuple[int, Dynptr]:
        """bpf_dynptr_clone: return the answer and the clone, which is null if this dynptr is."""
        return (0 if self.record else -EINVAL), replace(self)

    def is_null(self) -> int:
        """bpf_dynptr_is_null."""
        return int(self.record is None)

    def query_size(self) -> int:
        """bpf_dynptr_size. Its answer is a u32 before v6.19."""
        if self.record:
            return self.size
        return -EINVAL if self.features.wide_offsets else U32 - EINVAL

    def copy_from(self, offset: int, other: Dynptr, other_offset: int, length: int) -> int:
        """bpf_dynptr_copy from `other` to this dynptr."""
        length = self._argument(length)
        readable, writable = other.slice(other_offset, length), self.slice(offset, length)
        if readable and writable:
            self._put(offset, other._get(other_offset, length))
            return 0
        if readable:
            return self.write(offset, bytes(length), 0)
        if writable:
            return other.read(other_offset, length, 0)[0]
        return -E2BIG if self._outside(offset, length) or other._outside(other_offset, length) else 0

    def fill(self, offset: int, length: int, value: int) -> int:
        """bpf_dynptr_memset."""
        length = self._argument(length)
        if self._outside(offset, length):
            return -E2BIG
        if self.record:
            self._put(offset, Octets.of(bytes([value % 256]) * length))
        return 0

    def _argument(self, value: int) -> int:
        """Return an offset or a size as the kernel takes it from its register."""
        return value if self.features.wide_offsets else value % U32

    def _outside(self, offset: int, length: int) -> bool:
        """bpf_dynptr_check_off_len."""
        offset, length = self._argument(offset), self._argument(length)
        return length > self.size or offset > self.size - length

    def _get(self, offset: int, length: int) -> Octets:
        assert self.record  # noqa: S101  (checked by the callers)
        return self.ring.payload(self.record, self.offset + self._argument(offset), length)

    def _put(self, offset: int, data: Octets) -> None:
        assert self.record  # noqa: S101
        self.ring.write(self.record, self.offset + self._argument(offset), data)
