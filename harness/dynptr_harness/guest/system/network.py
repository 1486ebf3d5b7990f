"""The guest's network: what the socket programs need, and nothing that leads out of the guest.

Made once, when it is first needed, and left as it is from then on.
"""

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
NO_ADDRESS = 1  # IN6_ADDR_GEN_MODE_NONE: a device without an address of its own says nothing by itself

FRAME_TYPE = 0x88B5  # for experiments on local networks, IEEE 802
MAC = bytes.fromhex("02000000d000"), bytes.fromhex("02000000d001")  # of the near end and of the far end


def set_sysctl(name: str, value: object) -> None:
    """Change a setting of the network, by its path below /proc/sys/net."""
    Path("/proc/sys/net", name).write_text(str(value))


def loopback_up() -> None:
    """Bring up lo, which gives it 127.0.0.1 and ::1."""
    netlink().link("set", index=index_of("lo"), state="up")


@cache
def netlink() -> Any:
    """An open socket to change the network with."""
    # imported here: that takes seconds in an emulated guest, while clang takes them too
    from pyroute2 import IPRoute

    return IPRoute()


@contextmanager
def refusals_as(error: type[OSError], what: str) -> Iterator[None]:
    """What the kernel refuses by netlink within this context is raised as an error of this kind.

    Args:
        what: what was to be done.
    """
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as refused:
        raise error(refused.code, f"{what}: {os.strerror(refused.code)}") from refused


def index_of(device: str) -> int:
    """The index of a network device."""
    return socket.if_nametoindex(device)


def packet_socket(device: str, frame_type: int) -> socket.socket:
    """A socket for whole frames: receives those of one type from a device, and sends any to it."""
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(frame_type))
    one.bind((device, frame_type))
    return one


def _let_kernel_load_modules() -> None:
    """Those of devices, filters and actions: it looks for modprobe where this guest has none."""
    setting = Path("/proc/sys/kernel/modprobe")
    with suppress(OSError):  # a kernel without modules has no such setting
        if not Path(setting.read_text().strip()).exists():
            setting.write_text(MODPROBE)


class Wire:
    """Two network devices, veth, that are the ends of one wire: what one sends, the other receives.

    Nothing else is on it: its devices have no address, and are no routers, which would make themselves known.
    """

    def __init__(self) -> None:
        _let_kernel_load_modules()
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
def wire() -> Wire:
    """The one wire that there is.

    Raises:
        Unavailable: the kernel has no such devices.
    """
    try:
        with refusals_as(OSError, "a pair of veth devices cannot be made"):
            return Wire()
    except OSError as error:
        raise Unavailable(error.strerror) from error
