"""The demo, played once for real: a host of its own, 13,000 versions, and what its screen tells of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from runtime.host import connect
from runtime.planning import plan
from runtime.usage import meter
from tests.wukong_tui.cli import program
from workspace import History, NotFound, Operation, WorkspaceError
from workspace.operations.verify import verify
from workspace.records import ENDED
from wukong_tui.demo import (
    BOTTLES,
    PROMPT,
    SCENES,
    Demo,
    again,
    floor,
    floor_of,
    make,
    one_by_one,
    play,
    result,
    scene,
    succeeded,
)

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that was played to its end."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="wk") as sockets:
        patch.setenv("XDG_RUNTIME_DIR", sockets)
        patch.setenv("PYTHONPATH", str(PROJECT))
        demo = make(tmp_path_factory.mktemp("parent"), store=tmp_path_factory.mktemp("store") / "kept", paced=False)
        asyncio.run(play(demo))
        assert connect.status(demo.root, demo.store) is None, "its host has left"
        yield demo


@pytest.fixture
def history(played: Demo) -> Iterator[History]:
    with History.open(played.root, store=played.store) as opened:
        yield opened


def session(history: History) -> str:
    name = history.operation(history.store.journal.of_kind("session")[0]).session
    assert name is not None
    return name


def of_kind(history: History, kind: str) -> list[Operation]:
    return [history.operation(id_) for id_ in history.store.journal.of_kind(kind)]


def programs(history: History) -> list[Operation]:
    """The two programs: each began under an attempt at step 3."""
    children = [
        history.operation(id_)
        for attempt in of_kind(history, "attempt")
        for id_ in history.store.journal.children(attempt.id)
    ]
    return [child for child in children if child.detail.get("capability") == "program"]


def test_it_ends_with_10_000_bottles_and_a_free_fire_lane(played: Demo, history: History) -> None:
    record = result(played)
    assert succeeded(record)
    assert (record["bottles"], record["fire_lane"], record["failed_attempts"], record["lessons"]) == (10_000, 0, 1, 1)
    assert record["versions"] >= 13_000
    assert record["operations"] >= 13_000
    assert record["documents"] == 5
    report = verify(history.store)
    assert report.ok, report.problems
    assert (report.operations, report.versions) == (record["operations"], record["versions"])
    text = (played.root / "floor.txt").read_text("utf-8")
    assert sum(floor.counted(text).values()) == BOTTLES
    assert max(map(len, text.splitlines())) <= 80
    manifest = [line.split(",") for line in (played.root / "manifest.csv").read_text().splitlines()[1:]]
    assert {aisle: int(count) for aisle, _, count in manifest} == {
        aisle: count for aisle, count in floor.counted(text).items() if count
    }
    assert "10,000 bottles" in (played.root / "report.md").read_text()


def test_every_booking_is_one_version_and_costs_no_tokens(history: History) -> None:
    floors = list(history.history("floor.txt"))
    assert len(floors) == 1 + 3_000 + 1 + 10_000
    booked = {version.number: sum(floor_of(history, version.entry).values()) for version in floors[::251]}
    assert all(count == (n - 1 if n <= 3_001 else n - 3_002) for n, count in booked.items())
    assert all(version.added == version.removed == 1 for version in [*floors[1:3_001], *floors[3_002:]])
    first, second = programs(history)
    for run, count in ((first, 3_000), (second, 10_000)):
        family = set(history.store.journal.family(run.id))
        assert sum(version.operation in family for version in floors) == count
        assert meter.of_family(history, run.id).calls == 0


def test_the_failed_attempt_leaves_the_floor_in_one_act_and_stays_as_a_lesson(history: History) -> None:
    (revert,) = of_kind(history, "revert")
    assert {v.path for v in history.store.versions.of_operation(revert.id)} == {"floor.txt", "manifest.csv"}
    before = floor_of(history, revert.id - 1)
    assert (sum(before.values()), before["E"]) == (3_000, 600)
    assert sum(floor_of(history, revert.last).values()) == 0
    failed, retried = [attempt for attempt in of_kind(history, "attempt") if attempt.step == 3]
    assert failed.outcome == "failed"
    assert failed.detail["why"] == "600 bottles stand in fire lane E (rules.md, rule 3)"
    assert "3. " in (why := (history.content(_head(history, "rules.md")).decode().splitlines()[4]))
    assert "fire lane" in why
    (lesson,) = of_kind(history, "lesson")
    assert retried.detail["lessons"] == [lesson.id]
    said = [
        history.store.contents.get(entry.payload).decode()
        for entry in history.store.journal.of_session(session(history), after=retried.id)
        if entry.kind == "model" and entry.phase == ENDED and entry.payload is not None
    ]
    assert failed.detail["why"] in json.loads(said[0])["content"]
    steps = plan.at(history, session(history))
    assert steps is not None
    assert [step.state for step in steps.steps] == ["done"] * 5
    assert [step.attempts[-1].outcome for step in steps.steps] == ["done", *["verified"] * 4]


def _head(history: History, path: str) -> Any:
    version = history.find(path)
    assert version is not None
    return version


def test_tokens_of_the_failed_attempt_are_waste_until_its_lesson_has_helped(history: History) -> None:
    failed, retried = [attempt for attempt in of_kind(history, "attempt") if attempt.step == 3]
    spent = meter.of_family(history, failed.id).estimated
    assert spent > 0
    at_failure = meter.effect(history, cursor=failed.last)
    assert at_failure.wasted.estimated == spent
    before = meter.effect(history, cursor=retried.last - 1)
    after = meter.effect(history, cursor=retried.last)
    assert before.wasted.estimated == spent
    assert (after.wasted.calls, after.wasted.estimated) == (0, 0)
    earned = meter.of_family(history, retried.id).estimated
    assert after.effective.estimated == before.effective.estimated + spent + earned
    total = meter.total(meter.calls(history))
    assert (total.reported, total.unknown, total.cost) == (0, 0, 0)
    assert total.unpriced == total.calls, "no price is known, so none is shown"


def test_one_call_for_each_bottle_would_have_cost_far_more(history: History) -> None:
    estimate = one_by_one(BOTTLES, PROMPT)
    assert estimate > 100 * meter.total(meter.calls(history)).estimated
    assert estimate == BOTTLES * one_by_one(1, PROMPT)


def test_scenes_follow_each_other_as_the_story_goes(history: History) -> None:
    name = session(history)
    few = [entry.id for entry in history.store.journal.entries(limit=50_000) if entry.kind != "capability"]
    cursors = sorted({0, *few, *range(1, history.cursor, 97), history.cursor, *(c.id + 1 for c in programs(history))})
    told = [key for key, _ in groupby(scene(history, name, cursor).name for cursor in cursors)]
    assert told == [key for key in SCENES if key != "stopped"]
    assert scene(history, name) is SCENES["turn"]
    assert scene(history, None, 1) is SCENES["office"]


def test_captions_fit_and_say_no_markup() -> None:
    for each in SCENES.values():
        assert len(each.title) <= 40
        assert len(each.caption) <= 78  # whole at 80 columns
        assert "[" not in each.caption


def test_it_is_opened_again_by_its_number_and_plays_in_a_fresh_folder_each_time(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="wukong demo"):
        again(tmp_path)
    first, second = make(tmp_path), make(tmp_path)
    assert [first.root.name, second.root.name] == ["wukong-demo-1", "wukong-demo-2"]
    assert again(tmp_path) == second
    assert again(first.root) == first
    (tmp_path / "wukong-demo-3").mkdir()
    assert again(tmp_path) == second, "a folder without a history is no demo"
    assert make(tmp_path).root.name == "wukong-demo-4"
    with pytest.raises(WorkspaceError, match="a history already"):
        make(tmp_path, store=first.store)
    with pytest.raises(WorkspaceError, match="Nothing was asked"):
        result(first)


def test_replies_stream_on_a_screen_and_come_at_once_without_one(tmp_path: Path) -> None:
    from runtime.models.scripted import Scripted

    assert Scripted(make(tmp_path).cassette).pace > 0
    assert Scripted(make(tmp_path, paced=False).cassette).pace == 0


def test_a_floor_that_does_not_add_up_is_not_counted() -> None:
    empty = floor.empty()
    assert sum(floor.counted(empty).values()) == 0
    row = "C  " + " ".join(["·" * 10] * 5) + "    0"
    for broken in (empty.replace(row, row.replace("·", "5", 1)), empty.replace(row, ""), ""):
        with pytest.raises(ValueError, match=r"aisle|house"):
            floor.counted(broken)


def test_the_demo_needs_neither_an_interface_nor_a_model_library() -> None:
    code = "import sys, wukong_tui.demo; sys.exit(any(m in sys.modules for m in ('textual', 'litellm')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0


def test_the_command_does_it_without_a_terminal(tmp_path: Path, played: Demo) -> None:
    refused = program.refusal(program.run("demo", cwd=tmp_path))
    assert "--headless" in refused
    with tempfile.TemporaryDirectory(prefix="wk") as sockets:
        environment = {**os.environ, "XDG_RUNTIME_DIR": sockets, "PYTHONPATH": str(PROJECT)}
        command = ["-C", tmp_path, "demo", "--headless", "--json"]
        lines = program.done(*command, cwd=tmp_path, env=environment)
        more = program.done(*command, "--resume", cwd=tmp_path, env=environment)
        root = tmp_path / "wukong-demo-1"
        full = (root / "floor.txt").read_bytes()
        program.done("restore", "op:1", cwd=root, env=environment)
        assert (root / "floor.txt").read_text("utf-8") == floor.empty()
        program.done("undo", cwd=root, env=environment)
        assert (root / "floor.txt").read_bytes() == full, "going back and undoing that loses nothing"
    record, other = json.loads(lines), result(played)
    assert more == lines
    assert record.pop("workspace") == str(tmp_path.resolve() / "wukong-demo-1")
    places = ("workspace", "store")
    assert {k: v for k, v in record.items() if k not in places} == {k: v for k, v in other.items() if k not in places}
