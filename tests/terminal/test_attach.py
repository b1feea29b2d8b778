"""Leaving and coming back, two screens at once, a host that dies: on real terminals, with a slow rehearsed model."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.runtime.hosting import Place, ended
from tests.runtime.office import turn, write_cassette
from workspace import History, Workspace

from .live import Terminal
from .rig import office_command

WORDS = 60
REPLY = " ".join(f"w{number:03}" for number in range(WORDS))
PACE = 100
"""Characters a second: the reply takes three seconds."""


@pytest.fixture
def slow(place: Place) -> list[str | Path]:
    """The command that opens an office whose model takes its time."""
    (place.root / "notes.md").write_text("notes\n")
    with Workspace.open(place.root) as work:
        work.scan()
    turns = [turn(f"{REPLY} first"), turn(f"{REPLY} second"), turn("third")]
    cassette = write_cassette(place.root.parent / "slow.toml", turns)
    cassette.write_text(f"pace = {PACE}\n{cassette.read_text()}")
    return office_command(place.root, "--yes", "--model", f"cassette:{cassette}")


def talk(terminal: Terminal) -> Terminal:
    """Look at the conversation."""
    terminal.until("→ LIVE").type("ctrl+t").until("← → step")
    return terminal.type(b"1").until("─ Talk")


def said(terminal: Terminal) -> list[str]:
    """The words of the reply that are on the screen, in their order."""
    return [word for word in terminal.text.replace("│", " ").split() if word[0] == "w" and word[1:].isdigit()]


def assert_without_gap(terminal: Terminal) -> int:
    """What is on the screen of the reply is its beginning; how many words."""
    words = said(terminal)
    assert words == REPLY.split()[: len(words)], terminal.text
    return len(words)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=str)
def test_who_leaves_and_comes_back_sees_the_text_in_flight_and_its_end(
    size: tuple[int, int], place: Place, slow: list[str | Path]
) -> None:
    with Terminal(slow, cwd=place.root, size=size) as terminal:
        terminal.until("→ LIVE").type(b"Say it.\r").type("ctrl+t").type(b"1").until("w003")
        first = assert_without_gap(terminal)
        assert terminal.leave() == 0
    with Terminal(slow, cwd=place.root, size=size) as terminal:
        talk(terminal).until(lambda t: len(said(t)) > first)
        seen = 0
        while "first" not in terminal.text.split():
            count = assert_without_gap(terminal)
            assert count >= seen, "what was said is taken back"
            seen = count
            terminal.read(0.1)
        assert first < WORDS
        assert assert_without_gap(terminal) == WORDS
        assert terminal.leave() == 0
    with History.open(place.root) as history:
        prompts = [history.operation(id_) for id_ in history.store.journal.of_kind("prompt")]
        assert [prompt.outcome for prompt in prompts] == ["done"]


def test_two_screens_at_once_show_the_same(place: Place, slow: list[str | Path]) -> None:
    with Terminal(slow, cwd=place.root, size=(120, 40)) as one, Terminal(slow, cwd=place.root, size=(120, 40)) as two:
        talk(two)
        one.until("→ LIVE").type(b"Say it.\r").type("ctrl+t").type(b"1").until("w001")
        two.until("w001").until("Say it.")
        assert_without_gap(two)
        for terminal in (one, two):
            terminal.until("first").settle()
            assert assert_without_gap(terminal) == WORDS
        one.until(lambda t: two.read() >= 0 and _without_ages(t.rows[2:38]) == _without_ages(two.rows[2:38]))
        two.type("ctrl+t").until("→ LIVE").type(b"Again.\r")
        one.until("Again.").until("w059 second")
        assert two.leave() == 0
        one.read(0.2)
        assert one.leave() == 0


def test_opening_sends_the_screen_once_and_then_what_is_new(place: Place, slow: list[str | Path]) -> None:
    with Terminal(slow, cwd=place.root, size=(120, 40)) as terminal:
        terminal.until("notes.md").until("→ LIVE").settle()
        assert terminal.raw.count(b"Timeline") == 1
        assert len(terminal.raw) < 5 * 120 * 40  # each cell once, its colours, and what is drawn into it
        assert terminal.leave() == 0


def _without_ages(rows: list[str]) -> list[str]:
    return [" ".join(word for word in row.split() if word.strip("─")) for row in rows if "@" not in row]


def test_a_host_that_is_killed_is_said_in_one_sentence_and_the_next_prompt_works(
    place: Place, slow: list[str | Path]
) -> None:
    with Terminal(slow, cwd=place.root, size=(120, 40)) as terminal:
        terminal.until("→ LIVE").type(b"Say it.\r").type("ctrl+t").type(b"1").until("w020")
        host = place.host
        with ended(host):
            os.kill(host, signal.SIGKILL)
        terminal.until("The host is gone; everything acknowledged is recorded.")
        assert "Traceback" not in terminal.text
        terminal.type(b"g").until("op 1/").type(b"G").settle()
        terminal.until("Say it.")
        terminal.type("ctrl+t").until("→ LIVE").type(b"Once more.\r").until("Once more.")
        terminal.until(lambda t: "second" in t.text or "first" in t.text.split()[-200:]).settle(0.4)
        assert place.host != host
        assert terminal.leave() == 0
    with History.open(place.root) as history:
        outcomes = [history.operation(id_).outcome for id_ in history.store.journal.of_kind("prompt")]
        assert outcomes == ["unknown", "done"]
