"""The scrubber: all of the history on one line, with what happened where and where one stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log1p
from typing import Literal

from textual import events
from textual.message import Message

from widgets.paint import Line, Span
from widgets.pane import Pane

Mark = Literal["", "prompt", "back", "failed"]
"""What a column holds: nothing of note, a prompt, a restore, revert, undo or redo, a failed attempt."""
RANK: tuple[Mark, ...] = ("", "prompt", "back", "failed")
"""Marks by importance: where several fall into one column, the last of them wins."""
SIGNS: dict[Mark, Span] = {
    "": (" ", ""),
    "prompt": ("❯", "accent"),
    "back": ("↩", "strong"),
    "failed": ("✗", "fail"),
}
LEVELS = "▂▃▄▅▆▇█"
NOTHING, CURSOR = "▁", "┃"


HEADROOM = 4
"""How many times the largest count a full bar would stand for: an even history is a quiet band, no wall."""


@dataclass(frozen=True, slots=True)
class ScrubberNeed:
    """How many columns there are."""

    width: int


@dataclass(frozen=True, slots=True)
class ScrubberPage:
    """The history in columns: versions and the most important mark in each, and which entry a column names.

    The columns divide the entries 0 to ``newest`` evenly. ``again``: seconds after which to
    ask for more, where part of the history is not counted yet; 0 where all of it is.
    """

    newest: int
    cursor: int
    counts: tuple[int, ...] = ()
    marks: tuple[Mark, ...] = ()
    entries: tuple[int, ...] = ()
    again: float = 0.0


EMPTY = ScrubberPage(0, 0)


def column(entry: int, newest: int, width: int) -> int:
    """The column in which an entry stands."""
    return max(0, min(width - 1, entry * width // (newest + 1)))


def bounds(at: int, newest: int, width: int) -> tuple[int, int]:
    """The entries ``first, end`` of a column; several columns share one entry where there are few."""
    first = at * (newest + 1) // width
    return first, max(first + 1, (at + 1) * (newest + 1) // width)


def level(count: int, most: int) -> str:
    """A bar for a number of versions, its height on a logarithmic scale."""
    if count <= 0:
        return NOTHING
    return LEVELS[round((len(LEVELS) - 1) * log1p(count) / log1p(max(most, count, 7)))]


def bar(page: ScrubberPage, width: int, *, marks: bool = False) -> list[Span]:
    """The density line; ``marks`` puts them in the place of bars. What comes after the cursor is faint."""
    if not page.counts or width <= 0:
        return [(NOTHING * width, "faint")]
    most, here = HEADROOM * max(page.counts), _here(page, width)
    cells: list[Span] = []
    for at, count in enumerate(page.counts[:width]):
        if at == here:
            cells.append((CURSOR, "heading"))
        elif marks and page.marks[at]:
            sign, style = SIGNS[page.marks[at]]
            cells.append((sign, style if at < here else "dim"))
        else:
            cells.append((level(count, most), "faint" if at > here or not count else "dim"))
    return joined(cells)


def marks_line(page: ScrubberPage, width: int) -> list[Span]:
    """The line of marks that belongs to a density line; the cursor's place is pointed at."""
    if not page.marks or width <= 0:
        return []
    here = _here(page, width)
    cells: list[Span] = []
    for at, mark in enumerate(page.marks[:width]):
        sign, style = SIGNS[mark]
        if not mark and at == here:
            sign, style = "╷", "heading"
        cells.append((sign, "dim" if mark and at > here else style))
    return joined(cells)


def lines(page: ScrubberPage, width: int, height: int) -> list[Line]:
    """The scrubber in one line, or in two with the marks above."""
    if height <= 0:
        return []
    if height == 1:
        return [bar(page, width, marks=True)]
    return [marks_line(page, width), bar(page, width)]


def joined(cells: Iterable[Span]) -> list[Span]:
    """Neighbours of one style put together."""
    return [("".join(text for text, _ in run), style) for style, run in groupby(cells, key=lambda cell: cell[1])]


def entry_at(page: ScrubberPage, x: int) -> int | None:
    """The entry that a click on a column means: what is marked there, else its last one."""
    if not page.entries:
        return None
    return page.entries[max(0, min(x, len(page.entries) - 1))]


def _here(page: ScrubberPage, width: int) -> int:
    return column(min(page.cursor, page.newest), page.newest, min(width, len(page.counts)))


class ScrubberPane(Pane[ScrubberNeed, ScrubberPage], can_focus=False):
    """The scrubber by itself, one line or two high."""

    DEFAULT_CSS = "ScrubberPane { height: 1; }"

    class Chosen(Message):
        """A moment was pointed at."""

        def __init__(self, entry: int) -> None:
            super().__init__()
            self.entry = entry

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._page = EMPTY
        self._asking = False

    def need(self) -> ScrubberNeed:
        return ScrubberNeed(self.size.width)

    def show(self, page: ScrubberPage) -> None:
        """Draw this page; one that is not complete is asked for again a little later."""
        self._page = page
        self.redraw()
        if page.again and not self._asking:
            self._asking = True
            self.set_timer(page.again, self._ask_again)

    def lines(self, width: int, height: int) -> Sequence[Line]:
        return lines(self._page, width, height)

    def on_click(self, event: events.Click) -> None:
        if (entry := entry_at(self._page, event.x)) is not None:
            self.post_message(self.Chosen(entry))

    def _ask_again(self) -> None:
        self._asking = False
        self.post_message(self.Wanted(self))
