"""Progress: live lines on a terminal, otherwise plain lines, all with times."""

from __future__ import annotations

import io
import re

import pytest
from dynptr_harness.core.progress import Progress, Silent
from dynptr_harness.report import console_progress
from dynptr_harness.report.console_progress import Live, Plain, for_console
from dynptr_harness.runner.timing import Timed
from rich.console import Console


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def work(shown: Progress) -> None:
    with shown.phase("fetching [a] kernel") as detail:
        detail("30 %\n of 90 MB")
        with shown.phase("unpacking"):
            pass
    with pytest.raises(ZeroDivisionError), shown.phase("booting"):
        raise ZeroDivisionError


def test_plain_lines_have_no_control_codes() -> None:
    out = io.StringIO()
    work(for_console(Console(file=out)))
    time = r"\[ +\d+\.\d s\] "
    ended = r"\(\d+\.\d s\)\n"
    assert re.fullmatch(
        rf"{time}fetching \[a\] kernel\n"
        rf"{time}unpacking\n"
        rf"{time}unpacking: done {ended}"
        rf"{time}fetching \[a\] kernel: done {ended}"
        rf"{time}booting\n"
        rf"{time}booting: failed {ended}",
        out.getvalue(),
    )


def test_plain_detail_is_rate_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_progress, "_PLAIN_INTERVAL", 0.0)
    out = io.StringIO()
    work(Plain(Console(file=out)))
    assert "fetching [a] kernel: 30 % of 90 MB\n" in out.getvalue()


def test_a_terminal_keeps_one_line_for_each_ended_phase() -> None:
    out = Terminal()
    console = Console(file=out, force_terminal=True, width=80)
    shown = for_console(console)
    assert isinstance(shown, Live)
    work(shown)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    assert "fetching [a] kernel: done" in text
    assert "unpacking: done" in text
    assert "booting: failed" in text
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h")  # the cursor is back


def test_forced_colour_without_a_terminal_is_plain() -> None:
    assert isinstance(for_console(Console(file=io.StringIO(), force_terminal=True)), Plain)


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(for_console(Console(file=Terminal())), Plain)


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()])
def test_a_message_is_shown_immediately(out: io.StringIO) -> None:
    shown = for_console(Console(file=out, force_terminal=out.isatty(), width=80))
    with shown.phase("asking"):
        shown.tell("FAIL [a] case\n: " + "why " * 40)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
        assert "FAIL [a] case : " + "why " * 39 + "why" in text


def test_silent_progress_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Timed(Silent()).tell("FAIL")
    assert capsys.readouterr() == ("", "")


def test_every_phase_is_timed() -> None:
    timed = Timed(Silent())
    work(timed)
    assert [phase.title for phase in timed.phases] == ["fetching [a] kernel", "unpacking", "booting"]
    assert all(0 <= phase.seconds <= timed.elapsed for phase in timed.phases)
    with timed.phase("asking"):
        assert timed.phases[-1].title == "asking"


def test_the_time_of_an_ended_phase_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 12.5, 100.0])  # made, begun, ended, asked
    monkeypatch.setattr("dynptr_harness.report.console_progress.time.monotonic", lambda: next(clock))
    timed = Timed(Silent())
    with timed.phase("booting"):
        pass
    assert [phase.seconds for phase in timed.phases] == [2.5]
