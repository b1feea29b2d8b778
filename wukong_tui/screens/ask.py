"""One line to be typed: where to go, what to search, what to show."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.dialog import Dialog
from widgets.draft import Draft, edited, field
from widgets.paint import Ink, Line
from widgets.panel import paragraphs

LIMIT = 4_000
"""Characters that a line takes."""


class AskScreen(Dialog[str]):
    """Answers what was typed, maybe nothing, or None."""

    DEFAULT_CSS = "AskScreen { align: center bottom; background: $background 0%; }"
    WIDEST = 90

    def __init__(self, title: str, hint: str = "", *, ink: Ink | None = None) -> None:
        super().__init__(ink=ink)
        self._title, self._hint = title, hint
        self._draft = Draft()
        self._error = ""

    def heading(self) -> str:
        return self._title

    def body(self, width: int) -> Sequence[Line]:
        line: list[tuple[str, str]] = [("> ", "accent"), *field(self._draft, width - 2, lit=True)]
        if not self._draft.text and self._hint:
            line.append((self._hint, "faint"))
        return [line, *(paragraphs(f"✗ {self._error}", width, "fail") if self._error else [()])]

    def offered(self) -> list[tuple[str, str]]:
        return [("enter", "go"), ("esc", "close")]

    def pressed(self, key: str, character: str | None) -> bool:
        if key == "enter":
            self.dismiss(self._draft.text)
        elif (draft := edited(self._draft, key, character)) is not None:
            self._put(draft)
        return True

    def pasted(self, text: str) -> None:
        self._put(self._draft.insert(" ".join(text.splitlines())))

    def _put(self, draft: Draft) -> None:
        if len(draft.text) > LIMIT:
            self._error = f"A line takes {LIMIT:,} characters."
        else:
            self._error, self._draft = "", draft
        self.panel.changed()
