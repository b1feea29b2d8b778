"""Looking: modes and panes, the cursor, and what keys do inside a pane."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from wukong_tui.actions.motion import Jumps, Momentum
from wukong_tui.frames.frame import Move
from wukong_tui.frames.layout import PANES, PaneName, shape_of
from wukong_tui.frames.state import OfficeMode

if TYPE_CHECKING:
    from textual.events import Key

    from widgets.pane import AnyPane
    from wukong_tui.app import Office

SIDEWAYS = 16
"""Columns that one press goes along a long line."""
PAUSE = 0.3
"""Seconds after which a single digit was meant for a pane, not as the start of a count."""


class Navigation:
    """Changes what is seen and never what is there."""

    def __init__(self, app: Office) -> None:
        self._app = app
        self.momentum = Momentum()
        self.jumps = Jumps()
        self.quoted = False
        """Whether the first of two quotes was pressed."""
        self._digit = 0

    # -- modes and panes

    def switch_to(self, mode: OfficeMode) -> None:
        """Type, or look."""
        app = self._app
        app.state.mode = mode
        app.playback.stop()
        app.place()
        if mode == "work":
            app.screen_stack[0].set_focus(app.prompt, scroll_visible=False)  # now: a key may be right behind this one
        else:
            self.focus(app.state.focus)
        app.say()

    def switch(self) -> None:
        """Look where one was typing, and type where one was looking."""
        self.switch_to("time" if self._app.state.mode == "work" else "work")

    def focus(self, pane: PaneName) -> None:
        """Send the keys to a pane, shown if it was not."""
        app = self._app
        app.state.focus = pane
        if pane in ("talk", "plan"):
            app.state.side = pane
        app.place()
        app.screen_stack[0].set_focus(app.pane(pane), scroll_visible=False)

    def counting(self, digit: str) -> bool:
        """Take a digit: the start of a count, or a pane if nothing follows soon."""
        if not "1" <= digit <= "5":
            return digit != "0"
        self._digit += 1
        number = self._digit

        def was_a_pane() -> None:
            if number == self._digit and self._app.state.count == digit:
                self.take_digit()

        self._app.set_timer(PAUSE, was_a_pane)
        return True

    def take_digit(self) -> None:
        """Go to the pane of the digit that was typed, where it was no count."""
        state = self._app.state
        digit, state.count = state.count, ""
        if digit in ("1", "2", "3", "4", "5"):
            self.focus(PANES[int(digit) - 1])
        self._app.say()

    def close(self) -> None:
        """Close the topmost thing: what is typed before a key, a popup, the why, the zoom. Never moves the cursor."""
        app = self._app
        app.playback.stop()
        if app.state.mode == "work" and app.prompt.close_popup():
            return
        if app.state.count:
            app.state.count = ""
        elif not app.windows.close_explanation() and app.state.zoom:
            self.zoom()

    def next_pane(self, by: int) -> None:
        """Send the keys to the next pane, or the one before."""
        app = self._app
        shape = shape_of(*app.size)
        panes = [p for p in PANES if shape == "narrow" or app.state.zoom or p in app.visible_panes()]
        at = panes.index(app.state.focus) if app.state.focus in panes else 0
        self.focus(panes[(at + by) % len(panes)])

    def zoom(self) -> None:
        """Show one pane alone, or all again."""
        app = self._app
        app.state.zoom = not app.state.zoom
        app.place()

    # -- the cursor

    def step_version(self, direction: int, key: Key | None) -> None:
        """One version, as many as a count says, or faster and faster while the key is held."""
        app = self._app
        app.playback.stop()
        if app.state.count:
            app.wake(Move("version", direction * app.state.take_count()))
            return
        versions = app.frame.versions if app.frame else 1
        name = "forward" if direction > 0 else "back"
        pressed = key.time if key is not None else time.monotonic()  # not when there was time to look at it
        stride = self.momentum.press(name, pressed, versions, back=direction < 0)
        app.wake(Move("version", direction * stride))

    def step(self, kind: Literal["operation", "step", "prompt"], direction: int) -> None:
        """One of a kind, or as many as a count says."""
        app = self._app
        app.playback.stop()
        if kind != "operation":
            self.leave()
        app.wake(Move(kind, direction * app.state.take_count()))

    def to_first(self) -> None:
        """Go to the first entry."""
        self._jump(Move("first"))

    def to_live(self) -> None:
        """Go to the newest entry, and follow."""
        self._jump(Move("live"))

    def go_to(self, text: str) -> None:
        """Go where an address leads; the sentence that says why not goes into the bar."""
        self._jump(Move("goto", text=text))

    def go_to_entry(self, entry: int) -> None:
        """Go to an entry that was chosen in a pane."""
        self._jump(Move("entry", entry))

    def jump_back(self, key: Key | None) -> None:
        """Back to where one jumped from: the second of two quotes; again, there and back."""
        app = self._app
        if key is not None and not self.quoted:
            self.quoted = True
            return
        self.quoted = False
        there = self.jumps.back(app.state.cursor, live=app.state.live)
        if there is None:
            app.state.notice = "You have not jumped from anywhere yet."
        else:
            cursor, live = there
            app.wake(Move("live") if live else Move("entry", cursor))

    def leave(self) -> None:
        """Remember where a jump starts."""
        self.jumps.jumped(self._app.state.cursor, live=self._app.state.live)

    def _jump(self, move: Move) -> None:
        self._app.playback.stop()
        self._app.state.count = ""
        self.leave()
        self._app.wake(move)

    def release_keys(self) -> None:
        """Say no longer that a key is held once it is not."""
        if self.momentum.release(time.monotonic()):
            self._app.say()

    # -- inside a pane

    @property
    def _pane(self) -> AnyPane:
        return self._app.pane("why" if self._app.windows.explaining else self._app.state.focus)

    def scroll(self, direction: int) -> None:
        """Scroll by a line, or as many as a count says."""
        self._pane.move(direction * self._app.state.take_count())

    def scroll_page(self, direction: int) -> None:
        """Scroll by a page."""
        self._pane.page(direction)

    def scroll_to_top(self) -> None:
        """Scroll to the top of the pane."""
        self._pane.home()

    def scroll_to_bottom(self) -> None:
        """Scroll to the bottom of the pane."""
        self._pane.end()

    def scroll_sideways(self, direction: int) -> None:
        """Go along the long lines of the document."""
        self._app.panes.document.side(direction * SIDEWAYS * self._app.state.take_count())

    def choose(self) -> None:
        """Open or unfold what is chosen in the pane."""
        self._pane.choose()

    def cycle_mode(self) -> None:
        """Show the pane, or the document where it has no other way, in the next of its ways."""
        if not self._pane.cycle():
            self._app.panes.document.cycle()

    def toggle_blame(self) -> None:
        """Show who made each line, or no longer."""
        document = self._app.panes.document
        document.toggle_blame()
        if document.note:
            self._app.notify_person(document.note)

    def copy(self) -> None:
        """Copy what is chosen in the pane, and say how much."""
        app = self._app
        text = self._pane.copied()
        if text:
            app.copy_to_clipboard(text)
        lines = text.count("\n") + bool(text and not text.endswith("\n"))
        app.state.notice = f"Copied {lines:,} lines." if lines > 1 else "Copied." if text else "Nothing to copy here."
