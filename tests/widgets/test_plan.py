"""The plan pane: what a person reads of steps and attempts at any width, and what they can choose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from textual.app import App, ComposeResult

from tests.wukong_tui.cli.hostile import HOSTILE
from themes import load
from widgets.paint import Ink, cells, strip
from widgets.plan import AttemptRow, PlanPage, PlanPane, StepRow, groups, sums
from workspace.kinds import Outcome
from workspace.totals import Total

FIRST = Total(calls=2, estimated=2_140, unpriced=2)
SECOND = Total(calls=1, input=3_480, output=505, cost=11_000_000)
BOTH = Total(calls=3, input=3_480, output=505, estimated=2_140, cost=11_000_000, unpriced=2)
WHY = "600 bottles stand in fire lane E"
PAGE = PlanPage(
    "s1",
    7,
    (
        StepRow(1, "Read the floor", None, "done", (AttemptRow(9, 1, Outcome.DONE, spent=SECOND),), SECOND),
        StepRow(
            2, "Book 10,000 bottles in", "floor.txt lacks 'E'", "doing",
            (
                AttemptRow(20, 1, Outcome.FAILED, WHY, FIRST, reverted=True),
                AttemptRow(40, 2, None, "", SECOND, lessons=("lesson of 1",)),
            ),
            BOTH,
        ),
        StepRow(3, "Report to the house", "report.md exists", "todo"),
    ),
    2,
    Total(),
    Total(calls=5, input=7_000, output=1_000, estimated=2_140, unknown=1, cost=22_000_000, unpriced=3),
)  # fmt: skip


class Room(App[None]):
    """A screen that is one plan."""

    def __init__(self) -> None:
        super().__init__()
        self.chosen: list[int] = []
        self.wanted = 0

    def compose(self) -> ComposeResult:
        yield PlanPane(id="plan")

    @property
    def plan(self) -> PlanPane:
        return self.query_one(PlanPane)

    def on_plan_pane_chosen(self, message: PlanPane.Chosen) -> None:
        self.chosen.append(message.entry)

    def on_sheet_wanted(self, message: Any) -> None:
        self.wanted += 1


def text(page: PlanPage, width: int) -> list[str]:
    lines = [line for _, group in groups(page, width) for line in group] + sums(page, width)
    return ["".join(span for span, _ in line).rstrip() for line in lines]


def screen(app: Room) -> list[str]:
    return [app.plan.render_line(y).text.rstrip() for y in range(app.plan.size.height)]


def test_a_step_says_its_state_check_attempts_tokens_and_cost() -> None:
    rows = text(PAGE, 60)
    assert rows[0].startswith("✓ 1 Read the floor ")
    assert rows[0].endswith("3,985   $0.0110")
    assert rows[2].endswith("~6,125 $0.0110 + ?")
    assert rows[4].startswith("    attempt 1 ✗ failed ")
    assert rows[4].endswith("~2,140         –")
    assert rows[5] == "      reverted · 600 bottles stand in fire lane E"
    assert rows[-1].endswith("~10,140 + ? $0.0220 + ?")
    verified = replace(PAGE.steps[1].attempts[1], outcome=Outcome.VERIFIED)
    step = replace(PAGE.steps[1], attempts=(PAGE.steps[1].attempts[0], verified), state="done")
    assert any("attempt 2 ✓ verified · lesson of 1 used" in row for row in text(replace(PAGE, steps=(step,)), 70))


def test_where_it_fits_an_attempt_is_one_line() -> None:
    assert any("attempt 1 ✗ failed · 600 bottles stand in fire lane E · reverted  " in row for row in text(PAGE, 100))


@pytest.mark.parametrize("width", [1, 7, 20, 40, 50, 58, 80, 200])
def test_nothing_is_wider_than_the_pane(width: int) -> None:
    steps = (*PAGE.steps, StepRow(4, "語" * 90, "x" * 300, "failed", PAGE.steps[1].attempts, BOTH))
    for _, group in groups(replace(PAGE, steps=steps), width):
        for line in group:
            drawn = cells(line)
            assert drawn <= max(width, 22)
            assert strip(line, width, Ink(load("dark"))).cell_length == width


def test_what_is_unknown_is_never_nought() -> None:
    unknown = Total(calls=1, unknown=1, unpriced=1)
    page = replace(PAGE, steps=(StepRow(1, "a", None, "doing", (AttemptRow(5, 1, None, "", unknown),), unknown),))
    assert text(page, 60)[0].split()[-2:] == ["?", "–"]
    assert text(replace(page, total=unknown), 40)[-1].split() == ["total", "?"]
    assert "reading" in text(replace(page, ready=False), 40)[-1]


async def test_without_a_plan_one_quiet_sentence() -> None:
    app = Room()
    async with app.run_test(size=(40, 10)):
        app.plan.show(PlanPage("s1"))
        assert screen(app)[1:3] == ["No plan yet.", ""]
        app.plan.show(PlanPage())
        assert screen(app)[1] == "No session yet."


async def test_the_heading_counts_what_is_done() -> None:
    app = Room()
    async with app.run_test(size=(50, 21)):
        app.plan.show(PAGE)
        assert screen(app)[0].endswith("━━────── 1 of 3 ─")


async def test_choosing_moves_over_steps_and_attempts_and_says_which_entry_it_is() -> None:
    app = Room()
    async with app.run_test(size=(50, 21)) as pilot:
        app.plan.show(PAGE)
        app.plan.choose()
        app.plan.move(1)
        app.plan.choose()
        app.plan.move(1)
        app.plan.choose()
        app.plan.end()
        app.plan.choose()
        app.plan.home()
        app.plan.choose()
        await pilot.pause()
        assert app.chosen == [40, 40, 20, 7, 9]


async def test_the_current_step_stays_in_sight_and_what_is_chosen_after_that() -> None:
    steps = tuple(StepRow(n, f"Step {n}", "a exists", "todo") for n in range(1, 31))
    app = Room()
    async with app.run_test(size=(40, 12)):
        app.plan.show(PlanPage("s1", 1, steps, 25, total=FIRST))
        assert any("25 Step 25" in row for row in screen(app))
        app.plan.show(PlanPage("s1", 1, steps, 2, total=FIRST))
        assert any(" 2 Step 2" in row for row in screen(app))
        app.plan.end()
        assert any("30 Step 30" in row for row in screen(app))
        assert screen(app)[-1].startswith("total")
        app.plan.page(-1)
        app.plan.home()
        assert screen(app)[1].startswith("·  1 Step 1")


async def test_a_plan_of_a_hundred_thousand_steps_is_drawn_near_what_is_looked_at() -> None:
    steps = tuple(StepRow(n, f"Step {n}", None, "todo") for n in range(1, 100_001))
    app = Room()
    async with app.run_test(size=(40, 12)):
        app.plan.show(PlanPage("s1", 1, steps, 70_000))
        assert any("Step 70000" in row for row in screen(app))
        app.plan.end()
        assert any("Step 100000" in row for row in screen(app))


async def test_the_same_page_again_sends_nothing_and_one_number_sends_few_cells() -> None:
    app = Room()
    async with app.run_test(size=(50, 21)) as pilot:
        app.plan.show(PAGE)
        await pilot.pause()
        sent: list[Any] = []
        app.plan.refresh = lambda *regions, **_: sent.extend(regions) or app.plan  # type: ignore[method-assign]
        app.plan.show(PAGE)
        assert sent == []
        more = replace(SECOND, input=3_481)
        attempt = replace(PAGE.steps[1].attempts[1], spent=more)
        step = replace(PAGE.steps[1], attempts=(PAGE.steps[1].attempts[0], attempt))
        app.plan.show(replace(PAGE, steps=(PAGE.steps[0], step, PAGE.steps[2])))
        assert [(region.width, region.height) for region in sent] == [(1, 1)]


async def test_another_plan_is_looked_at_from_its_current_step() -> None:
    app = Room()
    async with app.run_test(size=(50, 21)) as pilot:
        app.plan.show(PAGE)
        app.plan.home()
        app.plan.show(replace(PAGE, plan=99))
        app.plan.choose()
        await pilot.pause()
        assert app.chosen == [40]


async def test_a_page_that_is_not_read_yet_is_asked_for_again() -> None:
    app = Room()
    async with app.run_test(size=(50, 21)) as pilot:
        before = app.wanted
        app.plan.show(replace(PAGE, ready=False))
        await pilot.pause()
        assert app.wanted == before + 1


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_titles_are_drawn_never_sent(name: str) -> None:
    bad = HOSTILE[name].decode("utf-8", "surrogateescape")
    step = StepRow(1, bad, bad, "failed", (AttemptRow(2, 1, Outcome.FAILED, bad, FIRST, lessons=(bad,)),), FIRST)
    for width in (12, 40, 80):
        for _, group in groups(replace(PAGE, steps=(step,)), width):
            for line in group:
                drawn = strip(line, width, Ink(load("light")))
                assert drawn.cell_length == width
                assert drawn.text.isprintable()
