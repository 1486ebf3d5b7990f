"""Types that attach to a route: lightweight tunnels, and IPv6 segment routing."""

from __future__ import annotations

import socket
import struct
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.prog_types import packets
from dynptr_harness.guest.prog_types.base import AttachFailed, GuestType
from dynptr_harness.guest.system import network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram

LOCAL_TABLE, LOCAL_ROUTE, HOST_SCOPE = 255, 2, 254  # RT_TABLE_LOCAL, RTN_LOCAL, RT_SCOPE_HOST
PREFERRED, FALLBACK = 1, 2  # priorities of routes

FIRST_SEGMENT, LAST_SEGMENT, SENDER = "fd00::1", "fd00::2", "fd00::3"
ETH_P_IPV6, ETH_HEADER = 0x86DD, 14
ROUTING_HEADER, NO_NEXT_HEADER, SEGMENT_ROUTING = 43, 59, 4


@contextmanager
def _route(what: str, **route: Any) -> Iterator[None]:
    netlink = network.netlink()
    with network.netlink_errors_as(AttachFailed, what):
        netlink.route("add", **route)
    try:
        yield
    finally:
        netlink.route("del", **route)


class TunnelType(GuestType):
    """A type that attaches to a tunnel route, here for a local address.

    Packets arrive with and without this route, because all of 127.0.0.0/8 is local.
    """

    direction: str
    address: str

    @contextmanager
    def attached(self, program: LoadedProgram) -> Iterator[None]:
        tunnel = {"type": "bpf", self.direction: {"fd": program.fd, "name": program.name}}
        with _route(
            f"add a route with a program for what goes {self.direction}",
            dst=f"{self.address}/32",
            oif=network.index_of("lo"),
            table=LOCAL_TABLE,
            type=LOCAL_ROUTE,
            scope=HOST_SCOPE,
            encap=tunnel,
        ):
            yield

    def fire(self) -> Any:
        return packets.datagram(self.address)


class LwtIn(TunnelType):
    name = "LWT_IN"
    direction, address = "in", "127.0.10.1"


class LwtOut(TunnelType):
    name = "LWT_OUT"
    direction, address = "out", "127.0.11.1"


class LwtXmit(TunnelType):
    name = "LWT_XMIT"
    direction, address = "xmit", "127.0.12.1"


class LwtSeg6local(GuestType):
    """The action of a segment. A packet arrives and leaves through the veth pair."""

    name = "LWT_SEG6LOCAL"

    @contextmanager
    def attached(self, program: LoadedProgram) -> Iterator[None]:
        _segments()
        end = {"type": "seg6local", "action": "End.BPF", "bpf": {"fd": program.fd, "name": program.name}}
        with _route("add a route with a program for a segment", **_to_first_segment(PREFERRED, end)):
            yield

    def fire(self) -> Any:
        receiver = _segments()
        network.veth_pair().send(_packet(), ETH_P_IPV6)
        size = ETH_HEADER + len(_packet())
        return packets.arrival(receiver, size - len(packets.MESSAGE), size)


def _to_first_segment(priority: int, encap: dict[str, Any]) -> dict[str, Any]:
    return {
        "family": socket.AF_INET6,
        "dst": f"{FIRST_SEGMENT}/128",
        "oif": network.index_of(network.FAR_END),
        "priority": priority,
        "encap": encap,
    }


@cache
def _segments() -> socket.socket:
    """Add routes through both segments to the near end, without a program. Return a socket there."""
    network.veth_pair()
    for device in ("all", network.FAR_END):
        network.set_sysctl(f"ipv6/conf/{device}/seg6_enabled", 1)
    netlink, far_end = network.netlink(), network.index_of(network.FAR_END)
    netlink.route("add", **_to_first_segment(FALLBACK, {"type": "seg6local", "action": "End"}))
    netlink.route("add", family=socket.AF_INET6, dst=f"{LAST_SEGMENT}/128", oif=far_end)
    near_mac = network.MAC[0].hex(":")
    netlink.neigh(
        "add", family=socket.AF_INET6, dst=LAST_SEGMENT, lladdr=near_mac, ifindex=far_end, state="permanent"
    )
    return network.packet_socket(network.NEAR_END, ETH_P_IPV6)


@cache
def _packet() -> bytes:
    """Return an IPv6 packet that is addressed to the first of its two segments."""
    first, last, sender = (
        socket.inet_pton(socket.AF_INET6, address) for address in (FIRST_SEGMENT, LAST_SEGMENT, SENDER)
    )
    # Next header, length in 8 bytes without the first 8, type, segments left, index of the last segment.
    # The segments follow in reverse order.
    routing = struct.pack("!8B", NO_NEXT_HEADER, 4, SEGMENT_ROUTING, 1, 1, 0, 0, 0) + last + first
    payload = routing + packets.MESSAGE
    return struct.pack("!IHBB", 6 << 28, len(payload), ROUTING_HEADER, 64) + sender + first + payload


TYPES = (LwtIn, LwtOut, LwtSeg6local, LwtXmit)
