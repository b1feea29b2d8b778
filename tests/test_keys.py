"""Keys as terminals send them."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from textual import events

from wukong_tui.actions.table import ACTIONS
from wukong_tui.textual_adapter.terminal import KEPT, KeyParser


def keys_of(sent: str) -> list[str]:
    """The keys that an application is told of when a terminal sends this at once."""
    parser = KeyParser()
    found = list(parser.feed(sent))
    deadline = time.monotonic() + 5
    while not found and time.monotonic() < deadline:
        found += list(parser.tick())
    return [getattr(event, "key", "?") for event in found]


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("\x1bh", ["escape", "h"]),
        ("\x1bb", ["escape", "b"]),
        ("\x1bf", ["escape", "f"]),
        ("\x1b1", ["escape", "1"]),
        ("\x1b(", ["escape", "left_parenthesis"]),
        ("\x1bU", ["escape", "U"]),
        ("\x1b\x1b[C", ["escape", "right"]),
        ("\x1b[C", ["right"]),
        ("\x1b[1;5D", ["ctrl+left"]),
        ("\x1bOP", ["f1"]),
        ("\x1bhjk", ["escape", "h", "j", "k"]),
        ("\x1bh\x1b(", ["escape", "h"]),
        ("^\x1bh^\x1b", ["circumflex_accent", "escape", "h", "circumflex_accent"]),
        ("\x1b", ["escape"]),
        ("\x1b\r", ["alt+enter"]),
    ],
)
def test_a_key_right_after_escape_is_that_key(sent: str, keys: list[str]) -> None:
    assert keys_of(sent) == keys


PASTED = "x\x1b[A\x1b[200~p\x1b]52;c;eA==\x07q\r\nr\x1b[20\x1b[201~y\x1b[200~\x1b\x1b[201~z\x1b[200~two\x1b[201~"


def pieces_of(parts: Iterable[str]) -> list[str]:
    """The keys and pastes that an application is told of when a terminal sends these parts."""
    parser = KeyParser()
    found = [event for part in parts for event in parser.feed(part)]
    return [f"paste {event.text!r}" if isinstance(event, events.Paste) else event.key for event in found]


def test_a_paste_is_text_whatever_it_holds_and_however_it_comes() -> None:
    first = "paste " + repr("p\x1b]52;c;eA==\x07q\r\nr\x1b[20")
    told = ["x", "up", first, "y", "paste " + repr("\x1b"), "z", "paste 'two'"]
    assert pieces_of([PASTED]) == told
    for size in range(1, len(PASTED)):
        assert pieces_of([PASTED[:size], PASTED[size:]]) == told
    for size in (1, 2, 3, 5, 7):
        assert pieces_of(PASTED[at : at + size] for at in range(0, len(PASTED), size)) == told


def test_a_paste_is_kept_as_far_as_anything_takes_it_and_seen_to_be_longer() -> None:
    parser, line = KeyParser(), "0123456789" * 100 + "\n"
    sent = f"\x1b[200~{line * 3_000}\x1b[201~x"
    parts = [sent[at : at + 4096] for at in range(0, len(sent), 4096)]
    pasted, key = [event for part in parts for event in parser.feed(part)]
    assert isinstance(pasted, events.Paste)
    assert pasted.text == (line * 100)[: KEPT + 1]
    assert getattr(key, "key", "") == "x"
    assert pieces_of(["\x1b[200~\x1b[201~", "y"]) == ["paste ''", "y"]


def test_no_key_means_two_things() -> None:
    for mode in ("work", "time"):
        keys = [key for action in ACTIONS for key in action.keys if action.mode in ("any", mode)]
        assert len(keys) == len(set(keys))
    assert len({action.name for action in ACTIONS}) == len(ACTIONS)
