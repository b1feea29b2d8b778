"""The picker: choose one of many by typing a few letters of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from widgets.choices import Choice, choice_line, title_width
from widgets.dialog import Dialog
from widgets.draft import Draft, edited, field
from widgets.match import AT_ONCE, Names
from widgets.paint import Ink, Line, Span

FOUND = 1_000
"""Matches shown at most; who wants others types another letter."""
CALM = 0.03
"""Seconds without a key after which many items are searched."""


class PickerScreen(Dialog[int]):
    """Answers the index of the chosen item, or None; items may be 100,000."""

    WIDEST = 90

    def __init__(self, title: str, items: Sequence[Choice], *, letters: str = "", ink: Ink | None = None) -> None:
        super().__init__(ink=ink)
        self._title = title
        self._items = items
        self._draft = Draft(letters, len(letters))
        self._found: Sequence[int] = range(len(items))
        self._at = 0
        self._names: Names | None = None
        self._search = threading.Event()
        self._behind = False  # what is shown is not yet what was typed
        self._entered = False  # enter was pressed before it was

    def on_mount(self) -> None:
        super().on_mount()
        if self._draft.text:
            self._filter()

    def heading(self) -> str:
        return self._title

    def body(self, width: int) -> list[Line]:
        height = self._height()
        top = max(0, min(self._at - height // 2, len(self._found) - height))
        shown = self._found[top : top + height]
        titles = title_width([self._items[index] for index in shown], width)
        query: list[Span] = [("> ", "accent"), *field(self._draft, width - 2, lit=True)]
        rows: list[Line] = [query, ()]
        rows += [
            choice_line(self._items[index], width, titles, chosen=row == self._at)
            for row, index in enumerate(shown, top)
        ]
        if not shown:
            rows.append([("  No matches.", "dim")])
        return rows + [()] * (height + 2 - len(rows))

    def foot(self, width: int) -> list[Line]:
        total = f"{len(self._items):,}"
        found = len(self._found)
        more = "+" if found == FOUND < len(self._items) else ""
        return [[(f"{found:,}{more} of {total}" if found < len(self._items) else f"{total} in all", "faint")]]

    def offered(self) -> list[tuple[str, str]]:
        return [("enter", "choose"), ("↑ ↓", "move"), ("esc", "close")]

    def pressed(self, key: str, character: str | None) -> bool:
        moves = {
            "up": -1,
            "ctrl+p": -1,
            "down": 1,
            "ctrl+n": 1,
            "pageup": -self._height(),
            "pagedown": self._height(),
        }
        if key == "enter":
            self._enter()
        elif key in moves:
            self._go(self._at + moves[key], around=abs(moves[key]) == 1)
        elif (draft := edited(self._draft, key, character)) is not None:
            changed = draft.text != self._draft.text
            self._draft = draft
            if changed:
                self._filter()
            else:
                self.panel.changed()
        return True

    def pasted(self, text: str) -> None:
        lines = text.splitlines()
        if lines:
            self._draft = self._draft.insert(lines[0][:1_000])
            self._filter()

    # -- inside

    def _height(self) -> int:
        """Rows for items: fixed while the picker is open, so that nothing jumps."""
        return max(3, min(len(self._items), 16, self.size.height - (12 if self.size.height > 26 else 8)))

    def _go(self, at: int, *, around: bool) -> None:
        count = len(self._found)
        if count:
            self._at = at % count if around else max(0, min(at, count - 1))
            self.panel.changed()

    def _enter(self) -> None:
        if self._behind:
            self._entered = True
        elif self._found:
            self.dismiss(self._found[self._at])

    def _filter(self) -> None:
        self._search.set()
        self._entered = False
        letters = self._draft.text
        if len(self._items) <= AT_ONCE or not letters.strip():
            self._show(self._made().best(letters, FOUND) if letters.strip() else range(len(self._items)))
            return
        self._behind = True
        self._search = threading.Event()
        self.run_worker(self._look(letters, self._search), group="pick", exclusive=True)
        self.panel.changed()

    async def _look(self, letters: str, gone: threading.Event) -> None:
        await asyncio.sleep(CALM)
        found = await asyncio.to_thread(lambda: self._made().best(letters, FOUND, gone.is_set))
        if not gone.is_set():
            self._show(found)

    def _show(self, found: Sequence[int]) -> None:
        self._found, self._at, self._behind = found, 0, False
        self.panel.changed()
        if self._entered:
            self._entered = False
            self._enter()

    def _made(self) -> Names:
        names = self._names
        if names is None:
            names = self._names = Names([f"{item.title} {item.detail}".strip() for item in self._items])
        return names

    def on_unmount(self) -> None:
        self._search.set()
