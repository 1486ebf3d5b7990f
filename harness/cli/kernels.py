"""Commands that have to do with kernels: which there are, fetch them, remove them."""

from __future__ import annotations

import json
import shutil
import sys
from typing import Annotated

import typer

from harness import complete
from harness.cli.app import app, say
from harness.cli.options import JsonFlag, OfflineFlag, console_on, settings_for
from harness.default_command import WithDefault
from harness.errors import ExitStatus

kernels_app = typer.Typer(cls=WithDefault)
app.add_typer(
    kernels_app,
    name="kernels",
    help="List the kernels that can be had; fetch or remove some: `kernels`, `kernels fetch all`, "
    "`kernels prune`.",
)


@kernels_app.command("list")
def list_kernels(
    *,
    kernel: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KERNEL]...",
            help="All that fit these: a series, a release or its leading part, patterns such as '6.1*'.",
            show_default=False,
            autocompletion=complete.kernels,
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", "-a", help="All that there are, not only the best of each series.")
    ] = False,
    offline: OfflineFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """List kernels: of each series the best that Debian serves, and what the cache has.

    This is what `kernels` does when no command is named.
    """
    from harness.kernels import debian, debian_store
    from harness.report.kernel_list import as_document, as_lines
    from harness.report.progress import for_console

    settings = settings_for(offline=offline)
    known, troubles = debian.known(settings, for_console(console_on(stderr=True)))
    shown = debian.listed(kernel or (), known, every=every)
    sizes = debian_store.sizes(shown, settings)
    for trouble in troubles:
        say(f"warning: {trouble}")
    if as_json:
        print(json.dumps(as_document(shown, sizes, troubles), indent=1))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in as_lines(shown, sizes, width):
        print(line)


@kernels_app.command("fetch")
def fetch_kernels(
    kernel: Annotated[
        list[str],
        typer.Argument(metavar="KERNEL...", help="As for `run --kernel`.", autocompletion=complete.kernels),
    ],
) -> None:
    """Fetch kernels into the cache, so that they can be run with --offline."""
    from harness.kernels import choose
    from harness.report.progress import for_console

    progress = for_console(console_on(stderr=True))
    for choice in choose(kernel, settings=settings_for(), progress=progress):
        fetched = choice.fetch()
        print(f"{fetched.release} is there: {fetched.image}")


@kernels_app.command("prune")
def prune_kernels(
    kernel: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KERNEL]...",
            help="All kernels of the cache that fit these; else those that are not the best of their series.",
            show_default=False,
            autocompletion=complete.cached_kernels,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would go.")] = False,
) -> None:
    """Remove kernels from the cache, their boot files and snapshots; what a run uses stays: status 3."""
    from harness.prune import prune
    from harness.report.kernel_list import removed

    removals = list(prune(kernel or (), settings_for(), dry_run=dry_run))
    for line in removed(removals, dry_run=dry_run):
        print(line)
    if any(each.in_use for each in removals):
        raise typer.Exit(ExitStatus.ENVIRONMENT_FAILED)
