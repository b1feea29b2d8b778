"""The base of every dialog: a panel over the screen, which stays visible behind it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from time import monotonic
from typing import TypeVar

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from widgets.paint import Ink, Line
from widgets.panel import Panel, scrolled
from widgets.sheet import Sheet

T = TypeVar("T")

CALM = 0.4
"""Seconds without a key before one answers: who was typing when a dialog opened has not read it."""
TOO_EARLY = "Keys typed while this was opening were ignored. Press it again."


class Dialog(ModalScreen[T]):
    """One panel that holds the keys until it is answered; ``esc`` always closes it.

    Subclasses override what the panel draws and ``pressed``, and call ``dismiss`` with
    their answer; ``closed`` is the answer of ``esc``. With ``calm`` the keys that
    ``answers`` names count for nothing until nobody has pressed any for so many seconds.
    """

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 55%; layout: vertical; overflow: hidden hidden; }
    """
    WIDEST = 100

    def __init__(self, *, calm: float = 0, ink: Ink | None = None) -> None:
        super().__init__()
        self._calm = calm
        self._quiet_since = monotonic()
        self._ink = ink
        self.panel = Panel(self, widest=self.WIDEST, ink=ink)
        # An app may place everything on its screens by hand; a panel places itself.
        self.panel.styles.display = "block"
        self.panel.styles.position = "relative"

    # -- for subclasses

    def heading(self) -> str:
        """The title in the upper rule."""
        return ""

    def body(self, width: int) -> Iterable[Line]:
        """What scrolls; it is asked for no more lines than are seen."""
        return ()

    def foot(self, width: int) -> Sequence[Line]:
        """What stays below the body."""
        return ()

    def offered(self) -> Sequence[tuple[str, str]]:
        """Keys, and what each does."""
        return [("esc", "close")]

    def answers(self) -> Collection[str]:
        """The keys that wait for calm."""
        return ()

    def early(self) -> None:
        """One of them came too early."""

    def pressed(self, key: str, character: str | None) -> bool:
        """Carry out a key; whether it is one of this dialog's."""
        return False

    def pasted(self, text: str) -> None:
        """Take what was pasted."""

    def closed(self) -> T | None:
        """The answer of who closes this without choosing."""
        return None

    def escaped(self) -> None:
        """What ``esc`` does: it closes this dialog, unless something of it is open."""
        self.dismiss(self.closed())

    @property
    def calm(self) -> bool:
        """Whether a key would answer now."""
        return monotonic() - self._quiet_since >= self._calm

    def _is_early(self) -> bool:
        """Whether a key that comes now comes too early; each one that does begins the wait again."""
        if self.calm:
            self._calm = 0
            return False
        self._quiet_since = monotonic()
        return True

    # -- Textual

    def compose(self) -> ComposeResult:
        behind = self.app.screen_stack[0].query(Sheet)
        if self._ink is None and behind:
            self.panel.ink = behind.first().ink
        yield self.panel

    def on_mount(self) -> None:
        self.panel.focus()
        self._quiet_since = monotonic()

    def on_resize(self, event: events.Resize) -> None:
        self.panel.fit()

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if self.app.screen is not self:  # it came together with the key that closed this: it is for what is below
            self.app.post_message(events.Key(event.key, event.character))
        elif event.key == "escape":
            self.escaped()
        elif self._is_early() and event.key in self.answers():
            self.early()
        elif not self.pressed(event.key, event.character):
            scrolled(self.panel, event.key)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        self.pasted(event.text)
