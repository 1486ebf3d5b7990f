"""Replies of a correct kernel to map calls and mmap calls; part of kernel_model.py."""

from __future__ import annotations

from typing import Any

EPERM, EACCES, EBUSY, EINVAL, ENOMEM, ENOTSUPP = 1, 13, 16, 22, 12, 524
PAGE = 4096
RINGBUF, USER_RINGBUF, ARRAY_OF_MAPS = 27, 31, 12
NUMA_NODE, OVERWRITE = 1 << 2, 1 << 19

Reply = dict[str, Any]


class MapModel:
    """The maps of one request, by name. Each is the call that created it."""

    def __init__(self) -> None:
        self._maps: dict[str, Reply] = {}
        self._mapped: list[str] = []  # protection of each mapping
        self._frozen: set[str] = set()

    def answer(self, act: Reply) -> Reply:
        """Return the reply to one call."""
        if act["act"] != "create" and act.get("name", "") not in {"", *self._maps}:
            return {"errno": None}
        answer: Reply = getattr(self, f"_{act['act']}")(act)
        return answer

    def _create(self, act: Reply) -> Reply:
        errno = self._refusal(act)
        if not errno and "by_nobody" not in act:
            self._maps[act["name"]] = act
        return {"errno": errno}

    @staticmethod
    def _refusal(act: Reply) -> int:
        if act.get("by_nobody"):
            return EPERM
        if act["map_type"] == ARRAY_OF_MAPS:
            return 0
        size = act["max_entries"]
        whole_pages = size and not size & (size - 1) and not size % PAGE
        known = NUMA_NODE | (OVERWRITE if act["map_type"] == RINGBUF else 0)
        if act["map_flags"] & ~known or act["numa_node"] or act["map_extra"]:
            return EINVAL
        if not whole_pages or act["key_size"] or act["value_size"]:
            return EINVAL
        return ENOMEM if size > act.get("memory", size) else 0

    def _info(self, act: Reply) -> Reply:
        made = self._maps[act["name"]]
        fields = ("key_size", "value_size", "max_entries", "map_flags")
        return {"errno": 0, "type": made["map_type"], **{field: made[field] for field in fields}}

    def _element(self, act: Reply) -> Reply:
        made = self._maps[act["name"]]
        if made["map_type"] == RINGBUF:
            return {"errno": ENOTSUPP if act["key"] is None else EINVAL}
        if act["value"] not in self._maps:
            return {"errno": None}
        inner, stored = self._maps[made["inner"]], self._maps[act["value"]]
        return {"errno": EINVAL if inner["map_flags"] != stored["map_flags"] else 0}

    def _freeze(self, act: Reply) -> Reply:
        if act["name"] in self._frozen or "rw" in self._mapped:
            return {"errno": EBUSY}
        self._frozen.add(act["name"])
        return {"errno": 0}

    def _mmap(self, act: Reply) -> Reply:
        errno = self._refused_mapping(act)
        if not errno:
            self._mapped.append(act["prot"])
        return {"errno": errno}

    def _refused_mapping(self, act: Reply) -> int:
        if act["prot"] == "rx":
            return EPERM
        if act["private"]:
            return EINVAL
        consumer_only = act["offset"] == 0 and act["length"] == PAGE
        if act["prot"] == "rw" and (act["name"] in self._frozen or not consumer_only):
            return EPERM
        end = 2 * PAGE + 2 * self._maps[act["name"]]["max_entries"]
        return EINVAL if act["offset"] + act["length"] > end else 0

    def _mprotect(self, _act: Reply) -> Reply:
        return {"errno": EACCES}

    def _munmap(self, _act: Reply) -> Reply:
        self._mapped.pop()
        return {"errno": 0}
