"""Typing while looking back: where shall it go?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from widgets.dialog import Dialog
from widgets.paint import Ink, Line, clip
from widgets.panel import paragraphs

Destination = Literal["live", "fork", "restore"]
SHOWN = 3


class BranchScreen(Dialog[Destination]):
    """Answers ``live``, ``fork``, ``restore``, or None: then nothing is sent and the text stays in the prompt."""

    WIDEST = 72
    CHOICES: tuple[tuple[Destination, str, str, str], ...] = (
        ("fork", "b", "begin a branch from here", "the conversation up to here; documents stay as they are"),
        ("restore", "r", "begin a branch, documents too", "restored to this point; U undoes it"),
        ("live", "l", "send to LIVE", "the agent continues from the present"),
    )

    def __init__(self, operation: int, text: str = "", *, ink: Ink | None = None) -> None:
        super().__init__(ink=ink)
        self._operation, self._text = operation, text
        self._at = 0

    def heading(self) -> str:
        return f"Looking at op {self._operation:,}"

    def body(self, width: int) -> Iterator[Line]:
        yield from paragraphs("Begin a branch from here, or send to LIVE?", width)
        lines = self._text.splitlines()
        if lines:
            yield ()
            for line in lines[:SHOWN]:
                yield [("│ ", "rule"), (clip(line, width - 2), "dim")]
            if len(lines) > SHOWN:
                yield [("│ ", "rule"), (f"… {len(lines) - SHOWN:,} more lines", "faint")]
        yield ()
        for index, (_, key, title, detail) in enumerate(self.CHOICES):
            chosen = index == self._at
            under = "select" if chosen else ""
            yield [
                ("▸ " if chosen else "  ", f"{under} accent".strip()),
                (key, f"{under} strong".strip()),
                (f"  {title}", f"{under} text".strip()),
                (" " * (width - 5 - len(title)), under),
            ]
            yield [("     ", ""), (clip(detail, width - 5), "dim")]

    def offered(self) -> list[tuple[str, str]]:
        return [("enter", "choose"), ("↑ ↓", "move"), ("esc", "send nothing, keep the text")]

    def pressed(self, key: str, character: str | None) -> bool:
        for name, letter, *_ in self.CHOICES:
            if key == letter:
                self.dismiss(name)
                return True
        if key == "enter":
            self.dismiss(self.CHOICES[self._at][0])
        elif key in ("up", "down", "k", "j", "tab"):
            self._at = (self._at + (-1 if key in ("up", "k") else 1)) % len(self.CHOICES)
            self.panel.changed()
        return key in ("enter", "up", "down", "k", "j", "tab")
