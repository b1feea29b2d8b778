"""Hostile texts on every surface of the office: judged by the bytes that reach the terminal."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pyte
import pytest

from tests.runtime import office
from tests.runtime.hosting import Place
from tests.runtime.office import turn, write_cassette
from tests.wukong_tui.cli.hostile import HOSTILE, Screen, acting
from workspace import Act, History, Workspace
from workspace.entries import LessonText

from .live import Terminal
from .rig import SIZES, live, office_command

TEXTS = [text.decode("utf-8", "replace") for text in HOSTILE.values()]
NAMES = [os.fsdecode(text.replace(b"/", b"|")) for text in HOSTILE.values()]
ALL = "\n".join(TEXTS)

_COLOUR = r"(?:3|4)8;(?:2;\d{1,3};\d{1,3};\d{1,3}|5;\d{1,3})"
OURS = re.compile(
    rb"\x1b\[(?:0|(?:[1-47];)*%(colour)s(?:;%(colour)s)?|[1-47](?:;[1-47])*)m"  # styles of a theme
    rb"|\x1b\[\d+;\d+H"  # where the next text goes
    rb"|\x1b\]22;[a-z-]*\x07"  # the shape of the mouse pointer
    rb"|\r\n"  # between the rows of a whole screen
    rb"|\x1b\[\?(?:2026|25)[hl]" % {b"colour": _COLOUR.encode()}
)
"""All that the office itself writes besides text."""
POINTER = re.compile(rb"\x1b\]22;[a-z-]*\x07")
FIRST = re.compile(rb"^.*?\x1b\[\?1049h(?:\x1b\[(?:\?[\d;]+\$?[hlp]|>\d+u))*", re.DOTALL)
"""How the office begins on a terminal."""
LAST = re.compile(rb"(?:\x1b\[(?:\?[\d;]+[hl]|<u))*\x1b\[\?1049l.*$", re.DOTALL)
"""How it leaves one."""


def harmless(raw: bytes, size: tuple[int, int]) -> None:
    """Fail where anything reached the terminal that acts and that the office does not write by itself."""
    raw = LAST.sub(b"", raw)
    rest = OURS.sub(b"", FIRST.sub(b"", raw))
    found = re.search(rb"[\x00-\x1f\x7f]", rest)
    assert found is None, rest[max(0, found.start() - 60) : found.start() + 60]
    assert acting(rest) == set()
    screen = Screen(*size)
    pyte.ByteStream(screen).feed(POINTER.sub(b"", raw))  # pyte takes a pointer's shape for a title
    assert {what for what in screen.done if not what.startswith("mode")} == set()


def test_the_judge_lets_no_hostile_text_pass() -> None:
    """The proof that these tests can fail."""
    passed = set()
    for name, text in HOSTILE.items():
        try:
            harmless(b"\x1b[?1049h " + text, (80, 24))
            passed.add(name)
        except (AssertionError, UnicodeDecodeError):
            continue
    assert passed == {"markup", "markup link", "spaces", "dash", "braces"}


def cassette_of(path: Path, turns: list[dict[str, Any]], *, pace: int = 0) -> Path:
    """A cassette; TOML knows no halves of characters beyond the first plane."""
    text = write_cassette(path, turns).read_text("utf-8")
    pair = r"(?<!\\)\\u(d[89ab]..)\\u(d[c-f]..)"
    whole = re.sub(pair, lambda m: bytes.fromhex(m[1] + m[2]).decode("utf-16-be"), text)
    path.write_text(f"pace = {pace}\n{whole}", "utf-8")
    return path


@pytest.fixture
async def hostile(place: Place) -> list[str | Path]:
    """An office in which everything is hostile: names, contents, replies, arguments, plans, actors, sessions."""
    with Workspace.open(place.root) as work:
        for name, raw in zip(NAMES, HOSTILE.values(), strict=True):
            word = os.fsdecode(raw)
            act = Act(
                kind="capability", name=word, actor=word, session=word, detail={"capability": word, "message": word}
            )
            work.write(name, b"first\n" + raw + b"\n" + raw * 2, act=act)
            work.write(name, b"second\n" + raw + b" and more\n" + raw * 3 + b"\n", act=Act(name=word, actor=word))
            work.record(Act(kind="session", session=word, name=word, detail={"model": word, "mode": word}))
            work.record(Act(kind="prompt", name=word, session=word, actor=word), payload=raw)
            work.record(
                Act(kind="lesson", session=word),
                payload=LessonText(*[raw.decode("utf-8", "replace")] * 4, 1, False).payload(),
            )
            work.record(Act(kind="model", name=word, session=word, model=word), outcome=f"failed{word}")
        work.scan()
    steps = [{"title": text, "check": {"document": "no", "contains": text, "says": text}} for text in TEXTS]
    played = [
        turn(ALL, ("plan", {"action": "set", "steps": steps}), ("plan", {"action": "start", "step": 1})),
        *(turn(text, ("write", {"path": f"w{i}", "content": text}), ("read", {"path": text}), (text, {text: text}))
          for i, text in enumerate(TEXTS)),
        turn(ALL, ("plan", {"action": "finish", "note": ALL}), ("read", {"path": NAMES[0]})),
        turn(ALL),
    ]  # fmt: skip
    cassette = cassette_of(place.root.parent / "first.toml", played)
    async with office.office(place.root, cassette) as desk:
        session = await office.begin(desk)
        said = await office.prompt(desk, session, ALL)
        assert said.outcome == "done", said.detail
    asked = [
        turn(ALL, ("write", {"path": "\x1b]0;owned\x07", "content": ALL}), ("run", {"command": ALL})),
        turn(ALL),
    ]
    named = place.root.parent / "c\x1b[5;41m\u202e.toml"
    cassette_of(named, asked, pace=4000)
    return office_command(place.root, "--model", f"cassette:{named}")


def paste(terminal: Terminal, text: bytes) -> None:
    terminal.type(b"\x1b[200~" + text + b"\x1b[201~")


def brief(terminal: Terminal) -> None:
    """Give it time to draw what the last keys asked for."""
    terminal.settle(0.03)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SIZES[0], id="200x60", marks=pytest.mark.long),
        pytest.param(SIZES[1], id="120x40", marks=pytest.mark.long),
        pytest.param(SIZES[2], id="80x24"),
    ],
)
def test_hostile_texts_are_drawn_on_every_surface_and_never_obeyed(
    size: tuple[int, int], place: Place, hostile: list[str | Path]
) -> None:
    with Terminal(hostile, cwd=place.root, size=size) as terminal:
        terminal.until("→ LIVE").settle()
        typing(terminal)
        approving(terminal)
        looking(terminal, place)
        asking(terminal)
        terminal.type(b"?").until("one version").type("esc").settle()
        live(terminal.type(b"G"))
        assert terminal.leave() == 0
        harmless(bytes(terminal.raw), size)


def typing(terminal: Terminal) -> None:
    """The prompt, its completions, commands and their notices."""
    for text in HOSTILE.values():
        paste(terminal, text)
        brief(terminal)
        terminal.type("ctrl+u", "ctrl+u", "esc")
        terminal.type(b"\x15" * 3)
    terminal.settle()
    clear(terminal)
    for letters in (b"@", b"@a", b"@w"):
        terminal.type(letters).settle()
        terminal.type(b"\x1b[B" * 3).settle()
        clear(terminal)


def clear(terminal: Terminal) -> None:
    """Empty the prompt."""
    terminal.type("esc", b"\x1b[F", *([b"\x7f" * 400]))
    terminal.settle(0.05)


def approving(terminal: Terminal) -> None:
    """A reply that streams, and two calls of it that have to be allowed."""
    terminal.type(b"/new\r").until("begins a new session").settle()
    paste(terminal, "\x9b5;41mred \u202egnp \u009d0;owned".encode())
    terminal.type("enter").until(" asks", patience=60.0)
    terminal.settle(0.5)
    for _ in range(12):
        terminal.type("pgdn")
        brief(terminal)
    terminal.type(b"n").settle()
    paste(terminal, ALL.encode())
    terminal.settle()
    terminal.type("enter").settle(0.6)
    while " asks" in terminal.text:
        terminal.type(b"y").settle(0.6)


def looking(terminal: Terminal, place: Place) -> None:
    """Every pane, every document with its changes, blame and why."""
    terminal.type("ctrl+t").settle()
    for pane in (b"1", b"2", b"3", b"5"):
        terminal.type(pane).settle(0.4)
        for keys in (b"\x1b[6~", b"\x1b[5~" * 8, b"k" * 5, b"\r", b"j\r"):
            terminal.type(keys)
            brief(terminal)
    terminal.type(b"4").settle(0.4)
    with History.open(place.root) as history:
        entries = [(version.entry, version.document) for version in map(history.find, NAMES) if version is not None]
    assert len(entries) == len(NAMES)
    for entry, _ in entries:
        terminal.type(b":" + f"op:{entry}".encode() + b"\r")
        brief(terminal)
        for key in (b"b", b"d", b"d", b"d", b"b"):
            terminal.type(key)
            brief(terminal)
    for _ in range(6):
        terminal.type(b"w").settle()
        terminal.type("pgdn", "esc").settle()
        terminal.type(b"{" if size_is_odd(terminal) else b"20,").settle()
    terminal.type(b"R").until("documents as they were", patience=20.0)
    for _ in range(6):
        terminal.type("pgdn")
        brief(terminal)
    terminal.type("esc").settle()
    terminal.type(b"U").settle(0.4)
    terminal.type("esc").settle()


def size_is_odd(terminal: Terminal) -> bool:
    """Whether this size takes one of two ways through the history."""
    return terminal.size[0] == 120


def asking(terminal: Terminal) -> None:
    """Go to, search and filter, with what they answer; the sessions there are."""
    for text in [*HOSTILE.values()][:: 2 if terminal.size[0] == 120 else 5]:
        terminal.type(b":")
        paste(terminal, text)
        terminal.type("enter")
        brief(terminal)
        terminal.type("esc", "esc")
        brief(terminal)
    for key, text in ((b"/", b"red\x1b[5m"), (b"/", b"owned"), (b"f", b"\x1b]0;x\x07"), (b"f", b"")):
        terminal.type(key)
        paste(terminal, text)
        terminal.type("enter").settle()
        terminal.type("esc").settle()
    terminal.type("ctrl+t").until("→")
    for text in TEXTS[::9]:
        paste(terminal, f"/model x {text}".replace("\n", " ").encode())
        terminal.type("enter").settle(0.05)
        clear(terminal)
    paste(terminal, b"/mode \x1b[5mx")
    terminal.type("enter").settle()
    clear(terminal)
    terminal.type(b"/sessions\r").until("Sessions").settle()
    terminal.type("pgdn", "pgdn").settle()
    terminal.type("enter").settle()
    terminal.type("ctrl+t").until("← → step").settle()
