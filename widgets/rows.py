"""Rows: lines of text at a width that still know which characters they show, for selection and copy."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from rich.cells import cell_len, get_character_cell_size

from widgets.paint import Line, Span
from workspace.visible import visible

Piece = tuple[tuple[Span, ...], int, int]
"""Spans of one row, and the characters ``start, end`` that they are of the text they were cut from."""


@dataclass(frozen=True, slots=True)
class FlowRow:
    """One line at a width: ``lead`` is decoration, ``spans`` the text from character ``start`` on.

    ``size`` counts the characters that it stands for. Not ``exact`` is a row whose cells
    are not those characters one by one, such as a table's: it is selected whole.
    ``fill`` is a style for the cells behind the text, up to the pane's edge. ``colours``
    gives the spans anew when the row is drawn: code is read only where it is seen.
    """

    lead: tuple[Span, ...] = ()
    spans: tuple[Span, ...] = ()
    start: int = 0
    size: int = 0
    exact: bool = True
    fill: str = ""
    colours: Callable[[], Line] | None = None
    tail: tuple[Span, ...] = ()
    """Decoration behind the text."""

    def line(self, width: int) -> list[Span]:
        """All that stands in the row, ``width`` cells where it is filled."""
        shown = [*self.lead, *(self.spans if self.colours is None else self.colours()), *self.tail]
        if self.fill:
            rest = width - sum(cell_len(text) for text, _ in shown)
            shown.append((" " * max(0, rest), self.fill))
        return shown

    def at(self, cell: int) -> int:
        """The character of the text that stands at a cell of the row, or the nearest."""
        cell -= self.indent
        if not self.exact:
            return self.start if cell <= 0 else self.start + self.size
        for index, character in enumerate("".join(text for text, _ in self.spans)):
            cell -= get_character_cell_size(character)
            if cell < 0:
                return self.start + index
        return self.start + self.size

    def between(self, first: int, last: int) -> tuple[int, int] | None:
        """The cells in which the characters ``first`` to ``last`` (exclusive) stand; None where none does."""
        low, high = max(first, self.start), min(last, self.start + self.size)
        if low > high or (low == high and self.size) or first >= last:
            return None
        text = "".join(text for text, _ in self.spans)
        if not self.exact:
            return self.indent, self.indent + cell_len(text)
        before = cell_len(text[: low - self.start])
        inside = cell_len(text[low - self.start : high - self.start])
        return self.indent + before, self.indent + before + max(1, inside)

    @property
    def indent(self) -> int:
        """Cells of decoration before the text."""
        return sum(cell_len(text) for text, _ in self.lead)


def lit(line: Sequence[Span], first: int, last: int, names: str) -> list[Span]:
    """A line with ``names`` laid over its cells ``first`` to ``last`` (exclusive)."""
    out: list[Span] = []
    at = 0
    for text, style in line:
        size = cell_len(text)
        if at + size <= first or at >= last:
            out.append((text, style))
        elif first <= at and at + size <= last:
            out.append((text, f"{style} {names}".lstrip()))
        else:
            x = at
            for character in text:
                lay = f"{style} {names}".lstrip() if first <= x < last else style
                if out and x > at and out[-1][1] == lay:
                    out[-1] = (out[-1][0] + character, lay)
                else:
                    out.append((character, lay))
                x += get_character_cell_size(character)
        at += size
    if last > at:
        gap = max(0, first - at)
        out += [(" " * gap, ""), (" " * (last - at - gap), names)]
    return out


def flow(spans: Sequence[Span], width: int, *, hard: bool = False) -> list[Piece]:
    """A line broken into rows of at most ``width`` cells, at spaces, or anywhere where ``hard``.

    The texts have to be visible already. One empty row for an empty line. Blanks at a
    break are left out of both rows. A character wider than ``width`` stands alone.
    """
    text = "".join(part for part, _ in spans)
    width = max(1, width)
    out: list[Piece] = []
    cut = _Cutter(spans)
    sizes = [] if text.isascii() else list(map(get_character_cell_size, text))
    ends = None if all(size == 1 for size in sizes) else list(accumulate(sizes))
    at, size = 0, len(text)
    while True:
        fits = at + width if ends is None else max(at + 1, bisect_right(ends, (ends[at - 1] if at else 0) + width))
        if fits >= size:
            out.append((cut(at, size), at, size))
            return out
        end = after = fits
        if not hard and (space := text.rfind(" ", at, fits + 1)) > at:
            end = after = space
            while end > at and text[end - 1] == " ":
                end -= 1
            end = end or fits
            while after < size and text[after] == " ":
                after += 1
            if end == at:  # nothing but blanks before the break
                end = after = fits
        out.append((cut(at, end), at, end))
        at = after
        if at >= size:
            return out


def shown(spans: Iterable[Span], tab: str = "    ") -> list[Span]:
    """Spans with everything that a terminal would act on drawn visibly."""
    return [(visible(text, tab=tab), names) for text, names in spans if text]


class _Cutter:
    """Takes consecutive stretches out of a line of spans."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._index = 0
        self._offset = 0  # of the present span in the text

    def __call__(self, start: int, end: int) -> tuple[Span, ...]:
        out: list[Span] = []
        while self._index < len(self._spans):
            text, names = self._spans[self._index]
            stop = self._offset + len(text)
            if stop > start:
                if part := text[max(0, start - self._offset) : end - self._offset]:
                    out.append((part, names))
            if stop > end:
                break
            self._index += 1
            self._offset = stop
        return tuple(out)
