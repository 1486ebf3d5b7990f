"""Put a table of faults, as `--fault-table` writes it, into docs/reliability.md."""

from __future__ import annotations

import sys
from pathlib import Path

PAGE = Path("docs/reliability.md")
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"


def main() -> None:
    """Replace the table between the marks."""
    table = Path(sys.argv[1]).read_text()
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{after}")


if __name__ == "__main__":
    main()
