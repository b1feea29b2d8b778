"""What a person says: prompts, commands, answers to what asks, a pause. Handlers are named after the actions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual import events

from runtime.models.names import meant, spoken
from runtime.protocol import Answer, Hold, Interrupt, Open, Refresh
from runtime.protocol import Prompt as Say
from workspace.errors import Changed, WorkspaceError
from workspace.kinds import Kind
from wukong_tui.actions.table import BY_NAME
from wukong_tui.frames.frame import Approval, Move
from wukong_tui.frames.layout import shape_of

if TYPE_CHECKING:
    from workspace import History
    from wukong_tui.app import Office

COMMANDS = (
    ("model", "which model to ask from now on: /model NAME"),
    ("mode", "what it may do without asking: /mode ask, auto or read-only"),
    ("new", "begin a new session with the next prompt"),
    ("sessions", "choose a session"),
    ("answer", "answer what waits for you"),
    ("scan", "record what changed on disk"),
    ("theme", "dark or light"),
    ("help", "every key"),
    ("leave", "leave; what runs goes on"),
)
"""What a prompt that begins with ``/`` can name."""
REMEMBERED = 200
"""Prompts that can be called back with the arrow keys."""
MODES = ("read-only", "ask", "auto")


SAID_ALL = "The rehearsed agent has said all it can; `wukong` in a folder of your own, with a model, takes prompts."


class Prompting:
    """The hand that speaks to agents, through the host."""

    def __init__(self, app: Office) -> None:
        self._app = app
        self.waiting: dict[int, Approval] = {}
        """What asks for an answer, by operation, oldest first."""
        self.held: set[str] = set()
        """Sessions that are held between two operations."""
        self._postponed: set[int] = set()
        self._asking: tuple[int, Any] | None = None
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
        seen = await app.backend.call(Refresh())
        if seen["watching"] == "polling":
            app.notify_person(f"Edits from outside are seen after some seconds only: {seen['why']}.")
        elif seen["watching"] == "off":
            app.notify_person(f"Edits from outside are not seen here until /scan: {seen['why']}.")

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
        asked, fork = (app.keys, app.state.mode), ""
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
                asked = app.keys, app.state.mode
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

    def command(self, name: str, argument: str) -> None:
        """Carry out a ``/`` command."""
        app = self._app
        if name == "model" and argument:
            app.beside(self._renew(meant(argument)), "prompts")
        elif name == "model":
            app.notify_person("Name a model: /model NAME. `wukong models` lists what can be asked from here.")
        elif name == "mode" and argument in MODES:
            app.permissions = argument
            app.beside(self._renew(None), "prompts")
        elif name == "mode":
            app.notify_person(f"A mode is one of {', '.join(MODES)}.")
        elif name == "new":
            self._fresh = True
            app.notify_person("The next prompt begins a new session.")
        elif name == "scan":
            app.beside(app.undo_actions.act("scan", {}), "acts")
        elif name in BY_NAME:
            app.beside(app.do(BY_NAME[name]), "acts")

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

    def do_interrupt(self, _: events.Key | None) -> None:
        self._app.beside(self._interrupt(), "acts")

    async def _interrupt(self) -> None:
        app = self._app
        if app.state.session is None or not app.backend.connected:
            app.notify_person("Nothing runs. ctrl+q leaves.")
            return
        try:
            stopped = await app.backend.call(Interrupt(app.state.session))
            self.held.discard(app.state.session)
            app.notify_person("Interrupted; what was done stands." if stopped else "Nothing runs. ctrl+q leaves.")
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
            self._app.notify_person("Held between two operations; space goes on." if held else "")
        except WorkspaceError as error:
            self._app.notify_person(str(error))

    def attached(self, told: Mapping[str, Any]) -> None:
        """A host told how things stand."""
        self.held = {session["session"] for session in told.get("sessions", ()) if session.get("held")}
        waiting = [int(approval["approval"]) for approval in told.get("approvals", ())]
        self._app.asked_since = min([self._app.asked_since, *(operation - 1 for operation in waiting)])

    # -- answers

    def approve(self, asked: Sequence[Approval]) -> None:
        """Keep what waits for an answer; ask for the oldest that was not put off, unless something else is asked."""
        self.waiting = {approval.operation: approval for approval in asked}
        self._postponed &= set(self.waiting)
        if self._asking is not None and self._asking[0] not in self.waiting:
            _, screen = self._asking  # somebody else has answered
            if screen is self._app.screen:
                screen.dismiss(None)
        self._next()

    def do_answer(self, _: events.Key | None) -> None:
        """Answer what was put off."""
        self._postponed.clear()
        if not self.waiting:
            self._app.state.notice = "Nothing waits for an answer."
        self._next()

    def _next(self) -> None:
        open_ones = [approval for operation, approval in self.waiting.items() if operation not in self._postponed]
        if open_ones and self._asking is None and len(self._app.screen_stack) == 1:
            self._ask(open_ones[0])

    def _ask(self, approval: Approval) -> None:
        """Show exactly what would be done, and ask."""
        from wukong_tui.screens.approval import ApprovalScreen

        app = self._app

        def answered(answer: Any) -> None:
            self._asking = None
            if answer is not None:
                app.beside(self._answer(approval.operation, answer.allow, answer.reason), "acts")
            elif approval.operation in self.waiting:
                self._postponed.add(approval.operation)
                app.notify_person("It waits for your answer; ctrl+o shows it again.")
            app.wake()

        screen = ApprovalScreen(approval.session, approval.capability, approval.arguments, approval.effects)
        self._asking = (approval.operation, screen)
        app.push_screen(screen, answered)

    async def _answer(self, operation: int, allow: Any, reason: str) -> None:
        self._postponed.add(operation)  # until it is seen to be answered
        try:
            await self._app.backend.call(Answer(operation, allow, reason))
        except WorkspaceError as error:
            self._app.notify_person(str(error))
