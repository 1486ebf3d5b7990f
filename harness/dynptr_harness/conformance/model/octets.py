"""Bytes, some of which may be unknown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Octets:
    """A mutable run of bytes, used as a ring: positions are taken modulo its length.

    Attributes:
        known: 1 for each byte that is known, 0 for one that is not.
    """

    data: bytearray
    known: bytearray

    @classmethod
    def of(cls, data: bytes) -> Octets:
        """Return known bytes."""
        return cls(bytearray(data), bytearray(b"\1" * len(data)))

    @classmethod
    def zero(cls, size: int) -> Octets:
        """Return `size` zero bytes."""
        return cls.of(bytes(size))

    @classmethod
    def unknown(cls, size: int) -> Octets:
        """Return `size` unknown bytes."""
        return cls(bytearray(size), bytearray(size))

    def __len__(self) -> int:
        return len(self.data)

    def get(self, position: int, length: int) -> Octets:
        """Return a copy of `length` bytes, at most the whole run."""
        start = position % max(len(self), 1)
        head = min(length, len(self) - start)
        return Octets(
            *(part[start : start + head] + part[: length - head] for part in (self.data, self.known))
        )

    def put(self, position: int, data: Octets) -> None:
        """Overwrite bytes, at most the whole run."""
        start = position % max(len(self), 1)
        head = min(len(data), len(self) - start)
        for part, new in ((self.data, data.data), (self.known, data.known)):
            part[start : start + head] = new[:head]
            part[: len(data) - head] = new[head:]

    def padded(self, size: int) -> Octets:
        """Return the bytes followed by zero bytes up to `size`."""
        more = Octets.zero(size - len(self))
        return Octets(self.data + more.data, self.known + more.known)

    def matches(self, seen: bytes) -> bool:
        """Return True if every known byte is the one seen."""
        if len(seen) != len(self):
            return False
        if 0 not in self.known:
            return seen == self.data
        return all(
            not known or want == got for want, known, got in zip(self.data, self.known, seen, strict=True)
        )

    def __str__(self) -> str:
        return "".join(
            f"{octet:02x}" if known else "??" for octet, known in zip(self.data, self.known, strict=True)
        )
