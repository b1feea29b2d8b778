"""Moving the cursor: where each key and each address leads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from workspace import Act, Workspace, WorkspaceError
from workspace.amounts import ago
from workspace.records import Edit
from wukong_tui.actions.motion import SPEEDS, Jumps, Momentum, Player, most
from wukong_tui.frames.cursor_moves import (
    Target,
    first,
    live,
    operation_step,
    parse_goto,
    plan_step,
    prompt_step,
    time_of,
    version_step,
)
from wukong_tui.frames.status_bar import where
from wukong_tui.views import Look

HOUR = 3_600_000_000


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "work"
    folder.mkdir()
    with Workspace.open(folder, store=tmp_path / "store") as opened:
        yield opened


def write(work: Workspace, path: str, *texts: str) -> list[int]:
    """Versions of a document, one each; their entries."""
    return [work.write(path, text.encode()).entry for text in texts]


def text_of(spans: list[tuple[str, str]]) -> str:
    return "".join(text for text, _ in spans)


# -- versions


def test_steps_go_from_version_to_version_of_one_document(work: Workspace) -> None:
    one, two = write(work, "a.md", "1", "2")
    write(work, "b.md", "x")
    (three,) = write(work, "a.md", "3")
    a = work.document("a.md")
    assert version_step(work, a, 1, three, -1).cursor == two
    assert version_step(work, a, 1, three, -2).cursor == one
    assert version_step(work, a, 1, two, 1).cursor == three
    assert version_step(work, a, 1, one, 2).cursor == three
    assert version_step(work, a, 1, two + 1, -1).cursor == one  # between two: back from the one that is shown
    assert version_step(work, a, 1, two + 1, 1).cursor == three


def test_steps_stop_at_the_first_and_the_last_version(work: Workspace) -> None:
    one, two, three = write(work, "a.md", "1", "2", "3")
    a = work.document("a.md")
    assert version_step(work, a, 1, two, -20) == Target(one, a)
    assert version_step(work, a, 1, two, 20) == Target(three, a)


def test_at_the_last_version_forward_stays_and_says_so(work: Workspace) -> None:
    write(work, "b.md", "x")
    one, two = write(work, "a.md", "1", "2")
    a = work.document("a.md")
    assert version_step(work, a, 1, two, 1) == Target(two, a, "This is the last version of this document.")
    assert version_step(work, a, 1, one, -1) == Target(one, a, "This is the first version of this document.")
    assert version_step(work, a, 1, 1, -1) == Target(1, a, "This document did not exist yet.")
    assert version_step(work, None, 1, two, -1).note == "No document is shown."
    assert version_step(work, a, 1, two, 0) == Target(two, a)


def test_before_a_document_existed_forward_leads_to_its_first_version(work: Workspace) -> None:
    write(work, "b.md", "x", "y")
    one, two = write(work, "a.md", "1", "2")
    assert version_step(work, work.document("a.md"), 1, 1, 1).cursor == one
    assert version_step(work, work.document("a.md"), 1, 1, 2).cursor == two


def test_on_a_branch_steps_go_back_through_what_it_was_before(work: Workspace) -> None:
    one, two = write(work, "a.md", "1", "2")
    side = work.fork("side").id
    (three,) = write(work, "a.md", "3")
    a = work.document("a.md")
    head = work.store.versions.at(a, side, work.cursor)
    assert head is not None
    assert head.state is not None
    with work.store.transaction():
        state = replace(head.state, content=work.store.contents.put(b"side"))
        entry, _ = work.store.record(Act(), [Edit(a, "a.md", state, head.number)], branch=side)
    assert version_step(work, a, side, entry, -1).cursor == two
    assert version_step(work, a, side, entry, -2).cursor == one
    assert version_step(work, a, side, entry, -9).cursor == one
    assert version_step(work, a, side, one, 1).cursor == two
    assert version_step(work, a, side, two, 1).cursor == entry
    assert version_step(work, a, side, three, 1).cursor == entry  # what others did meanwhile is not on it
    assert version_step(work, a, side, one, 2).cursor == entry
    assert version_step(work, a, 1, entry, -1).cursor == two
    assert version_step(work, a, 1, two, 1).cursor == three
    for branch, last in ((side, entry), (1, three)):
        assert version_step(work, a, branch, last, 1).note == "This is the last version of this document."


def test_steps_agree_with_the_list_of_what_a_branch_shows(work: Workspace) -> None:
    branches = [1]
    a = work.document(work.write("a.md", b"0").path)
    for n in range(1, 40):
        write(work, "b.md", str(n))
        if n in (7, 15, 23):
            with work.store.transaction():
                branches.append(work.store.versions.add_branch(f"side{n}", branches[n // 8], work.cursor).id)
                work.record(Act(kind="branch"))
        branch = branches[n % len(branches)]
        head = work.store.versions.at(a, branch, work.cursor)
        assert head is not None
        assert head.state is not None
        with work.store.transaction():
            state = replace(head.state, content=work.store.contents.put(str(n).encode()))
            work.store.record(Act(), [Edit(a, "a.md", state, head.number)], branch=branch)
    for branch in branches:
        newest = work.cursor
        shown = [work.store.versions.at(a, branch, cursor) for cursor in range(newest + 1)]
        line = list(dict.fromkeys(version.entry for version in shown if version is not None))
        for cursor, version in enumerate(shown):
            at = -1 if version is None else line.index(version.entry)
            for steps in (-50, -3, -2, -1, 1, 2, 3, 50):
                to = max(min(at, 0), min(len(line) - 1, at + steps))
                there = version_step(work, a, branch, cursor, steps)
                assert there.cursor == (cursor if to == at else line[to]), (branch, cursor, steps)
                assert bool(there.note) == (to == at)


# -- operations, prompts, plan steps


def test_operation_steps_stop_where_an_act_is_over_and_where_a_prompt_begins(work: Workspace) -> None:
    (one,) = write(work, "a.md", "1")
    prompt = work.begin(Act(kind="prompt", name="Do it"))
    call = work.begin(Act(kind="capability", name="edit a.md", parent=prompt))
    part = work.write("a.md", b"2", act=Act(kind="capability", operation=call, parent=prompt)).entry
    work.end(call)
    call_end = work.cursor
    work.end(prompt)
    prompt_end = work.cursor
    assert [operation_step(work, one, n).cursor for n in (1, 2, 3, 4)] == [prompt, call_end, prompt_end, prompt_end]
    assert operation_step(work, part, 1).cursor == call_end
    assert operation_step(work, part, -1).cursor == prompt
    assert operation_step(work, call_end, -2).cursor == one
    assert operation_step(work, prompt_end, 1) == Target(prompt_end, note="This is the last operation.")
    assert operation_step(work, one, -1) == Target(one, note="This is the first operation.")


def test_prompts_and_plan_steps_are_gone_to_at_their_beginning(work: Workspace) -> None:
    prompts, attempts = [], []
    for _ in range(2):
        prompts.append(work.begin(Act(kind="prompt", name="Do it")))
        attempts.append(work.begin(Act(kind="attempt", name="Try", parent=prompts[-1])))
        work.write("a.md", f"{len(prompts)}".encode(), act=Act(parent=attempts[-1]))
        work.end(attempts[-1], "verified")
        work.end(prompts[-1])
    inside = attempts[1] + 1
    assert plan_step(work, inside, -1).cursor == attempts[1]  # first its own beginning
    assert plan_step(work, attempts[1], -1).cursor == attempts[0]
    assert plan_step(work, inside, -2).cursor == attempts[0]
    assert plan_step(work, attempts[0], 1).cursor == attempts[1]
    assert plan_step(work, inside, 1) == Target(inside, note="There is no attempt at a plan step after this.")
    assert prompt_step(work, inside, -2).cursor == prompts[0]
    assert prompt_step(work, prompts[0], 1).cursor == prompts[1]
    assert prompt_step(work, prompts[0], -1).note == "There is no prompt before this."
    assert first(work) == Target(1)
    assert live(work) == Target(work.cursor)


def test_an_empty_history_has_nowhere_to_go(work: Workspace) -> None:
    assert first(work) == live(work) == Target(0)
    assert operation_step(work, 0, 1).cursor == 0
    assert time_of(work, 0) is None


# -- addresses


def test_numbers_and_addresses_lead_where_they_say(work: Workspace) -> None:
    one, two, three = write(work, "a.md", "1", "2", "3")
    (other,) = write(work, "b.md", "x")
    a, b = work.document("a.md"), work.document("b.md")
    now = datetime.now().timestamp() + 60

    def go(text: str, document: int | None = a) -> Target:
        return parse_goto(work, text, document, 1, three, now)

    assert go("2") == Target(two, a)
    assert go("-2") == Target(one, a)
    assert go("-1", b).note == "This document did not exist yet."
    assert go(f"op:{two}").cursor == two
    assert go(f"op:{two}^").cursor == one
    assert go("a.md@1") == Target(one, a)
    assert go("b.md") == Target(three, b)  # another document at the same moment
    assert go("now").cursor == other
    assert go("live").cursor == other
    assert go("first").cursor == 1
    assert go("5s ago").cursor == other
    assert go("@{5s ago}").cursor == other
    assert go(datetime.fromtimestamp(now).strftime("%Y-%m-%d %H:%M:%S")).cursor == other
    clock = datetime.fromtimestamp(now)
    assert go(clock.strftime("%H:%M:%S")).cursor == other


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Write where to go"),
        ("0", "no version 0; its newest is 3"),
        ("9", "no version 9"),
        ("op:99", "no op:99; the newest is"),
        ("25:00", "no time of day"),
        ("nowhere.md", "No document was ever at nowhere.md"),
        ("400d ago", "Nothing is recorded from"),
        ("../out", "not inside"),
    ],
)
def test_what_leads_nowhere_is_said_in_a_sentence(work: Workspace, text: str, sentence: str) -> None:
    write(work, "a.md", "1", "2", "3")
    now = datetime.now().timestamp()
    with pytest.raises(WorkspaceError, match=sentence):
        parse_goto(work, text, work.document("a.md"), 1, 3, now)


def test_a_number_without_a_document_is_refused_with_a_way_on(work: Workspace) -> None:
    write(work, "a.md", "1")
    with pytest.raises(WorkspaceError, match="write op:1 for an operation"):
        parse_goto(work, "1", None, 1, 1, 0.0)
    with pytest.raises(WorkspaceError, match="counts versions back"):
        parse_goto(work, "-1", None, 1, 1, 0.0)


def test_a_document_named_like_a_time_is_still_a_document(work: Workspace) -> None:
    write(work, "today", "1")
    (later,) = write(work, "b.md", "x")
    assert parse_goto(work, "today", None, 1, later, datetime.now().timestamp()).document == work.document("today")


# -- keys held


def test_single_presses_go_one_step() -> None:
    momentum = Momentum()
    assert [momentum.press("right", n * 0.2, 5000, back=False) for n in range(50)] == [1] * 50
    assert momentum.label == ""


def test_a_key_held_goes_further_and_further_and_says_so() -> None:
    momentum = Momentum()
    strides = [momentum.press("left", n / 30, 100_000, back=True) for n in range(10)]
    assert strides == [1, 1, 1, 2, 2, 4, 8, 16, 32, 64]
    assert momentum.label == "◀ ×64"


def test_a_key_let_go_starts_again_at_one() -> None:
    momentum = Momentum()
    for n in range(20):
        momentum.press("left", n / 30, 100_000, back=True)
    assert not momentum.release(20 / 30)
    assert momentum.release(19 / 30 + 0.2)
    assert momentum.label == ""
    assert momentum.press("left", 2.0, 100_000, back=True) == 1
    assert momentum.press("left", 2.4, 100_000, back=True) == 1


def test_the_other_direction_starts_at_one_at_once() -> None:
    momentum = Momentum()
    for n in range(20):
        momentum.press("left", n / 30, 100_000, back=True)
    assert momentum.press("right", 20 / 30, 100_000, back=False) == 1
    assert momentum.label == ""


@pytest.mark.parametrize("versions", [1, 50, 300, 1_197, 10_000, 100_000, 1_000_000])
def test_any_document_is_crossed_in_about_eight_seconds(versions: int) -> None:
    momentum, left, presses = Momentum(), versions, 0
    while left > 0:
        stride = momentum.press("left", presses / 30, versions, back=True)
        assert stride <= most(versions)
        left -= stride
        presses += 1
    assert presses / 30 <= 10
    if versions >= 1000:
        assert presses / 30 >= 4


# -- play


def test_a_player_gives_the_steps_that_are_due_and_skips_what_is_late() -> None:
    player = Player(10)
    assert player.due(0.0) == 0
    assert player.toggle(100.0)
    assert [player.due(100 + t) for t in (0.0, 0.05, 0.1, 0.2, 0.25, 5.0, 5.05)] == [0, 0, 1, 1, 0, 48, 0]
    assert not player.toggle(106.0)
    assert player.due(107.0) == 0


def test_speeds_go_up_and_down_between_bounds_without_a_leap() -> None:
    player = Player(5)
    player.toggle(0.0)
    assert player.due(10.0) == 50
    assert [player.faster(10.0) for _ in range(6)] == [10, 30, 100, 300, 300, 300]
    assert player.due(10.0) == 0
    assert player.due(11.0) == 300
    assert [player.slower(11.0) for _ in range(7)] == [100, 30, 10, 5, 2, 1, 1]
    assert player.label == "▶ 1/s"
    assert SPEEDS == (1, 2, 5, 10, 30, 100, 300)


def test_a_player_stops_at_live_and_at_the_end() -> None:
    player = Player()
    player.toggle(0.0)
    assert not player.arrived(5, 10, moved=True)
    assert player.arrived(10, 10, moved=True)
    assert not player.playing
    player.toggle(0.0)
    assert player.arrived(8, 10, moved=False)
    assert player.label == ""


# -- jumps


def test_back_goes_to_where_one_jumped_from_and_there_again() -> None:
    jumps = Jumps()
    assert jumps.back(5, live=False) is None
    jumps.jumped(100, live=True)
    assert jumps.back(7, live=False) == (100, True)
    assert jumps.back(100, live=True) == (7, False)
    assert jumps.back(7, live=False) == (100, True)


def test_a_jump_that_led_nowhere_takes_no_way_back() -> None:
    jumps = Jumps()
    jumps.jumped(100, live=False)
    jumps.jumped(200, live=False)
    assert jumps.back(200, live=False) == (100, False)
    assert jumps.back(100, live=False) == (200, False)
    live = Jumps()
    live.jumped(100, live=False)
    live.jumped(200, live=True)
    assert live.back(204, live=True) == (100, False)


# -- the bar


def look(cursor: int, newest: int, *, is_live: bool = False) -> Look:
    return Look(cursor, newest, is_live, None, None, 1, 1_800_000_000_000_000)


def test_the_bar_says_live_or_where_and_when() -> None:
    then = datetime.fromtimestamp(1_800_000_000) - timedelta(hours=2)
    assert text_of(where(look(9, 9, is_live=True), None)).strip() == "LIVE"
    line = text_of(where(look(4217, 13_031), int(then.timestamp() * 1e6)))
    assert line.split() == f"TIME op 4,217/13,031 · {then:%H:%M:%S} · 2 h ago · LIVE +8,814".split()


def test_the_bar_is_shortened_by_what_matters_least() -> None:
    then = 1_800_000_000_000_000 - 2 * HOUR
    told = [text_of(where(look(4217, 13_031), then, width)) for width in (80, 56, 45, 32, 20, 8, 3)]
    assert [len(line) <= width for line, width in zip(told, (80, 56, 45, 32, 20, 8, 3), strict=True)] == [True] * 7
    assert ["ago" in line for line in told[:3]] == [True, False, False]
    assert ["4,217/13,031" in line for line in told] == [True, True, True, True, True, False, False]
    assert told[5].strip() == "TIME"
    assert told[6] == ""


def test_ages_are_told_in_their_largest_unit() -> None:
    assert [ago(n * 1_000_000) for n in (-5, 3, 61, 7_300, 90_000, 400 * 86_400)] == [
        "0 s ago", "3 s ago", "1 min ago", "2 h ago", "1 d ago", "1 y ago",
    ]  # fmt: skip
