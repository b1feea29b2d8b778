"""Playing a history: the cursor goes forward by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wukong_tui.actions.motion import Player
from wukong_tui.frames.frame import Move

if TYPE_CHECKING:
    from textual.timer import Timer

    from wukong_tui.app import Office
    from wukong_tui.frames.frame import Frame

WHOLE = 90
"""Seconds in which playing shows the rest of a history, about, unless a person wants it faster."""
TICK = 1 / 30
"""Seconds between two looks at whether a step is due."""


class Playback:
    """Plays from the cursor to LIVE, at the speed that a person chose."""

    def __init__(self, app: Office) -> None:
        self._app = app
        self.player = Player()
        self._from: Frame | None = None
        self._timer: Timer | None = None

    def toggle(self) -> None:
        """Play from here, or pause; the demo holds between two operations instead while it is live."""
        app = self._app
        if app.prompting.hold():
            return
        if self.player.playing:
            self.stop()
            return
        left = app.state.newest - app.state.cursor
        if app.state.live:
            left = app.state.newest
            app.wake(Move("first"))
        self._from = app.frame
        self.player.suit(left / WHOLE)
        self.player.toggle(time.monotonic())
        self._timer = app.set_interval(TICK, self._tick)

    def faster(self) -> None:
        """The next speed up."""
        self._app.state.notice = f"Playing speed: {self.player.faster(time.monotonic())}/s."

    def slower(self) -> None:
        """The next speed down."""
        self._app.state.notice = f"Playing speed: {self.player.slower(time.monotonic())}/s."

    def stop(self) -> None:
        """Stop playing."""
        self.player.stop()
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _tick(self) -> None:
        app = self._app
        if app.frame is self._from:  # it shows yet where playing was begun
            return
        if self.player.arrived(app.state.cursor, app.state.newest, moved=True):
            self.stop()
            app.wake(Move("live"))
            return
        steps = self.player.due(time.monotonic())
        if steps:
            app.wake(Move("operation", steps))
