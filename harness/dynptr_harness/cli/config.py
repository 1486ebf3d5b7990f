"""The configuration file: options that a project always passes.

`dynptr-harness.toml` has a table for each command, such as [run], and pyproject.toml the same tables below
[tool.dynptr-harness]. The keys are the long options without the dashes. The command line wins.
"""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from dynptr_harness.core.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OWN_NAME = "dynptr-harness.toml"
PROJECT_NAME = "pyproject.toml"
TABLE = "dynptr-harness"

# Options that a file cannot give: consent is given each time, and the others end the command.
ONLY_ON_COMMAND_LINE = frozenset({"yes", "help", "dry-run", "schema", "version"})

_KINDS = {str: "a string", int: "a whole number", bool: "true or false", float: "a number"}


def apply(ctx: Any) -> None:
    """Make the values of the configuration file the defaults of the commands.

    Raises:
        WrongUsage: the file is not TOML, has an unknown key, or a value of the wrong type.
    """
    found = find(Path.cwd())
    if not found:
        return
    path, table = found
    ctx.default_map = _Reader(path, ctx).command(ctx.command, table, "")


def find(directory: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """Return the nearest configuration file of a directory and its parents, with its content, or None.

    In one directory, dynptr-harness.toml precedes pyproject.toml. A pyproject.toml without our table does not
    count.

    Raises:
        WrongUsage: the file cannot be read or is not TOML.
    """
    for each in (directory, *directory.parents):
        if (own := each / OWN_NAME).is_file():
            return own, _read(own)
        if (project := each / PROJECT_NAME).is_file():
            table = _read(project).get("tool", {})
            if isinstance(table, dict) and TABLE in table:
                return project, table[TABLE]
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise WrongUsage(f"cannot read {path}: {error.strerror}", "make it readable, or remove it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{path} is not TOML: {error}", "correct this line") from error


class _Reader:
    """Turns tables into defaults of commands."""

    def __init__(self, path: Path, ctx: Any) -> None:
        self._path = path
        self._ctx = ctx

    def command(self, command: Any, table: Any, name: str) -> dict[str, Any]:
        """Return the defaults of a command, or of the commands of a group, from its table."""
        if not isinstance(table, dict):
            raise self._wrong(name, "it must be a table")
        members = getattr(command, "commands", {})
        options = {} if members else dict(_options(command))
        made: dict[str, Any] = {}
        for key, value in table.items():
            if key in members:
                made[key] = self.command(members[key], value, f"{name} {key}".strip())
            elif key in options:
                option = options[key]
                if not _is_in_container() or key != "in":
                    made[option.name] = self._value(option, value, f"{name}.{key}")
            else:
                raise self._unknown(name, key, [*members, *options])
        return made

    def _value(self, option: Any, value: Any, name: str) -> Any:
        """Return a value as the command line would give it."""
        if option.multiple and not isinstance(value, list):
            raise self._wrong(name, f"it must be a list, not {_shown(value)}")
        if option.multiple:
            made: Any = [self._single(option, each, name) for each in value]
        else:
            made = self._single(option, value, name)
        try:
            option.process_value(self._ctx, made)
        except Exception as error:  # BadParameter of typer's private copy of click
            message = str(getattr(error, "message", error)).removeprefix("Value error, ").rstrip(".")
            raise self._wrong(name, f"{_shown(value)} is wrong: {message}") from error
        return made

    def _single(self, option: Any, value: Any, name: str) -> Any:
        wanted = _toml_type(_type(option))
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            raise self._wrong(name, f"it must be {_KINDS[wanted]}, not {_shown(value)}")
        return self._from_file(option, value) if isinstance(value, str) else value

    def _from_file(self, option: Any, value: str) -> str:
        """Return a relative path of a file or of a kernel relative to the directory of the file."""
        from dynptr_harness.kernels import path_of

        whole = self._path.parent / value
        is_file = _type(option) is Path and value != "-"
        is_kernel = option.name == "kernel" and path_of(str(whole)) is not None and whole.exists()
        return os.path.relpath(whole) if is_file or is_kernel else value

    def _unknown(self, name: str, key: str, known: Sequence[str]) -> WrongUsage:
        near = get_close_matches(key, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are: {', '.join(sorted(known))}"
        if key in ONLY_ON_COMMAND_LINE:
            hint = "give this option on the command line"
        place = f"[{self._table(name)}]" if self._table(name) else "the file"
        return WrongUsage(f"{self._path}: there is no key {key!r} in {place}", hint)

    def _wrong(self, name: str, why: str) -> WrongUsage:
        return WrongUsage(f"{self._path}: {self._table(name)}: {why}", "correct this value")

    def _table(self, name: str) -> str:
        prefix = f"tool.{TABLE}" if self._path.name == PROJECT_NAME else ""
        return ".".join(filter(None, (prefix, name.replace(" ", "."))))


def _options(command: Any) -> Iterator[tuple[str, Any]]:
    """Yield the options of a command that a file can give, by their long name without dashes."""
    for param in command.params:
        if param.param_type_name == "option" and not getattr(param, "hidden", False):
            long = [name for name in param.opts if name.startswith("--")]
            if long and (key := long[0].removeprefix("--")) not in ONLY_ON_COMMAND_LINE:
                yield key, param


def _type(option: Any) -> type:
    """Return the type of an option, or of the elements of its list."""
    annotation = option.type_descriptor.annotation
    inner = next((each for each in get_args(annotation) if each is not type(None)), annotation)
    return inner if isinstance(inner, type) else str


def _toml_type(wanted: type) -> type:
    return wanted if wanted in (bool, int, float) else str


def _shown(value: Any) -> str:
    return f"{value!r}" if isinstance(value, str | int | float | bool) else f"a {type(value).__name__}"


def _is_in_container() -> bool:
    """Return True if this command runs for another one, in a container."""
    return "DYNPTR_HARNESS_UNTIL_EOF" in os.environ
