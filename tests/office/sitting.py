"""Sitting at the office: the whole application at a story, without a host, its clock standing still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from runtime import acts
from runtime.protocol import Act, Advanced, Command
from tests.office.story import Story
from wukong_tui.app import Office
from wukong_tui.desk import Desk

PLACE = Path("/srv/warehouse")
"""Where the workspace seems to be, on the screen."""


class Beside(Desk):
    """A desk in the process that writes: acts are carried out by the open workspace, as a host would."""

    def __init__(self, story: Story, told: Callable[[Any], None]) -> None:
        super().__init__(story.root, story.work.folder, told)
        self.story = story

    async def call(self, command: Command) -> Any:
        assert isinstance(command, Act)
        done = acts.perform(self.story.work, command.name, command.arguments, "ann")
        self.advance()
        return done

    def advance(self) -> None:
        """Tell the screen that the journal has grown, as a host would."""
        self._told(Advanced(self.story.work.cursor))

    async def connect(self, *, start: bool) -> bool:
        return False


class Still(Office):
    """The office at one moment: ages on the screen do not grow."""

    def __init__(self, story: Story, **more: Any) -> None:
        super().__init__(None, story.root, **more)
        self.desk = Beside(story, self.told)
        self.root = PLACE
        self.story = story
        self.made = 0

    def now(self) -> int:
        return self.story.now

    def show(self, frame: Any) -> None:
        self.made += 1
        super().show(frame)

    # -- what tests ask

    @property
    def rows(self) -> list[str]:
        """The screen as text."""
        width, height = self.size
        lines = self.screen._compositor.render_strips()
        return [lines[y].crop(0, width).text.rstrip() for y in range(height)]

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    @property
    def quiet(self) -> bool:
        """Whether nothing is left to do: no frame on its way, no pane that wants one."""
        return (
            self._frames is not None
            and self.frame is not None
            and not self._wake.is_set()
            and not self._moves
            and not self._making
            and not any(worker.is_running and worker.group == "paths" for worker in self.workers)
        )

    _making = False

    async def make(self, moves: Any) -> Any:
        self._making = True
        try:
            return await super().make(moves)
        finally:
            self._making = False


async def rest(pilot: Pilot[None]) -> None:
    """Wait until the screen stands still."""
    app = pilot.app
    assert isinstance(app, Still)
    calm = 0
    while calm < 3:
        await pilot.pause()
        calm = calm + 1 if app.quiet else 0
        if not app.quiet:
            await asyncio.sleep(0.005)


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys one by one, and see what each has done."""
    for key in keys:
        await pilot.press(key)
        await rest(pilot)


@asynccontextmanager
async def sitting(story: Story, size: tuple[int, int] = (120, 40), *, rehearsal: Any = None, **more: Any) -> AsyncIterator[Pilot[None]]:
    """Somebody sits at the story; the first frame is drawn."""
    app = Still(story, **more)
    if rehearsal is not None:
        app.acting.rehearsal = rehearsal(app)
    async with app.run_test(size=size) as pilot:
        await rest(pilot)
        yield pilot
