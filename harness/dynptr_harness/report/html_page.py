"""The result as one self-contained HTML page: the files of html/ with the data in them, and no network."""

from __future__ import annotations

import base64
import json
import zlib
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from dynptr_harness.report.html_data import Index

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dynptr_harness.conformance.c_sources import Programs
    from dynptr_harness.conformance.loader import Catalogue
    from dynptr_harness.results.comparison import Comparison
    from dynptr_harness.results.model import RunResult

_STYLES = ("palette.css", "page.css", "grid.css", "panel.css", "code.css")
_NAMES = ("data", "elements", "axes", "counts", "filters", "slots", "grid", "panel", "main")
_SCRIPTS = tuple(f"{name}.js" for name in _NAMES)


def as_html(result: RunResult, catalogue: Catalogue, comparison: Comparison | None = None) -> str:
    """The page.

    What the matrix needs is unpacked when the page opens, texts and programs when the first details are
    looked at: both are packed, for a full matrix has 100,000 cells and the same texts again and again.

    Args:
        catalogue: for titles, sources and the C programs; cells of cases that it does not have are shown too.
        comparison: of a baseline with this result, to mark what changed.
    """
    index = Index(result, catalogue, comparison)
    return Template(_file("page.html")).substitute(
        style="\n".join(map(_file, _STYLES)),
        script="\n".join(map(_file, _SCRIPTS)),
        index=_packed(index.document()),
        texts=_packed({"texts": index.texts, "programs": _programs(catalogue.programs, index.functions)}),
    )


def _programs(programs: Programs, names: Iterable[str]) -> dict[str, Any]:
    """The C functions with highlighting, each as often as it is named differently."""
    lexer, formatter = get_lexer_by_name("c"), HtmlFormatter(nowrap=True, classprefix="c-")
    shown = {}
    for name in names:
        if name in programs:
            function = programs[name]
            code = f"{function.macro}\n\n{function.text}" if function.macro else function.text
            shown[name] = {"path": f"bpf_src/{function.path}", "html": highlight(code, lexer, formatter)}
    return shown


def _packed(document: object) -> str:
    """Fit for DecompressionStream('deflate') behind atob()."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode()


def _file(name: str) -> str:
    return files("dynptr_harness.report").joinpath("html", name).read_text(encoding="utf-8")
