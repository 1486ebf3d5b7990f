"""Record how kernels refuse the programs of tests/refusals: `python -m tests.record_refusals 6.1 6.12 7.3`.

The unit tests of the reasons read these records, tests/refusals/answers/SERIES.json. They have the exact
output of libbpf and the verifier.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.commands.user_program import FileRefused, UserProgram
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.vm.launcher import Machines, Options

if TYPE_CHECKING:
    from collections.abc import Collection

    from dynptr_harness.kernels.model import Kernel
    from dynptr_harness.vm.machine import Machine

DIRECTORY = Path(__file__).parent / "refusals"
RECORDS = DIRECTORY / "answers"
TYPE_FOR_BCC = "RAW_TRACEPOINT"
DEADLINE_S = 600.0
# The reason is at the end of a log.
KEPT_CHARACTERS = 6000


def record_of(release: str) -> Path:
    """Return the file with the answers of a kernel."""
    return RECORDS / f"{'.'.join(release.split('.')[:2])}.json"


def shortened(reply: dict[str, Any]) -> dict[str, Any]:
    """Return the reply without the number of the program and the beginning of a long log."""
    if "program" in reply:
        return {"accepted": True}
    refused = reply["refused"]
    if len(refused["log"]) > KEPT_CHARACTERS:
        _, _, end = refused["log"][-KEPT_CHARACTERS:].partition("\n")
        return {"refused": {**refused, "log": end}}
    return {"refused": refused}


async def answers(
    machine: Machine, kernel: Kernel, *, leave_out: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """Return the agent's replies by file and function, except for the files in `leave_out`."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(DIRECTORY.glob("*.c")):
        if path.name in leave_out:
            continue
        source = UserProgram.read(path)
        prog_type = TYPE_FOR_BCC if source.loader == "bcc" else None
        try:
            given = await source.give_to(machine, kernel)
        except FileRefused:
            reply = await machine.ask({"kind": "own", "do": "compile", **source.given}, DEADLINE_S)
            found[path.name] = {"refused": reply["refused"]}
            continue
        for function in given.programs:
            reply = await machine.ask(given.request(function, prog_type), DEADLINE_S)
            found[f"{path.name}:{function}"] = shortened(reply)
    return found


def main() -> None:
    """Record the answers of the kernels that the arguments select."""
    settings = Settings.from_environment()
    machines = Machines(sys.argv[1:], Options(), settings=settings, progress=Silent())
    RECORDS.mkdir(exist_ok=True)
    for prepared in machines.kernels:
        release = prepared.kernel.release
        document = {
            "release": release,
            "answers": machines.visit(prepared, partial(answers, kernel=prepared.kernel)),
        }
        record_of(release).write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
