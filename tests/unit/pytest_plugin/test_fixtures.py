"""The exceptions of the fixtures for refused programs. The guest is a stub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from dynptr_harness.commands.user_program import FileRefused, GivenSource, UserProgram
from dynptr_harness.core.refusal import refusal
from dynptr_harness.pytest_plugin.fixtures import Bpf, Guest, Refused

if TYPE_CHECKING:
    from pathlib import Path

LINE = "libbpf: extern (func ksym) 'x': not found in kernel or module BTFs"
MAP = {"errno": 22, "log": "", "messages": ["could not open bpf map: events, error: Invalid argument"]}


class StubGuest:
    """Returns the next reply for each request."""

    def __init__(self, *replies: dict[str, Any]) -> None:
        self.replies = list(replies)

    def given(self, source: UserProgram) -> GivenSource:
        if self.replies and "whole_file" in self.replies[0]:
            raise FileRefused(source.name, refusal(self.replies[0]["whole_file"]))
        return GivenSource(0, {"drop": ""}, "")

    def ask(self, _request: dict[str, Any], _deadline: float = 0) -> dict[str, Any]:
        return self.replies.pop(0)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "prog.c").write_text("int drop(void *ctx) { return 1; }\n")
    return tmp_path


@pytest.mark.parametrize(
    ("reply", "by", "words"),
    [
        ({"refused": {"errno": 22, "log": "", "messages": [LINE]}}, "libbpf", f"libbpf refused drop: {LINE}"),
        (
            {"refused": {"errno": 13, "log": "R0 !read_ok\nprocessed 1 insns\n", "messages": []}},
            "verifier",
            "the verifier refused drop: R0 !read_ok",
        ),
        (
            {"refused": {"errno": 1, "log": "", "messages": []}},
            "kernel",
            "the kernel refused drop: Operation not permitted",
        ),
        ({"no_type": True}, "kernel", "the kernel refused drop: the kernel has no programs of type xdp"),
        ({"unavailable": "no struct x"}, "kernel", "the kernel refused drop: no struct x"),
        (
            {"whole_file": MAP},
            "kernel map creation",
            "could not open bpf map: events, error: Invalid argument",
        ),
    ],
    ids=["libbpf", "verifier", "kernel", "type", "unavailable", "map"],
)
def test_a_refused_load_names_refuser_and_reason(
    directory: Path, reply: dict[str, Any], by: str, words: str
) -> None:
    with pytest.raises(Refused) as refused:
        Bpf(cast("Guest", StubGuest(reply)), directory).load("prog.c", prog_type="xdp")
    assert refused.value.by == by
    assert words in str(refused.value)
    assert refused.value.reason in words


def test_the_reason_of_a_refused_attach_is_the_message_of_libbpf(directory: Path) -> None:
    failed = {
        "errno": 2,
        "log": "",
        "messages": ["libbpf: prog 'drop': failed to create kprobe"],
        "what": "x",
    }
    guest = StubGuest({"program": 0}, {"attach_failed": failed})
    program = Bpf(cast("Guest", guest), directory).load("prog.c", prog_type="kprobe")
    with pytest.raises(Refused) as refused, program.attached():
        pass
    assert (refused.value.by, refused.value.errno) == ("attach", 2)
    assert refused.value.reason == "libbpf: prog 'drop': failed to create kprobe"
