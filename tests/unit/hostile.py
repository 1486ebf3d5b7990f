"""Strategies for hostile input: random JSON, and valid documents with random parts replaced."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([10**400, -1, 1 << 64, "1" * 5000, "\ud800", "<script>"]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)

Path = tuple[Any, ...]


def _paths(document: Any, prefix: Path = ()) -> Iterator[Path]:
    """Yield the path of every part of a document, without its root."""
    parts = dict(enumerate(document)) if isinstance(document, list) else document
    for key, value in parts.items() if isinstance(parts, dict) else ():
        yield (*prefix, key)
        yield from _paths(value, (*prefix, key))


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> Any:
    """Replace, remove or repeat one to three parts of a JSON document."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        paths = list(_paths(document))
        if not paths:
            break
        *parents, last = draw(st.sampled_from(paths))
        parent = document
        for key in parents:
            parent = parent[key]
        match draw(st.sampled_from(["replace", "remove", "repeat"])):
            case "remove":
                del parent[last]
            case "repeat" if isinstance(parent, list):
                parent.insert(last, parent[last])
            case _:
                parent[last] = draw(JSON)
    return document
