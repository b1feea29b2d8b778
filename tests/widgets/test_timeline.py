"""The timeline's rows, what keys choose, and what a click means."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from textual.app import App, ComposeResult

from widgets.paint import cells
from widgets.scrubber import ScrubberPage
from widgets.timeline import TimelinePage, TimelinePane, TimelineRow, clock, columns, note, row_line, short

NOON = int(datetime(2026, 11, 20, 14, 3, 22).timestamp() * 1e6)
BAR = ScrubberPage(13_031, 50, (1,) * 60, ("",) * 60, tuple(range(60)))


def row(id_: int, **more: object) -> TimelineRow:
    return replace(TimelineRow(id_, id_, 0, NOON, "·", "dim", f"act {id_}", future=id_ > 50, here=id_ == 50), **more)  # type: ignore[arg-type]


def text_of(line: object) -> str:
    return "".join(text for text, _ in line)  # type: ignore[attr-defined]


PAGE = TimelinePage(BAR, tuple(row(n) for n in range(30, 71)))


@pytest.mark.parametrize("width", [40, 58, 76, 80, 119, 120, 200])
def test_a_row_fills_its_width_exactly_whatever_it_holds(width: int) -> None:
    odd = row(
        9_999, label="\x1b]0;x\x07 界" * 40, documents="docs/\u202e界.md" * 9, added=123_456, removed=9,
        tokens="1,234", count=10_000, fold="closed", depth=9,
    )  # fmt: skip
    for one in (odd, row(50), replace(odd, pending=True, here=True)):
        assert cells(row_line(one, width, columns(width, 13_031))) == width


def test_a_row_says_when_what_where_how_much_and_which() -> None:
    one = row(50, documents="docs/a.md", added=12, removed=3, tokens="1,234", label="edit docs/a.md")
    line = text_of(row_line(one, 120, columns(120, 13_031)))
    assert line.startswith("▸ 14:03:22  · edit docs/a.md")
    assert line.split() == ["▸", "14:03:22", "·", "edit", "docs/a.md", "docs/a.md", "+12", "−3", "1,234", "50"]
    assert clock(NOON) == "14:03:22"


def test_a_loop_keeps_its_count_where_its_name_is_cut() -> None:
    one = row(7, label="program " + "long " * 30, count=10_000, fold="closed")
    assert "… × 10,000" in text_of(row_line(one, 60, columns(60, 99)))


def test_the_row_of_the_cursor_and_the_future_differ_in_more_than_colour() -> None:
    here, later = (row_line(row(n), 80, columns(80, 99)) for n in (50, 51))
    assert text_of(here).startswith("▸ ")
    assert text_of(later).startswith("  ")
    assert all("here" in style for _, style in here)
    assert {style for text, style in later if text.strip()} <= {"faint", "dim"}


@pytest.mark.parametrize(
    ("count", "width", "shown"),
    [(None, 6, ""), (0, 6, ""), (12, 6, "+12"), (12_345, 7, "+12,345"), (123_456, 6, "+123k"), (9_123_456, 6, "+9M")],
)
def test_counts_are_shortened_where_they_must_be(count: int | None, width: int, shown: str) -> None:
    assert short("+", count, width) == shown


def test_the_title_says_what_a_filter_found_and_whether_that_is_all() -> None:
    assert note(PAGE) == "op 50/13,031"
    assert note(TimelinePage(BAR, (), "floor", 120)) == "filter: floor · 120 shown"
    assert note(TimelinePage(BAR, (), "floor", 120, searched=False)) == "filter: floor · 120 shown so far"


class Host(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.chosen: list[int] = []
        self.wanted = 0

    def compose(self) -> ComposeResult:
        yield TimelinePane()

    def on_timeline_pane_chosen(self, message: TimelinePane.Chosen) -> None:
        self.chosen.append(message.entry)

    def on_sheet_wanted(self) -> None:
        self.wanted += 1


def drawn(pane: TimelinePane) -> list[str]:
    return [strip.text.rstrip() for strip in pane._drawn]


async def test_the_cursors_row_is_in_view_and_stays_where_it_is_while_it_can() -> None:
    app = Host()
    async with app.run_test(size=(80, 10)):
        pane = app.query_one(TimelinePane)
        assert pane.need().rows == 7
        pane.show(PAGE)
        first = next(y for y, line in enumerate(drawn(pane)) if line.startswith("▸"))
        assert first == 3 + 3
        moved = tuple(replace(r, here=r.operation == 51, future=r.operation > 51) for r in PAGE.rows)
        pane.show(TimelinePage(replace(BAR, cursor=51), moved))
        assert drawn(pane)[first + 1].startswith("▸")  # one row on, nothing else has moved


async def test_one_chooses_rows_with_keys_and_enter_goes_there() -> None:
    app = Host()
    async with app.run_test(size=(80, 10)) as pilot:
        pane = app.query_one(TimelinePane)
        pane.focus()
        pane.show(PAGE)
        pane.move(3)
        assert pane.copied() == "op:53 act 53"
        assert "act 53" in "\n".join(drawn(pane))
        pane.page(-1)
        assert pane.need().chosen == 47
        pane.choose()
        await pilot.pause()
        assert app.chosen == [47]
        pane.show(PAGE)
        assert pane.need().chosen == 47  # the same cursor leaves the choice alone
        pane.show(TimelinePage(replace(BAR, cursor=40), PAGE.rows))
        assert pane.need().chosen is None
        pane.end()
        pane.home()
        assert pane.copied()


async def test_enter_unfolds_what_holds_others_and_folds_it_again() -> None:
    app = Host()
    rows = tuple(replace(r, fold="closed") if r.operation == 50 else r for r in PAGE.rows)
    async with app.run_test(size=(80, 10)) as pilot:
        pane = app.query_one(TimelinePane)
        pane.show(TimelinePage(BAR, rows))
        await pilot.pause()
        asked = app.wanted
        pane.choose()
        await pilot.pause()
        assert pane.need().opened == {50}
        assert app.wanted == asked + 1
        pane.show(TimelinePage(BAR, tuple(replace(r, fold="open") if r.operation == 50 else r for r in rows)))
        pane.choose()
        assert (pane.need().opened, pane.need().closed) == (frozenset(), {50})
        assert app.chosen == []


async def test_near_the_edge_of_a_page_the_next_one_is_asked_for() -> None:
    app = Host()
    async with app.run_test(size=(80, 10)) as pilot:
        pane = app.query_one(TimelinePane)
        pane.show(PAGE)
        await pilot.pause()
        asked = app.wanted
        pane.move(2)
        await pilot.pause()
        assert app.wanted == asked
        pane.move(17)
        await pilot.pause()
        assert app.wanted == asked + 1


async def test_a_click_goes_to_a_row_or_to_a_moment_of_the_scrubber() -> None:
    app = Host()
    async with app.run_test(size=(60, 10)) as pilot:
        pane = app.query_one(TimelinePane)
        pane.show(PAGE)
        await pilot.click(TimelinePane, offset=(20, 2))
        await pilot.click(TimelinePane, offset=(20, 3))
        await pilot.pause()
        assert app.chosen == [20, 47]


async def test_a_filter_is_needed_from_then_on_and_the_same_page_sends_nothing() -> None:
    app = Host()
    async with app.run_test(size=(40, 6)) as pilot:
        pane = app.query_one(TimelinePane)
        pane.filter("floor")
        await pilot.pause()
        assert pane.need().filter == "floor"
        pane.show(TimelinePage(BAR, (), "floor"))
        assert "nothing here matches" in "\n".join(drawn(pane))
        before = list(pane._drawn)
        pane.show(TimelinePage(BAR, (), "floor"))
        assert before == pane._drawn


async def test_a_page_that_is_not_complete_is_asked_for_again_once() -> None:
    app = Host()
    async with app.run_test(size=(80, 10)) as pilot:
        pane = app.query_one(TimelinePane)
        await pilot.pause()
        asked = app.wanted
        for _ in range(5):
            pane.show(replace(PAGE, again=0.01))
        await pilot.pause(0.1)
        assert app.wanted == asked + 1
