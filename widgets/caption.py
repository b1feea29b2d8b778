"""What a demo tells of the scene that is on: a line or two below the bar."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.paint import Line, Span, cells, clip, wrap
from widgets.sheet import Sheet


class Caption(Sheet, can_focus=False):
    """A title, a sentence, and a banner that always stands at the right."""

    def __init__(self, *, id: str | None = None, banner: str = "") -> None:
        super().__init__(id=id)
        self._banner = banner
        self._title = self._text = ""

    def tell(self, title: str, text: str) -> None:
        """Tell this from now on."""
        self._title, self._text = title, text
        self.redraw()

    def lines(self, width: int, height: int) -> Sequence[Line]:
        """The banner ends the first line; the text takes what is left."""
        banner = self._banner if width >= 60 else clip(self._banner, 20)
        told: list[Span] = [(f"{self._title}  ", "heading"), (self._text, "text")]
        if height == 1:
            room = width - len(banner) - 4
            shown = wrap(told, room)[0] if cells(told) <= room else _clipped(told, room)
            gap = width - 2 - cells(shown) - len(banner)
            return [[(" ", ""), *shown, (" " * gap, ""), (banner, "dim")]]
        first: list[Span] = [(" ", ""), (self._title, "heading")]
        gap = width - 1 - cells(first) - len(banner)
        return [
            [*first, (" " * max(1, gap), ""), (banner, "dim")],
            [(" ", ""), (clip(self._text, width - 2), "text")],
        ]


def _clipped(line: list[Span], room: int) -> list[Span]:
    out: list[Span] = []
    for text, names in line:
        shown = clip(text, room)
        room -= cells([(shown, names)])
        out.append((shown, names))
    return out
