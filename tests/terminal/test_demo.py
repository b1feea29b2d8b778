"""The demo on real terminals: as it plays, and walked through backwards, every pane compared with the database."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime import endpoint
from tests.runtime.hosting import hosted, is_running
from workspace import History
from wukong_tui.demo import PROMPT, SCENES, Demo, floor, make, result, succeeded

from .live import Terminal
from .rig import PROJECT, SIZES, Panes, at, attached, cursor_of, demo_command, live, tmux

TURN = SCENES["turn"].title
LIVE_DEMO = "import sys; from pathlib import Path; from wukong_tui.app import run; from wukong_tui.demo import Demo;" \
    " run(Path(sys.argv[1]), Path(sys.argv[2]), demo=Demo(Path(sys.argv[1]), Path(sys.argv[2])))"  # fmt: skip
"""What `wukong demo` does once the folder is made, for a demo that plays without pauses."""
SAMPLES = 10


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Demo]]:
    """Makes a demo that was not played yet; its host is gone in the end."""
    made: list[Demo] = []

    def begin(*, paced: bool = False) -> Demo:
        made.append(make(tmp_path, paced=paced))
        return made[-1]

    with hosted(tmp_path / "wukong-demo-1", monkeypatch):
        yield begin


def open_fresh(demo: Demo) -> list[str | Path]:
    return [sys.executable, "-P", "-c", LIVE_DEMO, demo.root, demo.store]


def walk_back(terminal: Terminal, demo: Demo, steps: int = 1_000) -> set[str]:
    """Go back version by version, and compare all panes at ten places; the panes that were compared."""
    with History.open(demo.root) as history:
        panes = Panes(history, demo.session(history), caption=True)
        document = history.document("floor.txt")
        versions = [v.entry for v in history.store.versions.history(document, limit=20_000, newest_first=False)]
        each = steps // SAMPLES
        for sample in range(1, SAMPLES + 1):
            terminal.type(b"1h" * each)  # with a count a press is one step, however fast they come
            cursor = versions[-1 - sample * each]
            at(terminal, cursor)
            panes.check(terminal, cursor, document)
            around(terminal, panes, cursor, document)
        return panes.checked


def around(terminal: Terminal, panes: Panes, cursor: int, document: int) -> None:
    """Where not all panes have room, look at each of them in turn."""
    if terminal.size[0] >= 150:
        return
    tour = ["timeline", "talk", "plan", "meter", "document"]
    if terminal.size[0] >= 100:
        tour = ["talk", "plan", "document"]
        terminal.type(b"1")
    for name in tour:
        if terminal.size[0] < 100:
            terminal.type("tab")
        elif name != "talk":
            terminal.type({"plan": b"2", "document": b"4"}[name])
        terminal.until(lambda t, name=name: shows(t, name)).settle()
        panes.check(terminal, cursor, document, focus=name)


def shows(terminal: Terminal, name: str) -> bool:
    """Whether the keys go to a pane, or it has at least come to be seen."""
    if terminal.size[0] < 100:
        return f"{ {'talk': 'Talk', 'plan': 'Plan', 'meter': 'Meter', 'document': 'Doc', 'timeline': 'Time'}[name]}•" in terminal.rows[0]
    return name == "document" or f" {name.capitalize()} " in terminal.text


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_thousand_steps_back_every_pane_is_what_the_database_says(
    size: tuple[int, int], played: Demo, sockets: Path
) -> None:
    with Terminal(demo_command(played.root), cwd=played.root, size=size) as terminal:
        live(terminal.until(TURN))
        assert walk_back(terminal, played) == {"document", "plan", "meter", "talk", "timeline"}
        terminal.type("G")
        live(terminal)
        assert terminal.leave() == 0
