"""Text being typed, as a value: what each key makes of it, and where its characters stand on the screen."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from rich.cells import cell_len

from widgets.paint import Span
from workspace.visible import visible

if TYPE_CHECKING:
    import regex

TAB = "    "
KEPT = 1_000
"""How lines up to so many characters are broken is kept."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A text and the place in it, in characters, where the next one goes."""

    text: str = ""
    at: int = 0

    def insert(self, text: str) -> Draft:
        """With a text put in; every kind of line end becomes a line feed."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        return Draft(self.text[: self.at] + text + self.text[self.at :], self.at + len(text))

    def without(self, start: int, end: int) -> Draft:
        """With the characters from ``start`` to ``end`` taken out, the cursor there."""
        return Draft(self.text[:start] + self.text[end:], start)

    def to(self, at: int) -> Draft:
        """With the cursor at another place, kept inside the text."""
        return replace(self, at=max(0, min(at, len(self.text))))

    @property
    def line_start(self) -> int:
        return self.text.rfind("\n", 0, self.at) + 1

    @property
    def line_end(self) -> int:
        end = self.text.find("\n", self.at)
        return len(self.text) if end < 0 else end

    @property
    def left(self) -> int:
        """Where the character before the cursor begins; one of several code points is one."""
        start = max(self.line_start, self.at - 64)
        if start == self.at:
            return max(0, self.at - 1)
        *_, last = _cluster().finditer(self.text, start, self.at)
        return int(last.start())

    @property
    def right(self) -> int:
        """Where the character at the cursor ends."""
        found = _cluster().match(self.text, self.at)
        return found.end() if found else self.at

    @property
    def word_left(self) -> int:
        """Where the word before the cursor begins."""
        start = max(0, self.at - 256)
        found = _word_left().search(self.text[start : self.at])
        return start + found.start() if found else self.at

    @property
    def word_right(self) -> int:
        """Where the word at or behind the cursor ends."""
        found = _word_right().match(self.text, self.at)
        return found.end() if found else self.at


_KEYS: Mapping[str, Callable[[Draft], Draft]] = {
    "left": lambda d: d.to(d.left),
    "right": lambda d: d.to(d.right),
    "ctrl+left": lambda d: d.to(d.word_left),
    "alt+left": lambda d: d.to(d.word_left),
    "alt+b": lambda d: d.to(d.word_left),
    "ctrl+right": lambda d: d.to(d.word_right),
    "alt+right": lambda d: d.to(d.word_right),
    "alt+f": lambda d: d.to(d.word_right),
    "home": lambda d: d.to(d.line_start),
    "ctrl+a": lambda d: d.to(d.line_start),
    "end": lambda d: d.to(d.line_end),
    "ctrl+e": lambda d: d.to(d.line_end),
    "ctrl+home": lambda d: d.to(0),
    "ctrl+end": lambda d: d.to(len(d.text)),
    "backspace": lambda d: d.without(d.left, d.at),
    "ctrl+h": lambda d: d.without(d.left, d.at),
    "delete": lambda d: d.without(d.at, d.right),
    "ctrl+d": lambda d: d.without(d.at, d.right),
    "ctrl+w": lambda d: d.without(d.word_left, d.at),
    "alt+backspace": lambda d: d.without(d.word_left, d.at),
    "ctrl+backspace": lambda d: d.without(d.word_left, d.at),
    "alt+d": lambda d: d.without(d.at, d.word_right),
    "ctrl+u": lambda d: d.without(d.line_start, d.at),
    "ctrl+k": lambda d: d.without(d.at, d.line_end),
}


def edited(draft: Draft, key: str, character: str | None) -> Draft | None:
    """What a key makes of a draft; None where it is no key of editing."""
    if (act := _KEYS.get(key)) is not None:
        return act(draft)
    if character is not None and character.isprintable() and len(character) >= 1:
        return draft.insert(character)
    return None


# -- where characters stand


@dataclass(frozen=True, slots=True)
class DraftRow:
    """One row of the screen: the characters ``start`` to ``end`` of the text."""

    start: int
    end: int


def rows_of(text: str, width: int) -> list[DraftRow]:
    """The rows that a text takes at a width in cells, broken at spaces where there are some; at least one."""
    out: list[DraftRow] = []
    start = 0
    for line in text.split("\n"):
        broken = _broken_once if len(line) <= KEPT else _broken
        out += [DraftRow(start + a, start + b) for a, b in broken(line, max(1, width))]
        start += len(line) + 1
    return out


def row_of(rows: list[DraftRow], at: int) -> int:
    """Which row a place stands on; one between two rows of a line is the start of the later."""
    return max(0, bisect_right(rows, at, key=lambda row: row.start) - 1)


def column(text: str, row: DraftRow, at: int) -> int:
    """How many cells stand before a place on its row."""
    return cell_len(drawn(text[row.start : at]))


def place(text: str, row: DraftRow, cells: int) -> int:
    """The place on a row that is nearest to so many cells from its start, and not behind it."""
    used = 0
    for found in _cluster().finditer(text, row.start, row.end):
        used += cell_len(drawn(found[0]))
        if used > cells:
            return int(found.start())
    return row.end


def vertical(draft: Draft, width: int, by: int) -> Draft | None:
    """The draft with the cursor so many rows lower; None where it would leave the text."""
    all_rows = rows_of(draft.text, width)
    now = row_of(all_rows, draft.at)
    if not 0 <= now + by < len(all_rows):
        return None
    there = all_rows[now + by]
    at = place(draft.text, there, column(draft.text, all_rows[now], draft.at))
    if at == there.end and now + by + 1 < len(all_rows) and all_rows[now + by + 1].start == at and at > there.start:
        at = Draft(draft.text, at).left  # behind the last character would be the next row
    return draft.to(at)


def drawn(text: str) -> str:
    """A piece of a line as it is drawn: controls visible, a tab as four spaces."""
    return visible(text, tab=TAB)


def field(draft: Draft, width: int, *, lit: bool, style: str = "text", cursor: str = "live") -> list[Span]:
    """A draft of one line in ``width`` cells, scrolled so that the cursor (drawn where ``lit``) is in sight."""
    text = draft.text.replace("\n", "␊")
    before, under, behind = _around(text, draft.at)
    room = max(1, width - max(1, cell_len(under)))
    shown = before
    if cell_len(before) > room:
        shown = "…" + place_tail(before, max(0, room - 1))
    return [
        (shown, style),
        (under or " ", cursor if lit else style),
        (behind, style),
    ]


def place_tail(text: str, width: int) -> str:
    """The end of a drawn text in at most ``width`` cells."""
    text = text[-width:] if width else ""
    while cell_len(text) > width:
        text = text[1:]
    return text


def cursor_spans(
    text: str, row: DraftRow, at: int, *, lit: bool, style: str = "text", cursor: str = "live"
) -> list[Span]:
    """A row with the cursor on it."""
    before, under, behind = _around(text[row.start : row.end], at - row.start)
    if not lit:
        return [(before + under + behind, style)]
    return [(before, style), (under or " ", cursor), (behind, style)]


def _around(text: str, at: int) -> tuple[str, str, str]:
    found = _cluster().match(text, at) if at < len(text) else None
    end = found.end() if found else at
    return drawn(text[:at]), drawn(text[at:end]), drawn(text[end:])


@lru_cache(maxsize=4096)
def _broken_once(line: str, width: int) -> tuple[tuple[int, int], ...]:
    return _broken(line, width)


def _broken(line: str, width: int) -> tuple[tuple[int, int], ...]:
    if not line:
        return ((0, 0),)
    if line.isascii() and line.isprintable():
        # One cell stays free behind the last character, for the cursor.
        pattern = _greedy(width)
        return tuple(found.span() for found in pattern.finditer(line)) or ((0, 0),)
    out: list[tuple[int, int]] = []
    start = used = 0
    space = -1
    for found in _cluster().finditer(line):
        size = cell_len(drawn(found[0]))
        if used + size > width and found.start() > start:
            cut = space if space > start and found[0] != " " else found.start()
            out.append((start, cut))
            start = cut
            used = cell_len(drawn(line[start : found.start()]))
        if found[0] == " ":
            space = found.end()
        used += size
    out.append((start, len(line)))
    return tuple(out)


@cache
def _pattern(text: str) -> regex.Pattern[str]:
    import regex  # once something is typed, not when the office opens

    return regex.compile(text)


def _cluster() -> regex.Pattern[str]:
    """One character as a person sees it, of as many code points as it has."""
    return _pattern(r"\X")


def _word_left() -> regex.Pattern[str]:
    """The word that a text ends with; unlike ``re``, marks belong to the letter before them."""
    return _pattern(r"\w+\W*\Z|\W+\Z")


def _word_right() -> regex.Pattern[str]:
    """The word that a text begins with."""
    return _pattern(r"\W*\w+|\W+")


@lru_cache(maxsize=64)
def _greedy(width: int) -> re.Pattern[str]:
    return re.compile(rf".{{1,{width}}}(?:(?<= )|\Z)|.{{1,{width}}}")
