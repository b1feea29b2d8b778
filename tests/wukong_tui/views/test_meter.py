"""What the meter is given: totals as the journal has them at any cursor, and a page of operations."""

from __future__ import annotations

from pathlib import Path

from runtime.usage import meter
from runtime.usage.ledger import Ledger
from tests.wukong_tui.views.spending import SESSION, tell
from widgets.meter import MeterNeed, MeterPage
from widgets.plan import PlanNeed
from workspace import Act, Usage, Workspace
from wukong_tui.views import Look
from wukong_tui.views.meter import MeterView
from wukong_tui.views.plan import PlanView


def at(cursor: int, session: str | None = SESSION) -> Look:
    return Look(cursor, cursor, True, session, None, 1, 0)


def labels(page: MeterPage) -> list[str]:
    return [row.label for row in page.rows]


def test_totals_agree_with_the_journal_at_every_cursor_in_any_order(folder: Path) -> None:
    with Workspace.open(folder) as work:
        tell(work)
        view = MeterView()
        for cursor in [*range(1, work.cursor + 1, 4), *range(work.cursor, 0, -7)]:
            for whole in (False, True):
                session = None if whole else SESSION
                page = view.load(work, at(cursor), MeterNeed(10, whole=whole))
                total = meter.total(meter.calls(work, session=session, cursor=cursor))
                effect = meter.effect(work, session=session, cursor=cursor)
                pairs = [
                    (page.total, total), (page.effective, effect.effective), (page.wasted, effect.wasted),
                    (page.unjudged, effect.unjudged),
                ]  # fmt: skip
                for ours, theirs in pairs:
                    for name in ("calls", "input", "output", "cached", "estimated", "unknown", "cost", "unpriced"):
                        assert getattr(ours, name) == getattr(theirs, name)


def test_rows_are_what_cost_something_or_took_time_and_a_loop_is_one_row(folder: Path) -> None:
    with Workspace.open(folder) as work:
        story = tell(work, bottles=12)
        page = MeterView().load(work, at(story.moments["running"]), MeterNeed(20))
        assert labels(page) == [
            "model call 1", "read rules.md", "model call 2", "read floor.txt", "model call 3", "write book.py",
            "model call 4", "program book.py",
        ]  # fmt: skip
        loop = page.rows[-1]
        assert (loop.times, loop.spent) == (12, None)
        assert page.rows[-2].spent is not None
        assert page.rows[-2].spent.estimated == 2_140
        assert (page.count, page.back) == (8, 0)


def test_a_running_loop_counts_on_with_the_cursor_forwards_and_backwards(folder: Path) -> None:
    with Workspace.open(folder) as work:
        story = tell(work, bottles=12)
        view, end = MeterView(), story.moments["running"]
        counts = [
            view.load(work, at(end - back), MeterNeed(5)).rows[-1].times for back in (1, 3, 6, 4, 0, 11)
        ]  # fmt: skip
        assert counts == [12, 10, 7, 9, 12, 2]
        running = view.load(work, at(end - 4), MeterNeed(5)).rows[-1]
        assert (running.lasted, running.outcome) == (None, None)


def test_what_asked_a_model_itself_is_no_loop_of_no_tokens(folder: Path) -> None:
    with Workspace.open(folder) as work:
        program = work.begin(Act(kind="capability", name="program ask.py", session=SESSION))
        call = work.begin(Act(kind="model", model="m", session=SESSION, parent=program))
        work.end(call, usage=Usage(input=5, output=1))
        page = MeterView().load(work, at(work.cursor), MeterNeed(5))
        assert [(row.label, row.times) for row in page.rows] == [("program ask.py", 0), ("model call 1", 0)]


def test_only_a_page_around_the_cursor_is_given(folder: Path) -> None:
    with Workspace.open(folder) as work:
        story = tell(work)
        view, look = MeterView(), at(story.moments["running"])
        assert labels(view.load(work, look, MeterNeed(2))) == ["model call 4", "program book.py"]
        assert labels(view.load(work, look, MeterNeed(2, back=1))) == ["write book.py", "model call 4"]
        first = view.load(work, look, MeterNeed(3, back=5))
        assert (labels(first), first.back) == (["model call 1", "read rules.md", "model call 2"], 5)


def test_bars_are_the_steps_of_the_newest_plan_and_make_the_total(folder: Path) -> None:
    with Workspace.open(folder) as work:
        story = tell(work)
        page = MeterView().load(work, at(story.moments["unknown"]), MeterNeed(5))
        assert [(share.label, share.spent.reported) for share in page.bars] == [
            ("1 Read the floor and the manifest", 2_002), ("2 Write the program book.py", 2_950),
            ("3 Book 10,000 bottles in", 3_985), ("4 Count what stands on the floor", 0), ("no step", 1_289),
        ]  # fmt: skip
        assert page.bars[3].spent.unknown == 1
        work.record(Act(kind="plan", session=SESSION, detail={"steps": [{"title": "Anew"}]}))
        call = work.begin(Act(kind="model", model="m", session=SESSION, step=1))
        work.end(call, usage=Usage(input=4, output=1))
        page = MeterView().load(work, at(work.cursor), MeterNeed(5))
        assert [share.label for share in page.bars] == ["earlier plans", "1 Anew", "no step"]
        assert sum(share.spent.reported for share in page.bars) == page.total.reported


def test_the_workspace_has_a_bar_for_each_session_and_says_whose_row_it_is(folder: Path) -> None:
    with Workspace.open(folder) as work:
        tell(work)
        work.end(work.begin(Act(kind="model", model="m", session="s99")), usage=Usage(input=1, output=1))
        for look, whole in ((at(work.cursor), True), (at(work.cursor, None), False)):
            page = MeterView().load(work, look, MeterNeed(2, whole=whole))
            assert page.session is None
            assert [share.label for share in page.bars] == ["session s1", "session s99"]
            assert labels(page) == ["s1 run python3 count.py", "s99 model call 1"]


def test_a_repeated_message_id_is_counted_once_and_its_row_says_so(folder: Path) -> None:
    with Workspace.open(folder) as work:
        for _ in range(2):
            call = work.begin(Act(kind="model", model="m", session=SESSION))
            work.end(call, usage=Usage(input=100, output=10), ref=b"same")
        page = MeterView().load(work, at(work.cursor), MeterNeed(5))
        assert (page.total.calls, page.total.reported) == (1, 110)
        assert [row.same for row in page.rows] == [None, 1]


def test_a_corrected_call_is_shown_as_it_stood_at_each_cursor(folder: Path) -> None:
    with Workspace.open(folder) as work:
        call = work.begin(Act(kind="model", model="m", session=SESSION))
        work.end(call, usage=Usage(estimated=90))
        first = work.cursor
        view = MeterView()
        assert view.load(work, at(first), MeterNeed(5)).rows[0].spent.estimated == 90  # type: ignore[union-attr]
        work.end(call, usage=Usage(input=80, output=12))
        for _ in range(2):
            assert view.load(work, at(work.cursor), MeterNeed(5)).rows[0].spent.reported == 92  # type: ignore[union-attr]
            assert view.load(work, at(first), MeterNeed(5)).rows[0].spent.reported == 0  # type: ignore[union-attr]
            assert view.load(work, at(first), MeterNeed(5)).total.estimated == 90


def test_limits_are_those_that_a_person_set_last(folder: Path) -> None:
    with Workspace.open(folder) as work:
        tell(work, max_tokens=50_000)
        before = work.cursor
        work.record(Act(kind="settings", session=SESSION, detail={"max_tokens": 80_000, "max_cost": 10**9}))
        view = MeterView()
        then, now = (view.load(work, at(cursor), MeterNeed(5)) for cursor in (before, work.cursor))
        assert (then.max_tokens, then.max_cost) == (50_000, None)
        assert (now.max_tokens, now.max_cost) == (80_000, 10**9)


def test_both_panes_can_share_one_ledger(folder: Path) -> None:
    with Workspace.open(folder) as work:
        tell(work)
        ledger = Ledger()
        plan_view, meter_view = PlanView(ledger), MeterView(ledger)
        look = at(work.cursor)
        assert plan_view.load(work, look, PlanNeed()).total == meter_view.load(work, look, MeterNeed(5)).total
        assert ledger.seen == work.cursor
