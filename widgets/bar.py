"""Single lines: the bar that says where one is, and the hints that stand in for the prompt while looking."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.paint import Line, Span, cells, clip
from widgets.sheet import Sheet


class Bar(Sheet, can_focus=False):
    """One line with something left and something right; the left one wins where both do not fit."""

    def __init__(self, *, id: str | None = None, under: str = "bar") -> None:
        super().__init__(id=id)
        self._under = under
        self._left: Line = ()
        self._right: Line = ()

    def say(self, left: Line, right: Line = ()) -> None:
        """Show these from now on."""
        self._left, self._right = left, right
        self.redraw()

    def lines(self, width: int, height: int) -> Sequence[Line]:
        """The one line, between a blank at either end."""
        left, right = list(self._left), list(self._right)
        room = width - 2
        used = cells(left)
        if right and used + 2 + cells(right) > room:
            right = _cut(right, room - used - 2)
        gap = room - used - cells(right)
        row = [(" ", self._under), *left, (" " * max(0, gap), self._under), *right, (" ", self._under)]
        return [[(text, f"{self._under} {names}" if names != self._under else names) for text, names in row]]


class Notice(Sheet, can_focus=False):
    """A sentence that the bar has no room for; where it is cut after all, its end is marked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: Sequence[Line] = ()

    def say(self, rows: Sequence[Line]) -> None:
        """Show these rows from now on."""
        self._rows = rows
        self.redraw()

    def lines(self, width: int, height: int) -> Sequence[Line]:
        """The rows between a blank at either end."""
        rows = [*self._rows[:height]]
        if len(self._rows) > height > 0:
            rows[-1] = [*_cut(rows[-1], width - 4), ("…", "bar strong")]
        return [[(" ", "bar"), *row, (" " * max(0, width - 1 - cells(row)), "bar")] for row in rows]


class Divider(Sheet, can_focus=False):
    """A vertical rule between two panes."""

    def lines(self, width: int, height: int) -> Sequence[Line]:
        """A line of the rule for each row, joined to the titles at its top."""
        return [[("┬" if row == 0 else "│", "rule")] for row in range(height)]


def _cut(line: Line, room: int) -> list[Span]:
    """As much of a line as fits, its end marked."""
    out: list[Span] = []
    for text, names in line:
        if room <= 1:
            break
        shown = clip(text, room)
        room -= cells([(shown, names)])
        out.append((shown, names))
        if shown != text:
            break
    return out
