"""A group of commands with a default command."""

from __future__ import annotations

from typing import Any

from dynptr_harness.cli.app import Group

DEFAULT = "list"


class WithDefault(Group):
    """A group that runs its command `list` if the first word is not the name of a command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default command if none is named.

        Completion inserts nothing into an empty line: the name of a command may follow.
        """
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        if not named and (args or not ctx.resilient_parsing):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete commands, and the arguments and options of the default command."""
        default = self.commands[DEFAULT]
        words = [] if incomplete.startswith("-") else default.params[0].shell_complete(ctx, incomplete)
        return [*super().shell_complete(ctx, incomplete), *default.shell_complete(ctx, incomplete), *words]
