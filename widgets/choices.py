"""A small list to choose from: the completions above a prompt, the rows of a picker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from widgets.paint import Ink, Span, clip, pad
from widgets.sheet import Sheet


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to choose: what it is called, a word about it, and the key that does the same."""

    title: str
    detail: str = ""
    key: str = ""


def choice_line(item: Choice, width: int, title_width: int, *, chosen: bool, ground: str = "") -> list[Span]:
    """An item as one line of exactly ``width`` cells, its title in ``title_width``, its key at the right."""
    under = f"{ground} select" if chosen else ground
    key = clip(item.key, width // 3)
    title = clip(item.title, title_width, keep="both" if "/" in item.title else "start")
    left = max(0, width - 2 - title_width - 2 - (cell_len(key) + 2 if key else 0) - 1)
    spans = [
        ("▸ " if chosen else "  ", "accent"),
        (pad(title, title_width), "text"),
        ("  ", ""),
        (pad(item.detail, left), "dim"),
        (f"  {key} " if key else " ", "dim"),
    ]
    return [(text, f"{under} {names}".strip()) for text, names in spans]


def title_width(items: Sequence[Choice], width: int) -> int:
    """How many cells the titles get, so that details stand in one column and keys at the right."""
    titles, details, keys = (
        max((cell_len(clip(text, width)) for text in texts), default=0)
        for texts in zip(*((item.title, item.detail, item.key) for item in items), strict=True)
    ) if items else (0, 0, 0)  # fmt: skip
    rest = 2 + 2 + 1 + min(details, width // 3) + (min(keys, width // 3) + 2 if keys else 0)
    return max(8, min(titles, width - rest))


class Choices(Sheet, can_focus=False):
    """At most ``ROWS`` choices, laid over what is above the prompt; not there while it has none."""

    DEFAULT_CSS = "Choices { overlay: screen; display: none; height: 0; width: 1fr; }"
    ROWS = 8

    def __init__(self, *, id: str | None = None, ink: Ink | None = None) -> None:
        super().__init__(id=id, ink=ink)
        self.choices: Sequence[Choice] = ()
        self.at = 0

    def show(self, choices: Sequence[Choice]) -> None:
        """Offer these, the first one chosen; none closes the list."""
        self.choices = choices
        self.at = 0
        count = min(self.ROWS, len(choices))
        if count:
            self.styles.height = count
            self.styles.offset = (0, -count)
        self.display = bool(count)
        self.redraw()

    def move(self, lines: int) -> None:
        """Choose another one, round and round."""
        if self.choices:
            self.at = (self.at + lines) % len(self.choices)
            self.redraw()

    def lines(self, width: int, height: int) -> list[list[Span]]:
        top = max(0, min(self.at - height // 2, len(self.choices) - height))
        shown = self.choices[top : top + height]
        titles = title_width(self.choices[:100], width - 4)
        return [
            choice_line(choice, width, titles, chosen=index == self.at, ground="bar")
            for index, choice in enumerate(shown, top)
        ]
