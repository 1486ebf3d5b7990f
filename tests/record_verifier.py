"""Record the verifier's answers to the programs of all cases: `python -m tests.record_verifier 7.3`.

The model of a correct kernel in the unit tests answers from this record, unit/verifier_answers.json. A new
case about the verifier is recorded once, on the newest kernel: older ones differ.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.core.verifier_log import reasons_in
from dynptr_harness.vm.machine import Machine
from dynptr_harness.vm.prepare import prepare
from dynptr_harness.vm.qemu import Spec

if TYPE_CHECKING:
    from dynptr_harness.vm.prepare import PreparedKernel

RECORD = Path(__file__).parent / "unit" / "verifier_answers.json"
DEADLINE_S = 120.0


async def ask(prepared: PreparedKernel) -> dict[str, Any]:
    """Return the kernel's release, and its answers by function. Logs are reduced to their reasons."""
    raw_tracepoint = next(each for each in PROG_TYPES if each.name == "RAW_TRACEPOINT")
    answers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as directory:
        machine = await Machine.boot(Spec(prepared.files, prepared.accelerator), Path(directory))
        async with machine:
            for case in CASES:
                if case.experiment.request()["kind"] == "load":
                    reply = await machine.ask(case.request(raw_tracepoint, case.loaders[0]), DEADLINE_S)
                    answers |= reply["functions"]
            release = machine.facts["release"]
    for answer in answers.values():
        if not answer["accepted"]:
            answer["log"] = "\n".join(reasons_in(answer["log"]))
    return {"release": release, "answers": dict(sorted(answers.items()))}


def main() -> None:
    """Record the answers of the kernel that the first argument selects."""
    settings = Settings.from_environment()
    (prepared,), _image = prepare(sys.argv[1:2], settings=settings, progress=Silent(), modules=None)
    RECORD.write_text(json.dumps(asyncio.run(ask(prepared)), indent=1) + "\n")


if __name__ == "__main__":
    main()
