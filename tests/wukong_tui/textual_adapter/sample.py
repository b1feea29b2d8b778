"""A small application on the adapter: it shows the keys that came, ``!`` breaks it, ``#`` outruns any line.

``python -m tests.wukong_tui.textual_adapter.sample`` on a terminal.
"""

from __future__ import annotations

import sys

from textual import events
from textual.app import ComposeResult

from widgets.paint import Line
from widgets.sheet import Sheet
from wukong_tui.textual_adapter.app import AdaptedApp


class Keys(Sheet):
    """The keys that came, and how many writes wait."""

    names: tuple[str, ...] = ()
    waiting = 0

    def lines(self, width: int, height: int) -> list[Line]:
        """The keys in one line, what waits in the next."""
        return [[("keys " + " ".join(self.names), "text")], [(f"waiting {self.waiting}", "text")]]


class Sample(AdaptedApp):
    """Shows keys."""

    ENABLE_COMMAND_PALETTE = False

    def compose(self) -> ComposeResult:
        yield Keys()

    def on_mount(self) -> None:
        self.query_one(Keys).focus()

    def on_key(self, event: events.Key) -> None:
        sheet = self.query_one(Keys)
        if event.key == "exclamation_mark":
            raise RuntimeError("broken on purpose")
        if event.key == "number_sign" and self._driver is not None:
            for _ in range(12):
                self._driver.write("\x1b[0m" * 20_000)
            sheet.waiting = self.backlog
        sheet.names = (*sheet.names, event.key)
        sheet.redraw()

    def last_words(self, error: BaseException) -> str:
        return f"Sample ended: {error}."


if __name__ == "__main__":
    sample = Sample()
    sample.run()
    sys.exit(sample.return_code or 0)
