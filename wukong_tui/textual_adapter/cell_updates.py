"""What an update of the screen sends: the cells that were asked for, and while opening only those that are new."""

from __future__ import annotations

import time

from rich.console import Console
from rich.control import Control
from textual import _compositor
from textual.strip import Strip

from widgets.paint import differing


class CroppedUpdate(_compositor.ChopsUpdate):
    """Textual's update of spans, cut at both ends: its own starts each row at the left edge of the widget."""

    def render_segments(self, console: Console) -> str:
        """The spans as what the terminal is sent."""
        sent: list[str] = []
        for y, first, last in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                start, stop = max(x, first), min(end, last)
                if strip is not None and start < stop:
                    sent.append(_drawn(strip, x, y, start, stop, console))
        return "".join(sent)


AT_ONCE = 0.5
"""Seconds after the first drawing in which a size that is told is the one that the terminal began with."""


class Opening:
    """What a terminal shows of a screen that is being opened, of which Textual sends the whole four times."""

    def __init__(self) -> None:
        self._rows: dict[int, Strip] = {}
        self._since = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the terminal may have become another one since it was drawn first: who can tell what it shows."""
        return bool(self._since) and time.monotonic() > self._since + AT_ONCE

    def news(self, update: _compositor.CompositorUpdate) -> _compositor.CompositorUpdate:
        """The update without what the terminal shows already."""
        return _News(self, update)

    def render(self, update: _compositor.CompositorUpdate, console: Console) -> str:
        """What is new in an update, as what the terminal is sent; it is shown from then on."""
        self._since = self._since or time.monotonic()
        rows, shown = _rows(update), self._rows
        self._rows = rows or {}
        if rows is None:
            return update.render_segments(console)
        sent: list[str] = []
        for y, row in rows.items():
            width = row.cell_length
            known = rows.keys() == shown.keys() and shown[y].cell_length == width
            spans = differing(shown[y], row) if known else [(0, width)]
            sent += [_drawn(row, 0, y, start, stop, console) for start, stop in spans]
        return "".join(sent)


class _News(_compositor.CompositorUpdate):
    """An update of which is sent, when it is drawn, what is new."""

    def __init__(self, opening: Opening, update: _compositor.CompositorUpdate) -> None:
        self._opening, self._update = opening, update

    def render_segments(self, console: Console) -> str:
        """The new cells as what the terminal is sent."""
        return self._opening.render(self._update, console)


def _rows(update: _compositor.CompositorUpdate) -> dict[int, Strip] | None:
    """The rows of an update that consists of whole ones."""
    if isinstance(update, _compositor.LayoutUpdate) and update.region.x == 0:
        return {y: Strip.join(list(row)) for y, row in enumerate(update.strips, update.region.y)}
    if not isinstance(update, CroppedUpdate):
        return None
    rows: dict[int, Strip] = {}
    for y, first, last in update.spans:
        strips = [strip for strip in update.chops[y].values() if strip is not None]
        if first > 0 or last < update.chop_ends[y][-1] or len(strips) < len(update.chops[y]):
            return None
        rows[y] = Strip.join(strips)
    return rows


def _drawn(strip: Strip, x: int, y: int, start: int, stop: int, console: Console) -> str:
    """The cells from ``start`` to ``stop`` of a row, of a strip that begins at ``x``."""
    return str(Control.move_to(start, y).segment.text) + strip.crop(start - x, stop - x).render(console)


def install() -> None:
    """Have Textual make its partial updates so; it has no other place for one."""
    _compositor.ChopsUpdate = CroppedUpdate  # type: ignore[misc]
