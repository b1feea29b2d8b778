"""The timeline's pages: which acts are rows at a cursor, what they say, and what is still to come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from widgets.scrubber import ScrubberNeed
from widgets.timeline import TimelineNeed, TimelinePage, TimelineRow
from workspace import Act, Usage, Workspace
from wukong_tui.views import Look
from wukong_tui.views import timeline as timeline_module
from wukong_tui.views.scrubber import BUCKETS, Density, ScrubberView
from wukong_tui.views.timeline import TimelineView

SECOND = 1_000_000


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "work"
    folder.mkdir()
    with Workspace.open(folder, store=tmp_path / "store") as opened:
        yield opened


def look(work: Workspace, cursor: int | None = None, now: int = 0) -> Look:
    at = work.cursor if cursor is None else cursor
    return Look(at, work.cursor, cursor is None, None, None, 1, now)


def load(
    work: Workspace, cursor: int | None = None, view: TimelineView | None = None, **more: object
) -> TimelinePage:
    """The page once it is complete."""
    view = view or TimelineView()
    for n in range(500):
        need = TimelineNeed(120, 7, **more)  # type: ignore[arg-type]
        page = view.load(work, look(work, cursor, n * SECOND), need)
        if not page.again:
            return page
    raise AssertionError("the page is never complete")


def labels(page: TimelinePage) -> list[str]:
    return ["  " * row.depth + row.label + (f" × {row.count}" if row.count else "") for row in page.rows]


def here(page: TimelinePage) -> TimelineRow:
    (row,) = (row for row in page.rows if row.here)
    return row


def call(work: Workspace, parent: int, name: str, text: str | None = None) -> int:
    """A capability call, begun and ended, that writes ``floor.md`` where there is a text."""
    operation = work.begin(Act(kind="capability", name=name, actor="agent", session="s1", parent=parent))
    if text is not None:
        act = Act(kind="capability", actor="agent", session="s1", parent=parent, operation=operation)
        work.write("floor.md", text.encode(), act=act)
    work.end(operation)
    return operation


def ask(work: Workspace, parent: int, usage: Usage = Usage(input=100, output=20), ref: bytes | None = None) -> int:
    operation = work.begin(Act(kind="model", name="m", model="m", actor="agent", session="s1", parent=parent))
    work.end(operation, usage=usage, ref=ref)
    return operation


def loop(work: Workspace, parent: int, calls: int) -> int:
    """A program with so many calls that each write."""
    program = work.begin(Act(kind="capability", name="program", actor="agent", session="s1", parent=parent))
    with work.batch():
        for n in range(calls):
            act = Act(kind="capability", name=f"write data{n % 3}.csv", session="s1", parent=program, actor="agent")
            work.write(f"data{n % 3}.csv", f"{n}\n".encode(), act=act)
    work.end(program)
    return program


def piece(work: Workspace, calls: int = 30) -> dict[str, int]:
    """A scan, a prompt with a failed attempt that is reverted, a verified one, a loop; then an outside edit."""
    at: dict[str, int] = {}
    work.write("floor.md", b"0\n", act=Act(kind="scan", name="scan", actor="person"))
    at["prompt"] = work.begin(Act(kind="prompt", name="Set it up", actor="ann", session="s1"))
    at["model"] = ask(work, at["prompt"])
    for number, outcome in ((1, "failed"), (2, "verified")):
        act = Act(
            kind="attempt", name="Try", actor="agent", session="s1", parent=at["prompt"], step=1, attempt=number
        )
        at[outcome] = work.begin(act)
        at[f"call {outcome}"] = call(work, at[outcome], "edit floor.md", f"{number}\n2\n")
        ask(work, at[outcome], Usage(input=1, output=2))
        work.end(at[outcome], outcome)
        at[f"end {outcome}"] = work.cursor
        if outcome == "failed":
            revert = Act(kind="revert", name="failed attempt", parent=at["prompt"], session="s1", actor="agent")
            at["revert"] = work.revert([at[outcome]], act=revert, consent=True)[0].entry
    at["loop"] = loop(work, at["prompt"], calls)
    work.end(at["prompt"])
    at["end"] = work.cursor
    at["outside"] = work.write("floor.md", b"mine\n", act=Act(kind="outside", actor="unknown")).entry
    return at


def test_the_prompt_that_holds_the_cursor_is_unfolded_and_others_are_one_row(work: Workspace) -> None:
    at = piece(work)
    assert labels(load(work)) == ["scan", "Set it up", "edited outside"]
    assert labels(load(work, at["loop"])) == [
        "scan",
        "Set it up",
        "  model m",
        "  attempt 1: Try · failed",
        "  revert failed attempt",
        "  attempt 2: Try",
        "  program × 30",
        "edited outside",
    ]


def test_within_a_loop_the_loop_is_the_row_that_holds_the_cursor(work: Workspace) -> None:
    at = piece(work)
    page = load(work, at["loop"] + 15)
    assert here(page).operation == at["loop"]
    assert len(page.rows) == 8


def test_within_an_attempt_its_calls_are_rows(work: Workspace) -> None:
    at = piece(work)
    page = load(work, at["call failed"] + 1)
    assert here(page).operation == at["call failed"]
    assert here(page).depth == 2
    assert here(page).documents == "floor.md"


def test_a_loop_unfolded_by_hand_is_paged(work: Workspace) -> None:
    at = piece(work, calls=300)
    page = load(work, at["loop"] + 150, opened=frozenset({at["loop"]}))
    assert here(page).operation == at["loop"] + 150
    assert here(page).depth == 2
    assert len(page.rows) == 29
    folded = load(work, at["loop"] + 150, opened=frozenset({at["loop"]}), closed=frozenset({at["prompt"]}))
    assert labels(folded) == ["scan", "Set it up", "edited outside"]
    assert here(folded).operation == at["prompt"]


def test_rows_follow_each_other_in_one_order_from_wherever_they_are_read(work: Workspace) -> None:
    at = piece(work, calls=40)
    opened = frozenset({at["loop"], at["prompt"], at["failed"]})
    whole = load(work, at["prompt"], opened=opened, chosen=at["loop"] + 20)
    for chosen in [row.operation for row in whole.rows]:
        page = load(work, at["prompt"], opened=opened, chosen=chosen)
        shown = [row.operation for row in page.rows]
        known = [row.operation for row in whole.rows]
        both = [id_ for id_ in shown if id_ in known]
        assert both == [id_ for id_ in known if id_ in both]
        assert chosen in shown


def test_a_row_says_what_the_act_did_with_all_it_caused(work: Workspace) -> None:
    at = piece(work)
    rows = {row.operation: row for row in load(work, at["prompt"]).rows}
    assert rows[at["prompt"]].documents == "4 documents"
    assert rows[at["prompt"]].tokens == "126"
    assert rows[at["model"]].tokens == "120"
    assert (rows[at["failed"]].documents, rows[at["failed"]].added, rows[at["failed"]].removed) == (
        "1 document",
        2,
        1,
    )
    loop_ = rows[at["loop"]]
    assert (loop_.count, loop_.documents, loop_.added, loop_.removed) == (30, "3 documents", 30, 27)
    assert loop_.tokens == ""


def test_tokens_are_never_invented(work: Workspace) -> None:
    prompt = work.begin(Act(kind="prompt", name="p", session="s1"))
    one, two = ask(work, prompt, Usage()), ask(work, prompt, Usage(estimated=50))
    three = ask(work, prompt, Usage(input=7, output=1), ref=b"same")
    ask(work, prompt, Usage(input=7, output=1), ref=b"same")
    rows = {row.operation: row for row in load(work).rows}
    assert [rows[id_].tokens for id_ in (one, two, three)] == ["?", "~50", "8"]
    assert rows[prompt].tokens == "8 ~50 1 ?"  # a provider's message counts once


def test_what_comes_after_the_cursor_is_the_future(work: Workspace) -> None:
    at = piece(work)
    page = load(work, at["end failed"])
    assert [row.future for row in page.rows] == [row.operation > at["end failed"] for row in page.rows]
    assert page.rows[0].future is False
    assert page.rows[-1].future is True


def test_an_act_is_shown_as_it_stood_at_the_cursor(work: Workspace) -> None:
    at = piece(work)
    view = TimelineView()
    for cursor, sign in (
        (at["outside"], "✗"),
        (at["call failed"], "…"),
        (at["end failed"], "✗"),
        (at["failed"], "…"),
    ):
        rows = {row.operation: row for row in load(work, cursor, view, opened=frozenset({at["prompt"]})).rows}
        assert rows[at["failed"]].sign == sign
    before = {row.operation: row for row in load(work, 1, view, opened=frozenset({at["prompt"]})).rows}
    assert (before[at["failed"]].sign, before[at["failed"]].future) == ("✗", True)


def test_a_call_under_way_has_not_cost_or_changed_anything_yet(work: Workspace) -> None:
    at = piece(work)
    view = TimelineView()
    for view_ in (view, view):  # what is over is remembered, and must not be shown before its time
        call_, model = here(load(work, at["call failed"], view_)), here(load(work, at["model"], view_))
        assert (call_.sign, call_.documents, call_.added) == ("…", "", None)
        assert (model.sign, model.tokens) == ("…", "")
        assert here(load(work, at["model"] + 1, view_)).tokens == "120"


def test_going_to_a_row_leads_to_the_end_of_an_act_and_to_the_beginning_of_a_prompt(work: Workspace) -> None:
    at = piece(work)
    rows = {row.operation: row for row in load(work, at["prompt"]).rows}
    assert rows[at["prompt"]].entry == at["prompt"]
    assert rows[at["failed"]].entry == at["end failed"]
    assert rows[at["revert"]].entry == at["revert"]


def test_acts_of_others_in_between_stand_in_their_place(work: Workspace) -> None:
    prompt = work.begin(Act(kind="prompt", name="long", session="s1"))
    call(work, prompt, "edit floor.md", "1\n")
    other = work.begin(Act(kind="prompt", name="other", session="s2"))
    second = call(work, prompt, "edit floor.md", "2\n")
    inner = call(work, other, "read floor.md")
    work.end(other)
    work.end(prompt)
    assert labels(load(work, second)) == ["long", "  edit floor.md", "  edit floor.md", "other"]
    assert labels(load(work, inner)) == ["long", "other", "  read floor.md"]


def test_live_work_appears_with_the_next_page(work: Workspace) -> None:
    view = TimelineView()
    prompt = work.begin(Act(kind="prompt", name="p", session="s1"))
    assert labels(load(work, view=view)) == ["p"]
    assert here(load(work, view=view)).sign == "❯"
    program = work.begin(Act(kind="capability", name="program", session="s1", parent=prompt))
    for n in range(1, 4):
        work.write("a.csv", f"{n}".encode(), act=Act(kind="capability", name="write a.csv", parent=program))
        page = load(work, view=view)
        assert here(page).count == n
        assert (here(page).sign, here(page).documents) == ("…", "1 document")
    work.end(program)
    work.end(prompt)
    last = work.write("floor.md", b"x", act=Act(kind="outside"))
    assert here(load(work, view=view)).operation == last.entry
    assert load(work, view=view).rows[0].sign == "❯"


def test_before_the_first_entry_everything_is_to_come(work: Workspace) -> None:
    assert load(work).rows == ()
    piece(work)
    page = load(work, 0)
    assert labels(page)[:2] == ["scan", "Set it up"]
    assert all(row.future and not row.here for row in page.rows)


def test_a_filter_shows_only_what_matches_and_loops_as_one_row(work: Workspace) -> None:
    at = piece(work)
    page = load(work, at["loop"], filter="data1")
    assert [row.operation for row in page.rows] == [at["loop"]]
    assert page.rows[0].here
    assert page.rows[0].fold == ""  # enter goes there
    assert page.searched
    assert {row.operation for row in load(work, filter="attempt").rows} == {
        at["failed"],
        at["verified"],
        at["revert"],
    }
    assert {row.operation for row in load(work, filter="ANN").rows} == {at["prompt"]}
    floor = {row.operation for row in load(work, at["prompt"], filter="floor.md").rows}
    assert {1, at["call failed"], at["call verified"], at["revert"], at["outside"]} == floor
    assert load(work, filter="100%").rows == ()
    assert load(work, filter="_").shown == 0


def test_a_long_history_is_filtered_a_part_at_a_time(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline_module, "SEARCHED", 10)
    at = piece(work)
    view = TimelineView()
    page = view.load(work, look(work), TimelineNeed(120, 7, filter="floor"))
    assert not page.searched
    assert page.again
    assert load(work, view=view, filter="floor").shown == load(work, filter="floor").shown
    assert at["outside"] in {row.operation for row in page.rows}


def test_top_level_acts_far_apart_are_found_a_part_at_a_time(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = piece(work, calls=60)
    whole = labels(load(work, at["loop"] + 30))
    monkeypatch.setattr(timeline_module, "CHUNK", 8)
    monkeypatch.setattr(timeline_module, "NEAR", 4)
    view = TimelineView()
    first = view.load(work, look(work, at["loop"] + 30), TimelineNeed(120, 7))
    assert first.again
    assert here(first).operation == at["loop"]
    assert labels(load(work, at["loop"] + 30, view)) == whole
    for cursor in (1, at["outside"], at["prompt"], 1):
        assert labels(load(work, cursor, view)) == labels(load(work, cursor))


def test_a_name_of_any_length_becomes_a_short_label(work: Workspace) -> None:
    work.write("a.md", b"x", act=Act(kind="\x1b[2J", name="\x1b]0;owned\x07" * 100_000, actor="\u202e"))
    (row,) = load(work).rows
    assert len(row.label) < 1000


# -- density


def test_density_counts_every_version_once_however_it_is_grown(work: Workspace) -> None:
    piece(work, calls=200)
    whole = Density()
    whole.grow(work, work.cursor, 0)
    parts = Density()
    for n in range(1, work.cursor + 1, 7):
        parts.grow(work, n, n * SECOND)
    parts.grow(work, work.cursor, 10_000 * SECOND)
    versions = len(work.store.versions.of_entries(1, work.cursor))
    for width in (7, 40, 120):
        page = whole.page(width, 1)
        assert sum(page.counts) == versions
        assert page == parts.page(width, 1)


def test_a_history_longer_than_the_buckets_is_counted_in_wider_ones(work: Workspace) -> None:
    density = Density()
    piece(work, calls=50)
    density.grow(work, work.cursor, 0)
    with work.batch():
        for n in range(BUCKETS + 100):
            work.write("a.csv", str(n).encode(), act=Act(kind="scan"))
    while density.grow(work, work.cursor, density.newest * SECOND):
        pass
    assert density.size == 2
    assert sum(density.page(100, 1).counts) == len(work.store.versions.of_entries(1, work.cursor))
    assert [mark for mark in density.page(100, 1).marks if mark] == ["failed"]


def test_marks_stand_where_things_happened_and_the_gravest_wins(work: Workspace) -> None:
    at = piece(work)
    page = ScrubberView().load(work, look(work), ScrubberNeed(work.cursor + 1))
    assert {page.entries[x]: mark for x, mark in enumerate(page.marks) if mark} == {
        at["prompt"]: "prompt", at["end failed"]: "failed", at["revert"]: "back",
    }  # fmt: skip
    narrow = ScrubberView().load(work, look(work), ScrubberNeed(1))
    assert (narrow.marks, narrow.entries) == (("failed",), (at["end failed"],))


def test_an_attempt_that_fails_later_is_marked_then(work: Workspace) -> None:
    view = ScrubberView()
    attempt = work.begin(Act(kind="attempt", name="Try", session="s1"))
    assert set(view.load(work, look(work), ScrubberNeed(20)).marks) == {""}
    work.end(attempt, "failed")
    assert "failed" in view.load(work, look(work, now=SECOND), ScrubberNeed(20)).marks


def test_live_growth_is_not_counted_more_than_five_times_a_second(work: Workspace) -> None:
    view = ScrubberView()
    work.write("a.md", b"1")
    assert view.load(work, look(work, now=SECOND), ScrubberNeed(20)).newest == 1
    work.write("a.md", b"2")
    late = view.load(work, look(work, now=SECOND + 100_000), ScrubberNeed(20))
    assert (late.newest, late.again) == (1, 0.2)
    assert view.load(work, look(work, now=SECOND + 200_000), ScrubberNeed(20)).newest == 2


def test_at_the_end_of_a_prompt_the_last_of_what_it_did_holds_the_cursor(work: Workspace) -> None:
    prompt = work.begin(Act(kind="prompt", name="Do it", actor="ann", session="s1"))
    calls = [call(work, prompt, f"call {n}") for n in range(40)]
    work.end(prompt)
    end = work.cursor
    assert (here(load(work)).operation, here(load(work)).depth) == (calls[-1], 1)
    work.write("a.txt", b"x\n", act=Act(kind="outside", actor="outside"))
    page = load(work, end)
    assert here(page).operation == calls[-1]
    assert page.rows[-1].label == "edited outside", "what came after is in sight, too"
    folded = load(work, end, closed=frozenset({prompt}))
    assert here(folded).operation == prompt
    assert here(load(work, prompt)).operation == prompt


def test_the_end_of_a_prompt_that_did_nothing_is_its_own_row(work: Workspace) -> None:
    prompt = work.begin(Act(kind="prompt", name="Do it", actor="ann", session="s1"))
    work.end(prompt)
    assert here(load(work)).operation == prompt
