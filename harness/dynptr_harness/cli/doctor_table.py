"""What doctor found, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from dynptr_harness.commands.doctor import State
from dynptr_harness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.commands.doctor import Finding

_STYLES = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


def as_table(findings: Sequence[Finding]) -> Table:
    """One row a check: its name, how it came out, what is, and under that what to do about it."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for finding in findings:
        fact = Text(printable(finding.fact))
        if finding.hint:
            fact.append(f"\n-> {printable(finding.hint)}", "bold")
        table.add_row(finding.name, Text(finding.state.upper(), _STYLES[finding.state]), fact)
    return table
