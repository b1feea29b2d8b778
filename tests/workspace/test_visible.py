"""The one sanitizer: whatever goes in, what comes out only draws."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.wukong_tui.cli.hostile import FORMAT, HOSTILE, acting, drawn
from workspace.visible import visible


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_drawn_and_does_not_act(text: bytes) -> None:
    for lines in (False, True):
        for tab in (None, "    "):
            shown = visible(text, lines=lines, tab=tab)
            assert acting(shown.replace("\n", "\r\n").encode()) == set()
            assert drawn(shown.replace("\n", "\r\n").encode()).done == []
            assert "\n" not in shown or lines


def test_every_character_that_acts_or_hides_is_escaped() -> None:
    """All of Unicode: control, surrogate, line and paragraph separator, and every format character but a few."""
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        category = unicodedata.category(char)
        if category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and char not in FORMAT and not _is_drawn(code)):
            assert visible(char) != char, f"U+{code:04X}"
            assert visible(f"a{char}b").isprintable() or FORMAT & set(visible(f"a{char}b")), f"U+{code:04X}"


def _is_drawn(code: int) -> bool:
    """Number and join marks that stand for something a reader sees."""
    return code in (0x110BD, 0x110CD) or 0x13430 <= code <= 0x1343F


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("", ""),
        ("Grüße, 漢字, 👩‍👩‍👧, שלום, العربية", "Grüße, 漢字, 👩‍👩‍👧, שלום, العربية"),
        ("\x1b[31m", "␛[31m"),
        ("\0\x7f", "␀␡"),
        ("a\tb\r\n", "a␉b␍␊"),
        ("\x9b", "\\x9b"),
        ("\u202e", "\\u202e"),
        ("\U000e0041", "\\U000e0041"),
        (b"caf\xe9", "caf\\xe9"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
    ],
    ids=ascii,
)
def test_what_is_drawn(text: str | bytes, shown: str) -> None:
    assert visible(text) == shown


def test_lines_and_tabs_are_kept_where_asked_for() -> None:
    assert visible("a\n\tb\n", lines=True, tab="  ") == "a\n  b\n"
    assert visible("a\n\tb\n", lines=True) == "a\n␉b\n"
    assert visible("\n", lines=True) == "\n"


@given(st.text() | st.binary())
@example("\ud800\udc00")
@example(bytes(range(256)))
def test_any_text_comes_out_encodable_on_one_line_and_the_same_twice(text: str | bytes) -> None:
    shown = visible(text)
    assert acting(shown.encode()) == set()
    assert len(shown.splitlines()) <= 1
    assert visible(shown) == shown
