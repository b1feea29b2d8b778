"""Sitting at the office: the whole application at a story, without a host, its clock standing still."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot

from runtime.host import acts
from runtime.protocol import Advanced, Command, Perform, Refresh
from tests.wukong_tui.story import Story
from widgets.dialog import Dialog
from wukong_tui.app import Office
from wukong_tui.frames.backend import Backend

PLACE = Path("/srv/warehouse")
"""Where the workspace seems to be, on the screen."""
PATIENCE = 20.0
"""Seconds to wait for something to become so."""
PASSING = ("paths", "complete", "history", "search")
"""Groups of work that is over before anybody presses another key."""


class Beside(Backend):
    """A desk in the process that writes: acts are carried out by the open workspace, as a host would."""

    def __init__(self, story: Story, told: Callable[[Any], None]) -> None:
        super().__init__(story.root, story.work.folder, told)
        self.story = story

    async def call(self, command: Command) -> Any:
        if isinstance(command, Refresh):
            return {"watching": "live", "why": ""}
        assert isinstance(command, Perform)
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
        super().__init__(story.root, **more)
        self.backend = Beside(story, self.told)
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
            and not self.loop._wake.is_set()
            and not self.loop._moves
            and not self._making
            and not any(worker.is_running and worker.group in PASSING for worker in self.workers)
        )

    _making = False

    async def make(self, moves: Any) -> Any:
        self._making = True
        try:
            return await super().make(moves)
        finally:
            self._making = False


async def rest(pilot: Pilot[None]) -> None:
    """Wait until the screen stands still: no message waits, no frame is on its way."""
    app = seat(pilot)
    calm = 0
    while calm < 3:
        await pilot.pause(0 if app.quiet else 0.002)
        calm = calm + 1 if app.quiet else 0


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Wait until something is so, and the screen stands still."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"It never came to that:\n{seat(pilot).text}")
        await pilot.pause(0.002)
    await rest(pilot)


def send(pilot: Pilot[None], *keys: str) -> None:
    """Press keys without waiting for what they do, as a held key does."""
    app = seat(pilot)
    for key in keys:
        name = key if len(key) > 1 or key.isalnum() else _character_to_key(key)
        driver = app._driver
        assert driver is not None
        event = events.Key(name, " " if key == "space" else key if len(key) == 1 else None)
        event.set_sender(app)
        driver.send_message(event)


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys one by one, and see what each has done."""
    for key in keys:
        send(pilot, key)
        await rest(pilot)


async def write(pilot: Pilot[None], text: str) -> None:
    """Type a text, in which a line feed is a new line of the prompt."""
    names = {" ": "space", "\n": "ctrl+j"}
    send(pilot, *(names.get(character, character) for character in text))
    await rest(pilot)


async def go(pilot: Pilot[None], where: str) -> None:
    """Go where an address leads."""
    await press(pilot, "colon")
    await write(pilot, where)
    await press(pilot, "enter")


async def agree(pilot: Pilot[None], key: str = "enter") -> None:
    """Say yes to what is previewed, once keys count there."""
    dialog = seat(pilot).screen
    assert isinstance(dialog, Dialog)
    await until(pilot, lambda: dialog.calm)
    send(pilot, key)


def seat(pilot: Pilot[None]) -> Still:
    """The office that a pilot sits at."""
    assert isinstance(pilot.app, Still)
    return pilot.app


@asynccontextmanager
async def sitting(
    story: Story, size: tuple[int, int] = (120, 40), *, rehearsal: Any = None, **more: Any
) -> AsyncIterator[Pilot[None]]:
    """Somebody sits at the story; the first frame is drawn."""
    app = Still(story, **more)
    if rehearsal is not None:
        app.rehearsal = rehearsal(app)
    async with app.run_test(size=size) as pilot:
        await rest(pilot)
        yield pilot
