"""Lines of styled text, and the one way from them to the screen.

A pane describes what it shows as lines of spans, each a text and the name of a style; names
joined by a space are laid over each other (``"keyword added"``). Everything that reaches the
terminal goes through ``strip``, which draws control bytes visibly: content is never code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from rich.cells import cell_len, get_character_cell_size, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from themes import Theme
from workspace.visible import visible

_JOINERS = dict.fromkeys((0x200D, 0xFE0E, 0xFE0F))
GAP = 8
"""Cells between two differing ones up to which they are sent together: moving the cursor takes as many bytes."""

Span = tuple[str, str]
"""A text and the name of its style."""
Line = Sequence[Span]
"""What stands on one line, without its end."""


class Ink:
    """The styles of a theme by name, on its ground."""

    def __init__(self, theme: Theme) -> None:
        self.theme = theme
        self._named = {name: Style.parse(style) for name, style in theme.styles.items()}
        self._ground = Style.parse(f"on {theme.ground}") + self._named["text"]
        self._mixed: dict[str, Style] = {"": self._ground}

    def style(self, names: str) -> Style:
        """The style that these names make together, the last one on top. Raises KeyError."""
        if (known := self._mixed.get(names)) is None:
            known = self._ground
            for name in names.split():
                known = known + self._named[name]
            self._mixed[names] = known
        return known


def shown(text: str) -> str:
    """``text`` as something a terminal only draws, each character by itself.

    Joiners and selectors, which make one picture of several characters, are left out:
    terminals disagree on how many cells that takes.
    """
    safe = visible(text)
    return safe if safe.isascii() else safe.translate(_JOINERS)


def strip(line: Line, width: int, ink: Ink, under: str = "") -> Strip:
    """A line as exactly ``width`` cells: cut where it is longer, filled up with ``under`` where shorter.

    A wide character that would stand across the edge becomes a space.
    """
    segments: list[Segment] = []
    left = width
    for text, names in line:
        if left <= 0:
            break
        drawn = shown(text)
        if not drawn:
            continue
        cells = cell_len(drawn)
        if cells > left:
            drawn = set_cell_size(drawn, left)
            cells = left
        segments.append(Segment(drawn, ink.style(f"{under} {names}" if under else names)))
        left -= cells
    if left > 0:
        segments.append(Segment(" " * left, ink.style(under)))
    return Strip(segments, width)


def cells(line: Line) -> int:
    """How many cells a line takes once drawn."""
    return sum(cell_len(shown(text)) for text, _ in line)


def clip(text: str, width: int, *, keep: str = "start") -> str:
    """``text`` drawn visibly in at most ``width`` cells, with ``…`` for what is left out.

    ``keep`` says which part stays: its start, its end, or both.
    """
    drawn = shown(text)
    if cell_len(drawn) <= width:
        return drawn
    if width <= 1:
        return "…"[:width]
    if keep == "end":
        return "…" + _tail(drawn, width - 1)
    if keep == "both":
        head = (width - 1) // 2
        return _head(drawn, head) + "…" + _tail(drawn, width - 1 - head)
    return _head(drawn, width - 1) + "…"


def pad(text: str, width: int, *, right: bool = False) -> str:
    """``text`` in exactly ``width`` cells, cut or filled up; ``right`` aligned where asked."""
    drawn = clip(text, width)
    space = " " * (width - cell_len(drawn))
    return space + drawn if right else drawn + space


def wrap(line: Line, width: int, *, indent: int = 0) -> list[list[Span]]:
    """A line broken at spaces into lines of at most ``width`` cells; later ones begin with ``indent`` spaces."""
    rows: list[list[Span]] = [[]]
    room = width
    for word, names in _words(line):
        size = cell_len(word)
        if size > room and word.strip() and size <= width - indent:
            rows.append([(" " * indent, "")] if indent else [])
            room = width - indent
        while size > room:
            if not word.strip():  # blanks at the edge are not worth a line
                word, size = "", 0
                break
            head = _head(word, room)
            if head:
                rows[-1].append((head, names))
            word = word[len(head) :]
            rows.append([(" " * indent, "")] if indent else [])
            if not head and room == max(1, width - indent):
                word = word[1:]  # a character wider than the whole line
            room = max(1, width - indent)
            size = cell_len(word)
        if word and not (len(rows) > 1 and room == width - indent and not word.strip()):
            rows[-1].append((word, names))
            room -= size
    return rows


def differing(old: Strip, new: Strip) -> list[tuple[int, int]]:
    """The cells, as ``(start, end)`` from left to right, in which two strips of one width differ.

    Whole characters, and gaps that cost less to send than to step over are included.
    """
    before, after = _cells(old), _cells(new)
    if len(before) != new.cell_length or len(after) != new.cell_length:
        return [(0, new.cell_length)]  # characters that are drawn as one: nobody knows where the next ones stand
    if before != after and any(len(character or "") > 1 for character, _ in (*before, *after)):
        return [(0, new.cell_length)]  # a mark over a letter would be cut off from it
    spans: list[tuple[int, int]] = []
    for at, (a, b) in enumerate(zip(before, after, strict=True)):
        if a == b:
            continue
        start, end = at, at + 1
        while start > 0 and (before[start][0] is None or after[start][0] is None):
            start -= 1  # the right half of a wide character
        while end < len(after) and (before[end][0] is None or after[end][0] is None):
            end += 1
        if spans and start - spans[-1][1] <= GAP:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def join(parts: Iterable[Line], between: Span) -> list[Span]:
    """Lines put one after the other with a span between them."""
    out: list[Span] = []
    for part in parts:
        if out:
            out.append(between)
        out.extend(part)
    return out


def _cells(strip: Strip) -> list[tuple[str | None, Style | None]]:
    """Each cell's character and style; None in place of the character in the right half of a wide one."""
    out: list[tuple[str | None, Style | None]] = []
    for segment in strip:
        style = segment.style
        if segment.text.isascii():
            out += [(character, style) for character in segment.text]
            continue
        for character in segment.text:
            size = get_character_cell_size(character)
            if size == 0 and out:  # it is drawn over the one before
                out[-1] = ((out[-1][0] or "") + character, out[-1][1])
                continue
            out += [(character, style), *([(None, style)] * (size - 1))]
    return out


def _words(line: Line) -> Iterable[Span]:
    for text, names in line:
        for word in _split(shown(text)):
            yield word, names


@lru_cache(maxsize=4096)
def _split(text: str) -> tuple[str, ...]:
    out: list[str] = []
    for character in text:
        if out and (out[-1][-1] == " ") == (character == " "):
            out[-1] += character
        else:
            out.append(character)
    return tuple(out)


def _head(text: str, width: int) -> str:
    used = 0
    for index, character in enumerate(text):
        used += get_character_cell_size(character)
        if used > width:
            return text[:index]
    return text


def _tail(text: str, width: int) -> str:
    return _head(text[::-1], width)[::-1]
