"""The meter: numbers that say what they are made of, in columns that stay where they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from textual.app import App, ComposeResult

from tests.wukong_tui.cli.hostile import HOSTILE
from themes import load
from widgets.amounts import bar, thin
from widgets.meter import MeterPage, MeterPane, MeterRow, Share, bars, budget, row, totals
from widgets.paint import Ink, Line, cells, strip
from workspace.amounts import dollars, fitted, lasted, made_of, money, together, tokens
from workspace.kinds import Outcome
from workspace.totals import Total

CALL = MeterRow(
    1, 1_700_000_000_000_000, "model call 1", Total(1, 1_204, 85, 512, cost=4_900_000), 2_100_000, Outcome.DONE
)
LOOP = MeterRow(9, 1_700_000_001_000_000, "program book.py", None, 3_400_000, Outcome.DONE, times=10_000)
TOTAL = Total(5, 11_200, 1_145, 400, estimated=678, unknown=2, cost=12_300_000, unpriced=2)
PAGE = MeterPage(
    "s12", TOTAL, Total(2, 9_000, 120), Total(1, estimated=2_140), Total(2, 80, 5, unknown=1),
    (Share("1 Read", Total(1, 900, 100)), Share("2 Book", Total(3, 1_800, 200, estimated=2_000)),
     Share("no step", Total(1, unknown=1))),
    (CALL, LOOP), 2,
)  # fmt: skip


class Room(App[None]):
    """A screen that is one meter."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = 0

    def compose(self) -> ComposeResult:
        yield MeterPane(id="meter")

    @property
    def meter(self) -> MeterPane:
        return self.query_one(MeterPane)

    def on_sheet_wanted(self, message: Any) -> None:
        self.wanted += 1


def text(line: Line) -> str:
    return "".join(span for span, _ in line)


def screen(app: Room) -> list[str]:
    return [app.meter.render_line(y).text.rstrip() for y in range(app.meter.size.height)]


def many(count: int) -> MeterPage:
    rows = tuple(replace(CALL, operation=n, label=f"model call {n}") for n in range(1, count + 1))
    return replace(PAGE, rows=rows, count=count)


def test_a_sum_says_what_is_reported_estimated_and_unknown() -> None:
    assert made_of(TOTAL) == ["reported 12,345", "~678", "2 calls ?"]
    assert made_of(Total(1, unknown=1)) == ["1 call ?"]
    assert made_of(Total()) == ["reported 0"]
    assert [tokens(use) for use in (Total(), Total(1, 5, 6), Total(1, estimated=7), Total(1, unknown=1), TOTAL)] == [
        "", "11", "~7", "?", "~13,023 + ?",
    ]  # fmt: skip
    assert together(TOTAL) == "12,345 + ~678 + 2 ?"
    assert together(Total()) == "0"


def test_a_number_is_never_cut() -> None:
    assert [fitted(n, 7) for n in (0, 999_999, 1_048_576, 12_345_678, 10**11, 10**15)] == [
        "0", "999,999", "1048576", "12.3M", "100.0G", "1e+15",
    ]  # fmt: skip
    huge = Total(1, 123_456_789, 1_048_576, estimated=9, unknown=1)
    assert text(bars(replace(PAGE, bars=(Share("a", huge),)), 40, 3)[0]).endswith(" ~124,505,374 + ?")


def test_money_that_is_not_known_is_never_nought() -> None:
    assert money(TOTAL) == "$0.0123 + ?"
    assert money(Total(2, 1, 1, unpriced=2)) == "–"
    assert money(Total()) == ""
    assert [dollars(cost) for cost in (0, 1, 99_999, 100_000, 12_300_000, 12_345_678_900, 10**15)] == [
        "$0", "<$0.0001", "<$0.0001", "$0.0001", "$0.0123", "$12.35", "$1,000,000",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("duration", "says"),
    [(0, "<1 ms"), (340_000, "340 ms"), (999_600, "1.0 s"), (2_100_000, "2.1 s"), (9_960_000, "10 s"),
     (45_000_000, "45 s"), (725_000_000, "12m05s"), (11_100_000_000, "3h05m"), (10**13, "115 days")],
)  # fmt: skip
def test_durations_are_short(duration: int, says: str) -> None:
    assert lasted(duration) == says


def test_bars_grow_in_eighths_and_what_is_more_than_nothing_shows() -> None:
    assert bar(0, 100, 10) == ""
    assert bar(1, 10**9, 10) == "▏"
    assert bar(50, 100, 3) == "█▌"
    assert bar(100, 100, 3) == "███"
    assert [text(thin(done, 5, 10)) for done in (0, 1, 5)] == ["─" * 10, "━━────────", "━" * 10]
    assert text(thin(1, 1_000, 8)) == "━───────"
    assert text(thin(9, 5, 8)) == "━━━━━━━━"


def test_a_row_is_one_operation_in_columns() -> None:
    assert text(row(CALL, 50))[8:] == " model call 1       1,204      85  $0.0049"
    assert text(row(CALL, 80))[8:].split() == ["model", "call", "1", "1,204", "85", "512", "$0.0049", "2.1", "s"]
    estimated = replace(CALL, spent=Total(1, estimated=678, unpriced=1))
    assert text(row(estimated, 50)).split()[-2:] == ["~678", "–"]
    unknown = replace(CALL, spent=Total(1, unknown=1, unpriced=1))
    assert text(row(unknown, 50)).split()[-3:] == ["?", "?", "–"]
    half = replace(CALL, spent=Total(1, 1_204, unknown=1, unpriced=1))
    assert text(row(half, 50)).split()[-3:] == ["1,204", "?", "–"]
    mixed = replace(CALL, spent=Total(1, 1_204, 10, estimated=7, unpriced=1))
    assert text(row(mixed, 50)).split()[-3:] == ["1,204", "~17", "–"]
    running = replace(unknown, lasted=None, outcome=None)
    assert text(row(running, 50)).split()[-3:] == ["…", "…", "…"]
    failed = replace(unknown, outcome=Outcome.FAILED)
    assert "model call 1 ✗" in text(row(failed, 50))
    assert "model call 1 ✗ failed" in text(row(failed, 80))
    repeated = replace(CALL, same=1)
    assert text(row(repeated, 50)).endswith("as call 1, counted once")


def test_a_loop_is_one_row_of_no_tokens() -> None:
    assert text(row(LOOP, 50)).endswith("0 tok   3.4 s")
    for width in (40, 50, 80):
        assert "program book.py × 10,000" in text(row(LOOP, width)) or width == 40
        assert "× 10,000" in text(row(LOOP, width))
        assert "0 tok" in text(row(LOOP, width))


@pytest.mark.parametrize("width", [26, 40, 50, 58, 80, 200])
def test_columns_stay_where_they_are_whatever_the_numbers(width: int) -> None:
    small, large = (
        replace(CALL, spent=Total(1, 1, 1, cost=1)),
        replace(CALL, spent=Total(1, 999_999, 99_999, cost=10**9)),
    )
    for item in (CALL, LOOP, small, large, replace(CALL, label="語" * 60), replace(LOOP, label="x" * 90)):
        assert cells(row(item, width)) == width
    edges = [[i for i, (_, names) in enumerate(row(item, width)) if names == "number"] for item in (small, large)]
    assert edges[0] == edges[1]


def test_totals_and_their_effect_stand_below_one_another_where_they_do_not_fit() -> None:
    assert [text(line) for line in totals(PAGE, 80)] == [
        f"{'reported 12,345 · ~678 · 2 calls ?':<69}$0.0123 + ?",
        "effective 9,120 · wasted ~2,140 · unjudged 85 + 1 ?",
    ]
    assert [text(line) for line in totals(PAGE, 40)] == [
        "reported 12,345 · ~678 · 2 calls ?",
        "cost $0.0123 + ?",
        "effective 9,120 · wasted ~2,140",
        "unjudged 85 + 1 ?",
    ]


def test_the_bars_are_scaled_to_the_largest_and_only_as_many_as_fit_are_shown() -> None:
    drawn = [text(line) for line in bars(PAGE, 50, 6)]
    assert [line.split()[0] for line in drawn] == ["1", "2", "no"]
    assert drawn[1].count("█") == 15
    assert drawn[2].endswith("?")
    assert [text(line).split()[0] for line in bars(PAGE, 50, 1)] == ["2"]


def test_a_budget_is_a_line_with_a_thin_bar() -> None:
    lines = budget(replace(PAGE, max_tokens=50_000, max_cost=1_000_000_000), 60)
    assert text(lines[0]).startswith("budget 12,345 + ~678 + 2 ? of 50,000")
    assert text(lines[0]).endswith("━━━━━───────────────")
    assert text(lines[1]).startswith("budget $0.0123 + ? of $1.0000")
    assert budget(PAGE, 60) == []


async def test_the_newest_operations_are_seen_and_scrolling_asks_for_older_ones() -> None:
    app = Room()
    async with app.run_test(size=(50, 16)) as pilot:
        app.meter.show(many(30))
        assert any("model call 30 " in line for line in screen(app))
        assert not any("model call 12 " in line for line in screen(app))
        asked = app.wanted
        app.meter.move(1)
        await pilot.pause()
        assert (app.wanted, app.meter.need().back) == (asked, 0)
        app.meter.move(-3)
        await pilot.pause()
        assert (app.wanted, app.meter.need().back) == (asked + 1, 3)
        app.meter.show(replace(many(27), count=30, back=3))
        assert any("3 newer ▾" in line for line in screen(app))
        app.meter.home()
        assert 20 <= app.meter.need().back < 30
        app.meter.end()
        assert app.meter.need().back == 0


async def test_the_heading_says_whose_total_it_is_and_cycling_asks_for_the_other() -> None:
    app = Room()
    async with app.run_test(size=(50, 16)) as pilot:
        app.meter.show(PAGE)
        assert screen(app)[0].startswith("─ Meter  session s12 ─")
        assert screen(app)[0].endswith(" ~13,023 + ? ─")
        asked = app.wanted
        app.meter.cycle()
        await pilot.pause()
        assert (app.meter.need().whole, app.wanted) == (True, asked + 1)
        app.meter.show(replace(PAGE, session=None, max_tokens=5))
        assert screen(app)[0].startswith("─ Meter  workspace ─")
        assert not any("budget" in line for line in screen(app))


async def test_nothing_yet_and_not_read_yet_are_said() -> None:
    app = Room()
    async with app.run_test(size=(40, 10)) as pilot:
        app.meter.show(MeterPage("s1"))
        assert screen(app)[1] == "No calls yet."
        asked = app.wanted
        app.meter.show(MeterPage("s1", ready=False))
        await pilot.pause()
        assert screen(app)[1] == "Reading the journal …"
        assert app.wanted == asked + 1


async def test_a_note_stands_below_the_totals() -> None:
    app = Room()
    async with app.run_test(size=(80, 21)):
        app.meter.note = "one tool call per item would have cost ~3,800,000 tokens"
        app.meter.show(PAGE)
        assert screen(app)[-1] == app.meter.note
        assert app.meter.copied().startswith("reported 12,345 · ~678 · 2 calls ?")


async def test_a_tick_changes_only_the_cells_of_its_numbers() -> None:
    app = Room()
    async with app.run_test(size=(50, 21)) as pilot:
        app.meter.show(PAGE)
        await pilot.pause()
        sent: list[Any] = []
        app.meter.refresh = lambda *regions, **_: sent.extend(regions) or app.meter  # type: ignore[method-assign]
        app.meter.show(PAGE)
        assert sent == []
        rows = (CALL, replace(LOOP, times=10_001))
        app.meter.show(replace(PAGE, rows=rows))
        assert sum(region.area for region in sent) == 1
        app.meter.show(replace(PAGE, rows=rows, total=replace(TOTAL, input=11_201)))
        assert sum(region.area for region in sent) <= 4


@pytest.mark.parametrize("size", [(1, 1), (3, 4), (12, 5), (40, 3), (40, 13), (50, 24), (200, 60)])
async def test_any_size_is_drawn(size: tuple[int, int]) -> None:
    app = Room()
    async with app.run_test(size=size):
        app.meter.note = "a note"
        app.meter.show(replace(many(80), max_tokens=9_000, max_cost=10**9))
        assert len(screen(app)) == size[1]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_labels_are_drawn_never_sent(name: str) -> None:
    bad = HOSTILE[name].decode("utf-8", "surrogateescape")
    page = replace(PAGE, bars=(Share(bad, Total(1, 1, 1)),))
    for width in (12, 40, 80):
        lines = [
            row(replace(LOOP, label=bad, outcome=Outcome(bad)), width),
            row(replace(CALL, label=bad, model=bad), width),
        ]
        for line in [*lines, *bars(page, width, 3)]:
            drawn = strip(line, width, Ink(load("light")))
            assert drawn.cell_length == width
            assert drawn.text.isprintable()
