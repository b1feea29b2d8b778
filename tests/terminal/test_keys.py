"""Keys on a real terminal: escape right before another key, keys held, counts, sizes that change, leaving."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.hosting import Place, ended
from tests.runtime.office import turn, write_cassette
from workspace import History
from wukong_tui.actions.motion import Momentum
from wukong_tui.demo import Demo
from wukong_tui.frames.cursor_moves import operation_step, plan_step, prompt_step, version_step

from .live import Terminal
from .rig import SIZES, Panes, at, cursor_of, demo_command, live, office_command

LEFT = b"\x1b[D"
RIGHT = b"\x1b[C"
TINY = (30, 8)


@pytest.fixture
def history(played: Demo) -> Iterator[History]:
    with History.open(played.root) as found:
        yield found


@pytest.fixture
def looking(played: Demo, sockets: Path) -> Iterator[Terminal]:
    """The demo at its end, looked at."""
    with Terminal(demo_command(played.root), cwd=played.root, size=(120, 40)) as terminal:
        live(terminal.until("Your turn"))
        yield terminal


def go(terminal: Terminal, cursor: int) -> None:
    """Go to an entry by its number."""
    terminal.type(":").until("Go to").type(f"op:{cursor}", "enter")
    at(terminal, cursor)


def prompt_line(terminal: Terminal) -> str:
    """What is typed in the prompt."""
    return terminal.rows[-1].removesuffix("→ LIVE").rstrip()


# -- escape and a key right after it


def test_escape_right_before_a_key_never_moves_the_cursor_and_swallows_nothing(
    looking: Terminal, history: History
) -> None:
    floor = history.document("floor.txt")
    start = history.store.versions.step(floor, 1, history.cursor, -500)
    assert start is not None
    moves = {
        LEFT: version_step(history, floor, 1, start.entry, -1).cursor,
        b"\x1bOD": version_step(history, floor, 1, start.entry, -1).cursor,
        RIGHT: version_step(history, floor, 1, start.entry, 1).cursor,
        b"h": version_step(history, floor, 1, start.entry, -1).cursor,
        b"l": version_step(history, floor, 1, start.entry, 1).cursor,
        b"20h": version_step(history, floor, 1, start.entry, -20).cursor,
        b",": operation_step(history, start.entry, -1).cursor,
        b".": operation_step(history, start.entry, 1).cursor,
        b"(": plan_step(history, start.entry, -1).cursor,
        b")": plan_step(history, start.entry, 1).cursor,
        b"{": prompt_step(history, start.entry, -1).cursor,
        b"g": 1,
    }
    for key, there in moves.items():
        go(looking, start.entry)
        looking.type(b"\x1b" + key)  # in one write, as a fast hand or a slow line gives them
        looking.until(lambda t, there=there: cursor_of(t.rows[0]) == there)
        looking.settle(0.2)
        assert cursor_of(looking.rows[0]) == there, key
    go(looking, start.entry)
    before = looking.rows
    for keys in (b"\x1b", b"\x1b\x1b", b"\x1bj", b"\x1bk", b"\x1b[B", b"\x1b\x1b[A", b"\x1b\x1b\x1b"):
        looking.type(keys).settle(0.25)
        assert cursor_of(looking.rows[0]) == start.entry, keys
    assert looking.rows[4:28] == before[4:28]


def test_escape_and_a_key_that_come_apart_are_the_same_two_keys(looking: Terminal, history: History) -> None:
    floor = history.document("floor.txt")
    for pause in (0.0, 0.02, 0.05, 0.2):
        go(looking, history.cursor - 100)
        before = cursor_of(looking.rows[0])
        assert before is not None
        looking.type("esc")
        looking.read(pause)
        looking.type("left")
        at(looking, version_step(history, floor, 1, before, -1).cursor)


def test_escape_right_before_a_letter_opens_what_the_letter_opens(looking: Terminal) -> None:
    for keys, shown in ((b"\x1b:", "Go to"), (b"\x1b/", "Search every version"), (b"\x1b?", "Take back"),
                        (b"\x1bf", "Show in the timeline")):  # fmt: skip
        looking.type(keys).until(shown)
        looking.type("esc")
        looking.until(lambda t, shown=shown: "Your turn" in t.text and f"─ {shown}" not in t.text).settle()
    looking.type(b"\x1bw").until("─ Why").type("esc").until(lambda t: "─ Why" not in t.text)
    looking.type(b"\x1bz").until(lambda t: "─ Plan" not in t.text).type("esc").until("─ Plan")


def test_escape_in_a_dialog_closes_it_and_the_key_after_it_counts_below(looking: Terminal, history: History) -> None:
    floor = history.document("floor.txt")
    for key in (LEFT, b"h"):
        go(looking, history.cursor - 100)
        before = cursor_of(looking.rows[0])
        assert before is not None
        looking.type(":").until("Go to").type(b"12").until("12").type(b"\x1b" + key)
        at(looking, version_step(history, floor, 1, before, -1).cursor)
        assert "─ Go to" not in looking.text


def test_typed_text_keeps_the_letter_after_an_escape(looking: Terminal) -> None:
    looking.type("ctrl+t").until("→ LIVE").type(b"abc").until("> abc")
    for keys, text in (
        (b"\x1bd", "> abcd"), (b"\x1b(", "> abcd("), (b"\x1bb\x1bf", "> abcd(bf"), (b"\x1b\x1b[DX", "> abcd(bXf"),
        (b"\x1b5", "> abcd(bX5f"), (b"\x1b\x1b[C)", "> abcd(bX5f)"),
    ):  # fmt: skip
        looking.type(keys).until(lambda t, text=text: prompt_line(t) == text)
    assert "LIVE" in looking.rows[0]
    looking.type("ctrl+u", b"/").until("/theme").type(b"\x1bx").until(lambda t: prompt_line(t) == "> /x")
    looking.type("ctrl+u", b"\x1b", b"say \xc3\xa9\xe6\xbc\xa2").until("> say é漢")


# -- keys held, counts


def test_sixty_presses_in_one_write_go_exactly_as_far_as_held_ones_do_and_no_further(
    looking: Terminal, history: History
) -> None:
    floor = history.document("floor.txt")
    versions = history.store.versions.history(floor, limit=1)[0].number
    held, place = Momentum(), history.cursor
    far = sum(held.press("back", 0.0, versions, back=True) for _ in range(60))
    assert far > 60
    looking.type(LEFT * 60)
    place = version_step(history, floor, 1, place, -far).cursor
    at(looking, place)
    assert not looking.read(0.5) or cursor_of(looking.rows[0]) == place, "it goes on after the key was let go"
    looking.type(b"h").until(lambda t: cursor_of(t.rows[0]) != place)
    at(looking, version_step(history, floor, 1, place, -1).cursor)


def test_a_count_goes_that_far_at_once(looking: Terminal, history: History) -> None:
    floor = history.document("floor.txt")
    at(looking.type(b"20", "left"), version_step(history, floor, 1, history.cursor, -20).cursor)
    at(looking.type(b"20h"), version_step(history, floor, 1, history.cursor, -40).cursor)
    at(looking.type(b"15l"), version_step(history, floor, 1, history.cursor, -25).cursor)
    here = cursor_of(looking.rows[0])
    looking.type(b"7").type("esc", b"h")
    at(looking, version_step(history, floor, 1, here or 0, -1).cursor)
    at(looking.type(b"999999h"), 1)
    looking.type(b"h").until("This is the first version of this document.")
    at(looking, 1)


def test_ctrl_c_never_ends_the_office(looking: Terminal) -> None:
    looking.type(b"\x03").until("Nothing is running. ctrl+q leaves.")
    looking.type(b"\x03" * 20).settle()
    looking.type(":").until("─ Go to").type(b"\x03" * 3).settle()
    looking.type("esc").until(lambda t: "─ Go to" not in t.text)
    looking.type("ctrl+t").until("→ LIVE").type(b"a\x03\x03b").until("> ab")
    assert looking.process.poll() is None
    assert looking.leave() == 0


# -- sizes


def test_the_size_may_change_in_the_middle_of_stepping(looking: Terminal, history: History, played: Demo) -> None:
    floor = history.document("floor.txt")
    panes = Panes(history, played.session(history), caption=True)
    steps = 0
    for size in (*SIZES, TINY, (1, 1), TINY, SIZES[2], (31, 9), SIZES[0], SIZES[1]):
        looking.type(b"1h" * 30)
        looking.resize(*size)
        looking.type(b"1h" * 30)
        steps += 60
        if size in SIZES:
            cursor = version_step(history, floor, 1, history.cursor, -steps).cursor
            looking.until(lambda t, size=size: len(t.rows[0]) in (size[0] - 1, size[0] - 2))
            at(looking, cursor)
            panes.check(looking, cursor, floor)
        else:
            looking.settle()
    assert looking.leave() == 0


# -- leaving


def modes(raw: bytes) -> dict[int, bool]:
    """The private modes of the terminal as these bytes leave them."""
    found = {}
    for numbers, letter in re.findall(rb"\x1b\[\?([\d;]+)([hl])", raw):
        for number in numbers.split(b";"):
            found[int(number)] = letter == b"h"
    return found


@pytest.mark.parametrize("signalled", [None, signal.SIGTERM], ids=["ctrl+q", "terminated"])
def test_leaving_gives_the_terminal_back_as_it_was(
    signalled: signal.Signals | None, played: Demo, sockets: Path
) -> None:
    with Terminal(demo_command(played.root), cwd=played.root, size=(80, 24)) as terminal:
        live(terminal.until("Your turn"))
        during = modes(bytes(terminal.raw))
        assert during[1049]
        assert during[1006]
        assert not during[25]
        if signalled is not None:
            terminal.process.send_signal(signalled)
            terminal.ended()
        else:
            assert terminal.leave() == 0
        after = modes(bytes(terminal.raw))
        assert after[25], "the cursor is hidden"
        off = {1049: "alternate screen", 1000: "mouse", 1002: "drags", 1006: "mouse", 2004: "paste", 1004: "focus"}
        assert {name for mode, name in off.items() if after.get(mode)} == set()
        assert len(re.findall(rb"\x1b\[>\d+u", terminal.raw)) <= terminal.raw.count(b"\x1b[<u")


def parent(process: int) -> int | None:
    """Who started a process; None where it has ended."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def processes(mark: str) -> set[int]:
    """The processes that were started with this text in their environment (Linux)."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.add(int(entry.name))
            except OSError:
                continue
    return found


def test_a_terminal_that_hangs_up_leaves_the_host_at_work_and_nothing_else(place: Place) -> None:
    (place.root / "a.txt").write_text("a\n")
    cassette = write_cassette(place.root.parent / "c.toml", [turn("word " * 400)])
    cassette.write_text("pace = 200\n" + cassette.read_text())
    command = office_command(place.root, "--yes", "--model", f"cassette:{cassette}")
    with Terminal(command, cwd=place.root) as terminal:
        terminal.until("Begin one").type(b"y\r").until("→ LIVE").settle()
        terminal.type(b"Go on.\r").type("ctrl+t").type(b"1").until("word word")
        host = place.host
        with ended(terminal.process.pid):
            terminal.hang_up()
        left = processes(str(place.sockets))
        assert host in left
        assert {parent(one) for one in left - {host}} <= {host, None}  # what looks at the folder for it
    with Terminal(command, cwd=place.root) as terminal:
        terminal.until("→ LIVE").type("ctrl+t").type(b"1").until("word word")
        assert terminal.leave() == 0
