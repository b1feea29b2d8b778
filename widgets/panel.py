"""A box with a title, a body that scrolls, lines that stay, and the keys that count in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from textual import events
from textual.geometry import Size

from widgets.paint import Ink, Line, Span, cells, clip, join, wrap
from widgets.sheet import Sheet

MOVES = {
    "up": -1, "k": -1, "down": 1, "j": 1,
}  # fmt: skip
PAGES = {"pageup": -1, "ctrl+b": -1, "pagedown": 1, "ctrl+f": 1}


class PanelContents(Protocol):
    """What a panel draws, as functions of the width inside."""

    def heading(self) -> str:
        """The title in the upper rule."""

    def body(self, width: int) -> Iterable[Line]:
        """What scrolls; it is asked for no more lines than are seen."""

    def foot(self, width: int) -> Sequence[Line]:
        """What stays below the body."""

    def offered(self) -> Sequence[tuple[str, str]]:
        """Keys, and what each does, at the bottom."""


class Rows:
    """Lines made one after the other when they are needed; ``seen`` are those that were on the screen."""

    def __init__(self, source: Iterable[Line]) -> None:
        self._source: Iterator[Line] | None = iter(source)
        self.known: list[Line] = []
        self.seen: set[int] = set()

    def upto(self, count: int) -> bool:
        """Make the first ``count`` lines known; whether there are so many."""
        if self._source is not None and len(self.known) < count:
            self.known += islice(self._source, count - len(self.known))
            if len(self.known) < count:
                self._source = None
        return len(self.known) >= count

    @property
    def all_known(self) -> bool:
        return self._source is None

    def all(self) -> int:
        """How many lines there are; makes them all."""
        if self._source is not None:
            self.known += self._source
            self._source = None
        return len(self.known)


class Panel(Sheet):
    """Draws contents in a box of thin rules."""

    DEFAULT_CSS = "Panel { width: auto; height: auto; }"
    AHEAD = 2_000
    """Lines made at once, so that their number can be told; more only when somebody goes there."""

    def __init__(self, contents: PanelContents, *, widest: int = 100, ink: Ink | None = None) -> None:
        super().__init__(ink=ink)
        self.contents = contents
        self.widest = widest
        self.top = 0
        self._made: Rows | None = None
        self._made_for = 0
        self._fitted = (0, 0)

    # -- for dialogs

    def changed(self) -> None:
        """Draw again with contents that are not what they were; what was read is forgotten."""
        self._made = None
        self.fit()
        self.redraw()

    def fit(self) -> None:
        """Take as much of the screen as the contents need, and no more than there is."""
        screen = self.screen.size
        width = min(self.widest, screen.width - (4 if screen.width > 84 else 0))
        inside = max(1, width - 4)
        most = max(4, screen.height - (4 if screen.height > 26 else 0))
        fixed = 2 + self._fixed(inside)
        rows = self._rows(inside)
        rows.upto(most)
        height = min(most, fixed + len(rows.known))
        if (width, height) != self._fitted:
            self._fitted = (width, height)
            self.styles.width, self.styles.height = width, height

    @property
    def unseen(self) -> int:
        """How many lines of the body were never on the screen."""
        width, _ = self.size
        rows = self._rows(max(1, width - 4))
        return rows.all() - len(rows.seen)

    def move(self, lines: int) -> None:
        """Scroll the body."""
        self._scroll(self.top + lines)

    def page(self, pages: int) -> None:
        """Scroll by what is in sight, less a line."""
        self._scroll(self.top + pages * max(1, self._body_height() - 1))

    def home(self) -> None:
        self._scroll(0)

    def end(self) -> None:
        self._scroll(self._rows(max(1, self.size.width - 4)).all())

    # -- drawing

    def lines(self, width: int, height: int) -> list[list[Span]]:
        inside = max(1, width - 4)
        foot = self._foot(inside)
        room = max(0, height - 2 - len(foot))
        rows = self._rows(inside)
        rows.upto(self.top + room + 1)
        if len(rows.known) <= self.AHEAD:
            rows.upto(self.AHEAD)
        body = rows.known[self.top : self.top + room]
        rows.seen.update(range(self.top, self.top + len(body)))
        inner = [*body, *([()] * (room - len(body))), *foot][: max(0, height - 2)]
        note = self._place(rows, len(body))
        return [self._upper(width, note), *(_walled(line, inside) for line in inner), _lower(width)]

    def watch_has_focus(self, focused: bool) -> None:
        self.redraw()

    def on_mount(self) -> None:
        self.fit()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.move(-3)

    # -- inside

    def _rows(self, inside: int) -> Rows:
        if self._made is None or self._made_for != inside:
            self._made, self._made_for = Rows(self.contents.body(inside)), inside
        return self._made

    def _foot(self, inside: int) -> list[Line]:
        parts: list[list[Span]] = [[(f"{key} ", "strong"), (label, "dim")] for key, label in self.contents.offered()]
        keys: list[Line] = [*_flow(parts, inside)]
        foot = list(self.contents.foot(inside))
        return [*([(), *foot] if foot else []), (), *keys]

    def _fixed(self, inside: int) -> int:
        return len(self._foot(inside))

    def _body_height(self) -> int:
        width, height = self.size
        return max(1, height - 2 - self._fixed(max(1, width - 4)))

    def _scroll(self, top: int) -> None:
        rows, room = self._rows(max(1, self.size.width - 4)), self._body_height()
        rows.upto(max(0, top) + room)
        top = max(0, min(top, len(rows.known) - room))
        if top != self.top:
            self.top = top
            self.redraw()

    def _place(self, rows: Rows, shown: int) -> str:
        if rows.all_known and shown >= len(rows.known):
            return ""
        total = f"{len(rows.known):,}" if rows.all_known else "many"
        return f"{self.top + 1:,}–{self.top + shown:,} of {total} ↓"

    def _upper(self, width: int, note: str) -> list[Span]:
        note = clip(note, max(0, width // 2))
        title = clip(self.contents.heading(), max(0, width - 6 - (len(note) + 4 if note else 0)))
        fill = width - 5 - cells([(title, "")]) - (cells([(note, "")]) + 3 if note else 0)
        return [
            ("┌─ ", "rule"),
            (title, "heading"),
            (" " + "─" * max(0, fill), "rule"),
            *([(f" {note} ", "dim"), ("─", "rule")] if note else []),
            ("┐", "rule"),
        ]

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return min(self.widest, container.width)


def _walled(line: Line, inside: int) -> list[Span]:
    out: list[Span] = [("│ ", "rule")]
    left = inside
    for text, names in line:
        size = cells([(text, names)])
        if size > left:
            text = clip(text, left)
            size = cells([(text, names)])
        out.append((text, names))
        left -= size
        if left <= 0:
            break
    return [*out, (" " * left, ""), (" │", "rule")]


def _lower(width: int) -> list[Span]:
    return [("└" + "─" * max(0, width - 2) + "┘", "rule")]


def _flow(parts: Sequence[list[Span]], width: int) -> list[list[Span]]:
    """Parts put on as few lines as they fit, none of them broken."""
    lines: list[list[list[Span]]] = []
    for part in parts:
        if lines and sum(cells(p) + 3 for p in lines[-1]) + cells(part) <= width:
            lines[-1].append(part)
        else:
            lines.append([part])
    return [join(line, ("   ", "")) for line in lines]


def scrolled(panel: Panel, key: str) -> bool:
    """Scroll as a key says; whether it is one of those."""
    acts: dict[str, Callable[[], None]] = {"home": panel.home, "g": panel.home, "end": panel.end, "G": panel.end}
    if key in MOVES:
        panel.move(MOVES[key])
    elif key in PAGES:
        panel.page(PAGES[key])
    elif key in acts:
        acts[key]()
    else:
        return False
    return True


def paragraphs(text: str, width: int, style: str = "text") -> list[list[Span]]:
    """A sentence or several, broken at spaces."""
    return wrap([(text, style)], width)
