"""The guest's network: loopback and a veth pair. It has no connection to the outside."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.system.sysctl import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

MODPROBE = "/usr/sbin/modprobe"
NEAR_END, FAR_END = "dynptr0", "dynptr1"
NO_ADDRESS = 1  # IN6_ADDR_GEN_MODE_NONE: a device without a link-local address sends nothing by itself

FRAME_TYPE = 0x88B5  # IEEE 802 Local Experimental Ethertype 1
MAC = bytes.fromhex("02000000d000"), bytes.fromhex("02000000d001")  # of the near end and of the far end


def set_sysctl(name: str, value: object) -> None:
    """Change a network setting, by its path below /proc/sys/net."""
    Path("/proc/sys/net", name).write_text(str(value))


def loopback_up() -> None:
    """Bring up lo. The kernel then gives it 127.0.0.1 and ::1."""
    netlink().link("set", index=index_of("lo"), state="up")


@cache
def netlink() -> Any:
    """Return the open rtnetlink socket."""
    # imported here because that takes seconds in an emulated guest, and clang runs at that time
    from pyroute2 import IPRoute

    return IPRoute()


@contextmanager
def netlink_errors_as(error: type[OSError], what: str) -> Iterator[None]:
    """Convert errors of netlink to this exception.

    Args:
        what: the action, for the message.
    """
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as refused:
        raise error(refused.code, f"{what}: {os.strerror(refused.code)}") from refused


def index_of(device: str) -> int:
    """Return the index of a network device."""
    return socket.if_nametoindex(device)


def packet_socket(device: str, frame_type: int) -> socket.socket:
    """Return a socket that receives the frames of one type from a device, and sends any frame."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(frame_type))
    raw.bind((device, frame_type))
    return raw


def _set_modprobe() -> None:
    """Tell the kernel where this guest has modprobe, so that it can load network modules."""
    setting = Path("/proc/sys/kernel/modprobe")
    with suppress(OSError):  # a kernel without modules lacks the setting
        if not Path(setting.read_text().strip()).exists():
            setting.write_text(MODPROBE)


class VethPair:
    """Two veth devices: each receives what the other one sends.

    The devices carry no other traffic. They have no addresses and do not act as routers, which would
    announce themselves.
    """

    def __init__(self) -> None:
        _set_modprobe()
        set_sysctl("ipv6/conf/all/forwarding", 1)
        set_sysctl("ipv6/conf/default/forwarding", 0)
        set_sysctl("ipv6/conf/default/addr_gen_mode", NO_ADDRESS)
        netlink().link("add", ifname=NEAR_END, kind="veth", peer={"ifname": FAR_END})
        for device, mac in zip((NEAR_END, FAR_END), MAC, strict=True):
            netlink().link("set", index=index_of(device), address=mac.hex(":"), state="up")
        self._near = packet_socket(NEAR_END, FRAME_TYPE)
        self.far_end = packet_socket(FAR_END, FRAME_TYPE)

    def send(self, payload: bytes, frame_type: int = FRAME_TYPE) -> None:
        """Send an Ethernet frame from the near end to the far end."""
        near_mac, far_mac = MAC
        self._near.send(far_mac + near_mac + frame_type.to_bytes(2, "big") + payload)


@cache
def veth_pair() -> VethPair:
    """Return the veth pair. The first call creates it.

    Raises:
        Unavailable: the kernel lacks veth.
    """
    try:
        with netlink_errors_as(OSError, "a pair of veth devices cannot be made"):
            return VethPair()
    except OSError as error:
        raise Unavailable(error.strerror) from error
