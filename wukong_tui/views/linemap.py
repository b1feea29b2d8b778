"""Where the lines of a content begin, without splitting it: cheap at 10 MB, whatever its lines are like."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import NamedTuple

from widgets.cropping import columns

BLOCK = 16 << 10
"""Bytes between two known numbers of lines."""
EXACT = 2_000
"""Columns up to which a line is measured from its beginning; beyond, a byte is taken to be a column."""


MEASURED = 10_000
"""Lines whose columns are remembered."""


class LineMap:
    """The lines of ``content`` by number, from 0; a line ends with ``\\n``, all else is part of it.

    >>> LineMap(b"one\\ntwo").ranges(0, 5)
    [(0, 3), (4, 7)]
    """

    __slots__ = ("_before", "_columns", "content", "lines")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._columns: dict[tuple[int, int], int] = {}
        counts = (content.count(b"\n", at, at + BLOCK) for at in range(0, len(content), BLOCK))
        self._before = [0, *accumulate(counts)]
        self.lines = self._before[-1] + (1 if content and not content.endswith(b"\n") else 0)

    def start(self, line: int) -> int:
        """The byte at which a line begins; the end of the content for one after the last."""
        if line <= 0:
            return 0
        if line > self._before[-1]:
            return len(self.content)
        block = bisect_left(self._before, line) - 1
        at = block * BLOCK - 1
        for _ in range(line - self._before[block]):
            at = self.content.find(b"\n", at + 1)
        return at + 1

    def columns(self, start: int, end: int, tab: int) -> int:
        """How many columns the line at the bytes ``start:end`` takes; as many as bytes where it is long."""
        if end - start > 2 * EXACT:
            return end - start
        if (known := self._columns.get((start, tab))) is None:
            text = self.content[start:end].decode("utf-8", "surrogateescape")
            known = len(text) if text.isascii() and text.isprintable() else columns(text, tab)
            if known > EXACT:
                known = max(known, end - start)
            if len(self._columns) >= MEASURED:
                self._columns.clear()
            self._columns[start, tab] = known
        return known

    def ranges(self, first: int, last: int) -> list[tuple[int, int]]:
        """The bytes ``start, end`` of the lines ``first`` to ``last`` (exclusive), without their line ends."""
        out: list[tuple[int, int]] = []
        at = self.start(first)
        for _ in range(max(0, first), min(last, self.lines)):
            end = self.content.find(b"\n", at)
            if end < 0:
                end = len(self.content)
            out.append((at, end))
            at = end + 1
        return out


class LinePiece(NamedTuple):
    """A part of a line: its text, the bytes ``start, end`` it is, its column, whether the line goes on."""

    text: str
    start: int
    end: int
    column: int
    more: bool


def piece(content: bytes, start: int, end: int, left: int, width: int) -> LinePiece:
    """As much of the line at ``start:end`` as decides the columns ``left`` to ``left + width``.

    Its cost follows the window, not the line. What is not UTF-8 comes as lone surrogates.
    """
    if left <= EXACT:
        begin, stop, column = start, start + 4 * (left + width) + 16, 0
    else:
        begin, stop, column = start + left, start + left + 4 * width + 16, left
        begin = min(begin, end)
        while start < begin < end and begin > start + left - 4 and content[begin] & 0xC0 == 0x80:
            begin -= 1  # never begin inside a character
    more = stop < end
    stop = min(stop, end)
    if more:
        for _ in range(3):
            if content[stop] & 0xC0 != 0x80:
                break
            stop -= 1
    text = content[begin:stop].decode("utf-8", "surrogateescape")
    return LinePiece(text, begin, stop, column, more)
