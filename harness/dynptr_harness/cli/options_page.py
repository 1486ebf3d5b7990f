"""The page of all options and environment variables, docs/options.md, generated from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer.main

from dynptr_harness.cli.app import PROGRAM, app
from dynptr_harness.core.settings import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """# Options

`make docs` generates this page from the command line. [reference.md](reference.md) explains selectors,
verdicts and files.
"""

# Variables of other programs that the command also reads.
OTHER_VARIABLES = {
    "XDG_CACHE_HOME": "Directory of all caches. Default: `~/.cache`.",
    "DOCKER_HOST": "Container engine for `--in docker` and `oci:` kernels.",
    "COLUMNS": "Width of the output. Default: the terminal's, or 120 for a pipe or a file.",
}


def as_markdown() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    commands = list(_commands(typer.main.get_command(app), PROGRAM))
    yield HEAD
    for name, _command in commands:
        yield f"- [{name}](#{name.replace(' ', '-')})"
    yield "- [Environment variables](#environment-variables)"
    for name, command in commands:
        yield f"\n## {name}\n"
        yield from _options(command)
    yield "\n## Environment variables\n"
    yield from _table(("variable", "meaning"))
    for variable, meaning in {**VARIABLES, **OTHER_VARIABLES}.items():
        yield from _row((f"`{variable}`", meaning))


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield each command with its full name, a group before its members."""
    if not command.hidden:
        yield name, command
        members = (
            command.list_commands(command.context_class(command)) if hasattr(command, "commands") else ()
        )
        for member in members:
            yield from _commands(command.commands[member], f"{name} {member}")


def _options(command: Any) -> Iterator[str]:
    if summary := (command.help or "").strip().partition("\n\n")[0]:
        yield f"{' '.join(summary.split())}\n"
    yield from _table(("option", "meaning", "default"))
    context = command.context_class(command)
    for param in command.params:
        if not getattr(param, "hidden", False):
            yield from _row((_names(param, context), getattr(param, "help", None) or "", _default(param)))


def _names(param: Any, context: Any) -> str:
    """Return the names of an option and its value's placeholder, or the placeholder of an argument."""
    placeholder = _placeholder(param, context)
    if param.param_type_name == "argument":
        return f"`{placeholder}`"
    names = ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    return names if param.is_flag else f"{names} `{placeholder}`"


def _placeholder(param: Any, context: Any) -> str:
    """Return the placeholder of a value: declared, or made from its type."""
    if param.metavar:
        return str(param.metavar)
    return str(param.display_type(ctx=context)).strip("[]<>")


def _default(param: Any) -> str:
    """Return the default value, or nothing for a flag that is off and an option without a default."""
    default = param.default
    if param.is_flag if hasattr(param, "is_flag") else False:
        return f"`{param.opts[0]}`" if default and param.secondary_opts else ""
    if default is None or default == [] or default == () or callable(default):
        return ""
    values = default if isinstance(default, list | tuple) else [default]
    return ", ".join(f"`{getattr(value, 'value', value)}`" for value in values)


def _table(titles: tuple[str, ...]) -> Iterator[str]:
    yield from _row(titles)
    yield from _row(("---",) * len(titles))


def _row(fields: tuple[str, ...]) -> Iterator[str]:
    yield "| " + " | ".join(" ".join(field.split()).replace("|", "\\|") for field in fields) + " |"


if __name__ == "__main__":  # `make docs`
    print(as_markdown(), end="")
