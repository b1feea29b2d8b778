"""The base of what is filled from the history: a sheet that says what it needs and draws the page it is given."""

from __future__ import annotations

from typing import Any, Generic, TypeAlias, TypeVar

from widgets.sheet import Sheet

Need = TypeVar("Need")
Page = TypeVar("Page")


class Pane(Sheet, Generic[Need, Page]):
    """Shows pages of one kind; what keys do to every pane has a name here, and does nothing where it means nothing.

    Subclasses override ``need`` and ``show``, and post ``Wanted`` when what they need has changed.
    """

    def need(self) -> Need:
        """What the next page has to hold: the size, where it is scrolled to, how it looks at things."""
        raise NotImplementedError

    def show(self, page: Page) -> None:
        """Draw a page."""
        raise NotImplementedError

    def move(self, lines: int) -> None:
        """Go down by lines, up where negative."""

    def page(self, pages: int) -> None:
        """Go down by pages, up where negative."""

    def home(self) -> None:
        """Go to the top."""

    def end(self) -> None:
        """Go to the bottom."""

    def choose(self) -> None:
        """Open, fold or go to what is chosen."""

    def cycle(self) -> bool:
        """Show it in the next way that there is; False where there is only one."""
        return False

    def copied(self) -> str:
        """The text of what is chosen; empty where there is nothing to copy."""
        return ""


AnyPane: TypeAlias = Pane[Any, Any]
"""A pane of which only the name is known."""
