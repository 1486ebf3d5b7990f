"""Replies of a correct kernel to stress cases; part of kernel_model.py."""

from __future__ import annotations

from typing import Any

CPUS = 2
FOOTPRINT = 24


def flood(request: dict[str, Any]) -> dict[str, Any]:
    """Return a reply. Of 16 attempts 10 are submitted, 4 discarded, 2 refused, and a few find a full ring."""
    streams: list[dict[str, Any]] = []
    for cpu in range(CPUS):
        for context in ("outer", "nested"):
            sixteenth = request["attempts"] // (16 * CPUS * 2) + 1
            counted = {
                "attempts": 16 * sixteenth + 5,
                "submitted": 10 * sixteenth,
                "discarded": 4 * sixteenth,
                "refused": 2 * sixteenth,
                "full": 5,
                "wrong": 0,
                "fingerprint": 0xF1 + cpu,
                "amid": 3,
                "holds": 0,
            }
            arrived = {"submitted": 10 * sixteenth, "fingerprint": 0xF1 + cpu}
            streams.append({"cpu": cpu, "context": context, "counted": counted, "arrived": arrived})
    end = sum(one["counted"]["submitted"] + one["counted"]["discarded"] for one in streams) * FOOTPRINT
    killed = request["interruptions"] if request["interruption"] == "kill" else 0
    return {
        "loader": "bcc",
        "streams": streams,
        "positions": {"consumer": end, "producer": end},
        "interruptions": request["interruptions"],
        "read_again": [{"bytes": 240, "saved": 240, "same": True} for _ in range(killed)],
        "discarded": sum(one["counted"]["discarded"] for one in streams),
        "wrong": {"positions": 0, "headers": 0, "checksums": 0, "order": 0, "fates": 0},
    }
