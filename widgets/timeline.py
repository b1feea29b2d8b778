"""The timeline: the scrubber, and below it the acts around the cursor, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from textual import events
from textual.message import Message

from widgets import scrubber
from widgets.paint import Line, Span, cells, clip, pad
from widgets.pane import Pane
from widgets.scrubber import ScrubberPage

Fold = Literal["", "open", "closed"]
"""Whether a row holds others: no, and they are shown below it, and they are not shown."""
DEEP = 4
"""Levels of indentation that are drawn."""


@dataclass(frozen=True, slots=True)
class TimelineNeed:
    """What the timeline needs: ``rows`` lines of acts, around ``chosen`` or else around the cursor.

    ``opened`` and ``closed`` are operations that a person folded otherwise than they are by
    themselves; ``filter`` is text that the rows must hold.
    """

    width: int
    rows: int
    chosen: int | None = None
    opened: frozenset[int] = frozenset()
    closed: frozenset[int] = frozenset()
    filter: str = ""


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """An act as one row. ``entry`` is where the cursor goes for it, ``time`` in microseconds since 1970.

    What it did and cost is that of the whole act with all it caused, also where the cursor is within it.
    ``count`` is how many acts a loop has, 0 for other rows; ``added`` and ``removed`` are
    lines, None where nothing was edited or nobody can count. ``pending``: the sums are not
    complete yet. ``here``: it holds the cursor; ``future``: it began after it.
    """

    operation: int
    entry: int
    depth: int
    time: int
    sign: str
    style: str
    label: str
    count: int = 0
    fold: Fold = ""
    documents: str = ""
    added: int | None = None
    removed: int | None = None
    tokens: str = ""
    pending: bool = False
    here: bool = False
    future: bool = False


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """Rows around one of them, more than fit so that one can move without waiting; the scrubber above.

    ``shown`` is how many acts a filter has found, ``searched`` whether that is all of them;
    ``again``: seconds after which the page is better when it is asked for again, 0 where it is complete.
    """

    bar: ScrubberPage
    rows: tuple[TimelineRow, ...] = ()
    filter: str = ""
    shown: int = 0
    searched: bool = True
    again: float = 0.0


class TimelinePane(Pane[TimelineNeed, TimelinePage]):
    """The timeline pane; ``j`` and ``k`` choose a row, enter unfolds it or goes there, a click goes there."""

    class Chosen(Message):
        """A moment was chosen: the cursor is to go to this entry."""

        def __init__(self, entry: int) -> None:
            super().__init__()
            self.entry = entry

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._page = TimelinePage(scrubber.EMPTY)
        self._chosen: int | None = None
        self._top: int | None = None
        """The operation in the first row that was drawn last."""
        self._unfolded: frozenset[int] = frozenset()
        self._folded: frozenset[int] = frozenset()
        self._filter = ""
        self._asking = False

    # -- what the program calls

    def need(self) -> TimelineNeed:
        width, height = self.room
        rows = max(1, height - bar_height(height))
        return TimelineNeed(width, rows, self._chosen, self._unfolded, self._folded, self._filter)

    def show(self, page: TimelinePage) -> None:
        """Draw this page. Where the cursor has moved, the chosen row is the cursor's again."""
        if page.bar.cursor != self._page.bar.cursor:
            self._chosen = None
        self._page = page
        self._scroll()
        self.redraw()
        if page.again and not self._asking:
            self._asking = True
            self.set_timer(page.again, self._ask_again)

    def move(self, lines: int) -> None:
        """Choose the row so many lines below."""
        at = self._at()
        if at is None:
            return
        self._choose(max(0, min(len(self._page.rows) - 1, at + lines)))

    def page(self, pages: int) -> None:
        """Choose a row so many pages below."""
        self.move(pages * max(1, self.need().rows - 1))

    def home(self) -> None:
        """Choose the first row that is drawn, or where it is chosen the first one there is on this page."""
        at = self._at()
        if at is not None:
            start = self._start()
            self._choose(start if at != start else 0)

    def end(self) -> None:
        """Choose the last row that is drawn, or where it is chosen the last one there is on this page."""
        at = self._at()
        if at is not None:
            last = min(len(self._page.rows), self._start() + self.need().rows) - 1
            self._choose(last if at != last else len(self._page.rows) - 1)

    def choose(self) -> None:
        """Fold or unfold the chosen row; where it holds nothing, go there."""
        at = self._at()
        if at is None:
            return
        row = self._page.rows[at]
        if not row.fold:
            self.post_message(self.Chosen(row.entry))
            return
        is_open = row.fold == "open"
        self._unfolded = self._unfolded - {row.operation} if is_open else self._unfolded | {row.operation}
        self._folded = self._folded | {row.operation} if is_open else self._folded - {row.operation}
        self._chosen = row.operation
        self._ask()

    def filter(self, text: str) -> None:
        """Show only acts whose kind, name, actor or document holds ``text``; all of them where it is empty."""
        if text != self._filter:
            self._filter, self._chosen = text, None
            self._ask()

    def copied(self) -> str:
        """The address of the chosen act and what it is."""
        at = self._at()
        return "" if at is None else f"op:{self._page.rows[at].operation} {self._page.rows[at].label}"

    # -- drawing

    def heading(self, width: int) -> tuple[Line, Line]:
        return [("Timeline", "")], [(note(self._page), "")]

    def lines(self, width: int, height: int) -> Sequence[Line]:
        top = bar_height(height)
        out = list(scrubber.lines(self._page.bar, width, top))
        widths = columns(width, self._page.bar.newest)
        rows, start = self._page.rows, self._start()
        chosen = self._chosen if self.has_focus else None
        shown = rows[start : start + height - top]
        out += [row_line(row, width, widths, chosen=row.operation == chosen) for row in shown]
        if not rows and height > top:
            out.append([("  nothing here" + (" matches" if self._page.filter else " yet"), "dim")])
        return out

    # -- inside

    def on_click(self, event: events.Click) -> None:
        top = bar_height(self.room.height)
        line = event.y - 1
        if 0 <= line < top:
            if (entry := scrubber.entry_at(self._page.bar, event.x)) is not None:
                self.post_message(self.Chosen(entry))
        elif line >= top and self._start() + line - top < len(self._page.rows):
            self.post_message(self.Chosen(self._page.rows[self._start() + line - top].entry))

    def _ask_again(self) -> None:
        self._asking = False
        self.post_message(self.Wanted(self))

    def _ask(self) -> None:
        self.post_message(self.Wanted(self))

    def _choose(self, at: int) -> None:
        self._chosen = self._page.rows[at].operation
        self._scroll()
        self.redraw()
        rows = self.need().rows
        if at < rows or at >= len(self._page.rows) - rows:
            self._ask()

    def _at(self) -> int | None:
        """The row that is chosen, or else the cursor's."""
        rows = self._page.rows
        if not rows:
            return None
        by_operation = {row.operation: at for at, row in enumerate(rows)}
        if self._chosen in by_operation:
            return by_operation[self._chosen]
        return next((at for at, row in enumerate(rows) if row.here), self._nearest())

    def _nearest(self) -> int:
        """Where nothing is chosen and no row holds the cursor: the last row before it."""
        past = [at for at, row in enumerate(self._page.rows) if not row.future]
        return past[-1] if past else 0

    def _start(self) -> int:
        """The first row to draw."""
        rows, height = self._page.rows, self.need().rows
        at = next((at for at, row in enumerate(rows) if row.operation == self._top), None)
        return 0 if at is None else max(0, min(at, len(rows) - height))

    def _scroll(self) -> None:
        """Move what is drawn no further than the chosen row needs; where it is far, put it in the middle.

        Where the cursor walks over an edge it turns the page, so that most steps move only its mark.
        """
        rows, height, at = self._page.rows, self.need().rows, self._at()
        if at is None:
            self._top = None
            return
        known = any(row.operation == self._top for row in rows)
        start = self._start()
        margin = min(1, (height - 1) // 2)
        if not known or at < start - height or at >= start + 2 * height:
            start = at - height // 2
        elif at < start + margin:
            start = at - margin if self._chosen is not None else at - height + 1 + margin
        elif at >= start + height - margin:
            start = at - height + 1 + margin if self._chosen is not None else at - margin
        start = max(0, min(start, len(rows) - height))
        self._top = rows[start].operation


def bar_height(height: int) -> int:
    """Lines that the scrubber takes of so many: two where there is room."""
    return 2 if height >= 8 else 1


def note(page: TimelinePage) -> str:
    """What the title says at its right: the filter and what it found, else how far the cursor is."""
    if page.filter:
        so_far = "" if page.searched else " so far"
        return f"filter: {page.filter} · {page.shown:,} shown{so_far}"
    return f"op {page.bar.cursor:,}/{max(page.bar.cursor, page.bar.newest):,}"


@dataclass(frozen=True, slots=True)
class Columns:
    """Cells of each column, without the blanks between them; 0 leaves it out."""

    time: int
    documents: int
    lines: int
    tokens: int
    entry: int


def columns(width: int, newest: int) -> Columns:
    """What fits beside the label in so many cells."""
    entry = max(3, len(f"{newest:,}"))
    if width >= 120:
        return Columns(8, max(24, min(44, width // 5)), 15, 16, entry)
    if width >= 76:
        return Columns(8, 0, 11, 9, entry)
    return Columns(5 if width < 60 else 8, 0, 0 if width < 48 else 11, 0, entry)


def row_line(row: TimelineRow, width: int, size: Columns, *, chosen: bool = False) -> list[Span]:
    """A row in its columns: the cursor's mark, time, sign, label, documents, lines, tokens, entry."""
    under = "select " if chosen else "here " if row.here else ""
    grey = under + ("faint" if row.future else "dim")
    plain = under + ("dim" if row.future else "strong" if row.here else "text")
    count = f" × {row.count:,}" if row.count else ""
    fold = {"": "", "open": "▾ ", "closed": "› "}[row.fold]
    left: list[Span] = [
        ("▸ " if row.here else "  ", under + "heading"),
        (clock(row.time)[: size.time] + "  ", grey),
        ("  " * min(row.depth, DEEP), under),
        (row.sign + " ", grey if row.future else under + row.style),
    ]
    right: list[Span] = [("  ", under)]
    if size.documents:
        right += [(pad(row.documents, size.documents), grey), ("  ", under)]
    if size.lines:
        right += [*_edited(row, size.lines, under), ("  ", under)]
    if size.tokens:
        right += [(pad(row.tokens, size.tokens, right=True), grey), ("  ", under)]
    right += [(pad(f"{row.operation:,}", size.entry, right=True), grey), (" ", under)]
    room = max(0, width - cells(left) - cells(right) - len(count))
    label = clip(fold + row.label, room)
    blank = " " * (room - cells([(label, "")]))
    return [*left, (label, plain), (count, under + ("dim" if row.future else "accent")), (blank, under), *right]


def _edited(row: TimelineRow, width: int, under: str) -> list[Span]:
    """``+12 −3``, each in its half; ``…`` where it is still being counted."""
    if row.pending:
        return [(pad("…", width, right=True), under + "faint")]
    half = (width - 1) // 2
    return [
        (pad(short("+", row.added, width - 1 - half), width - 1 - half, right=True), under + _hue("ok", row)),
        (" ", under),
        (pad(short("−", row.removed, half), half, right=True), under + _hue("fail", row)),
    ]


def _hue(style: str, row: TimelineRow) -> str:
    return "faint" if row.future else style


def short(sign: str, count: int | None, width: int) -> str:
    """A count with its sign in so many cells, in thousands or millions where it must be; nothing for none."""
    if not count:
        return ""
    for unit, text in ((1, ""), (1_000, "k"), (1_000_000, "M")):
        shown = f"{sign}{count // unit:,}{text}"
        if len(shown) <= width:
            break
    return shown


def clock(microseconds: int) -> str:
    """A journal time as local wall clock."""
    return datetime.fromtimestamp(microseconds / 1e6).strftime("%H:%M:%S")
