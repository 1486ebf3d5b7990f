"""Plant the bugs of bugs.toml in a copy of the kernel's source: `plant.py PRISTINE COPY`."""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

TABLE = Path(__file__).with_name("bugs.toml")
DEFINED_IN = "kernel/bpf/ringbuf.c"
SWITCH = "extern int dynptr_bug;\n"
DEFINITION = Path(__file__).with_name("switch.c")


class BadAnchor(Exception):
    """A bug does not fit the source."""


class Edit(NamedTuple):
    """A part of a file, and the text that takes its place."""

    start: int
    end: int
    text: str


def body(source: str, function: str) -> tuple[int, int]:
    """Return start and end of the definition of a function."""
    heads = rf"^(?:\w[^\n;{{}}]*\b|BPF_CALL_\d\(|){function}[(,][^;{{}}]*\n\{{.*?^\}}"
    found = list(re.finditer(heads, source, re.MULTILINE | re.DOTALL))
    if len(found) != 1:
        raise BadAnchor(f"{len(found)} definitions of {function}")
    return found[0].span()


def edit(source: str, bug: dict[str, Any]) -> Edit:
    """Return the edit that plants a bug, in terms of the pristine source."""
    start, end = body(source, bug["function"])
    anchor = bug["anchor"]
    if (count := source.count(anchor, start, end)) != 1:
        raise BadAnchor(f"{count} matches of {anchor!r} in {bug['function']}")
    at = source.index(anchor, start, end)
    return _edit(bug, at, at + len(anchor))


def _edit(bug: dict[str, Any], start: int, end: int) -> Edit:
    planted = {key: switched(bug, key) for key in ("before", "after", "replace") if key in bug}
    match planted:
        case {"before": text}:
            return Edit(start, start, f"{text}\n")
        case {"after": text}:
            return Edit(end, end, f"\n{text}")
        case {"replace": text}:
            return Edit(start, end, text)
    raise BadAnchor("none of before, after, replace")


def switched(bug: dict[str, Any], key: str) -> str:
    """Return the text of a bug with the condition of its switch."""
    return re.sub(r"\bPLANTED\b", f"unlikely(READ_ONCE(dynptr_bug) == {bug['id']})", bug[key])


def planted(source: str, bugs: list[dict[str, Any]]) -> str:
    """Return the source of a file with its bugs."""
    edits = []
    for bug in bugs:
        try:
            edits.append(edit(source, bug))
        except BadAnchor as error:
            raise BadAnchor(f"bug {bug['id']}, {bug['file']}: {error}") from None
    edits.sort(key=lambda each: (each.start, each.end))
    text, position = [], 0
    for each in edits:
        if each.start < position:
            raise BadAnchor(f"two bugs change the same text: {each.text}")
        text += [source[position : each.start], each.text]
        position = each.end
    return "".join((*text, source[position:]))


def with_switch(source: str, path: str) -> str:
    """Return a file with the declaration or definition of the switch after its first #include."""
    end = source.index("\n", source.index("#include ")) + 1
    return source[:end] + (DEFINITION.read_text() if path == DEFINED_IN else SWITCH) + source[end:]


def table() -> list[dict[str, Any]]:
    """Return the bugs of bugs.toml."""
    bugs: list[dict[str, Any]] = tomllib.loads(TABLE.read_text())["bug"]
    return bugs


def main() -> None:
    """Write the files that have bugs, if they changed."""
    pristine, copy = map(Path, sys.argv[1:])
    bugs = table()
    for path in sorted({bug["file"] for bug in bugs}):
        source = (pristine / path).read_text()
        text = with_switch(planted(source, [bug for bug in bugs if bug["file"] == path]), path)
        if (copy / path).read_text() != text:
            (copy / path).write_text(text)
    print(f"{len(bugs)} bugs planted in {copy}")


if __name__ == "__main__":
    try:
        main()
    except (BadAnchor, OSError) as problem:
        sys.exit(f"plant.py: {problem}")
