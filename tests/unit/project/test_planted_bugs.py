"""The table of planted bugs, and the recorded result."""

import json
from typing import Any

import pytest

from tests.mutation import render
from tests.mutation.plant import BadAnchor, planted, table

BUGS = table()
FILES = {"kernel/bpf/ringbuf.c", "kernel/bpf/helpers.c", "kernel/bpf/verifier.c"}
RESULTS: dict[str, Any] = json.loads((render.HERE / "results.json").read_text())
SOURCE = "int first(int a)\n{\n\treturn a;\n}\n\nint second(int a)\n{\n\ta++;\n\treturn a;\n}\n"
BUG: dict[str, Any] = {"id": 7, "file": "a.c", "function": "second", "what": "-", "anchor": "a++;"}


def test_the_table_is_well_formed() -> None:
    assert len(BUGS) >= 60
    assert [bug["id"] for bug in BUGS] == list(range(1, len(BUGS) + 1))
    assert {bug["file"] for bug in BUGS} == FILES
    assert len({bug["what"] for bug in BUGS}) == len(BUGS)
    for bug in BUGS:
        (change,) = {"before", "after", "replace"} & bug.keys()
        assert "PLANTED" in bug[change]
        assert bug.keys() <= {"id", "file", "function", "what", "anchor", "unseen", "open", change}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: str(bug["id"]))
def test_every_bug_has_an_outcome(bug: dict[str, Any]) -> None:
    assert "catalogue" in RESULTS[str(bug["id"])]
    reasons = [reason for reason in (bug.get("unseen"), bug.get("open")) if reason]
    assert len(reasons) == (0 if render.is_caught(bug, RESULTS) else 1), "caught, or one reason why it is not"


def test_the_kernel_without_a_bug_passes() -> None:
    sound = RESULTS["0"]
    assert sound["failures"] == []
    assert sound["sequences"]["found"] is None
    assert sound["programs"]["found"] is None


def test_the_page_has_the_table_of_the_recorded_result() -> None:
    text = render.PAGE.read_text()
    assert render.page(text, RESULTS) == text, "run `make -C tests/mutation table`"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"before": "if (PLANTED) a = 0;"}, "if (unlikely(READ_ONCE(dynptr_bug) == 7)) a = 0;\na++;"),
        ({"after": "if (PLANTED) a = 0;"}, "a++;\nif (unlikely(READ_ONCE(dynptr_bug) == 7)) a = 0;"),
        ({"replace": "a += PLANTED;"}, "a += unlikely(READ_ONCE(dynptr_bug) == 7);"),
    ],
)
def test_a_bug_changes_one_function(change: dict[str, str], line: str) -> None:
    assert planted(SOURCE, [BUG | change]) == SOURCE.replace("a++;", line)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"function": "third"}, "bug 7, a.c: 0 definitions of third"),
        ({"anchor": "b++;"}, "bug 7, a.c: 0 matches of 'b..;' in second"),
        ({"anchor": "a"}, "bug 7, a.c: 3 matches of 'a' in second"),
    ],
)
def test_a_bug_that_does_not_fit_the_source_is_an_error(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(BadAnchor, match=message):
        planted(SOURCE, [BUG | {"replace": "PLANTED"} | wrong])


def test_two_bugs_cannot_change_the_same_text() -> None:
    with pytest.raises(BadAnchor, match="two bugs change the same text"):
        planted(SOURCE, [BUG | {"replace": "PLANTED"}, BUG | {"id": 8, "replace": "PLANTED"}])
