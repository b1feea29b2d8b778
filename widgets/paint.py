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


def strip(line: Line, width: int, ink: Ink, under: str = "") -> Strip:
    """A line as exactly ``width`` cells: cut where it is longer, filled up with ``under`` where shorter.

    A wide character that would stand across the edge becomes a space.
    """
    segments: list[Segment] = []
    left = width
    for text, names in line:
        if left <= 0:
            break
        if not text:
            continue
        shown = visible(text)
        cells = cell_len(shown)
        if cells > left:
            shown = set_cell_size(shown, left)
            cells = left
        segments.append(Segment(shown, ink.style(f"{under} {names}" if under else names)))
        left -= cells
    if left > 0:
        segments.append(Segment(" " * left, ink.style(under)))
    return Strip(segments, width)


def cells(line: Line) -> int:
    """How many cells a line takes once drawn."""
    return sum(cell_len(visible(text)) for text, _ in line)


def clip(text: str, width: int, *, keep: str = "start") -> str:
    """``text`` drawn visibly in at most ``width`` cells, with ``…`` for what is left out.

    ``keep`` says which part stays: its start, its end, or both.
    """
    shown = visible(text)
    if cell_len(shown) <= width:
        return shown
    if width <= 1:
        return "…"[:width]
    if keep == "end":
        return "…" + _tail(shown, width - 1)
    if keep == "both":
        head = (width - 1) // 2
        return _head(shown, head) + "…" + _tail(shown, width - 1 - head)
    return _head(shown, width - 1) + "…"


def pad(text: str, width: int, *, right: bool = False) -> str:
    """``text`` in exactly ``width`` cells, cut or filled up; ``right`` aligned where asked."""
    shown = clip(text, width)
    space = " " * (width - cell_len(shown))
    return space + shown if right else shown + space


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


def differing(old: Strip, new: Strip) -> tuple[int, int] | None:
    """The cells ``start, end`` outside of which two strips of one width look the same; None where all does."""
    a, b = _pieces(old), _pieces(new)
    if a == b:
        return None
    width = new.cell_length
    start = _common(a, b)
    end = width - _common(_pieces(old, back=True), _pieces(new, back=True), back=True)
    return (start, end) if start < end else (0, width)


def join(parts: Iterable[Line], between: Span) -> list[Span]:
    """Lines put one after the other with a span between them."""
    out: list[Span] = []
    for part in parts:
        if out:
            out.append(between)
        out.extend(part)
    return out


def _pieces(strip: Strip, back: bool = False) -> list[tuple[str, Style | None]]:
    pieces = [(segment.text, segment.style) for segment in strip]
    return pieces[::-1] if back else pieces


def _common(a: list[tuple[str, Style | None]], b: list[tuple[str, Style | None]], back: bool = False) -> int:
    """How many cells two lists of pieces begin with in common, whole characters only."""
    count = 0
    i = j = 0
    left_a = left_b = ""
    style_a = style_b = None
    while True:
        if not left_a:
            if i == len(a):
                return count
            (left_a, style_a), i = a[i], i + 1
            continue
        if not left_b:
            if j == len(b):
                return count
            (left_b, style_b), j = b[j], j + 1
            continue
        if style_a != style_b:
            return count
        size = min(len(left_a), len(left_b))
        head_a = left_a[-size:] if back else left_a[:size]
        head_b = left_b[-size:] if back else left_b[:size]
        if head_a == head_b:
            count += cell_len(head_a)
            left_a = left_a[:-size] if back else left_a[size:]
            left_b = left_b[:-size] if back else left_b[size:]
            continue
        pairs = zip(reversed(head_a), reversed(head_b), strict=True) if back else zip(head_a, head_b, strict=True)
        for x, y in pairs:
            if x != y:
                return count
            count += get_character_cell_size(x)
        return count


def _words(line: Line) -> Iterable[Span]:
    for text, names in line:
        for word in _split(visible(text)):
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
