"""Record what a real verifier answers to the programs of all rows: `python -m tests.record_verifier 7.3`.

The model of a faultless kernel in the unit tests answers from that record, unit/verifier_answers.json; so
a new row about the verifier is recorded once. Only the newest kernel is of use: older ones differ.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.vm.machine import Machine
from dynptr_harness.vm.prepare import prepare
from dynptr_harness.vm.qemu import Spec

if TYPE_CHECKING:
    from dynptr_harness.vm.prepare import PreparedKernel

RECORD = Path(__file__).parent / "unit" / "verifier_answers.json"
DEADLINE_S = 120.0

# Lines of a log that differ from one boot or compiler to the next, instructions, sources and statistics; and
# the report in which newer kernels say it all once more, at length.
NOISE = re.compile(
    r"^(\d+: |; |from \d+ to \d+|processed |arg#0 reference type|$)"
    r"|^(  |Verification failed:|Reason:|At:|Causal path:|Suggestion:)"
)


def telling(log: str) -> str:
    """The lines that say why."""
    return "\n".join(line for line in log.splitlines() if not NOISE.match(line))


async def ask(subject: PreparedKernel) -> dict[str, Any]:
    """The answers by the names of the functions, and the release that gave them."""
    raw_tracepoint = next(each for each in PROG_TYPES if each.name == "RAW_TRACEPOINT")
    answers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        machine = await Machine.boot(Spec(subject.files, subject.accelerator), Path(folder))
        async with machine:
            for case in CASES:
                if case.experiment.request()["kind"] == "load":
                    reply = await machine.ask(case.request(raw_tracepoint, case.loaders[0]), DEADLINE_S)
                    answers |= reply["functions"]
            release = machine.facts["release"]
    for answer in answers.values():
        if not answer["accepted"]:
            answer["log"] = telling(answer["log"])
    return {"release": release, "answers": dict(sorted(answers.items()))}


def main() -> None:
    """Record the answers of the kernel that the first argument names."""
    settings = Settings.from_environment()
    (subject,), _image = prepare(sys.argv[1:2], settings=settings, progress=Silent(), modules=None)
    RECORD.write_text(json.dumps(asyncio.run(ask(subject)), indent=1) + "\n")


if __name__ == "__main__":
    main()
