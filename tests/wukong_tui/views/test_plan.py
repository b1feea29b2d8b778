"""What the plan pane is given: the plan as it stood at any cursor, with what its attempts had cost by then."""

from __future__ import annotations

from pathlib import Path

from runtime.planning import plan
from runtime.usage import meter
from tests.runtime.office import begin, office, prompt, turn, write_cassette
from tests.wukong_tui.views.spending import SESSION, STEPS, tell
from widgets.plan import PlanNeed, PlanPage
from workspace import Act, History, Usage, Workspace
from wukong_tui.views import Look
from wukong_tui.views.plan import PlanView

NEED = PlanNeed()


def at(cursor: int, session: str | None = SESSION) -> Look:
    return Look(cursor, cursor, True, session, None, 1, 0)


def test_before_the_plan_and_without_a_session_there_is_none(folder: Path) -> None:
    with Workspace.open(folder) as work:
        story = tell(work)
        view = PlanView()
        before = view.load(work, at(story.moments["set"]), NEED)
        assert (before.session, before.plan, before.steps) == (SESSION, None, ())
        assert view.load(work, at(work.cursor, None), NEED) == PlanPage()


def test_a_failed_attempt_shows_its_reason_its_cost_and_once_it_is_taken_back_that_it_was(folder: Path) -> None:
    with Workspace.open(folder) as work:
        story = tell(work)
        view = PlanView()
        running = view.load(work, at(story.moments["running"]), NEED).steps[2]
        assert (running.state, running.attempts[0].outcome, running.attempts[0].reverted) == ("doing", None, False)
        assert running.attempts[0].spent.estimated == 2_140
        failed = view.load(work, at(story.moments["failed"]), NEED).steps[2].attempts[0]
        assert failed.outcome == "failed"
        assert failed.why == "600 bottles stand in fire lane E (rules.md, rule 3)"
        assert failed.reverted
        verified = view.load(work, at(story.moments["verified"]), NEED)
        assert [step.state for step in verified.steps] == ["done", "done", "done", "todo", "todo"]
        assert verified.steps[2].attempts[1].lessons == ("lesson of 1",)
        assert verified.steps[2].spent.reported == 3_985
        assert verified.steps[2].spent.estimated == 2_140


def test_all_parts_make_the_total_and_agree_with_the_journal_at_every_cursor(folder: Path) -> None:
    with Workspace.open(folder) as work:
        tell(work)
        view = PlanView()
        for cursor in [*range(work.cursor, 0, -1), *range(1, work.cursor + 1, 5)]:
            page = view.load(work, at(cursor), NEED)
            found = plan.at(work, SESSION, cursor)
            assert (page.plan is None) == (found is None)
            known = meter.total(meter.calls(work, session=SESSION, cursor=cursor))
            assert (page.total.reported, page.total.unknown) == (known.reported, known.unknown)
            if found is None:
                continue
            assert [(s.title, s.state, len(s.attempts)) for s in page.steps] == [
                (s.title, s.state, len(s.attempts)) for s in found.steps
            ]
            for step, other in zip(page.steps, found.steps, strict=True):
                for row, attempt in zip(step.attempts, other.attempts, strict=True):
                    spent = meter.of_family(work, attempt.operation, cursor)
                    assert (row.entry, row.outcome) == (attempt.operation, attempt.outcome)
                    assert (row.spent.reported, row.spent.estimated, row.spent.unknown, row.spent.cost) == (
                        spent.reported, spent.estimated, spent.unknown, spent.cost,
                    )  # fmt: skip
            parts = [step.spent for step in page.steps] + [page.outside]
            assert sum(part.reported for part in parts) == page.total.reported
            assert sum(part.unknown for part in parts) == page.total.unknown


def test_the_current_step_is_the_one_that_is_tried_or_was_last(folder: Path) -> None:
    with Workspace.open(folder) as work:
        moments = tell(work).moments
        current = {name: PlanView().load(work, at(moments[name]), NEED).current for name in moments}
        assert current == {
            "set": 1, "planned": 1, "running": 3, "failed": 3, "again": 3, "verified": 3, "unknown": 4,
        }  # fmt: skip


def test_an_undone_prompt_takes_its_plan_along_and_a_redo_brings_it_back(folder: Path) -> None:
    with Workspace.open(folder) as work:
        story, view = tell(work), PlanView()
        work.end(story.prompt)
        undo = work.record(Act(kind="undo", session=SESSION, detail={"target": story.prompt}))
        assert view.load(work, at(undo), NEED).plan is None
        assert view.load(work, at(undo), NEED).total.calls > 0
        assert view.load(work, at(undo - 1), NEED).plan is not None
        redo = work.record(Act(kind="redo", session=SESSION, detail={"target": undo}))
        assert view.load(work, at(redo), NEED).plan is not None


def test_what_is_not_read_yet_is_never_shown_as_a_sum(folder: Path) -> None:
    with Workspace.open(folder) as work:
        with work.batch():
            record = Act(kind="plan", session=SESSION, detail={"steps": STEPS})
            work.record(record)
            for _ in range(6_000):
                work.end(work.begin(Act(kind="model", model="m", session=SESSION)), usage=Usage(input=1, output=1))
        view = PlanView()
        while not (page := view.load(work, at(work.cursor), NEED)).ready:
            assert page.total.calls == page.outside.calls == 0
            assert page.steps
        assert page.total.reported == 12_000


async def test_an_office_at_work_is_shown_as_it_happened(folder: Path, tmp_path: Path) -> None:
    steps = [{"title": "Fill the floor", "check": {"document": "floor.txt", "lacks": "E"}}]
    script = write_cassette(tmp_path / "tape.toml", [
        turn("", ("plan", {"action": "set", "steps": steps})),
        turn("", ("plan", {"action": "start"})),
        turn("", ("write", {"path": "floor.txt", "text": "AAEE\n"})),
        turn("", ("plan", {"action": "finish"})),
        turn("", ("plan", {"action": "start"})),
        turn("", ("write", {"path": "floor.txt", "text": "AAAA\n"})),
        turn("", ("plan", {"action": "finish"})),
        turn("Done."),
    ])  # fmt: skip
    async with office(folder, script) as desk:
        session = await begin(desk)
        await prompt(desk, session)

        def look(history: History) -> tuple[PlanPage, meter.Effect]:
            where = Look(history.cursor, history.cursor, True, session.name, None, 1, 0)
            return PlanView().load(history, where, NEED), meter.effect(history, session=session.name)

        page, effect = await desk.read(look)
        (step,) = page.steps
        failed, verified = step.attempts
        assert (step.state, step.check) == ("done", "floor.txt lacks 'E'")
        assert (failed.outcome, failed.why, failed.reverted) == ("failed", "floor.txt contains 'E'", True)
        assert (verified.outcome, verified.lessons, verified.reverted) == ("verified", ("lesson of 1",), False)
        assert step.spent.calls == effect.effective.calls == 4
        assert page.total.calls == 8
