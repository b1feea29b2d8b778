"""The ledger says at every cursor what the meter reads out of the journal."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from runtime.usage import meter
from runtime.usage.ledger import Ledger
from workspace import Act, History, Usage, Workspace


def some_usage(chance: random.Random) -> Usage | None:
    return chance.choice([
        None, Usage(), Usage(input=chance.randrange(5_000), output=chance.randrange(99), cost=chance.randrange(9**7)),
        Usage(input=chance.randrange(5_000)), Usage(estimated=chance.randrange(2_000)),
        Usage(input=10, output=5, cached=3, reasoning=2, estimated=7, cost=0),
    ])  # fmt: skip


def lived(work: Workspace, chance: random.Random, acts: int) -> None:
    """Sessions that ask, try, fail, learn, correct themselves and repeat message ids, all mixed up."""
    sessions: list[str | None] = ["s1", "s2", None]
    calls: list[int] = []
    tries: list[int] = []
    lessons: list[int] = []
    frames: list[int] = []
    for _ in range(acts):
        session, parent = chance.choice(sessions), chance.choice([None, *tries[-3:], *frames[-2:]])
        refs = [None, *(f"m{n}".encode() for n in range(6))]
        kind = chance.randrange(11)
        if kind < 3:
            calls.append(work.begin(Act(
                kind=chance.choice(["model", "summary call"]), model="m", session=session, parent=parent,
                step=chance.choice([None, 1, 2]), ref=chance.choice([None] * 8 + refs),
            )))  # fmt: skip
        elif kind < 6 and calls:
            call, usage = chance.choice(calls[-6:]), some_usage(chance)
            work.end(call, chance.choice(["done", "failed"]), usage=usage, ref=chance.choice(refs))
        elif kind == 6 and calls:
            work.record(Act(kind="model", session=session, operation=calls[-1]), usage=some_usage(chance))
        elif kind == 7:
            given = {"lessons": chance.sample(lessons, min(len(lessons), 2))}
            tries.append(work.begin(Act(kind="attempt", session=session, parent=parent, detail=given)))
        elif kind == 8 and tries:
            more = {"lessons": chance.sample(lessons, 1)} if lessons and chance.random() < 0.2 else {}
            outcome = chance.choice(["verified", "failed", "failed", "interrupted"])
            work.end(chance.choice(tries[-4:]), outcome, detail=more)
        elif kind == 9 and tries:
            lessons.append(work.record(Act(kind="lesson", detail={"attempt_operation": chance.choice(tries)})))
        elif chance.random() < 0.4:
            frames.append(work.begin(Act(kind="summary", session=session, parent=parent)))
        else:
            made = work.record(Act(kind="model", model="m", session=session, parent=parent), usage=some_usage(chance))
            frames.append(made)


@pytest.mark.parametrize("seed", range(8))
def test_it_agrees_with_the_meter_at_every_cursor_however_it_was_read(folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    with Workspace.open(folder) as work, work.batch():
        lived(work, chance, 160)
    with History.open(folder) as history:
        end = history.cursor
        ledger, steps = Ledger(), Ledger()
        assert ledger.read(history, end)
        for cursor in range(0, end + 1, 5):
            assert steps.read(history, cursor)
            for session in (None, "s1", "s2"):
                calls = meter.calls(history, session=session, cursor=cursor)
                for known in (ledger, steps):
                    assert known.total(session, cursor) == meter.total(calls)
                    assert known.effect(session, cursor) == meter.effect(history, session=session, cursor=cursor)
                if session is not None:
                    by_step: dict[int | None, int] = {}
                    for (_, step), total in ledger.by_step(session, cursor).items():
                        by_step[step] = by_step.get(step, 0) + total.calls
                    assert by_step == Counter(call.step for call in calls)
            assert ledger.by_session(cursor) == meter.by_session(meter.calls(history, cursor=cursor))
        for attempt in history.store.journal.of_kind("attempt"):
            cursor = chance.randrange(attempt, end + 1)
            assert ledger.of_attempt(attempt, cursor) == meter.of_family(history, attempt, cursor)


def test_it_can_be_read_in_pieces_and_says_when_it_is_whole(folder: Path) -> None:
    with Workspace.open(folder) as work, work.batch():
        for _ in range(1_200):
            work.end(work.begin(Act(kind="model", model="m", session="s")), usage=Usage(input=1, output=1))
    with History.open(folder) as history:
        ledger, pieces = Ledger(), 1
        while not ledger.read(history, history.cursor, seconds=0.0):
            assert ledger.total("s", ledger.seen).reported < 2_400
            pieces += 1
        assert pieces > 2
        assert ledger.total("s", history.cursor).reported == 2_400


def test_a_provider_that_gives_every_reply_the_same_id_is_counted_once(folder: Path) -> None:
    with Workspace.open(folder) as work, work.batch():
        for _ in range(2_000):
            operation = work.begin(Act(kind="model", model="m", session="s"))
            work.end(operation, usage=Usage(input=3, output=1), ref=b"chatcmpl-0")
    with History.open(folder) as history:
        ledger = Ledger()
        ledger.read(history, history.cursor)
        assert ledger.total("s", history.cursor).calls == 1
        assert ledger.same_as(history.cursor - 1, "s", history.cursor) == 1


def test_numbers_beyond_all_reason_do_not_break_it(folder: Path) -> None:
    with Workspace.open(folder) as work, work.batch():
        for _ in range(3):
            call = work.begin(Act(kind="model", model="m", session="s"))
            work.end(call, usage=Usage(input=(1 << 63) - 1, output=0))
    with History.open(folder) as history:
        ledger = Ledger()
        ledger.read(history, history.cursor)
        assert ledger.total("s", history.cursor).input > 1 << 61


def test_rows_are_the_model_calls_and_long_operations_up_to_the_cursor(folder: Path) -> None:
    with Workspace.open(folder) as work:
        prompt = work.begin(Act(kind="prompt", session="s"))
        call = work.begin(Act(kind="model", model="m", session="s", parent=prompt))
        work.end(call, usage=Usage(input=1, output=1))
        program = work.begin(Act(kind="capability", name="program book.py", session="s", parent=prompt))
        for _ in range(5):
            work.record(Act(kind="capability", name="edit", session="s", parent=program))
        other = work.begin(Act(kind="capability", name="run", session="other"))
        end = work.end(program) or work.cursor
        ledger = Ledger()
        ledger.read(work, work.cursor)
        assert ledger.rows("s", end, 0, 10) == ([call, program], 2)
        assert ledger.rows(None, end, 0, 10) == ([call, program, other], 3)
        assert ledger.rows(None, end, 1, 1) == ([program], 3)
        assert ledger.rows("s", call, 0, 10) == ([call], 1)
        assert not ledger.is_settled(program, end - 1)
        assert ledger.is_settled(program, end)
