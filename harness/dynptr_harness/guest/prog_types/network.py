"""Types that process packets of a network device or namespace."""

from __future__ import annotations

import ctypes as ct
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.guest.prog_types import packets
from dynptr_harness.guest.prog_types.base import AttachFailed, GuestType, linked
from dynptr_harness.guest.system import network
from dynptr_harness.protocol.uapi import AttachType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram

NETWORK_NAMESPACE = "/proc/self/ns/net"
EGRESS = "ffff:fff3"  # TC_H_MIN_EGRESS of the clsact qdisc
ETH_P_ALL = 3
XDP_FLAGS_SKB_MODE = 2
NF_INET_LOCAL_OUT, ANY_PRIORITY = 3, -100


@contextmanager
def agent_netns() -> Iterator[int]:
    """Yield a file descriptor for the agent's network namespace."""
    namespace = os.open(NETWORK_NAMESPACE, os.O_RDONLY)
    try:
        yield namespace
    finally:
        os.close(namespace)


class NetnsType(GuestType):
    """A type that attaches to a network namespace."""

    @contextmanager
    def attached(self, program: LoadedProgram) -> Iterator[None]:
        with agent_netns() as namespace, linked(program, namespace, AttachType(self.attach_type)):
            yield


class SkLookup(NetnsType):
    name = "SK_LOOKUP"
    attach_type = AttachType.SK_LOOKUP
    returns = 1  # SK_PASS

    def fire(self) -> Any:
        return packets.datagram()


class VethType(GuestType):
    """A type whose event is a frame on the veth pair."""

    def fire(self) -> Any:
        network.veth_pair().send(packets.MESSAGE)
        return packets.arrival(network.veth_pair().far_end, skip=14)  # the Ethernet header


class FlowDissector(VethType, NetnsType):
    name = "FLOW_DISSECTOR"
    attach_type = AttachType.FLOW_DISSECTOR


class TcType(VethType):
    """A type that traffic control runs on egress."""

    @contextmanager
    def attached(self, program: LoadedProgram) -> Iterator[None]:
        network.veth_pair()
        netlink, device = network.netlink(), network.index_of(network.NEAR_END)
        netlink.tc("add", "clsact", device)
        try:
            with network.netlink_errors_as(AttachFailed, "add a filter"):
                netlink.tc("add-filter", index=device, parent=EGRESS, **self._filter(program))
            yield
        finally:
            netlink.tc("del", "clsact", device)

    def _filter(self, program: LoadedProgram) -> dict[str, Any]:
        raise NotImplementedError


class SchedCls(TcType):
    name = "SCHED_CLS"

    def _filter(self, program: LoadedProgram) -> dict[str, Any]:
        return {"kind": "bpf", "fd": program.fd, "name": program.name, "direct_action": True}


class SchedClsTcx(VethType):
    """SCHED_CLS attached with a link, without a qdisc."""

    name = "SCHED_CLS/tcx"
    attach_type = AttachType.TCX_EGRESS

    def attached(self, program: LoadedProgram) -> Any:
        network.veth_pair()
        return linked(program, network.index_of(network.NEAR_END), AttachType.TCX_EGRESS)


class SchedAct(TcType):
    name = "SCHED_ACT"

    def _filter(self, program: LoadedProgram) -> dict[str, Any]:
        action = {"kind": "bpf", "fd": program.fd, "name": program.name, "action": "ok"}
        return {"kind": "matchall", "protocol": ETH_P_ALL, "action": [action]}


class Xdp(VethType):
    name = "XDP"
    attach_type = AttachType.XDP
    returns = 2  # XDP_PASS

    def attached(self, program: LoadedProgram) -> Any:
        network.veth_pair()
        return linked(program, network.index_of(network.FAR_END), AttachType.XDP)


class XdpGeneric(Xdp):
    """Generic XDP: the kernel runs the program, not the driver."""

    name = "XDP/generic"

    def attached(self, program: LoadedProgram) -> Any:
        network.veth_pair()
        options = libbpf.LinkCreateOpts(flags=XDP_FLAGS_SKB_MODE)
        return linked(program, network.index_of(network.FAR_END), AttachType.XDP, options)


class _NetfilterOpts(libbpf.LinkCreateOpts):
    """struct bpf_link_create_opts with the fields for netfilter."""

    _fields_ = (
        ("pf", ct.c_uint32),
        ("hooknum", ct.c_uint32),
        ("priority", ct.c_int32),
        ("netfilter_flags", ct.c_uint32),
    )


class Netfilter(GuestType):
    name = "NETFILTER"
    attach_type = AttachType.NETFILTER
    returns = 1  # NF_ACCEPT

    def attached(self, program: LoadedProgram) -> Any:
        options = _NetfilterOpts(pf=socket.AF_INET, hooknum=NF_INET_LOCAL_OUT, priority=ANY_PRIORITY)
        return linked(program, 0, AttachType.NETFILTER, options)

    def fire(self) -> Any:
        return packets.datagram()


TYPES = (FlowDissector, Netfilter, SchedAct, SchedCls, SchedClsTcx, SkLookup, Xdp, XdpGeneric)
