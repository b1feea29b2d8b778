"""Bytes that reach a real terminal of 120 by 40 for one frame: little changes send little."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.terminal.live import Terminal
from tests.wukong_tui.story import Story, told
from workspace import Usage

QUIET = 0.4
"""Seconds without output after which a frame is complete."""
HERE = Path(__file__).parents[2]


class Seat(NamedTuple):
    story: Story
    terminal: Terminal
    pipe: Path


@pytest.fixture
def seat(tmp_path: Path) -> Iterator[Seat]:
    """The office in a terminal, looking live at the story, its document in focus."""
    with told(tmp_path) as story:
        story.root.joinpath("long.txt").write_text("".join(f"line {n} of a long text\n" for n in range(200)))
        story.work.catch_up()
        text = story.root.joinpath("long.txt").read_text()
        for word in ("in", "from"):
            story.work.write("long.txt", text.replace("line 5 of", f"line 5 {word}").encode())
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        command = [sys.executable, "-m", "tests.wukong_tui.line", story.root, story.work.folder, pipe]
        with Terminal(command, cwd=HERE, size=(120, 40), environment={"TZ": "UTC"}) as terminal:
            terminal.until("line 20 of a long text").until("op 137/137")
            terminal.type("ctrl+t").until("step").settle(QUIET)
            yield Seat(story, terminal, pipe)
            assert terminal.leave() == 0


def sent(terminal: Terminal, change: Callable[[], object], seen: str | Callable[[Terminal], bool]) -> int:
    """The bytes that a change sends, until it is seen and the screen stands still."""
    terminal.settle(QUIET)
    before = len(terminal.raw)
    change()
    terminal.until(seen)
    terminal.settle(QUIET)
    return len(terminal.raw) - before


def told_of(what: str, count: int) -> int:
    """The count, told by ``pytest -rP``."""
    print(f"{what}: {count:,} bytes")
    return count


def test_a_token_meter_tick_sends_its_figures_only(seat: Seat) -> None:
    story, terminal, _ = seat
    model = story.work.begin(story.act("model", "opus-5", model="opus-5", detail={"asked": 1_200}))
    terminal.until("op 138/138").settle(1.2)
    usage = Usage(input=100, output=11, cost=1_000_000)
    tick = sent(terminal, lambda: story.reply(model, "", usage), "op 139/139")
    assert told_of("a token meter tick", tick) <= 2_100


def test_a_step_with_one_changed_line_sends_that_line(seat: Seat) -> None:
    _, terminal, _ = seat
    terminal.type("left").until("@2").settle(QUIET)
    terminal.type("right").until("@3").settle(QUIET)
    step = sent(terminal, lambda: terminal.type("left"), "@2")
    assert told_of("a step with one changed line", step) <= 2_600


def test_a_streamed_chunk_sends_its_text(seat: Seat) -> None:
    story, terminal, pipe = seat
    terminal.type("1").until("Talk").settle(0.8)
    model = story.work.begin(story.act("model", "opus-5", model="opus-5", detail={"asked": 1_200}))
    terminal.until("op 138/138").settle(1.2)

    def say(offset: int, text: str) -> None:
        with pipe.open("w") as out:
            out.write(json.dumps({"operation": model, "offset": offset, "text": text}) + "\n")

    say(0, "Row A holds ")
    terminal.until("Row A holds").settle(QUIET)
    chunk = sent(terminal, lambda: say(12, "480 bottles"), "Row A holds 480 bottles")
    assert told_of("a streamed chunk of 11 characters", chunk) <= 110


def test_a_key_that_changes_nothing_sends_nothing(seat: Seat) -> None:
    _, terminal, _ = seat
    terminal.type("k").settle(QUIET)
    for key in ("k", "esc", "Q", "G"):
        assert sent(terminal, lambda key=key: terminal.type(key), "step") == 0, key


def test_a_line_of_scrolling_sends_the_document_only(seat: Seat) -> None:
    _, terminal, _ = seat
    for _ in range(40):
        terminal.type("j")
    terminal.until("line 40 of").settle(QUIET)
    line = sent(terminal, lambda: terminal.type("j"), "line 41 of")
    assert told_of("one line of scrolling", line) <= 4_000
