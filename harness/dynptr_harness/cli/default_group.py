"""A group of commands of which one need not be named."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

DEFAULT = "list"


class WithDefault(TyperGroup):
    """A group whose command `list` is meant where the first word is none of its commands."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name before words that name none; while words are completed it may yet come."""
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        if not named and (args or not ctx.resilient_parsing):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """What can come next: a command, or what can come after the default one."""
        default = self.commands[DEFAULT]
        words = [] if incomplete.startswith("-") else default.params[0].shell_complete(ctx, incomplete)
        return [*super().shell_complete(ctx, incomplete), *default.shell_complete(ctx, incomplete), *words]
