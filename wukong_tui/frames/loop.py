"""When frames are made: as they are wanted, never two at once, each of the newest state there is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from workspace.errors import WorkspaceError
from wukong_tui.frames.frame import Move

PACE = 1 / 30
"""Seconds between two frames that nobody pressed a key for."""
SLOW_LINE = 3
"""Writes that may wait for the terminal before frames wait too."""


class FrameLoop:
    """Calls ``draw`` with the moves of the cursor that came since the last frame, whenever it was woken.

    ``backlog`` tells how many writes wait for the terminal. An error of ``draw`` goes to ``failed``.
    """

    def __init__(
        self,
        draw: Callable[[list[Move]], Awaitable[None]],
        *,
        backlog: Callable[[], int],
        failed: Callable[[Exception], None],
    ) -> None:
        self._draw, self._backlog, self._failed = draw, backlog, failed
        self._moves: list[Move] = []
        self._wake = asyncio.Event()
        self._pressed = asyncio.Event()
        self._drawing = False

    @property
    def quiet(self) -> bool:
        """Whether nothing is left to draw."""
        return not (self._wake.is_set() or self._moves or self._drawing)

    def press(self, *moves: Move) -> None:
        """Make a frame at once, with these moves of the cursor before it: somebody pressed a key."""
        for move in moves:
            joined = self._moves[-1].joined(move) if self._moves else None
            if joined is not None:
                self._moves[-1] = joined
            else:
                self._moves.append(move)
        self._pressed.set()
        self._wake.set()

    def wake(self) -> None:
        """Make a frame at our pace: something happened."""
        self._wake.set()

    async def run(self) -> None:
        """Make frames until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._pressed.clear()
            moves, self._moves = self._moves, []
            self._drawing = True
            try:
                while self._backlog() > SLOW_LINE:  # noqa: ASYNC110 - the terminal tells nobody that it has read
                    await asyncio.sleep(PACE / 2)
                await self._draw(moves)
            except (WorkspaceError, Exception) as error:  # noqa: BLE001 - no pane that fails ends the office
                self._failed(error)
            finally:
                self._drawing = False
            if not self._pressed.is_set():  # what others do is shown at our pace, what a key does at once
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._pressed.wait(), PACE)
