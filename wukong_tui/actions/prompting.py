"""What a person says to agents: prompts, which model and mode, an interrupt, a pause."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from runtime.models.names import meant, spoken
from runtime.protocol import Hold, Interrupt, Open, Refresh
from runtime.protocol import Prompt as Say
from workspace.errors import Changed, WorkspaceError
from workspace.kinds import Kind
from wukong_tui.frames.frame import Move
from wukong_tui.frames.layout import shape_of
from wukong_tui.frames.state import Permissions

if TYPE_CHECKING:
    from runtime.host.answers import AttachAnswer, WatchingAnswer
    from workspace import History
    from wukong_tui.app import Office

REMEMBERED = 200
"""Prompts that can be called back with the arrow keys."""
MODES: tuple[Permissions, ...] = ("read-only", "ask", "auto")


SAID_ALL = "The scripted agent has no more replies; run `wukong` in a folder of your own, with a model, to go on."


class Prompting:
    """Speaks to agents, through the host."""

    def __init__(self, app: Office) -> None:
        self._app = app
        self.held: set[str] = set()
        """Sessions that are held between two operations."""
        self._fresh = False
        self._told: set[str] = set()
        """Sessions that know what this person lets them do."""
        self._order = asyncio.Lock()
        """Prompts leave in the order in which they were given."""

    # -- the folder

    async def look_around(self) -> None:
        """Once there is something to see, have the host record what changed in the folder, and go on to."""
        app = self._app
        await app.drawn.wait()
        seen = cast("WatchingAnswer", await app.backend.call(Refresh()))
        if seen["watching"] == "polling":
            app.notify_person(f"Outside edits show up after a few seconds: {seen['why']}.")
        elif seen["watching"] == "off":
            app.notify_person(f"Outside edits show up only after /scan: {seen['why']}.")

    # -- prompts

    def submit(self, text: str) -> None:
        """Give the session a prompt; while looking back, ask first where it should go."""
        app = self._app
        if app.rehearsal is not None and (app.rehearsal.typing or app.rehearsal.over):
            if app.rehearsal.over:
                self._give_back(text)
                app.notify_person(SAID_ALL)
            return
        if app.state.live:
            app.beside(self._say(text), "prompts")
            return
        from wukong_tui.screens.branch import BranchScreen

        def chosen(where: str | None) -> None:
            if where == "live":
                app.beside(self._say(text), "prompts")
            elif where == "fork":
                app.beside(self._say(text, fork=app.state.cursor), "prompts")
            elif where == "restore":
                app.beside(self._go_back(text, app.state.cursor), "prompts")
            else:
                self._give_back(text)

        app.push_screen(BranchScreen(app.state.cursor, text), chosen)

    def adopt(self, session: str) -> None:
        """Go on with a session that was just begun with what this person lets it do."""
        self._app.state.session, self._fresh = session, False
        self._told.add(session)

    async def _go_back(self, text: str, cursor: int) -> None:
        """Begin a branch, of the documents too: they become what they were, as an act of the new session."""
        app = self._app
        asked, fork = (app.keyboard.presses, app.state.mode), ""
        async with self._order:
            while (sure := await app.undo_actions.agreed("restore", {"cursor": cursor}, asked)) is not None:
                try:
                    fork = fork or str(await app.backend.call(Open(fork=cursor, mode=app.permissions)))
                    refused = await app.undo_actions.act("restore", sure, session=fork) if sure else None
                    if refused is None:
                        self.adopt(fork)
                        await self._send(fork, text)
                        return
                except WorkspaceError as error:
                    refused = error
                    app.notify_person(str(error))
                if not isinstance(refused, Changed):
                    break
                asked = app.keyboard.presses, app.state.mode
            self._give_back(text)

    async def _say(self, text: str, fork: int | None = None) -> None:
        app = self._app
        await app.drawn.wait()  # before it nobody knows which session goes on
        async with self._order:
            try:
                session = app.state.session
                if session is None or self._fresh or fork is not None:
                    model = app.model_name if fork is None else None  # a fork goes on with its own
                    session = str(await app.backend.call(Open(fork=fork, model=model, mode=app.permissions)))
                    self.adopt(session)
                elif session not in self._told:
                    await app.backend.call(Open(resume=session, model=app.model_name, mode=app.permissions))
                    self._told.add(session)
                await self._send(session, text)
            except WorkspaceError as error:
                self._give_back(text)
                app.notify_person(str(error))

    async def _send(self, session: str, text: str) -> None:
        """Give a session a prompt, and look at what comes of it. Raises WorkspaceError."""
        self._show_talk()
        self._app.wake(Move("live"), Move("follow"))
        await self._app.backend.call(Say(session, text))

    def _show_talk(self) -> None:
        """Where there is room for few panes, show the conversation that now goes on."""
        app = self._app
        app.state.side = "talk"
        if shape_of(*app.size) == "narrow":
            app.state.focus = "talk"
        app.place()

    def _give_back(self, text: str) -> None:
        """Put what was not sent back into the prompt; where something else is typed there, into its history."""
        prompt = self._app.prompt
        if prompt.text:
            prompt.history.append(text)
        else:
            prompt.put(text)

    def send(self, text: str) -> None:
        """Send this; without it, what is typed."""
        if text:
            self.submit(text)
        else:
            self._app.prompt.send()

    # -- what it may use and do

    def use_model(self, name: str) -> None:
        """Ask this model from now on."""
        if name:
            self._app.beside(self._renew(meant(name)), "prompts")
        else:
            self._app.notify_person("Name a model: /model NAME. `wukong models` lists what can be asked from here.")

    def use_mode(self, name: str) -> None:
        """Let agents do so much without asking from now on."""
        mode = next((mode for mode in MODES if mode == name), None)
        if mode is None:
            self._app.notify_person(f"A mode is one of {', '.join(MODES)}.")
            return
        self._app.permissions = mode
        self._app.beside(self._renew(None), "prompts")

    def begin_anew(self) -> None:
        """Begin a session with the next prompt."""
        self._fresh = True
        self._app.notify_person("The next prompt begins a new session.")

    async def _renew(self, model: str | None) -> None:
        """Tell the session what it may use and do from now on; without one, the next prompt begins it so."""
        app = self._app
        session = None if self._fresh else app.state.session
        try:
            if session is not None:
                await app.backend.call(Open(resume=session, model=model, mode=app.permissions))
                self._told.add(session)
        except WorkspaceError as error:
            app.notify_person(str(error))
            return
        app.model_name = model or app.model_name
        used = spoken(app.model_name) if app.model_name else "the same model" if session else "the first model found"
        app.notify_person(f"From now on {used}, mode {app.permissions}.")

    async def offer_paths(self) -> None:
        """Give the prompt the documents that there are, for ``@``."""
        app = self._app
        app.prompt.paths = await app.backend.study(lambda history: sorted(history.tree()))

    async def remember(self) -> None:
        """Give the prompt what was said here before."""
        app = self._app

        def said(history: History) -> list[str]:
            journal = history.store.journal
            entries = [journal.entry(id_) for id_ in journal.of_kind(Kind.PROMPT)[-REMEMBERED:]]
            contents = history.store.contents
            return [contents.get(e.payload).decode("utf-8", "replace") for e in entries if e.payload is not None]

        app.prompt.history = await app.backend.study(said)

    # -- stopping and pausing

    def interrupt(self) -> None:
        """Stop what the session does."""
        self._app.beside(self._interrupt(), "acts")

    async def _interrupt(self) -> None:
        app = self._app
        if app.state.session is None or not app.backend.connected:
            app.notify_person("Nothing is running. ctrl+q leaves.")
            return
        try:
            stopped = await app.backend.call(Interrupt(app.state.session))
            self.held.discard(app.state.session)
            app.notify_person(
                "Interrupted; what was done is kept." if stopped else "Nothing is running. ctrl+q leaves."
            )
        except WorkspaceError as error:
            app.notify_person(str(error))

    def hold(self) -> bool:
        """In the demo, while it plays live: hold between two operations, or go on. False elsewhere."""
        app = self._app
        if app.rehearsal is None or not app.state.live or app.rehearsal.over or app.state.session is None:
            return False
        app.beside(self._hold(app.state.session, app.state.session not in self.held), "acts")
        return True

    async def let_go(self) -> None:
        """Whoever leaves holds nothing any more."""
        for session in sorted(self.held):
            await self._hold(session, False)

    async def _hold(self, session: str, held: bool) -> None:
        try:
            await self._app.backend.call(Hold(session, held))
            (self.held.add if held else self.held.discard)(session)
            self._app.notify_person("Paused between two operations; space continues." if held else "")
        except WorkspaceError as error:
            self._app.notify_person(str(error))

    def attached(self, told: AttachAnswer) -> None:
        """A host told how things stand."""
        self.held = {session["session"] for session in told.get("sessions", ()) if session.get("held")}
        waiting = [int(approval["approval"]) for approval in told.get("approvals", ())]
        self._app.asked_since = min([self._app.asked_since, *(operation - 1 for operation in waiting)])
