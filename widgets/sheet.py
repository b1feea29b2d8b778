"""The base of every pane: a sheet of lines that sends the terminal only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from themes import load
from widgets.paint import Ink, Line, Span, clip, differing, strip


class Sheet(Widget, can_focus=True):
    """Draws what ``lines`` returns, below a title line where ``heading`` has one.

    Subclasses hold their state in plain attributes, override ``lines`` (and ``heading``)
    as functions of it and of the size, and call ``redraw`` when it changed. Nothing is
    scrolled by Textual: a sheet shows what it is given, and what it is given fits.
    """

    DEFAULT_CSS = "Sheet { width: 1fr; height: 1fr; }"
    ALLOW_SELECT = False

    class Wanted(Message):
        """What this sheet has to be given changed: its size, its scroll, how it looks at things."""

        def __init__(self, sheet: Sheet) -> None:
            super().__init__()
            self.sheet = sheet

        @property
        def control(self) -> Sheet:
            return self.sheet

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Sheet.Wanted) and message.sheet is self.sheet

    def __init__(self, *, id: str | None = None, ink: Ink | None = None) -> None:
        super().__init__(id=id)
        self.ink = ink or Ink(load("dark"))
        self._drawn: list[Strip] = []

    # -- for subclasses

    def heading(self, width: int) -> tuple[Line, Line] | None:
        """What stands left and right in the title line; None for a sheet without one."""
        return None

    def lines(self, width: int, height: int) -> Sequence[Line | Strip]:
        """What stands below the title, at most ``height`` lines; fewer leave the rest blank.

        A line may be a strip of this width already: the same one as before costs nothing.
        """
        return ()

    @property
    def room(self) -> Size:
        """Width and height of what ``lines`` fills."""
        width, height = self.size
        return Size(width, max(0, height - (1 if self.heading(width) is not None else 0)))

    def redraw(self) -> None:
        """Draw again; the terminal is sent only the cells that differ from what it shows."""
        width, height = self.size
        if not width or not height:
            return
        new = self._strips(width, height)
        if len(new) != len(self._drawn) or (self._drawn and self._drawn[0].cell_length != width):
            self._drawn = new
            self.refresh()
            return
        regions = [
            Region(start, y, end - start, 1)
            for y, (a, b) in enumerate(zip(self._drawn, new, strict=True))
            if a is not b and a != b
            for start, end in differing(a, b)
        ]
        self._drawn = new
        if regions:
            self.refresh(*regions)

    def paint(self, ink: Ink) -> None:
        """Draw with another theme from now on."""
        self.ink = ink
        self._drawn = []
        self.redraw()

    # -- Textual

    def render_line(self, y: int) -> Strip:
        """One line of the screen (Line API)."""
        if not self._drawn:
            width, height = self.size
            self._drawn = self._strips(width, height)
        return self._drawn[y] if y < len(self._drawn) else Strip.blank(self.size.width, self.ink.style(""))

    def on_resize(self, event: events.Resize) -> None:
        self._drawn = []
        self.redraw()
        self.post_message(self.Wanted(self))

    def on_focus(self, event: events.Focus) -> None:
        self._note_focus(event, focused=True)

    def on_blur(self, event: events.Blur) -> None:
        self._note_focus(event, focused=False)

    def _note_focus(self, event: events.Event, *, focused: bool) -> None:
        """Take or lose the keys: a title changes its colour. Textual itself would send the whole widget again."""
        event.prevent_default()
        self.has_focus = focused
        if self.parent is not None:
            self.parent.post_message(events.DescendantFocus(self) if focused else events.DescendantBlur(self))

    def watch_has_focus(self, focused: bool) -> None:
        self.redraw()

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    # -- inside

    def _strips(self, width: int, height: int) -> list[Strip]:
        rows: list[Strip] = []
        heading = self.heading(width)
        if heading is not None:
            rows.append(strip(self._titled(heading, width), width, self.ink))
        body = list(self.lines(width, max(0, height - len(rows))))[: height - len(rows)]
        rows += [line if isinstance(line, Strip) else strip(line, width, self.ink) for line in body]
        rows += [strip((), width, self.ink)] * (height - len(rows))
        return rows

    def _titled(self, heading: tuple[Line, Line], width: int) -> list[Span]:
        """``─ Title ───────── note ─``, the title lit where the keys go."""
        left, right = heading
        lit = "heading" if self.has_focus else "title"
        title: list[Span] = [("─ ", "rule")]
        room = max(0, width - 6)
        for text, names in left:
            shown = clip(text, room)
            room -= cell_len(shown)
            title.append((shown, names or lit))
        note: list[Span] = []
        for text, names in right:
            shown = clip(text, max(0, room - 2))
            room -= cell_len(shown)
            note.append((shown, names or "dim"))
        used = sum(cell_len(text) for text, _ in (*title, *note))
        fill = width - used - 1 - (3 if note else 0)
        return [
            *title,
            (" ", ""),
            ("─" * max(0, fill), "rule"),
            *([(" ", ""), *note, (" ─", "rule")] if note else []),
        ]
