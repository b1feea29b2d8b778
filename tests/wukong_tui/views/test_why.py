"""Why a line is there: causes, decision, tokens, what became of it and what was there before, from real histories."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from runtime.protocol import Answer
from tests.runtime.office import begin, office, prompt, turn, write_cassette
from widgets.why import Account, WhyNeed, WhyPage
from workspace import Act, History, Usage, Workspace
from workspace.entries import LessonText
from workspace.operations.git_import import import_git
from wukong_tui.views import Look
from wukong_tui.views.blame import BlameView
from wukong_tui.views.why import WhyView


def look(history: History, path: str, cursor: int | None = None) -> Look:
    newest = history.cursor
    at = newest if cursor is None else cursor
    document = history.document(path)
    return Look(at, newest, at == newest, None, document, history.branch.id, time.time_ns() // 1000)


def explain(history: History, look: Look, document: int, line: int | None) -> WhyPage | None:
    """The whole explanation of a line, or with None of the version as a whole."""
    view, seen = WhyView(), replace(look, document=document)
    page = view.load(history, seen, WhyNeed(line))
    while view.pending:
        page = view.load(history, seen, WhyNeed(line))
    return page


def why(history: History, path: str, line: int | None, cursor: int | None = None) -> WhyPage:
    seen = look(history, path, cursor)
    assert seen.document is not None
    page = explain(history, seen, seen.document, line)
    assert page is not None
    return page


def account(page: WhyPage) -> Account:
    assert page.account is not None
    return page.account


def fates(told: Account) -> list[tuple[str, str]]:
    return [(fate.kind, fate.text) for fate in told.fates]


def fill(work: Workspace, cells: int) -> tuple[int, int]:
    """A floor of three rows: an attempt fills row B and fails, the next one fills the others; both by loops."""
    floor = {row: ["."] * cells for row in "ABC"}

    def text() -> bytes:
        return "".join(f"{row} {''.join(floor[row])}\n" for row in floor).encode()

    who: dict[str, Any] = {"session": "s1", "actor": "agent"}
    work.write("floor.txt", text(), act=Act(kind="scan", name="scan", actor="ann", detail={"first": True}))
    asked = work.begin(Act(kind="prompt", name="Fill the floor, please.", actor="ann", session="s1"))
    check = {"document": "floor.txt", "forbids": "^(B) .*#", "says": "Row {} is the fire lane."}
    steps = [{"title": "Fill the floor", "check": check, "attempts": 3}]
    work.record(Act(kind="plan", name="1 steps", parent=asked, detail={"steps": steps}, **who))

    def attempt(number: int, rows: str, given: list[int]) -> int:
        place = {"step": 1, "attempt": number, **who}
        detail = {"lessons": given} if given else {}
        tried = work.begin(Act(kind="attempt", name="Fill the floor", parent=asked, detail=detail, **place))
        call = work.begin(Act(kind="model call", name="m", model="m", parent=tried, **place))
        work.end(call, usage=Usage(1000 * number, 20))
        loop = work.begin(
            Act(kind="capability", name="program fill", parent=tried, decision="allowed: auto within the sandbox",
                detail={"capability": "program"}, **place)
        )  # fmt: skip
        with work.batch():
            for row in rows:
                for cell in range(cells):
                    floor[row][cell] = "#"
                    act = Act(kind="capability", name="write floor.txt", parent=loop, **place)
                    work.write("floor.txt", text(), act=act)
        work.end(loop)
        return tried

    failed = attempt(1, "B", [])
    work.end(failed, "failed", detail={"why": "Row B is the fire lane."})
    lesson = work.record(
        Act(kind="lesson", name="Row B is the fire lane.", parent=asked, detail={"attempt_operation": failed}, **who),
        payload=LessonText("Fill the floor", "Row B is the fire lane.", "", "", 1020, False).payload(),
    )
    work.revert([failed], act=Act(kind="revert", name="failed attempt at Fill the floor", parent=asked, **who))
    floor["B"] = ["."] * cells
    work.end(attempt(2, "AC", [lesson]), "verified")
    work.end(asked)
    return failed, asked


def test_a_lane_that_a_failed_attempt_filled_is_explained_from_the_revert_to_the_prompt(folder: Path) -> None:
    with Workspace.open(folder) as work:
        failed, asked = fill(work, 30)
        page = why(work, "floor.txt", 1)
        told = account(page)
        assert page.text == "B " + "." * 30
        assert (told.made.version, told.made.label) == (32, "revert failed attempt at Fill the floor")
        assert told.made.note == "Attempt 1 of step 1 failed and was taken back: Row B is the fire lane."
        assert fates(told) == [("stands", "still there")]
        assert page.about == "What it took back"
        behind = page.behind
        assert behind is not None
        assert behind.made.version == 31
        assert [(cause.role, cause.text) for cause in behind.causes] == [
            ("prompt", "Fill the floor, please."), ("attempt", "Fill the floor"), ("loop", "program fill"),
            ("call", "write floor.txt"),
        ]  # fmt: skip
        ask, tried, loop, _ = behind.causes
        assert (ask.operation, ask.who) == (asked, "ann")
        assert (tried.operation, tried.step, tried.attempt, tried.outcome) == (failed, 1, 1, "failed")
        assert tried.why == "Row B is the fire lane."
        assert "fails with" in tried.check
        assert loop.times == 30
        assert behind.decision is not None
        assert (behind.decision.text, behind.decision.who) == ("allowed: auto within the sandbox", "")
        assert [(t.of, t.text) for t in behind.tokens] == [("attempt 1 of step 1", "1,020"), ("the prompt", "3,040")]
        assert fates(behind) == [
            ("failed", "attempt 1 of step 1 failed: Row B is the fire lane."),
            ("reverted", "reverted by agent"),
            ("lesson", "its lesson is kept"),
            ("used", "lesson used by attempt 2 of step 1, verified"),
        ]
        assert [(past.first, past.last, past.times) for past in page.story] == [(2, 31, 30), (1, 1, 1)]
        assert [past.text for past in page.story] == ["B " + "#" * 30, "B " + "." * 30]


def test_a_line_of_a_verified_attempt_stands_and_its_loop_is_one_row(folder: Path) -> None:
    with Workspace.open(folder) as work:
        fill(work, 30)
        page = why(work, "floor.txt", 2)
        told = account(page)
        assert page.behind is None
        assert fates(told) == [("stands", "still there"), ("verified", "attempt 2 of step 1 was verified")]
        assert [(past.first, past.last, past.times) for past in page.story] == [(63, 91, 29), (1, 1, 1)]


def test_a_line_looked_at_in_the_past_tells_what_became_of_it_since(folder: Path) -> None:
    with Workspace.open(folder) as work:
        fill(work, 30)
        then = work.version("floor.txt", 10)
        told = account(why(work, "floor.txt", 1, then.entry))
        assert told.made.version == 10
        assert fates(told)[0] == ("changed", "changed later by @11 write floor.txt")
        assert ("reverted", "reverted by agent") in fates(told)


def test_a_version_as_a_whole_is_explained_with_the_versions_before_it(folder: Path) -> None:
    with Workspace.open(folder) as work:
        fill(work, 30)
        page = why(work, "floor.txt", None)
        assert (page.line, page.version, account(page).made.version) == (None, 92, 92)
        assert [(past.first, past.last, past.times, past.text) for past in page.story] == [
            (33, 91, 59, None), (32, 32, 1, None), (2, 31, 30, None), (1, 1, 1, None),
        ]  # fmt: skip


async def test_an_attempt_of_a_real_session_is_told_with_its_approval(folder: Path, tmp_path: Path) -> None:
    (folder / "floor.txt").write_text("A .\nB .\n")
    steps = [{"title": "Fill the floor", "check": {"document": "floor.txt", "lacks": "B #"}}]
    script = write_cassette(
        tmp_path / "tape.toml",
        [
            turn("", ("plan", {"action": "set", "steps": steps})),
            turn("", ("plan", {"action": "start"})),
            turn("", ("edit", {"path": "floor.txt", "old": "B .", "new": "B #"})),
            turn("", ("plan", {"action": "finish"})),
            turn("", ("plan", {"action": "start"})),
            turn("", ("edit", {"path": "floor.txt", "old": "A .", "new": "A #"})),
            turn("", ("plan", {"action": "finish"})),
            turn("Done.", usage={"input": 100, "output": 20}),
        ],
    )
    async with office(folder, script) as desk:
        session = await begin(desk, mode="ask")
        answered: set[int] = set()
        tasks = []

        def person(_: Any) -> None:
            import asyncio

            for asked in desk.approvals.listing():
                if asked["approval"] not in answered:
                    answered.add(asked["approval"])
                    tasks.append(asyncio.ensure_future(desk.handle(Answer(asked["approval"], "once"))))

        desk.subscribe(person)
        assert (await prompt(desk, session, "Fill it.\nAll of it.")).outcome == "done"
        page = await desk.read(lambda history: why(history, "floor.txt", 1))
        behind = page.behind
        assert behind is not None
        assert behind.causes[0].text == "Fill it."
        assert behind.decision is not None
        assert (behind.decision.text, behind.decision.who) == ("allowed by a person", "ann")
        kinds = [fate.kind for fate in behind.fates]
        assert kinds == ["failed", "reverted", "lesson", "used"]
        assert all(tokens.text.startswith("~") or "+ ~" in tokens.text for tokens in behind.tokens)
        told = account(await desk.read(lambda history: why(history, "floor.txt", 0)))
        assert [fate.kind for fate in told.fates] == ["stands", "verified"]


def test_an_outside_edit_is_told_as_such(folder: Path) -> None:
    (folder / "a.txt").write_text("one\ntwo\n")
    with Workspace.open(folder) as work:
        work.scan()
        (folder / "a.txt").write_text("one\n2\n")
        work.catch_up()
        assert account(why(work, "a.txt", 1)).made.note == "Edited outside, recorded by a scan."
        told = account(why(work, "a.txt", 0))
        assert (told.causes, told.decision, told.tokens) == ((), None, ())


def test_a_restored_line_is_told_with_the_edit_that_first_made_it(folder: Path) -> None:
    with Workspace.open(folder) as work:
        for number, content in enumerate((b"a\nb\n", b"a\nB\n", b"a\nX\n"), 1):
            work.write("a.txt", content, act=Act(name=f"edit {number}", actor="ann"))
        work.restore(version=work.version("a.txt", 2))
        page = why(work, "a.txt", 1)
        assert account(page).made.note == "Brought back by a restore: again as in @2."
        assert page.about == "What it brought back"
        assert page.behind is not None
        assert (page.behind.made.version, page.behind.made.who) == (2, "ann")
        assert [past.text for past in page.story] == ["X", "B", "b"]


def test_undo_and_redo_are_told_with_what_they_are_about(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("a.txt", b"a\n", act=Act(name="first"))
        work.write("a.txt", b"b\n", act=Act(name="second"))
        work.undo(act=Act(kind="undo", name="undo", actor="ann"))
        page = why(work, "a.txt", 0)
        assert account(page).made.note == "Taken back by an undo of op:2 edit second."
        assert page.behind is not None
        assert (page.behind.made.version, fates(page.behind)) == (2, [("undone", "undone by ann")])
        work.redo()
        page = why(work, "a.txt", 0)
        assert account(page).made.note == "Done again by a redo of op:2 edit second."
        assert page.behind is not None
        assert (page.behind.made.version, fates(page.behind)) == (2, [])


def test_a_reverted_edit_that_took_a_line_away_is_found_too(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("a.txt", b"a\nb\n")
        gone = work.write("a.txt", b"a\n", act=Act(name="cut"))
        work.revert([gone.operation])
        page = why(work, "a.txt", 1)
        assert page.behind is not None
        assert page.behind.made.version == gone.number
        assert page.story == ()


def test_a_line_from_git_names_its_commit_and_author(folder: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    git = ["git", "-C", str(repository), "-c", "user.name=Ada", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    (repository / "a.txt").write_text("one\n")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "Say one"], check=True)
    with Workspace.open(folder) as work:
        import_git(work, repository)
        made = account(why(work, "a.txt", 0)).made
        head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
        assert (made.who, made.label) == ("Ada", "import Say one")
        assert made.note == f"Imported from git, commit {head[:10]}."


def test_there_is_nothing_to_explain_without_a_document_or_a_line(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("a.txt", b"a\n")
        seen = look(work, "a.txt")
        assert explain(work, seen, 1, 7) is None
        assert explain(work, seen, 99, 0) is None
        assert WhyView().load(work, Look(1, 1, True, None, None, 1, 0), WhyNeed(0)) is None


def test_the_view_comes_to_the_same_in_slices_with_and_without_blame(folder: Path) -> None:
    with Workspace.open(folder) as work:
        fill(work, 60)
        seen = look(work, "floor.txt")
        whole = explain(work, seen, seen.document or 0, 1)
        for blame in (None, BlameView()):
            view = WhyView(blame)
            page = view.load(work, seen, WhyNeed(1))
            while view.pending:
                page = view.load(work, seen, WhyNeed(1))
            assert page == whole
            assert view.load(work, seen, WhyNeed(1)) == whole


def test_a_line_is_explained_while_its_document_goes_on_changing(folder: Path) -> None:
    with Workspace.open(folder) as work:
        fill(work, 60)
        view = WhyView(BlameView())
        for number in range(60):
            work.write("floor.txt", work.content(work.version("floor.txt", 182)) + b"%d\n" % number)
            seen = look(work, "floor.txt")
            page = view.load(work, seen, WhyNeed(1))
        assert page is not None
        assert not view.pending
        assert page == explain(work, seen, seen.document or 0, 1)
