"""The conversation at a cursor: what was said, what came of it, in pages that cost what is on the screen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.wukong_tui.views.talking import converse, look
from widgets.talk import TalkNeed, TalkPage
from widgets.talk_items import TalkItem
from workspace import Act, History, Usage, Workspace
from wukong_tui.views.talk import LONGEST, TalkView

NEED = TalkNeed(58, 40, rows=40)


def said(text: str) -> bytes:
    return json.dumps({"role": "assistant", "content": text}).encode()


class Talking:
    """A session written by hand."""

    def __init__(self, work: Workspace) -> None:
        self.work = work
        work.record(Act("session", "m1", session="s1", detail={"mode": "auto"}))

    def begin(self, kind: str, name: str, parent: int | None = None, payload: bytes = b"", **more: Any) -> int:
        act = Act(kind, name, actor="ann", session="s1", parent=parent, **more)
        return self.work.begin(act, payload=payload)

    def turn(self, question: str, answer: str) -> int:
        prompt = self.begin("prompt", question, payload=question.encode())
        model = self.begin("model", "m1", prompt, model="m1")
        self.work.end(model, payload=said(answer))
        self.work.end(prompt)
        return prompt

    def call(self, parent: int, name: str = "read a.txt", **more: Any) -> int:
        call = self.begin("capability", name, parent, b'{"path": "a.txt"}', detail={"capability": name.split()[0]})
        self.work.end(call, payload=b"first\nsecond", **more)
        return call


@pytest.fixture
def talking(folder: Path) -> Iterator[Talking]:
    with Workspace.open(folder) as work:
        yield Talking(work)


def load(work: History, cursor: int | None = None, need: TalkNeed = NEED, view: TalkView | None = None) -> TalkPage:
    return (view or TalkView()).load(work, look(work, "s1", cursor), need)


def texts(page: TalkPage) -> list[tuple[str, str]]:
    return [(item.kind, item.text) for item in page.items]


def only(page: TalkPage, kind: str) -> TalkItem:
    (item,) = [item for item in page.items if item.kind == kind]
    return item


async def test_a_conversation_is_what_was_said_and_done(folder: Path, tmp_path: Path) -> None:
    session = await converse(folder, tmp_path)
    with History.open(folder) as history:
        page = TalkView().load(history, look(history, session), NEED)
        assert page.first
        assert page.last
        assert page.state == ""
        assert [item.kind for item in page.items[:7]] == [
            "session",
            "prompt",
            "reply",
            "call",
            "call",
            "call",
            "reply",
        ]
        assert page.items[1].text == "Please change the one line of a.txt\nand say what you did."
        edit, missing = page.items[4:6]
        assert edit.touched is not None
        assert (edit.touched.path, edit.touched.added, edit.touched.removed) == ("a.txt", 1, 1)
        assert (missing.outcome, edit.outcome) == ("refused", "done")
        attempts = [item for item in page.items if item.kind == "attempt"]
        assert [item.outcome for item in attempts] == ["failed", "verified"]
        assert attempts[0].said == "a.txt does not contain 'TWO'"
        assert only(page, "lesson").text.endswith("a.txt does not contain 'TWO'")
        undone = [item.text for item in page.items if item.undone]
        assert undone[:2] == ["Add c.txt.", "Added."]
        assert any(item.kind == "taken" and item.text.startswith("ann undid op:") for item in page.items)
        assert not [item for item in page.items if item.text.startswith("plan start")]


async def test_looking_back_shows_the_conversation_as_it_was(folder: Path, tmp_path: Path) -> None:
    session = await converse(folder, tmp_path)
    with History.open(folder) as history:
        view, need = TalkView(), TalkNeed(58, 400, rows=400)
        fresh = [TalkView().load(history, look(history, session, n), need) for n in range(1, history.cursor + 1)]
        again = [view.load(history, look(history, session, n), need) for n in range(history.cursor, 0, -1)][::-1]
        assert again == fresh
        for page in fresh:
            assert all(item.entry <= page.cursor for item in page.items)
        add = next(item.entry for item in fresh[-1].items if item.text == "Add c.txt.")
        undo = next(item.entry for item in fresh[-1].items if item.text.startswith("ann undid"))
        assert not any(item.undone for item in fresh[undo - 2].items)
        assert any(item.undone and item.entry == add for item in fresh[undo - 1].items)


async def test_every_page_is_a_part_of_the_whole(folder: Path, tmp_path: Path) -> None:
    session = await converse(folder, tmp_path)
    with History.open(folder) as history:
        whole = TalkView().load(history, look(history, session), TalkNeed(58, 400, rows=400)).items
        for item in whole:
            page = TalkView().load(history, look(history, session), TalkNeed(58, 4, item.entry, 4))
            assert item in page.items
            at = whole.index(page.items[0])
            assert page.items == whole[at : at + len(page.items)]
            assert page.first == (at == 0)
            assert page.last == (page.items[-1] == whole[-1])


def test_what_was_undone_and_redone_stands_again(talking: Talking) -> None:
    work = talking.work
    prompt = talking.turn("Write.", "Written.")
    undo = work.record(Act("undo", "undo", actor="bob", session="cli", detail={"target": prompt}))
    assert only(load(work), "prompt").undone
    assert only(load(work), "taken").text == "bob undid undo"
    work.record(Act("redo", "Write.", actor="bob", session="cli", detail={"target": undo}))
    assert not only(load(work), "prompt").undone
    assert only(load(work, undo), "prompt").undone


def test_text_in_flight_is_the_newest_part_at_the_cursor(talking: Talking) -> None:
    work = talking.work
    prompt = talking.begin("prompt", "Go on.", payload=b"Go on.")
    model = talking.begin("model", "m1", prompt, model="m1")
    before = work.cursor
    part = Act("model", "m1", session="s1", parent=prompt, operation=model, model="m1")
    first = work.record(part, payload=b"It be")
    second = work.record(part, payload=b"It begins to")
    work.end(model, payload=said("It begins to rain."))
    assert [only(load(work, n), "reply").text for n in (before, first, second)] == ["", "It be", "It begins to"]
    assert [only(load(work, n), "reply").outcome for n in (first, work.cursor)] == [None, "done"]
    assert only(load(work), "reply").text == "It begins to rain."


def test_a_loop_is_one_row_that_counts_at_the_cursor(talking: Talking) -> None:
    work = talking.work
    prompt = talking.begin("prompt", "Loop.", payload=b"Loop.")
    program = talking.begin("capability", "program", prompt, detail={"capability": "program"})
    begun = work.cursor
    call = Act("capability", "write x.txt", session="s1", parent=program)
    with work.batch():
        for n in range(300):
            work.write("x.txt", b"%d\n" % n, act=call)
    queued = talking.begin("prompt", "And then?", payload=b"And then?")
    with work.batch():
        for _ in range(200):
            work.record(call)
    work.end(program, payload=b"[500 calls]")
    view = TalkView()
    for cursor, count in ((begun + 100, 100), (begun + 300, 300), (begun + 40, 40), (work.cursor, 500)):
        assert only(load(work, cursor, view=view), "call").count == count
        assert only(load(work, cursor), "call").count == count
    page = load(work)
    assert texts(page)[-3:] == [("prompt", "Loop."), ("call", "program"), ("prompt", "And then?")]
    row = only(page, "call")
    assert row.touched is not None
    assert (row.touched.path, row.touched.added) == ("x.txt", 300)
    ahead = load(work, need=TalkNeed(58, 4, prompt, 4))
    assert [item.entry for item in ahead.items if item.entry > prompt] == [program, queued]


def test_prompts_that_did_not_end_well_say_how(talking: Talking) -> None:
    work = talking.work
    for outcome, error in (
        ("interrupted", ""),
        ("limit", "The limit is reached."),
        ("failed", "No key."),
        ("odd", ""),
    ):
        work.end(talking.begin("prompt", "Do.", payload=b"Do."), outcome, detail={"error": error} if error else {})
    rows = [item for item in load(work).items if item.kind == "outcome"]
    assert [row.text for row in rows] == [
        "interrupted by a person", "stopped at a limit", "this prompt failed", "this prompt ended as odd",
    ]  # fmt: skip
    assert [row.said for row in rows] == ["", "The limit is reached.", "No key.", ""]


def test_approvals_say_what_was_asked_and_decided(talking: Talking) -> None:
    work = talking.work
    asked = b'{"command": "rm -rf build\\nmore"}'
    first = talking.begin("approval", "run", payload=asked)
    assert (only(load(work), "approval").text, only(load(work), "approval").said) == (
        "asked to run rm -rf build", "waiting for you",
    )  # fmt: skip
    work.end(first, "refused", detail={"allow": "no", "reason": "not now"})
    assert only(load(work), "approval").said == "not allowed: not now"
    assert only(load(work, first), "approval").said == "waiting for you"


def test_models_that_failed_are_rows_and_those_that_only_called_are_not(talking: Talking) -> None:
    work = talking.work
    prompt = talking.begin("prompt", "Do.", payload=b"Do.")
    work.end(talking.begin("model", "m1", prompt, model="m1"), "failed", detail={"error": "Overloaded."})
    work.end(talking.begin("model", "m1", prompt, model="m1"), payload=said(""))
    work.end(talking.begin("model", "m1", prompt, model="m1"), "interrupted", payload=said("Half a"))
    page = load(work)
    assert (only(page, "call").text, only(page, "call").said) == ("model m1", "Overloaded.")
    assert (only(page, "reply").text, only(page, "reply").outcome) == ("Half a", "interrupted")


def test_tokens_are_said_as_they_are_known(talking: Talking) -> None:
    prompt = talking.begin("prompt", "Do.", payload=b"Do.")
    talking.call(prompt, usage=Usage(input=1200, output=4))
    talking.call(prompt, usage=Usage(estimated=300))
    talking.call(prompt)
    assert [item.tokens for item in load(talking.work).items if item.kind == "call"] == ["1,204", "~300", ""]


def test_a_row_that_is_unfolded_has_what_was_asked_and_given(talking: Talking) -> None:
    prompt = talking.begin("prompt", "Do.", payload=b"Do.")
    call = talking.call(prompt)
    page = load(talking.work, need=TalkNeed(58, 40, details=frozenset({call, prompt})))
    details = only(page, "call").details
    assert details is not None
    assert (details.asked, details.result) == ("path: a.txt", "first\nsecond")
    assert only(page, "prompt").details is None


def test_a_correction_is_what_counts(talking: Talking) -> None:
    work, view = talking.work, TalkView()
    prompt = talking.begin("prompt", "Do.", payload=b"Do.")
    call = talking.call(prompt)
    assert only(load(work, view=view), "call").outcome == "done"
    work.end(call, "unknown")
    assert only(load(work, view=view), "call").outcome == "unknown"


def test_there_is_nothing_before_a_session_and_without_one(talking: Talking) -> None:
    talking.turn("Write.", "Written.")
    view = TalkView()
    assert view.load(talking.work, look(talking.work, None), NEED).state == "none"
    assert view.load(talking.work, look(talking.work, "s1", 0), NEED).state == "before"
    assert view.load(talking.work, look(talking.work, "nobody"), NEED).state == "before"


def test_the_title_knows_the_model_and_which_session_it_is(talking: Talking) -> None:
    work = talking.work
    before = work.cursor
    work.record(Act("session", "m9", session="s2"))
    work.record(Act("settings", "m2", session="s1", detail={"mode": "ask"}))
    page = load(work)
    assert (page.model, page.number, page.sessions) == ("m2 · ask", 1, 2)
    assert (load(work, before).model, load(work, before).sessions) == ("m1 · auto", 1)


def test_a_huge_message_is_cut_and_says_so(talking: Talking) -> None:
    talking.begin("prompt", "Read.", payload=b"x" * 5_000_000)
    item = only(load(talking.work), "prompt")
    assert (len(item.text), item.cut) == (LONGEST, 5_000_000 - LONGEST)


def test_a_page_costs_the_same_however_long_the_session_is(talking: Talking) -> None:
    work = talking.work

    def steps(act: Callable[[], object]) -> int:
        count = 0

        def tick() -> int:
            nonlocal count
            count += 1
            return 0

        work.store.db.set_progress_handler(tick, 50)
        act()
        work.store.db.set_progress_handler(None, 0)
        return count

    def grow(turns: int) -> None:
        with work.batch():
            for n in range(turns):
                talking.turn(f"Question {n}", "An answer of some words.")

    def cost() -> int:
        half = work.cursor // 2
        needs = (NEED, TalkNeed(58, 40, half, 40), TalkNeed(58, 40, 0, 40))
        return steps(lambda: [load(work, need=need) for need in needs]) + steps(lambda: load(work, half))

    grow(100)
    short = cost()
    grow(3_000)
    assert cost() < 1.3 * short
