"""The catalogue and the model agree: each run-time row passes on the model of its kernel."""

from __future__ import annotations

from typing import Any

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.experiments.maps import RB_OVERWRITE
from dynptr_harness.conformance.experiments.script import Script
from dynptr_harness.conformance.model.features import Features
from dynptr_harness.conformance.model.octets import Octets
from dynptr_harness.conformance.model.ring import Ring
from dynptr_harness.conformance.model.script import ScriptModel
from dynptr_harness.guest.ringbuf.raw_reader import payload_text
from dynptr_harness.protocol.kfuncs import KFUNCS

RAW_TRACEPOINT = next(each for each in PROG_TYPES if each.name == "RAW_TRACEPOINT")
FACTS: dict[str, Any] = {"release": "7.3.4", "arch": "x86_64", "kfuncs": list(KFUNCS)}
# A row whose answer depends on the processor or on memory of the kernel, not on the rules.
OUTSIDE = {"probe-read", "is-null-word"}
SCRIPTS = {case.id: case for case in CASES if case.experiment.request()["kind"] == "script"}
ROWS = sorted(SCRIPTS)


def model_of(request: dict[str, Any], features: Features) -> ScriptModel:
    ring = Ring(
        request["ring_size"],
        overwrites=bool(request["ring_flags"] & RB_OVERWRITE),
        pending_position=features.pending_position,
        new=True,
    )
    return ScriptModel(ring, features, request["object"], frozenset(KFUNCS))


def as_told(reply: Any) -> Any:
    """Return a reply of the model in the format of the agent."""
    if isinstance(reply, Octets):
        return payload_text(bytes(reply.data))
    if isinstance(reply, dict):
        return {key: as_told(part) for key, part in reply.items()}
    return [as_told(part) for part in reply] if isinstance(reply, list) else reply


def script_of(experiment: Any) -> Script:
    """Return the script without its kernel settings."""
    script = getattr(experiment, "experiment", experiment)
    assert isinstance(script, Script)
    return script


def outside(request: dict[str, Any]) -> bool:
    steps = [step for act in request["acts"] for step in act.get("steps", [])]
    return any(access["op"] in OUTSIDE for step in steps for access in step["accesses"])


def replay(experiment: Script, features: Features) -> list[str]:
    """Return the findings of a row that the model contradicts."""
    request = experiment.request()
    model = model_of(request, features)
    reply = {"acts": [as_told(model.perform(act)) for act in request["acts"]]}
    findings = experiment.findings(RAW_TRACEPOINT, FACTS, reply)
    return [f"{each.name}: {each.want} {each.seen}" for each in findings if each.want != each.seen]


@pytest.mark.parametrize("name", ROWS)
def test_a_row_passes_on_the_newest_model(name: str) -> None:
    experiment = script_of(SCRIPTS[name].experiment)
    if outside(experiment.request()):
        pytest.skip("the answer is not determined by the rules")
    assert replay(experiment, Features()) == []
