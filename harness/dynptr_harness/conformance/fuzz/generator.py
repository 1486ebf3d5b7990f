"""Generates random sequences. The same seed gives the same sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.experiments.script import KFUNC_OF
from dynptr_harness.conformance.fuzz.sequence import Act, Sequence, Setting, seconds_of
from dynptr_harness.conformance.model.ring import FORCE_WAKEUP, NO_WAKEUP
from dynptr_harness.protocol.ring import footprint

if TYPE_CHECKING:
    from random import Random

    from dynptr_harness.conformance.model.script import ScriptModel

KIB, MIB = 1 << 10, 1 << 20
U32, U64 = 1 << 32, 1 << 64
RINGS = {4 * KIB: 12, 8 * KIB: 3, 64 * KIB: 3, MIB: 1, 4 * MIB: 1}  # sizes with their weights
PROGRAMS = {"steps": 6, "kfunc_steps": 4, "held_steps": 1}
CHUNK = 64  # sequences that share a program and a ring
ACTS = 10
PAYLOAD = 64
RARE = 0.08  # probability of an unusual value

ORDERS = {"steps": ("ABC", "ACB", "BAC", "BCA", "CAB", "CBA"), "kfunc_steps": ("ABC", "DBC")}
SLOTS = {"steps": 3, "kfunc_steps": 2, "held_steps": 2}
SLICES, WRITTEN_SLICES = (0, 1, 4, 8, 16, 17), (4, 16)  # lengths that bpf_src/steps.c has code for
# Operations by program and slot, from bpf_src/steps.c and bpf_src/elf/kfunc_steps.bpf.c; None is the ring.
OPS: dict[str, dict[int | None, tuple[str, ...]]] = {
    "steps": {
        0: ("write", "read", "slice", "slice-write"),
        1: ("write",),
        2: ("write",),
        None: ("query", "plain-output", "plain-reserve"),
    },
    "kfunc_steps": {
        0: ("write", "read",  "size", "is-null", "is-rdonly", "adjust", "kfunc-slice", "buffer-slice",
            "memset", "copy"),
        1: ("write", "read", "size", "is-null", "adjust", "copy"),
        3: ("write", "size", "is-null", "adjust"),
    },
}  # fmt: skip


class Generator:
    """Generates sequences from random numbers. It runs each on the model, to reach the limits of the ring."""

    def __init__(self, random: Random, setting: Setting) -> None:
        self._random = random
        self._setting = setting

    def chunk(self) -> list[Sequence]:
        """Return sequences that share a program and a ring, which then wraps many times."""
        program = self._weighted(PROGRAMS)
        size = self._weighted(RINGS)
        return [self._sequence(program, size) for _ in range(CHUNK)]

    def _sequence(self, program: str, size: int) -> Sequence:
        empty = Sequence(program, size, ())
        model = empty.model(self._setting.features[0], self._setting.kfuncs, 8 * size)
        acts: list[Act] = []
        seeking = self._rare()
        while len(acts) < ACTS:
            act = self._act(program, model, seeking=seeking)
            predicted = model.perform(act)
            if act["act"] == "wait":
                act["seconds"] = seconds_of(predicted)
            acts.append(act)
        return Sequence(program, size, tuple(acts))

    def _act(self, program: str, model: ScriptModel, *, seeking: bool) -> Act:
        kinds = {"event": 12, "poll": 1, "watch": 1}
        if model.ring.readable:
            kinds |= {"consume": 4, "peek": 1}
        if model.ring.ready is not None:
            kinds["wait"] = 4
        if seeking:
            kinds["seek"] = 3
        kind = self._weighted(kinds)
        if kind == "event":
            return self._held(model) if program == "held_steps" else self._event(program, model)
        if kind == "watch":
            return {"act": "watch", "edge": self._random.random() < 0.5}
        if kind == "seek":
            return self._seek(model)
        return {"act": kind}

    def _event(self, program: str, model: ScriptModel) -> Act:
        act: Act = {"act": "event", "steps": [self._step(program, model) for _ in range(self._upto(2))]}
        if program == "steps" and self._rare():
            act["fill"] = {"each": self._slot(model), "cnt": self._random.choice((1, 3, 40, 64, 300))}
        if not act["steps"] and "fill" not in act:
            act["steps"].append(self._step(program, model))
        return act

    def _step(self, program: str, model: ScriptModel) -> dict[str, Any]:
        slots = [self._slot(model) for _ in range(1 + self._upto(SLOTS[program] - 1))]
        return {
            "slots": slots,
            "accesses": [self._access(program, slots) for _ in range(self._upto(6))],
            "payload": self._random.randbytes(PAYLOAD).hex(),
            "order": self._random.choice(ORDERS[program]),
        }

    def _held(self, model: ScriptModel) -> Act:
        slots = [self._slot(model) for _ in range(1 + self._upto(1))]
        pauses = [place for place in ("after A", "after B", "after release") if self._random.random() < 0.4]
        return {
            "act": "held",
            "step": {
                "slots": slots,
                "accesses": [],
                "payload": "",
                "order": self._random.choice(("ABC", "BAC")),
                "pauses": pauses,
            },
            "meanwhile": [self._pause_actions(model) for _ in pauses],
        }

    def _pause_actions(self, model: ScriptModel) -> list[Act]:
        kinds = ("peek", "consume", "poll") if model.ring.readable else ("poll",)
        return [{"act": self._random.choice(kinds)} for _ in range(1 + self._upto(1))]

    def _slot(self, model: ScriptModel) -> dict[str, Any]:
        return {
            "size": self._size(model),
            "flags": self._word() if self._rare() else 0,
            "release": self._random.choice(("submit", "submit", "discard")),
            "release_flags": self._wake_flags(),
        }

    def _size(self, model: ScriptModel) -> int:
        """Return a size: small, of any magnitude, at the limit of the free space, or far too large."""
        ring, random = model.ring, self._random
        draw = random.random()
        if draw < 0.5:
            return random.randrange(72)
        if draw < 0.7:
            return random.randrange(1 << random.randint(3, ring.size.bit_length()))
        if draw < 0.92:
            free = ring.size - 1 - (ring.producer - ring.consumer) - footprint(0)
            return max(0, free // random.choice((1, 1, 1, 2, 3)) + random.randint(-9, 9))
        if draw < 0.96:
            return ring.size + random.randint(-24, 9)
        return random.choice(((1 << 24) - 1, 1 << 24, U32 - 1, U32 + 8, (1 << 30) - 1, self._word()))

    def _access(self, program: str, slots: list[dict[str, Any]]) -> dict[str, Any]:
        places = OPS[program]
        slot = self._random.choice(list(places))
        op = self._random.choice([op for op in places[slot] if self._has(op)])
        size = slots[slot]["size"] if slot is not None and slot < len(slots) else 16
        access = {"op": op, "slot": slot or 0, "source": 0, "len": 0, "offset": 0, "flags": 0}
        if op == "query":
            access["flags"] = self._word() if self._rare() else self._upto(6)
        elif op == "plain-output":
            access["flags"] = self._wake_flags()
        elif op == "plain-reserve":
            access["flags"] = self._word() if self._rare() else 0
        elif op in {"size", "is-null", "is-rdonly"}:
            pass
        else:
            access.update(self._range(op, size))
        return access

    def _range(self, op: str, size: int) -> dict[str, int]:
        """Return offset, length and flags of an access to a dynptr of `size` bytes."""
        random = self._random
        if op == "adjust":
            start, end = sorted((self._offset(size), self._offset(size)), reverse=self._rare())
            return {"offset": start, "len": end}
        if op in {"slice", "slice-write"} or "slice" in op:
            lengths = {"slice": SLICES, "slice-write": WRITTEN_SLICES, "kfunc-slice": (0, 8)}.get(op, (8,))
            return {"offset": self._offset(size), "len": random.choice(lengths)}
        if op == "memset":
            return {"offset": self._offset(size), "len": self._offset(size), "flags": random.randrange(256)}
        if op == "copy":
            return {"offset": self._offset(size), "len": self._offset(size), "flags": self._offset(size)}
        length = self._upto(PAYLOAD)
        return {
            "offset": self._offset(size),
            "len": length,
            "flags": self._word() if self._rare() else 0,
            "source": random.randint(0, PAYLOAD - length) if op == "write" else 0,
        }

    def _offset(self, size: int) -> int:
        """Return an offset within the bounds, at their limit, or far outside."""
        draw = self._random.random()
        if draw < 0.6:
            return self._upto(min(size, 1 << 24))
        if draw < 0.9:
            return max(0, min(size, 1 << 24) + self._random.randint(-9, 9))
        return self._random.choice((U32 - 1, U32 - 8, U32, U32 + 3, U64 - 1, U64 - 8, self._word()))

    def _seek(self, model: ScriptModel) -> Act:
        """Return a seek to a record boundary, to the producer position, or ahead of it."""
        ring, random = model.ring, self._random
        kept = [
            each.position - ring.producer for each in ring.records if each.end > ring.producer - ring.size
        ]
        return {"act": "seek", "ahead": random.choice((0, 0, 8 * self._upto(80), *kept))}

    def _has(self, op: str) -> bool:
        return op not in KFUNC_OF or KFUNC_OF[op] in self._setting.kfuncs

    def _wake_flags(self) -> int:
        if self._rare():
            return self._word()
        return self._random.choice((0, 0, 0, NO_WAKEUP, FORCE_WAKEUP, NO_WAKEUP | FORCE_WAKEUP))

    def _word(self) -> int:
        """Return a word with few or many bits set."""
        return self._random.choice((1 << self._random.randrange(64), self._random.getrandbits(64)))

    def _upto(self, limit: int) -> int:
        return self._random.randint(0, limit)

    def _rare(self) -> bool:
        return self._random.random() < RARE

    def _weighted(self, weights: dict[Any, int]) -> Any:
        return self._random.choices(list(weights), list(weights.values()))[0]
