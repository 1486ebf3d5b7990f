"""The arrival of packets."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[3] / "harness/dynptr_harness/guest/prog_types/packets.py"


@pytest.fixture(scope="module")
def packets() -> Any:
    """Import the module without its package, which needs BCC."""
    spec = importlib.util.spec_from_file_location("packets", SOURCE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("sent", "size", "received"),
    [
        ([b"headmessage"], None, "message"),
        ([b"alien, and longer", b"headmessage"], 11, "message"),
        ([b"alien"], 11, None),
        ([], None, None),
    ],
)
def test_packets_of_another_size_are_ignored(
    packets: Any, monkeypatch: pytest.MonkeyPatch, sent: list[bytes], size: int | None, received: str | None
) -> None:
    monkeypatch.setattr(packets, "ARRIVAL_S", 0.05)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        for each in sent:
            theirs.send(each)
        assert packets.arrival(ours, 4, size) == {"received": received}
