"""The scrubber: density, marks and the cursor as lines."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult

from widgets.paint import cells
from widgets.scrubber import (
    EMPTY,
    LEVELS,
    NOTHING,
    ScrubberNeed,
    ScrubberPage,
    ScrubberPane,
    bar,
    bounds,
    column,
    entry_at,
    level,
    lines,
    marks_line,
)


def text_of(line: object) -> str:
    return "".join(text for text, _ in line)  # type: ignore[attr-defined]


def style_at(line: object, x: int) -> str:
    for text, style in line:  # type: ignore[attr-defined]
        if x < len(text):
            return str(style)
        x -= len(text)
    raise IndexError


PAGE = ScrubberPage(
    newest=99,
    cursor=45,
    counts=(1, 0, 10_000, 3, 5, 0, 1, 1, 2, 0),
    marks=("prompt", "", "", "", "", "", "failed", "back", "", ""),
    entries=(3, 19, 29, 39, 49, 59, 66, 71, 89, 99),
)


@pytest.mark.parametrize(("newest", "width"), [(0, 10), (3, 10), (9, 10), (100, 7), (100_000, 200), (12_345, 40)])
def test_columns_and_their_entries_belong_together(newest: int, width: int) -> None:
    for at in range(width):
        first, end = bounds(at, newest, width)
        assert 0 <= first < end <= newest + 1
        if newest + 1 >= width:
            assert {column(entry, newest, width) for entry in (first, end - 1)} <= {at, at - 1, at + 1}
    assert column(0, newest, width) == 0
    assert column(newest, newest, width) == width - 1 or newest < width
    assert bounds(width - 1, newest, width)[1] == newest + 1


def test_a_loop_of_ten_thousand_does_not_flatten_the_rest() -> None:
    assert level(0, 10_000) == NOTHING
    heights = [LEVELS.index(level(count, 10_000)) for count in (1, 10, 100, 1_000, 10_000)]
    assert heights == sorted(set(heights))
    assert heights[-1] == len(LEVELS) - 1


def test_few_versions_do_not_look_like_many() -> None:
    assert level(1, 1) != LEVELS[-1]


def test_what_comes_after_the_cursor_is_faint_and_the_cursor_has_a_sign() -> None:
    line = bar(PAGE, 10)
    assert text_of(line)[4] == "┃"
    assert style_at(line, 4) == "heading"
    assert style_at(line, 2) == "dim"
    assert style_at(line, 6) == "faint"
    assert text_of(line)[1] == NOTHING


def test_in_one_line_marks_stand_in_place_of_bars() -> None:
    (line,) = lines(PAGE, 10, 1)
    assert text_of(line) == "❯▁▇▃┃▁✗↩▃▁".replace("▃", level(3, 40_000), 1).replace("▃▁", level(2, 40_000) + "▁")
    assert style_at(line, 0) == "accent"
    assert style_at(line, 6) == "dim"  # still to come, and still its sign


def test_in_two_lines_marks_stand_above_the_bars() -> None:
    marks, density = lines(PAGE, 10, 2)
    assert text_of(marks) == "❯   ╷ ✗↩  "
    assert "✗" not in text_of(density)
    assert lines(PAGE, 10, 0) == []


def test_a_mark_under_the_cursor_keeps_its_sign_in_two_lines() -> None:
    page = ScrubberPage(99, 66, PAGE.counts, PAGE.marks, PAGE.entries)
    assert text_of(marks_line(page, 10))[6] == "✗"
    assert text_of(bar(page, 10))[6] == "┃"


@pytest.mark.parametrize("width", [1, 2, 10, 40])
def test_nothing_recorded_is_a_flat_line(width: int) -> None:
    (line,) = lines(EMPTY, width, 1)
    assert text_of(line) == NOTHING * width
    assert cells(line) == width


def test_a_point_names_what_is_marked_there() -> None:
    assert entry_at(PAGE, 6) == 66
    assert entry_at(PAGE, 50) == 99
    assert entry_at(EMPTY, 3) is None


async def test_a_click_chooses_a_moment_and_the_same_page_draws_nothing_again() -> None:
    class Host(App[None]):
        chosen: list[int]

        def compose(self) -> ComposeResult:
            self.chosen = []
            yield ScrubberPane()

        def on_scrubber_pane_chosen(self, message: ScrubberPane.Chosen) -> None:
            self.chosen.append(message.entry)

    app = Host()
    async with app.run_test(size=(10, 3)) as pilot:
        pane = app.query_one(ScrubberPane)
        assert pane.need() == ScrubberNeed(10)
        pane.show(PAGE)
        before = list(pane._drawn)
        pane.show(PAGE)
        assert [a == b for a, b in zip(before, pane._drawn, strict=True)] == [True]
        await pilot.click(ScrubberPane, offset=(6, 0))
        await pilot.pause()
        assert app.chosen == [66]
