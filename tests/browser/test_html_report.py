"""The HTML report in Chromium: content, filters, keyboard, links, sizes, light and dark."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from dynptr_harness.conformance import loader
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.report.html_page import as_html
from dynptr_harness.results.comparison import compare
from playwright.sync_api import expect

from tests.browser.chromium import chromium
from tests.unit.samples import RELEASE, cell, kernel_run, result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.model import RunResult
    from playwright.sync_api import Browser, Page

OLD, NEW = "5.10.9-cloud-amd64", "7.3.4+deb14-cloud-amd64"
TYPES = ("KPROBE", "LSM", "SYSCALL")
CASES = ("ATT-001", "RSV-001", "RSV-002", "RSV-011", "VER-001")
LOG = "0: R1=ctx()\n<b>1</b>: (85) call bpf_ringbuf_reserve_dynptr#198"
Changes = dict[str, Any]
FAILED: Changes = {
    "verdict": Verdict.FAIL, "ok": False, "log": LOG,
    "expected": "records: 2; reserve: -22", "seen": "records: 2; reserve: 0",
}  # fmt: skip
CRASHED: Changes = {"verdict": Verdict.CRASH, "ok": False, "seen": "Oops", "console": "\x1b[1mBUG: oops\nend"}
ABSENT: Changes = {"verdict": Verdict.ABSENT, "expected": "no helper", "seen": "no helper"}
DEFECT: Changes = {"verdict": Verdict.KNOWN_DEFECT, "reason": "before v7.0 it is so"}


def results(*, good: bool) -> RunResult:
    """Return results of three kernels. Unless `good`, two cells of the newest kernel are not as expected."""
    changes: dict[tuple[str, str, str], Changes] = {(RELEASE, "LSM", "RSV-002"): DEFECT}
    if not good:
        changes |= {(NEW, "LSM", "RSV-011"): FAILED, (NEW, "KPROBE", "VER-001"): CRASHED}

    def changed(each: CellResult) -> CellResult:
        own = changes.get((each.kernel, each.prog_type, each.case), {})
        return replace(each, **(ABSENT if each.kernel == OLD else own))

    kernels = [
        kernel_run(release=each, sha256=letter * 64)
        for each, letter in ((OLD, "a"), (RELEASE, "b"), (NEW, "c"))
    ]
    cells = [cell(name, case, kernel=each.release) for each in kernels for name in TYPES for case in CASES]
    cells.append(cell("SYSCALL", "RSV-011", kernel=NEW, loader="libbpf"))
    cells.append(cell("KPROBE/uprobe", "ATT-001", kernel=NEW))
    return result(map(changed, cells), kernels)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of a result, compared with a result that is as expected."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    now = results(good=False)
    gone = replace(cell("LSM", "RSV-012", kernel=NEW), seen="", expected="")
    before = results(good=True)
    before = replace(before, cells=(*before.cells, gone), planned=before.planned + 1)
    path.write_text(as_html(now, loader.load(), compare(before, now)), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Callable[..., Page]]:
    """Return a function that opens the page. A console message, an error or a request fails the test."""
    troubles: list[str] = []
    contexts = []

    def open_page(fragment: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: _note(request.url))
        page.goto(report.as_uri() + fragment)
        page.wait_for_selector("html[data-ready]")
        return page

    def _note(url: str) -> None:
        if not url.startswith((report.as_uri(), "data:")):
            troubles.append(f"a request: {url}")

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def rows(page: Page) -> list[str]:
    return page.locator(".row .label").all_inner_texts()


def columns(page: Page) -> list[str]:
    return [text.split()[0] for text in page.locator(".column").all_inner_texts()]


def slot(page: Page, row: str, column: str) -> Any:
    """Return the cell of a row and a column."""
    return page.locator(".row", has=page.get_by_text(row, exact=True)).locator(
        f".cell[data-column='{columns(page).index(column)}']"
    )


def test_the_page_opens_with_types_by_kernels(opened: Callable[..., Page]) -> None:
    page = opened()
    assert rows(page) == list(TYPES)
    assert columns(page) == ["5.10", "6.12", "7.3"]
    assert "2 cells not as expected" in page.inner_text("#verdict")
    assert "2 newly failing, 1 missing" in page.inner_text("#verdict")
    assert slot(page, "LSM", "5.10").inner_text() == "absent"
    assert slot(page, "LSM", "6.12").inner_text().split() == ["5", "k"]
    assert slot(page, "LSM", "7.3").inner_text() == "4/6"
    assert "not as expected: fail" in slot(page, "LSM", "7.3").get_attribute("aria-label")


def test_variants_are_folded_into_their_type(opened: Callable[..., Page]) -> None:
    page = opened()
    assert slot(page, "KPROBE", "7.3").inner_text() == "5/6"
    page.locator(".name", has_text="KPROBE").click()
    assert rows(page) == ["KPROBE", "KPROBE", "KPROBE/uprobe", "LSM", "SYSCALL"]
    page.locator(".name", has_text="KPROBE/uprobe").click()
    assert rows(page)[2:4] == ["KPROBE/uprobe", "ATT"]
    slot(page, "KPROBE/uprobe", "7.3").click()
    expect(page.locator("#panel .bar")).to_contain_text("KPROBE/uprobe")
    assert page.evaluate("location.hash").endswith("/KPROBE/uprobe/ATT-001/bcc")


def test_rows_and_columns_unfold_to_single_cells(opened: Callable[..., Page]) -> None:
    page = opened()
    page.locator(".name", has_text="LSM").click()
    assert rows(page) == ["KPROBE", "LSM", "ATT", "RSV", "VER", "SYSCALL"]
    page.locator(".name", has_text="RSV").click()
    assert rows(page)[3:8] == ["RSV", "RSV-001", "RSV-002", "RSV-011", "RSV-012"]
    assert slot(page, "RSV-011", "7.3").inner_text() == "✗"
    assert slot(page, "RSV-012", "7.3").inner_text() == "?"
    page.click("[data-view=kernels]")
    assert columns(page) == ["ATT", "RSV", "VER"]
    page.locator(".column", has_text="RSV").click()
    assert columns(page) == ["ATT", "RSV", "RSV-001", "RSV-002", "RSV-011", "RSV-012", "VER"]


@pytest.mark.parametrize(
    ("fragment", "shown", "kernels"),
    [
        ("#kernel=" + quote(f"{OLD},{NEW}"), list(TYPES), ["5.10", "7.3"]),
        ("#type=LSM,SYSCALL", ["LSM", "SYSCALL"], ["5.10", "6.12", "7.3"]),
        ("#case=rsv-01*", list(TYPES), ["5.10", "6.12", "7.3"]),
        ("#verdict=unexpected", ["KPROBE", "LSM"], ["7.3"]),
        ("#verdict=known-defect", ["LSM"], ["6.12"]),
        ("#change=new-failure", ["KPROBE", "LSM"], ["7.3"]),
        ("#case=no such words", [], []),
    ],
)
def test_a_link_applies_its_filters(
    opened: Callable[..., Page], fragment: str, shown: list[str], kernels: list[str]
) -> None:
    page = opened(fragment)
    assert rows(page) == shown
    assert columns(page) == kernels
    assert page.is_visible("#reset")
    if not shown:
        assert page.is_visible("text=No cell fits")
    page.click("#reset")
    assert (rows(page), columns(page)) == (list(TYPES), ["5.10", "6.12", "7.3"])


def test_filters_are_kept_in_the_address(opened: Callable[..., Page]) -> None:
    page = opened()
    page.click("#kernel-menu summary")
    page.get_by_label(NEW).check()
    page.keyboard.press("Escape")
    page.click("#type-menu summary")
    page.get_by_label("LSM").check()
    page.fill("#case-filter", "RSV-0?1")
    page.get_by_role("button", name="fail 1", exact=False).last.click()
    assert (rows(page), columns(page)) == (["LSM"], ["7.3"])
    assert slot(page, "LSM", "7.3").inner_text() == "0/1"
    address = page.evaluate("location.hash")
    again = opened(address)
    assert (rows(again), columns(again)) == (["LSM"], ["7.3"])
    assert again.input_value("#case-filter") == "RSV-0?1"
    assert again.get_by_role("button", name=re.compile("^fail")).get_attribute("aria-pressed") == "true"


def test_a_click_opens_the_details_of_a_cell(opened: Callable[..., Page]) -> None:
    page = opened("#open=LSM,LSM/RSV")
    slot(page, "RSV-011", "7.3").click()
    page.wait_for_selector("#panel h2")
    panel = page.locator("#panel")
    text = panel.inner_text()
    for words in (
        NEW, "RSV-011", "fail: not as expected", "Since the baseline: new failure", "was pass",
        "<b>1</b>: (85) call", "bpf_src/steps.c", "flags other than 0",
    ):  # fmt: skip
        assert words in text
    assert panel.locator("tr.differs").all_inner_texts() == ["reserve\t-22\t0"]
    assert panel.locator("pre .c-k").first.is_visible()
    panel.get_by_text(f"Linux {NEW}").click()
    assert "c" * 64 in panel.inner_text()
    panel.get_by_role("button", name="6.12 ✓").click()
    expect(panel.locator(".bar")).to_contain_text(RELEASE)
    assert page.evaluate("location.hash").endswith(f"cell={quote(RELEASE)}/LSM/RSV-011/bcc")
    page.keyboard.press("Escape")
    assert panel.is_hidden()
    assert "cell=" not in page.evaluate("location.hash")


def test_the_console_of_a_crash_is_shown_without_escape_sequences(opened: Callable[..., Page]) -> None:
    page = opened(f"#cell={quote(NEW)}/KPROBE/VER-001/bcc")
    text = page.locator("#panel").inner_text()
    assert "crash: not as expected" in text
    assert "BUG: oops" in text
    assert "[1m" not in text
    assert "ver_001" in text


def test_a_folded_slot_lists_its_worst_cells_first(opened: Callable[..., Page]) -> None:
    page = opened()
    slot(page, "LSM", "7.3").click()
    items = page.locator("#panel .cells li")
    assert items.count() == 6
    assert items.nth(0).inner_text().split()[:2] == ["✗", "RSV-011"]
    assert items.nth(1).inner_text().split()[:2] == ["?", "RSV-012"]
    items.nth(0).locator("button").click()
    page.wait_for_selector("#panel tr.differs")


def test_a_cell_with_two_loaders_shows_both(opened: Callable[..., Page]) -> None:
    page = opened("#open=SYSCALL,SYSCALL/RSV")
    slot(page, "RSV-011", "7.3").click()
    page.get_by_role("button", name="libbpf ✓").click()
    expect(page.locator("#panel .badges")).to_contain_text("libbpf")
    assert page.evaluate("location.hash").endswith("/libbpf")


def test_everything_can_be_done_with_the_keyboard(opened: Callable[..., Page]) -> None:
    page = opened()
    page.focus("#grid")

    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)

    def active() -> str:
        number = page.get_attribute("#grid", "aria-activedescendant")
        return (
            page.locator(f"#{number}").get_attribute("aria-label") or page.locator(f"#{number}").inner_text()
        )

    press("ArrowDown", "End")
    assert active() == "2 of 6 not as expected: fail; since the baseline: new-failure, missing"
    press("Space")
    assert rows(page) == ["KPROBE", "LSM", "ATT", "RSV", "VER", "SYSCALL"]
    press("ArrowDown", "ArrowDown", "Space", *["ArrowDown"] * 3)
    assert active() == "1 of 1 not as expected: fail; since the baseline: new-failure"
    press("Enter")
    page.wait_for_selector("#panel tr.differs")
    press("Escape")
    assert page.evaluate("document.activeElement.id") == "grid"
    press("Home", "ArrowLeft")
    assert active().startswith("RSV-011")
    press("PageUp", "ArrowUp", "ArrowRight")
    assert page.locator("#active").get_attribute("role") == "columnheader"


def test_the_grid_has_roles_and_sizes_for_assistive_technology(opened: Callable[..., Page]) -> None:
    page = opened()
    grid = page.locator("#grid")
    assert (grid.get_attribute("aria-rowcount"), grid.get_attribute("aria-colcount")) == ("4", "4")
    assert page.get_by_role("grid").get_by_role("rowheader").count() == len(TYPES)
    assert page.get_by_role("grid").get_by_role("columnheader").count() == 4
    assert page.get_by_role("gridcell", name="5 as expected: absent").count() == len(TYPES)


def test_the_focus_is_visible(opened: Callable[..., Page]) -> None:
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.focus("#grid")
    page.keyboard.press("ArrowDown")
    shadow = page.evaluate("getComputedStyle(document.getElementById('active')).boxShadow")
    assert "rgb(11, 87, 208)" in shadow.split(",  ")[-1], "the colour of the focus in palette.css"
    assert "inset" not in shadow.rpartition("rgb(")[2]


@pytest.mark.parametrize(
    "fragment", ["", "#view=kernels&open=" + quote(f"{NEW},RSV"), "#view=cases&open=RSV"]
)
@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_page_never_scrolls_sideways(opened: Callable[..., Page], fragment: str, width: int) -> None:
    page = opened(fragment, viewport={"width": width, "height": 740}, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator(".cell:not(.none)").first.click()
    page.wait_for_selector("#panel h2")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#panel .close").bounding_box()
    assert box
    assert box["x"] + box["width"] <= width
    page.locator("#panel .close").click()
    assert page.locator("#panel").is_hidden()


def contrast(page: Page, selector: str) -> float:
    """Return the contrast ratio of an element's text and background as defined by WCAG 2."""
    return float(
        page.evaluate(
            """(selector) => {
              const style = getComputedStyle(document.querySelector(selector));
              const light = (colour) => {
                const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((each) => each / 255)
                  .map((each) => each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              const [one, other] = [light(style.color), light(style.backgroundColor)].sort();
              return (other + 0.05) / (one + 0.05);
            }""",
            selector,
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_on_every_colour(opened: Callable[..., Page], scheme: str) -> None:
    page = opened("#open=LSM,LSM/RSV", color_scheme=scheme)
    body = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (body == "rgb(255, 255, 255)") is (scheme == "light")
    classes = ("pass", "absent", "some", "wrong", "missing", "known-defect")
    for shown in (*(f".cell.{name}" for name in classes), ".mark.crash", "body"):
        assert contrast(page, shown) >= 4.5, shown


def test_the_provenance_of_the_run_is_shown(opened: Callable[..., Page]) -> None:
    page = opened()
    page.click("#about")
    text = page.locator("#panel").inner_text()
    assert "2026-01-02T03:04:05Z" in text
    page.get_by_text("Guest packages").click()
    assert "python3-bpfcc" in page.locator("#panel").inner_text()
