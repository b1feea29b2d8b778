"""The columns of a line that a pane has room for: tabs, wide characters, marks laid over spans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, get_character_cell_size

from widgets.paint import Line, Span
from workspace.visible import visible

_JOINED = re.compile("(?<=[\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d")
"""What makes one picture of several: terminals disagree on how wide that is, so each is drawn by itself."""
TAB = 8
"""Columns to the next multiple of which a tab goes."""


def crop(line: Line, left: int, width: int, *, tab: int = TAB, column: int = 0) -> tuple[list[Span], bool]:
    """What stands in the columns ``left`` to ``left + width`` of a line, and whether it goes on to the right.

    Texts come back as they are drawn: control bytes visible, tabs as blanks. ``column`` is
    where the line given begins. A wide character that stands across the left edge is a blank.
    """
    end = left + width
    out: list[Span] = []
    for text, names in line:
        if column > end:
            return out, True
        shown = _drawn(text, column, tab)
        start, column = column, column + cell_len(shown)
        if column <= left:
            continue
        if start < left or column > end:
            shown = _between(shown, left - start, end - start)
        if shown:
            out.append((shown, names))
    return out, column > end


def columns(text: str, tab: int = TAB) -> int:
    """How many columns a text takes as it is drawn."""
    return cell_len(_drawn(text, 0, tab))


def overlay(line: Line, ranges: Iterable[tuple[int, int]], names: str) -> list[Span]:
    """A line with a style laid over some ranges of its characters, which are in order and apart."""
    out: list[Span] = []
    cuts = [cut for start, end in ranges for cut in ((start, True), (end, False))]
    at, lit = 0, False
    index = 0
    for text, style in line:
        begin, stop = at, at + len(text)
        while index < len(cuts) and cuts[index][0] < stop:
            cut = cuts[index][0]
            if cut > at:
                out.append((text[at - begin : cut - begin], f"{style} {names}" if lit else style))
                at = cut
            lit = cuts[index][1]
            index += 1
        if at < stop:
            out.append((text[at - begin :], f"{style} {names}" if lit else style))
            at = stop
    return out


def under(line: Line, names: str) -> list[Span]:
    """A line with a style laid below its own styles."""
    return [(text, f"{names} {style}") for text, style in line]


def fill(line: Sequence[Span], width: int, names: str) -> list[Span]:
    """A line with blanks in a style up to ``width`` cells."""
    used = sum(cell_len(text) for text, _ in line)
    return [*line, (" " * (width - used), names)] if used < width else list(line)


def _drawn(text: str, column: int, tab: int) -> str:
    if "\u200d" in text:
        text = _JOINED.sub("", text)
    if "\t" not in text:
        return visible(text)
    out: list[str] = []
    parts = text.split("\t")
    for index, part in enumerate(parts):
        shown = visible(part)
        column += cell_len(shown)
        out.append(shown)
        if index < len(parts) - 1:
            blanks = tab - column % tab
            column += blanks
            out.append(" " * blanks)
    return "".join(out)


def _between(text: str, start: int, end: int) -> str:
    """The cells ``start`` to ``end`` of a drawn text."""
    start = max(0, start)
    if text.isascii():
        return text[start:end]
    out: list[str] = []
    at = 0
    whole = False
    for character in text:
        size = get_character_cell_size(character)
        before, at = at, at + size
        if at > end:
            break
        if before >= start:
            whole = whole or size > 0
            if whole:  # a mark whose letter was cut off would land on what stands before it
                out.append(character)
        elif at > start:
            out.append(" " * (at - start))
    return "".join(out).removesuffix("\u200d")
