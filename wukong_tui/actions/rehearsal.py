"""The demo on the screen: it types its prompt, tells the scenes, and then hands over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runtime.protocol import Prompt as Say
from workspace import History, WorkspaceError
from wukong_tui.demo import BANNER, BOTTLES, Demo, Scene, one_by_one, scene
from wukong_tui.frames.frame import Move

if TYPE_CHECKING:
    from wukong_tui.app import Office

LOOK_ROUND = 2.5
"""Seconds to look at the empty warehouse before anything happens."""
TYPING = 1 / 22
"""Seconds from one typed character to the next."""
READ = 0.8
"""Seconds that the whole prompt stands before it is sent."""
FLOOR = "floor.txt"
LAST = "turn"


class Rehearsal:
    """Plays a demo in an office; ``over`` once it is the person's turn."""

    banner = BANNER

    def __init__(self, app: Office, demo: Demo, *, resume: bool) -> None:
        self._app = app
        self._demo = demo
        self._resume = resume
        self.over = False
        self.typing = not resume
        app.model_name, app.permissions = demo.opening().model, demo.opening().mode

    def at(self, history: History, session: str | None, cursor: int) -> Scene:
        """The scene at a cursor; called in the reader's thread for each frame."""
        return scene(history, session, cursor)

    async def begin(self) -> None:
        """Show the floor, type the prompt and send it; on a demo that was played, hand over at once."""
        app = self._app
        floor, app.state.session = await app.backend.read(
            lambda history: (history.document(FLOOR), self._demo.session(history))
        )
        app.wake(Move("document", floor))
        app.beside(self._count(), "estimate")
        if self._resume:
            app.navigation.switch_to("time")
            return
        await asyncio.gather(app.backend.connect(start=True), asyncio.sleep(LOOK_ROUND))
        for end in range(1, len(self._demo.prompt) + 1):
            app.prompt.put(self._demo.prompt[:end])
            await asyncio.sleep(TYPING)
        await asyncio.sleep(READ)
        app.prompt.clear()
        self.typing = False
        try:
            session = str(await app.backend.call(self._demo.opening()))
            app.prompting.adopt(session)
            app.navigation.switch_to("time")
            await app.backend.call(Say(session, self._demo.prompt))
        except WorkspaceError as error:
            app.notify_person(str(error))

    def told(self, now: Scene) -> None:
        """A frame was made in this scene; at the end of the story the person goes on."""
        self._app.caption.tell(now.title, now.caption)
        if now.name == LAST and not self.over:
            self.over = True
            self._app.navigation.focus("document")

    async def _count(self) -> None:
        """What one tool call for each bottle would have cost, for the meter; counted once, in a thread."""
        tokens = await asyncio.to_thread(one_by_one, BOTTLES, self._demo.prompt)
        self._app.panes.meter.note = f"one tool call per item would have cost ~{tokens:,} tokens"
        self._app.wake()
