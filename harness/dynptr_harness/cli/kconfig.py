"""The command `kconfig`: the configuration of kernels that are built for the harness."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dynptr_harness.cli.app import app
from dynptr_harness.cli.options import JsonFlag, schema_option, terminal_width
from dynptr_harness.core.errors import ExitStatus, WrongUsage
from dynptr_harness.core.text import columns, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dynptr_harness.conformance.kconfig import Lack

CheckOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Show what this .config lacks, and the program types and cases that this costs. FILE may "
        "also be a build tree, or - for standard input. The exit status is 1 if a cell or the boot needs an "
        "option that is not set.",
    ),
]
NAMED = 6  # number of names that are shown of a list


@app.command()
def kconfig(
    *,
    check: CheckOption = None,
    as_json: JsonFlag = False,
    schema: Annotated[bool, schema_option("kconfig")] = False,  # noqa: ARG001
) -> None:
    """Print a configuration fragment that makes every case testable, or check a .config."""
    from dynptr_harness.conformance import kconfig as conformance

    if check is None:
        lines = list(conformance.fragment())
        print(
            json.dumps([line for line in lines if line and line[0] != "#"]) if as_json else "\n".join(lines)
        )
        return
    lacks = conformance.lacking(_read(check))
    if as_json:
        print(json.dumps([asdict(each) for each in lacks], indent=1))
    else:
        for line in _lines(check, lacks):
            print(line)
    if any(not each.use for each in lacks):
        raise typer.Exit(ExitStatus.NOT_AS_EXPECTED)


def _read(path: Path) -> str:
    from dynptr_harness.protocol import kconfig as options

    try:
        file = path / ".config" if path.is_dir() else path
        text = sys.stdin.read() if str(path) == "-" else _uncompressed(file.read_bytes())
    except OSError as error:
        raise WrongUsage(f"cannot read {path}: {error.strerror}", "give the .config of a kernel") from error
    if not options.parse(text):
        raise WrongUsage(
            f"{path} sets no option: no line begins with CONFIG_", "give the .config of a kernel"
        )
    return text


def _uncompressed(content: bytes) -> str:
    """Return the text of a configuration, also of one compressed as /proc/config.gz."""
    import gzip

    plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    return plain.decode(errors="replace")


def _lines(path: Path, lacks: Sequence[Lack]) -> Iterator[str]:
    needed = [each for each in lacks if not each.use]
    if not needed:
        yield f"{path} has every option that a boot or a case needs"
    else:
        yield f"{path} lacks {counted(len(needed), 'option')} that a boot or a case needs:"
    rows = [(f"  {each.option}", _cells(each), _cost(each)) for each in lacks]
    if rows:
        yield from columns(rows, terminal_width())
    if lacks:
        yield "`dynptr-harness kconfig` prints a fragment that sets them all"


def _cells(lack: Lack) -> str:
    if not lack.boots:
        return "no boot"
    return "useful" if lack.use else counted(lack.cells, "cell")


def _cost(lack: Lack) -> str:
    if not lack.boots:
        return "the harness cannot boot the kernel"
    parts = [
        f"types {_some(lack.prog_types)}" if lack.prog_types else "",
        f"cases {_some(lack.cases)}" if lack.cases else "",
    ]
    return lack.use or "; ".join(filter(None, parts))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
