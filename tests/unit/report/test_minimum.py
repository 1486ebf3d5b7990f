"""The oldest kernel of each program, what newer kernels change, and kernels without an answer."""

from __future__ import annotations

import io

import pytest
from dynptr_harness.report.minimum import MinimumReport, as_fields, minima
from dynptr_harness.report.probe import WHOLE_FILE, Answer
from rich.console import Console

OLD, MIDDLE, NEW, NEWEST = "6.1.0-57-cloud", "6.12.118+deb13", "7.2.12+deb13", "7.3.4+deb13"


def answer(
    kernel: str, *, accepted: bool, reason: str = "", function: str = "f", file: str = "a.c"
) -> Answer:
    if accepted:
        return Answer(kernel, function, "XDP", True, file=file)
    return Answer(kernel, function, "XDP", False, 22, reason or f"why {kernel}", None, "verifier", file)


def answers(accepted: str) -> list[Answer]:
    """Return the answers of four kernels: + for accepted, - for refused, ? for none."""
    kernels = (OLD, MIDDLE, NEW, NEWEST)
    return [
        answer(kernel, accepted=sign == "+")
        for kernel, sign in zip(kernels, accepted, strict=True)
        if sign != "?"
    ]


def shown(found: list[Answer], not_answered: dict[str, str] | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    console.print(
        MinimumReport(minima(found, not_answered or {}), not_answered or {}), soft_wrap=True, end=""
    )
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("accepted", "oldest", "changes", "before"),
    [
        ("++++", OLD, [], None),
        ("--++", NEW, [], MIDDLE),
        ("-+-+", MIDDLE, [NEW, NEWEST], OLD),
        ("+++-", OLD, [NEWEST], None),
        ("----", None, [], NEWEST),
        ("-?+-", NEW, [NEWEST], OLD),
    ],
)
def test_the_minimum_is_the_oldest_kernel_that_accepts(
    accepted: str, oldest: str | None, changes: list[str], before: str | None
) -> None:
    (found,) = minima(answers(accepted)[::-1], {})
    assert found.oldest == oldest
    assert [change.kernel for change in found.changes] == changes
    assert (found.refused_before.kernel if found.refused_before else None) == before
    assert found.loads_from_then_on is (oldest is not None and not changes)


def test_the_text_has_the_minimum_and_the_reasons() -> None:
    assert shown(answers("-+--")) == [
        "kernels: 6.1, 6.12, 7.2, 7.3",
        "",
        "f as XDP: loads from 6.12; rejected again on 7.2",
        f"  6.1: verifier: why {OLD}",
        f"  7.2: verifier: why {NEW}",
    ]


def test_a_program_that_loads_on_no_kernel_has_the_reason_of_the_newest() -> None:
    assert shown(answers("----"))[2:] == ["f as XDP: loads on no kernel", f"  7.3: verifier: why {NEWEST}"]


def test_a_kernel_without_an_answer_is_never_a_refusal() -> None:
    lines = shown(answers("?--?"), {OLD: "the guest did not boot", NEWEST: "the mirror failed"})
    assert lines == [
        "kernels: 6.12, 7.2",
        "",
        "f as XDP: loads on no kernel that answered",
        f"  7.2: verifier: why {NEW}",
        "",
        "6.1 not answered: the guest did not boot",
        "7.3 not answered: the mirror failed",
    ]


def test_an_older_kernel_without_an_answer_makes_the_minimum_an_upper_limit() -> None:
    lines = shown(answers("?-++"), {OLD: "the guest did not boot"})
    assert lines[2] == "f as XDP: loads from 7.2, or an older kernel that is not answered"
    lines = shown(answers("-++?"), {NEWEST: "the guest did not boot"})
    assert lines[2] == "f as XDP: loads from 6.12"


def test_two_kernels_of_a_series_are_named_by_release() -> None:
    found = [answer("6.12.1", accepted=False), answer("6.12.9", accepted=True)]
    assert shown(found)[2] == "f as XDP: loads from 6.12.9"


def test_a_file_that_a_kernel_refuses_is_refused_for_each_program() -> None:
    whole = Answer(OLD, WHOLE_FILE, "bcc", False, 22, "no map", None, "kernel map creation", "a.c")
    found = minima([whole, *answers("?+++")], {})
    assert [(each.function, each.oldest) for each in found] == [("f", MIDDLE)]
    assert found[0].refused_before == whole
    assert [each.function for each in minima([whole], {})] == [WHOLE_FILE]


def test_programs_of_several_files_have_the_name_of_the_file() -> None:
    found = [answer(OLD, accepted=True, file=name) for name in ("a.c", "b.c")]
    assert shown(found)[1:] == [
        "",
        "a.c: f as XDP: loads from 6.1, the oldest that was asked",
        "",
        "b.c: f as XDP: loads from 6.1, the oldest that was asked",
    ]


def test_the_fields_of_the_json_name_releases() -> None:
    fields = as_fields(minima(answers("-+-?"), {NEWEST: "lost"}), {NEWEST: "lost"})
    (program,) = fields["minimum"]
    assert (program["oldest"], program["complete"]) == (MIDDLE, False)
    assert [(each["kernel"], each["accepted"]) for each in program["changes"]] == [(NEW, False)]
    assert program["refused_before"]["kernel"] == OLD
    assert fields["not_answered"] == [{"kernel": NEWEST, "reason": "lost"}]
