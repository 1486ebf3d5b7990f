"""A damaged result is one error or a readable result. Reports escape what kernels print."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from dynptr_harness.conformance.loader import load
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.report import comparison as comparison_report
from dynptr_harness.report.html_page import as_html
from dynptr_harness.report.junit import as_junit
from dynptr_harness.report.markdown import as_markdown
from dynptr_harness.results.comparison import compare
from dynptr_harness.results.json_format import as_json
from dynptr_harness.results.json_reader import from_json
from dynptr_harness.results.merge import merge
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.unit.hostile import JSON, damaged
from tests.unit.samples import HEADS, cell, kernel_run, result

INTACT = result([cell(), cell("LSM", verdict=Verdict.CRASH, ok=False, log="log", console="Oops")])
DOCUMENT = json.loads(as_json(INTACT))


def read(text: bytes) -> Any:
    try:
        return from_json(text, "r.json")
    except WrongUsage:
        return None


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_random_bytes_are_no_result(text: bytes) -> None:
    assert read(text) is None


def test_deeply_nested_json_is_no_result() -> None:
    assert read(b"[" * 100_000) is None


@given(damaged(DOCUMENT))
def test_a_damaged_result_is_rejected_or_can_be_used(document: dict[str, Any]) -> None:
    read_back = read(json.dumps(document).encode())
    if read_back is None:
        return
    as_html(read_back, load())
    as_markdown(read_back, HEADS)
    as_junit(read_back)
    comparison_report.as_markdown(compare(INTACT, read_back))
    with suppress(WrongUsage):
        as_json(merge([("intact", INTACT), ("damaged", read_back)]))


MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)> | `x` ](javascript:alert(1)) &amp;"


@pytest.mark.parametrize("render", [as_markdown, None], ids=["markdown", "comparison"])
def test_markdown_has_no_markup_of_the_guest(render: Any) -> None:
    bad = cell(verdict=Verdict.FAIL, ok=False, seen=MARKUP, log=MARKUP, console=MARKUP, reason=MARKUP)
    hostile = result([bad], [kernel_run(splats=(MARKUP,), stopped=MARKUP, last_console=MARKUP)])
    text = render(hostile, HEADS) if render else comparison_report.as_markdown(compare(INTACT, hostile))
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert "alert(1)" in html
    assert not re.search(r"<script|<img|href=.javascript", html)
