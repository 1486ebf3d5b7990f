"""The guest's network: what the socket programs need, and nothing that leads out of the guest."""

from __future__ import annotations

from pyroute2 import IPRoute


def loopback_up() -> None:
    """Bring up lo, which gives it 127.0.0.1 and ::1."""
    with IPRoute() as netlink:
        (index,) = netlink.link_lookup(ifname="lo")
        netlink.link("set", index=index, state="up")
