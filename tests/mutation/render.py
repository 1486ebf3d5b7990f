"""Write the table of planted bugs into docs/fidelity.md, from bugs.toml and results.json."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.mutation.plant import table

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "fidelity.md"
BEGIN, END = "<!-- planted bugs: begin -->\n", "<!-- planted bugs: end -->\n"
HEAD = """\
| bug | function | what is wrong | catalogue | random sequences | random programs |
|-----|----------|---------------|-----------|------------------|-----------------|"""


def outcome(record: dict[str, Any], sound: dict[str, Any]) -> tuple[str, str, str]:
    """Return the cells of the table for catalogue, sequences and programs. '' if a search found nothing.

    Args:
        sound: the record without a bug.
    """
    rows = record.get("catalogue", {}).get("rows", [])
    return (
        ", ".join(rows),
        _sequences(record.get("sequences", {})),
        _programs(record.get("programs", {}), sound),
    )


def _sequences(search: dict[str, Any]) -> str:
    return f"after {search['found']}" if search.get("found") else ""


def _programs(search: dict[str, Any], sound: dict[str, Any]) -> str:
    """Name a failure, or the first safe program that only the kernel with the bug rejects."""
    if search.get("found"):
        return f"after {search['found']}"
    usual = sound.get("programs", {})
    rejected = [
        number
        for reason, number in search.get("rejected", {}).items()
        if number <= usual.get("ran", 0) and reason not in usual["rejected"]
    ]
    return f"safe, rejected: after {min(rejected)}" if rejected else ""


def is_caught(bug: dict[str, Any], results: dict[str, Any]) -> bool:
    """Return True if a search found a bug."""
    return any(outcome(results.get(str(bug["id"]), {}), results.get("0", {})))


def _searched(search: dict[str, Any]) -> str:
    return f"not in {search['ran']}" if search.get("ran") else "."


def lines(bugs: list[dict[str, Any]], results: dict[str, Any]) -> list[str]:
    """Return the table and the counts above it."""
    caught = [bug for bug in bugs if is_caught(bug, results)]
    by_chance = [bug for bug in bugs if any(outcome(results.get(str(bug["id"]), {}), results["0"])[1:])]
    by_rows = [bug for bug in bugs if results.get(str(bug["id"]), {}).get("catalogue", {}).get("rows")]
    hidden = [bug for bug in bugs if bug not in caught and bug.get("unseen")]
    head = (
        f"{len(bugs)} bugs: {len(caught)} caught, {len(by_rows)} by the catalogue and {len(by_chance)} by "
        f"random testing. {len(hidden)} cannot be seen, {len(bugs) - len(caught) - len(hidden)} survive."
    )
    return [head, "", HEAD, *(_row(bug, results) for bug in bugs)]


def _row(bug: dict[str, Any], results: dict[str, Any]) -> str:
    record = results.get(str(bug["id"]), {})
    rows, sequences, programs = outcome(record, results["0"])
    if not is_caught(bug, results):
        rows = bug.get("unseen") or f"**survives**: {bug['open']}"
    cells = (
        str(bug["id"]),
        f"`{bug['function']}`",
        bug["what"],
        rows or "no row",
        sequences or _searched(record.get("sequences", {})),
        programs or _searched(record.get("programs", {})),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page(text: str, results: dict[str, Any]) -> str:
    """Return the page with a new table."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return before + BEGIN + "\n".join(lines(table(), results)) + "\n" + END + after


if __name__ == "__main__":
    recorded = json.loads((HERE / "results.json").read_text())
    try:
        PAGE.write_text(page(PAGE.read_text(), recorded))
    except (ValueError, IndexError, KeyError) as problem:
        sys.exit(f"render.py: {PAGE} or results.json is incomplete: {problem!r}")
