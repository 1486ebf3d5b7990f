"""The command `cache`: its list, and the removal of entries."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dynptr_harness.cli import completion
from dynptr_harness.cli.app import app
from dynptr_harness.cli.default_group import WithDefault
from dynptr_harness.cli.options import JsonFlag, schema_option, settings_for, terminal_width
from dynptr_harness.core.errors import ExitStatus

cache_app = typer.Typer(cls=WithDefault)
app.add_typer(
    cache_app, name="cache", help="List the content of the cache, or remove some with `cache prune`."
)


@cache_app.command("list")
def list_cache(
    *,
    kind: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KIND]...",
            help="Kinds to list, such as snapshots.",
            show_default=False,
            autocompletion=completion.cache_kinds,
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", "-a", help="List each entry, not only a sum for each kernel.")
    ] = False,
    as_json: JsonFlag = False,
    schema: Annotated[bool, schema_option("cache")] = False,  # noqa: ARG001
) -> None:
    """List the content of the cache: kinds, kernels, disk space, last use, and the limits.

    This is the default command of `cache`. Everything in the cache is made again when it is needed.
    """
    from dynptr_harness.cli.cache_list import as_document, as_lines
    from dynptr_harness.commands.cache import entries, limits

    settings = settings_for()
    found = entries(settings, kind or ())
    limited = {name: limit for name, limit in limits(settings).items() if not kind or name in kind}
    if as_json:
        print(json.dumps(as_document(settings.cache, found, limited), indent=1))
        return
    for line in as_lines(settings.cache, found, limited, every=every, width=terminal_width()):
        print(line)


@cache_app.command("prune")
def prune_cache(
    *,
    what: Annotated[
        list[str],
        typer.Option(
            metavar="KIND",
            help="Kind of entries to remove, such as snapshots; repeatable. See `cache`. To remove single "
            "kernels, use `kernels prune`.",
            autocompletion=completion.cache_kinds,
        ),
    ],
    unused_for: Annotated[
        float, typer.Option(min=0.0, metavar="DAYS", help="Keep what was used in the last so many days.")
    ] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would be removed.")] = False,
) -> None:
    """Remove entries of some kinds from the cache.

    An entry in use is kept, and the exit status is 3.
    """
    from dynptr_harness.cli.cache_list import removed
    from dynptr_harness.commands.cache import prune

    removals = list(prune(settings_for(), what, unused_for=unused_for, dry_run=dry_run))
    for line in removed(removals, dry_run=dry_run):
        print(line)
    if any(each.in_use for each in removals):
        raise typer.Exit(ExitStatus.ENVIRONMENT_FAILED)
