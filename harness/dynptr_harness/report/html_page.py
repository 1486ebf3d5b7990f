"""The report as one self-contained HTML page: the files of html/ and the data. It needs no network."""

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

from dynptr_harness.report.html_data import PageData

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
    """Return the page.

    The data is compressed, because a full matrix has 100,000 cells. The page unpacks the matrix when it
    opens, and texts and programs when it first shows details.

    Args:
        catalogue: for titles, sources and C programs. Cells of cases that it lacks are shown too.
        comparison: comparison with a baseline, to mark changes.
    """
    index = PageData(result, catalogue, comparison)
    return Template(_file("page.html")).substitute(
        style="\n".join(map(_file, _STYLES)),
        script="\n".join(map(_file, _SCRIPTS)),
        index=_packed(index.document()),
        texts=_packed({"texts": index.texts, "programs": _programs(catalogue.programs, index.functions)}),
    )


def _programs(programs: Programs, names: Iterable[str]) -> dict[str, Any]:
    """Return the path and the highlighted code of each C function, by name."""
    lexer, formatter = get_lexer_by_name("c"), HtmlFormatter(nowrap=True, classprefix="c-")
    shown = {}
    for name in names:
        if name in programs:
            function = programs[name]
            code = f"{function.macro}\n\n{function.text}" if function.macro else function.text
            shown[name] = {"path": f"bpf_src/{function.path}", "html": highlight(code, lexer, formatter)}
    return shown


def _packed(document: object) -> str:
    """Pack a document for atob() and DecompressionStream('deflate')."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode()


def _file(name: str) -> str:
    return files("dynptr_harness.report").joinpath("html", name).read_text(encoding="utf-8")
