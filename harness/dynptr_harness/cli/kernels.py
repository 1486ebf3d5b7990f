"""Commands that list, fetch and remove kernels."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dynptr_harness.cli import completion
from dynptr_harness.cli.app import app, say
from dynptr_harness.cli.default_group import WithDefault
from dynptr_harness.cli.options import JsonFlag, OfflineFlag, console_on, settings_for, terminal_width
from dynptr_harness.core.errors import ExitStatus

kernels_app = typer.Typer(cls=WithDefault)
app.add_typer(
    kernels_app,
    name="kernels",
    help="List kernels, `fetch` them or `prune` the cache.",
)


@kernels_app.command("list")
def list_kernels(
    *,
    kernel: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KERNEL]...",
            help="Kernels to list: a series, a release or its leading part, a pattern such as '6.1*'.",
            show_default=False,
            autocompletion=completion.kernels,
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", "-a", help="List all kernels, not only the best of each series.")
    ] = False,
    offline: OfflineFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """List the best kernel of each series in Debian, and the kernels in the cache.

    A terminal narrower than 104 columns shows no VERSION and SUITE. This is the default command of `kernels`.
    """
    from dynptr_harness.cli.kernel_list import as_document, as_lines
    from dynptr_harness.kernels.debian import source, store
    from dynptr_harness.report.console_progress import for_console

    settings = settings_for(offline=offline)
    known, troubles = source.known(settings, for_console(console_on(stderr=True)))
    shown = source.listed(kernel or (), known, every=every)
    sizes = store.sizes(shown, settings)
    for trouble in troubles:
        say(f"warning: {trouble}")
    if as_json:
        print(json.dumps(as_document(shown, sizes, troubles), indent=1))
        return
    for line in as_lines(shown, sizes, terminal_width()):
        print(line)


@kernels_app.command("fetch")
def fetch_kernels(
    kernel: Annotated[
        list[str],
        typer.Argument(
            metavar="KERNEL...",
            help="Kernels to fetch, selected as for `run --kernel`.",
            autocompletion=completion.kernels,
        ),
    ],
) -> None:
    """Fetch kernels into the cache for use with --offline."""
    from dynptr_harness.kernels import choose
    from dynptr_harness.report.console_progress import for_console

    progress = for_console(console_on(stderr=True))
    for choice in choose(kernel, settings=settings_for(), progress=progress):
        fetched = choice.fetch()
        print(f"{fetched.release} is in the cache: {fetched.image}")


@kernels_app.command("prune")
def prune_kernels(
    kernel: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KERNEL]...",
            help="Cached kernels to remove. Default: those that are not the best of their series.",
            show_default=False,
            autocompletion=completion.cached_kernels,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would be removed.")] = False,
) -> None:
    """Remove kernels with their boot files and snapshots from the cache.

    A kernel in use is kept, and the exit status is 3.
    """
    from dynptr_harness.cli.kernel_list import removed
    from dynptr_harness.commands.prune import prune

    removals = list(prune(kernel or (), settings_for(), dry_run=dry_run))
    for line in removed(removals, dry_run=dry_run):
        print(line)
    if any(each.in_use for each in removals):
        raise typer.Exit(ExitStatus.ENVIRONMENT_FAILED)
