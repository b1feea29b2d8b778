"""The conversation: a page of it, drawn by the line, with the newest reply as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from textual import events
from textual.geometry import Size
from textual.strip import Strip

from widgets.paint import Ink, Line, Span, clip, strip, wrap
from widgets.pane import Pane
from widgets.rows import lit
from widgets.talk_items import FOLDS, GUTTER, ItemLayout, TalkItem, copied, lay

TalkState = Literal["", "none", "before"]
Anchor = tuple[int, int]
"""An item's entry and a line of it, or a character of its text."""
_EMPTY: dict[TalkState, str] = {
    "none": "Say what you want done; enter sends it.",
    "before": "No messages yet at this point.",
    "": "No messages yet.",
}
_WHEEL = 3
_FARTHEST = 64
"""Screens that are asked for at once, at most."""


@dataclass(frozen=True, slots=True)
class TalkNeed:
    """What the pane has to be given: its size in cells, and the items around the one at its top.

    ``at`` is that item's entry, None for the end, 0 for the beginning. ``rows`` is how many
    rows beyond the screen are wanted, ``details`` the items that are shown unfolded.
    """

    width: int
    height: int
    at: int | None = None
    rows: int = 0
    details: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class TalkPage:
    """A stretch of a session's conversation at a cursor, oldest first.

    ``first`` and ``last`` say that it begins and ends where the conversation does;
    ``number`` of ``sessions`` is which session it is.
    """

    cursor: int = 0
    live: bool = True
    session: str | None = None
    model: str = ""
    number: int = 0
    sessions: int = 0
    items: tuple[TalkItem, ...] = ()
    first: bool = True
    last: bool = True
    state: TalkState = ""


class TalkPane(Pane[TalkNeed, TalkPage]):
    """Shows a conversation; it stays at the end, or at the row that was last scrolled to."""

    def __init__(self, *, id: str | None = None, ink: Ink | None = None) -> None:
        super().__init__(id=id, ink=ink)
        self._page = TalkPage(state="none")
        self._at: Anchor | None = None
        """The item and line at the top; None while the end is followed."""
        self._here: Anchor | None = None
        """The line that the keys are at."""
        self._open: set[int] = set()
        self._said: dict[int, str] = {}
        """Text in flight by operation."""
        self._laid: dict[int, ItemLayout] = {}
        self._laid_for: dict[int, tuple[TalkItem, int, bool]] = {}
        self._marked: tuple[Anchor, Anchor] | None = None
        self._drag: Anchor | None = None
        self._far = 1

    @property
    def room(self) -> Size:
        """Width and height of what stands below the title."""
        return Size(self.size.width, max(0, self.size.height - 1))

    # -- given by the app

    def need(self) -> TalkNeed:
        """What to load for the present size and place."""
        width, height = self.room
        at = self._at[0] if self._at is not None else None
        chosen = {self._here[0]} if self._here is not None else set()
        return TalkNeed(width, height, at, height * self._far, frozenset(self._open | chosen))

    def show(self, page: TalkPage) -> None:
        """Draw this page from now on; what is being read stays where it is."""
        if page.session != self._page.session:
            self._at = self._here = self._marked = None
            self._open.clear()
            if self._page.session is not None:  # what came before the first page is of this session
                self._said.clear()
            self._far = 1
        self._page = page
        here = {item.entry for item in page.items}
        if self._at is not None and self._at[0] not in here:
            self._at = (page.items[0].entry, 0) if self._at[0] == 0 and page.items else None
        if self._here is not None and self._here[0] not in here:
            self._here = None
        for entry in self._laid.keys() - here - self._said.keys():
            del self._laid[entry], self._laid_for[entry]
        for operation in [o for o in self._said if o <= page.cursor and self._is_over(o)]:
            del self._said[operation]
        self._settle()
        if not page.first and page.items and len(self._window()) < self.room.height and self._far < _FARTHEST:
            self._far *= 4  # it is shorter than it was thought to be
            self.post_message(self.Wanted(self))
        self.redraw()

    def stream(self, operation: int, text: str) -> None:
        """The text so far of a reply in flight: only its last block is read and drawn again."""
        if len(text) >= len(self._said.get(operation, "")):
            self._said[operation] = text
            if self._page.live:
                self.redraw()

    # -- done by keys

    def move(self, lines: int) -> None:
        """Move the line that the keys are at, and scroll where it would leave the pane."""
        window = self._window()
        if not window:
            return
        places = [(item.entry, line) for item, line in window]
        at = places.index(self._here) if self._here in places else (len(places) - 1 if self._at is None else 0)
        top = places[0]
        target = self._walk(places[at], lines)
        self._here = target
        if target in places:
            self._at = top
        else:
            self._at = target if lines < 0 else self._walk(target, 1 - self.room.height)
        self._settle(lines > 0)
        self._look_ahead()

    def page(self, pages: int) -> None:
        """Scroll by screens, keeping one line."""
        window = self._window()
        if window:
            top = (window[0][0].entry, window[0][1])
            self._at = self._walk(top, pages * max(1, self.room.height - 1))
            self._here = None if pages > 0 else self._at
            self._settle(pages > 0)
            self._here = self._here if self._at is not None else None
            self._look_ahead()

    def home(self) -> None:
        """Go to the beginning of the conversation."""
        if self._page.first and self._page.items:
            self._at = self._here = (self._page.items[0].entry, 0)
            self._settle()
        else:
            self._at, self._here = (0, 0), None
        self._look_ahead(asking=True)

    def end(self) -> None:
        """Go to the end and stay there."""
        self._at = self._here = None
        self._look_ahead(asking=not self._page.last)

    def choose(self) -> None:
        """Unfold what the keys are at, or fold it again."""
        item = self._chosen()
        if item is not None and item.kind in FOLDS:
            self._open ^= {item.entry}
            self._settle()
            self._look_ahead(asking=True)

    def copied(self) -> str:
        """What is selected; else what the keys are at: a message, a block of code, a call with its answer."""
        if self._marked is not None:
            return self._selected(*self._marked)
        item = self._chosen()
        if item is None:
            return ""
        laid = self._lay(item)
        if item.kind == "reply" and laid.markdown is not None and self._here is not None:
            line = self._here[1] - laid.gap
            if 0 <= line < len(laid.rows) and laid.rows[line].fill:
                start = laid.rows[line].start
                return next((code for at, code in laid.markdown.codes() if at <= start <= at + len(code)), item.text)
        return copied(item)

    # -- drawn

    def heading(self, width: int) -> tuple[Line, Line]:
        page = self._page
        note: list[Span] = []
        if below := self._below():
            note = [(f"↓ {below:,}{'' if page.last else '+'} more", "accent")]
        elif page.sessions > 1:
            note = [(f"{page.number:,} of {page.sessions:,}", "dim")]
        left: list[Span] = [("Talk", "")]
        if page.session is not None:
            room = width - 12 - sum(len(text) for text, _ in note)
            name = f"  {page.session}" + (f" · {page.model}" if page.model else "")
            left.append((clip(name, max(0, room)), "dim"))
        return left, note

    def lines(self, width: int, height: int) -> Sequence[Line]:
        window = self._window(width, height)
        if not window:
            return [(), *([("  ", ""), *row] for row in wrap([(_EMPTY[self._page.state], "dim")], max(1, width - 3)))]
        return [self._strip(item, line, width) for item, line in window]  # type: ignore[misc]

    # -- the mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        place = self._under(event.x, event.y)
        if event.button == 1 and place is not None:
            self._drag, self._marked = place[1], None
            self._here, self._at = place[0], self._at or self._top()
            self.capture_mouse()
            self._settle()
            self._look_ahead(asking=True)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._drag is not None and (place := self._under(event.x, event.y)) is not None:
            self._marked = (min(self._drag, place[1]), max(self._drag, place[1])) if place[1] != self._drag else None
            self.redraw()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._drag is not None:
            self._drag = None
            self.release_mouse()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._scroll(-_WHEEL)
        event.stop()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._scroll(_WHEEL)
        event.stop()

    # -- inside

    def _items(self) -> tuple[TalkItem, ...]:
        """The items of the page, with what is in flight."""
        page = self._page
        if not self._said or not page.live or not page.last:
            return page.items
        items = [self._newer(item) for item in page.items]
        new = sorted(o for o in self._said if o > page.cursor)
        return (*items, *(TalkItem(o, o, "reply", self._said[o], 0, apart=bool(items)) for o in new))

    def _newer(self, item: TalkItem) -> TalkItem:
        if item.kind == "reply" and item.outcome is None:
            said = self._said.get(item.operation, "")
            if len(said) > len(item.text):
                return replace(item, text=said)
        return item

    def _is_over(self, operation: int) -> bool:
        return all(item.operation != operation or item.outcome is not None for item in self._page.items)

    def _lay(self, item: TalkItem, width: int | None = None) -> ItemLayout:
        width = width or self.room.width
        key = (item, width, item.entry in self._open)
        if self._laid_for.get(item.entry) == key:
            return self._laid[item.entry]
        old = self._laid.get(item.entry)
        laid = lay(item, width, old.markdown if old is not None else None, unfolded=key[2])
        if old is not None and old.gap == laid.gap and self._laid_for[item.entry][1] == width:
            same = zip(old.rows, laid.rows, strict=False)
            laid.strips = {n: old.strips[n] for n, (a, b) in enumerate(same) if a is b and n in old.strips}
        self._laid[item.entry], self._laid_for[item.entry] = laid, key
        return laid

    def _window(self, width: int | None = None, height: int | None = None) -> list[tuple[TalkItem, int]]:
        """The lines on the screen: items with a line of each."""
        width, height = width or self.room.width, self.room.height if height is None else height
        items = self._items()
        if not items or height <= 0:
            return []
        if self._at is not None:
            found: list[tuple[TalkItem, int]] = []
            start = next((n for n, item in enumerate(items) if item.entry == self._at[0]), None)
            if start is not None:
                line = min(self._at[1], self._lay(items[start], width).height - 1)
                for item in items[start:]:
                    found += [(item, n) for n in range(line, self._lay(item, width).height)][: height - len(found)]
                    line = 0
                    if len(found) == height:
                        return found
        lines: list[tuple[TalkItem, int]] = []
        for item in reversed(items):
            tall = self._lay(item, width).height
            lines[:0] = [(item, n) for n in range(max(0, tall - (height - len(lines))), tall)]
            if len(lines) >= height:
                break
        return lines

    def _walk(self, place: Anchor, lines: int) -> Anchor:
        """The place some lines further, as far as the page goes."""
        items = self._items()
        index = next((n for n, item in enumerate(items) if item.entry == place[0]), 0)
        line = place[1] + lines
        while line < 0 and index > 0:
            index -= 1
            line += self._lay(items[index]).height
        while line >= (tall := self._lay(items[index]).height) and index < len(items) - 1:
            line -= tall
            index += 1
        return items[index].entry, max(0, min(line, self._lay(items[index]).height - 1))

    def _top(self) -> Anchor | None:
        window = self._window()
        return (window[0][0].entry, window[0][1]) if window else None

    def _settle(self, down: bool = False) -> None:
        """Follow the end where the pane was moved there."""
        if self._at is None or self._at[0] == 0:
            return
        window, items = self._window(), self._items()
        if not window:
            return
        top, bottom = (window[0][0].entry, window[0][1]), (window[-1][0].entry, window[-1][1])
        last = (items[-1].entry, self._lay(items[-1]).height - 1)
        if self._page.last and bottom == last and (down or top != self._at) and self._here in (None, last):
            self._at = self._here = None
        elif self._page.last and bottom == last:  # where a page ends before, the next one has more
            self._at = top

    def _look_ahead(self, *, asking: bool = False) -> None:
        """Ask for another page where little of this one is left, and draw."""
        height = self.room.height
        if self._page.items and height:
            top = self._top()
            above = self._walk_counted(top, -height) if top is not None else 0
            below = self._below_lines(height)
            asking = asking or (above < height and not self._page.first) or (below < height and not self._page.last)
        if asking:
            self.post_message(self.Wanted(self))
        self.redraw()

    def _walk_counted(self, place: Anchor, lines: int) -> int:
        """How many lines there are above a place, up to ``-lines``."""
        count = place[1]
        for item in reversed([item for item in self._items() if item.entry < place[0]]):
            if count >= -lines:
                break
            count += self._lay(item).height
        return count

    def _below_lines(self, most: int) -> int:
        window = self._window()
        count, last = 0, window[-1][0].entry if window else 0
        for item in self._items():
            if item.entry > last and count < most:
                count += self._lay(item).height
        return count

    def _below(self) -> int:
        """How many items stand wholly below the screen."""
        if self._at is None or not self._page.items:
            return 0
        width, height = self.size
        window = self._window(width, max(0, height - 1))
        return sum(1 for item in self._items() if item.entry > window[-1][0].entry) if window else 0

    def _scroll(self, lines: int) -> None:
        if (top := self._top()) is not None:
            self._at = self._walk(top, lines)
            window = {(item.entry, line) for item, line in self._window()}
            self._here = self._here if self._here in window else None
            self._settle(lines > 0)
            self._look_ahead()

    def _chosen(self) -> TalkItem | None:
        """The item that the keys are at; else the last one on the screen, or the first where it was scrolled."""
        window = self._window()
        if not window:
            return None
        if self._here is not None:
            for item in self._items():
                if item.entry == self._here[0]:
                    return item
        if self._at is None:
            return window[-1][0]
        whole = [item for item, line in window if line == 0]
        return (whole or [window[0][0]])[0]

    def _under(self, x: int, y: int) -> tuple[Anchor, Anchor] | None:
        """The line under the mouse, and the character."""
        window = self._window()
        y -= 1  # the title
        if not window or y < 0:
            return None
        item, line = window[min(y, len(window) - 1)]
        laid = self._lay(item)
        if line < laid.gap:
            return (item.entry, line), (item.entry, 0)
        row = laid.rows[line - laid.gap]
        return (item.entry, line), (item.entry, row.at(x - GUTTER))

    def _selected(self, start: Anchor, end: Anchor) -> str:
        parts = []
        for item in self._items():
            if start[0] <= item.entry <= end[0]:
                text = self._lay(item).plain()
                last = end[1] if item.entry == end[0] else len(text)
                parts.append(text[start[1] if item.entry == start[0] else 0 : last])
        return "\n\n".join(parts)

    def _strip(self, item: TalkItem, line: int, width: int) -> Strip:
        laid = self._lay(item, width)
        here = self.has_focus and self._here == (item.entry, line)
        marked = self._marked is not None and self._marked[0][0] <= item.entry <= self._marked[1][0]
        known = laid.strips.get(line - laid.gap)
        if isinstance(known, Strip) and not here and not marked:
            return known
        spans: list[Span] = []
        if line >= laid.gap:
            row = laid.rows[line - laid.gap]
            sign = laid.sign if line == laid.gap else ("  ", "")
            spans = [sign, *row.line(width - GUTTER - 1)]
            if item.undone:
                spans = [(text, f"{names} faint".lstrip()) for text, names in spans]
            if marked and self._marked is not None:
                (a, first), (b, last) = self._marked
                low = first if item.entry == a else 0
                cells = row.between(low, last if item.entry == b else 1 << 60)
                if cells is not None:
                    spans = lit(spans, GUTTER + cells[0], GUTTER + cells[1], "select")
        drawn = strip(spans, width, self.ink, "here" if here else "")
        if not here and not marked:
            laid.strips[line - laid.gap] = drawn
        return drawn

    def paint(self, ink: Ink) -> None:
        for laid in self._laid.values():
            laid.strips.clear()
        super().paint(ink)
