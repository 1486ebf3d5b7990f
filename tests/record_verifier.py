"""Record the answers of a real verifier to the programs of all cases: `python -m tests.record_verifier 7.3`.

The kernel model of the unit tests replies with these answers (unit/verifier_answers.json). Record them on the
newest kernel after adding a case for the verifier.
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

# Lines of a log that depend on the boot or the compiler (instructions, sources, statistics), and the long report
# that newer kernels add.
NOISE = re.compile(
    r"^(\d+: |; |from \d+ to \d+|processed |arg#0 reference type|$)"
    r"|^(  |Verification failed:|Reason:|At:|Causal path:|Suggestion:)"
)


def reason(log: str) -> str:
    """Return the lines that give the reason."""
    return "\n".join(line for line in log.splitlines() if not NOISE.match(line))


async def record(subject: PreparedKernel) -> dict[str, Any]:
    """Return the kernel release and its answers by the names of the functions."""
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
            answer["log"] = reason(answer["log"])
    return {"release": release, "answers": dict(sorted(answers.items()))}


def main() -> None:
    """Record the answers of the kernel selected by the first argument."""
    settings = Settings.from_environment()
    (subject,), _image = prepare(sys.argv[1:2], settings=settings, progress=Silent(), modules=None)
    RECORD.write_text(json.dumps(asyncio.run(record(subject)), indent=1) + "\n")


if __name__ == "__main__":
    main()
