"""The demo on real terminals: as it plays, and walked through backwards, every pane compared with the database."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runtime.hosting import hosted
from workspace import History
from wukong_tui.demo import SCENES, Demo, make, result, succeeded

from .live import Terminal
from .rig import SIZES, Panes, at, attached, cursor_of, demo_command, live, tmux

TURN = SCENES["turn"].title
LIVE_DEMO = """
import sys
from pathlib import Path
from wukong_tui.app import run
from wukong_tui.demo import Demo
root, store = map(Path, sys.argv[1:])
run(root, store, demo=Demo(root, store))
"""
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
    if terminal.size[0] < 100:
        for name, shown in (
            ("timeline", "Time"),
            ("talk", "Talk"),
            ("plan", "Plan"),
            ("meter", "Meter"),
            ("document", "Doc"),
        ):
            terminal.type("tab").until(lambda t, shown=shown: f"{shown}•" in t.rows[0]).settle()
            panes.check(terminal, cursor, document, focus=name)
        return
    for key, name in ((b"1", "talk"), (b"2", "plan")):
        terminal.type(key).until(f"─ {name.capitalize()} ").settle()
        panes.check(terminal, cursor, document, focus=name)
    terminal.type("tab", "tab").settle()


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


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SIZES[0], id="200x60", marks=pytest.mark.long),
        pytest.param(SIZES[1], id="120x40"),
        pytest.param(SIZES[2], id="80x24", marks=pytest.mark.long),
    ],
)
def test_a_thousand_steps_back_in_a_tmux_that_is_left_and_attached_again(
    size: tuple[int, int], played: Demo, sockets: Path
) -> None:
    with tmux(*demo_command(played.root), cwd=played.root, size=size) as call:
        with attached(call, played.root, size) as terminal:
            live(terminal.until(TURN))
            assert walk_back(terminal, played) == {"document", "plan", "meter", "talk", "timeline"}
            before = terminal.rows
            call("detach-client")
            terminal.ended()
        with attached(call, played.root, size) as terminal:
            terminal.until(lambda t: t.rows[3:-2] == before[3:-2])
            captured = [row.rstrip() for row in call("capture-pane", "-p").split("\n")]
            assert captured[3 : size[1] - 2] == before[3:-2]
            here = cursor_of(terminal.rows[0])
            terminal.type("esc", "right")
            terminal.until(lambda t: cursor_of(t.rows[0]) not in (None, here))
            with History.open(played.root) as history:
                after = history.store.versions.step(history.document("floor.txt"), 1, here or 0, 1)
            assert after is not None
            at(terminal, after.entry)
            terminal.type("ctrl+q")
            terminal.ended()


def play_through(terminal: Terminal, demo: Demo) -> list[str]:
    """Watch the demo to its end; the titles of its scenes in the order in which they were seen."""
    seen: list[str] = []

    def watch(t: Terminal) -> bool:
        title = next((s.title for s in SCENES.values() if f" {s.title} " in f"{t.rows[1]} "), None)
        if title is not None and title not in seen:
            seen.append(title)
        return TURN in t.text

    terminal.until(watch, patience=180.0)
    live(terminal)
    return seen


def test_the_demo_plays_on_a_terminal_and_taking_back_loses_nothing(fresh: Callable[..., Demo]) -> None:
    demo = fresh()
    with Terminal(open_fresh(demo), cwd=demo.root, size=(120, 40)) as terminal:
        seen = play_through(terminal, demo)
        titles = [scene.title for scene in SCENES.values()]
        assert [title for title in titles if title in seen] == seen
        assert {"An empty warehouse", "3 Book, attempt 1", "10,000 bookings", TURN} <= set(seen)
        assert "REHEARSAL: replies scripted, work real" in terminal.rows[1]
        assert succeeded(result(demo))
        full = (demo.root / "floor.txt").read_bytes()
        with History.open(demo.root) as history:
            Panes(history, demo.session(history), caption=True).check_live(terminal, history.document("floor.txt"))
            booked = len(list(history.history("floor.txt")))
        why_on_lane_e(terminal)
        hold_left(terminal, demo)
        here = cursor_of(terminal.rows[0])
        terminal.type("R").until("documents as they were").settle(0.6)
        assert (demo.root / "floor.txt").read_bytes() == full
        terminal.type("enter").until("U undoes it")
        with History.open(demo.root) as history:
            then = history.find("floor.txt", cursor=here)
            assert then is not None
            assert (demo.root / "floor.txt").read_bytes() == history.content(then) != full
        live(terminal)
        terminal.type("U").until("Undo:").settle(0.6)
        terminal.type("enter").until("Y redoes it")
        assert (demo.root / "floor.txt").read_bytes() == full
        with History.open(demo.root) as history:
            assert len(list(history.history("floor.txt"))) > booked, "taking back adds versions"
        terminal.type("ctrl+t", b"And now?\r").until("has no more replies").until("> And now?")
        assert TURN in terminal.text
        assert terminal.leave() == 0


def why_on_lane_e(terminal: Terminal) -> None:
    """``w`` on the row of lane E says which check it was that took the bottles out of it."""
    for _ in range(40):
        row = next((row for row in terminal.rows if row.startswith("▸") and "│" in row), "")
        if "  E  " in row:
            break
        terminal.type("j" if int(row[1:4]) < 9 else "k").settle(0.05)
    terminal.type("w").until("stand in fire lane E (rules.md").until("line 9")
    terminal.type("esc").until(lambda t: "─ Why" not in t.text).settle()


def hold_left(terminal: Terminal, demo: Demo) -> None:
    """Hold the key: the floor empties, with a label that says how fast; nothing goes on once it is let go."""
    before = len(terminal.raw)
    for _ in range(4):
        terminal.type(b"\x1b[D" * 15)
        terminal.read(0.05)
    terminal.until(lambda t: cursor_of(t.rows[0]) is not None).settle(0.5)
    assert "◀ ×".encode() in terminal.raw[before:]
    assert "◀ ×" not in terminal.text
    here = cursor_of(terminal.rows[0])
    assert here is not None
    with History.open(demo.root) as history:
        document = history.document("floor.txt")
        shown = history.store.versions.at(document, 1, here)
        assert shown is not None
        assert history.store.versions.history(document, limit=1)[0].number - shown.number > 60
        Panes(history, demo.session(history), caption=True).check(terminal, here, document)


def test_space_holds_the_demo_while_it_plays_and_goes_on(fresh: Callable[..., Demo]) -> None:
    demo = fresh()
    with Terminal(open_fresh(demo), cwd=demo.root, size=(80, 24)) as terminal:
        terminal.until("3 Book, attempt 1").type("space").until("Paused between two operations").settle(0.4)
        with History.open(demo.root) as history:
            held = history.cursor
            terminal.type("esc").settle(0.4)
            assert history.cursor == held
        assert TURN not in terminal.text
        terminal.type("space")
        terminal.until(TURN, patience=120.0)
        assert terminal.leave() == 0
    assert succeeded(result(demo))


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_demo_as_a_person_sees_it(size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted(tmp_path / "wukong-demo-1", monkeypatch):
        command = [*demo_command(tmp_path)[:-1]]
        with Terminal(command, cwd=tmp_path, size=size) as terminal:
            demo = Demo(tmp_path / "wukong-demo-1", tmp_path)
            seen = play_through(terminal, demo)
            assert [scene.title for scene in SCENES.values() if scene.name != "stopped"] == seen
            walk_back(terminal, demo)
            assert terminal.leave() == 0
