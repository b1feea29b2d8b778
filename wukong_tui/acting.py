"""What a person does: prompts, answers, taking back, the windows that ask first. Handlers are named after actions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual import events

from runtime.models.names import meant, spoken
from runtime.protocol import Act, Answer, Hold, Interrupt, Open
from runtime.protocol import Prompt as Say
from workspace.errors import WorkspaceError
from wukong_tui.actions import ACTIONS, BY_NAME
from wukong_tui.frame import Approval, Move

if TYPE_CHECKING:
    from workspace import History
    from wukong_tui.app import Office

COMMANDS = (
    ("model", "which model to ask from now on: /model NAME"),
    ("mode", "what it may do without asking: /mode ask, auto or read-only"),
    ("new", "begin a new session with the next prompt"),
    ("sessions", "choose a session"),
    ("scan", "record what changed on disk"),
    ("theme", "dark or light"),
    ("help", "every key"),
    ("leave", "leave; what runs goes on"),
)
"""What a prompt that begins with ``/`` can name."""
REMEMBERED = 200
"""Prompts that can be called back with the arrow keys."""
MODES = ("read-only", "ask", "auto")
PREVIEWS = {"undo": "Undo", "redo": "Redo", "restore": "Restore", "revert": "Revert"}


class Acting:
    """The hand that acts: all that changes something goes through the host."""

    def __init__(self, app: Office) -> None:
        self._app = app
        self.rehearsal: Any = None
        self.explaining = False
        self.waiting: dict[int, Approval] = {}
        self._shown: int | None = None
        self._fresh = False
        self._held = False

    # -- prompts

    def submit(self, text: str) -> None:
        """Give the session a prompt; while looking back, ask first where it should go."""
        app = self._app
        if app.state.live:
            app.beside(self._say(text), "prompts")
            return
        from wukong_tui.screens.branch import BranchScreen

        def chosen(where: str | None) -> None:
            if where == "live":
                app.looking.do_live(None)
                app.beside(self._say(text), "prompts")
            elif where == "fork":
                app.beside(self._say(text, fork=app.state.cursor), "prompts")
            else:
                app.prompt.put(text)

        app.push_screen(BranchScreen(app.state.cursor, text), chosen)

    async def _say(self, text: str, fork: int | None = None) -> None:
        app = self._app
        try:
            session = app.state.session
            if session is None or self._fresh or fork is not None:
                session = await app.desk.call(
                    Open(fork=fork, model=app.model_name, mode=app.permissions)
                )  # fmt: skip
                app.state.session, self._fresh = session, False
            if not app.state.live:
                app.wake(Move("live"))
            await app.desk.call(Say(session, text))
        except WorkspaceError as error:
            app.prompt.put(text)
            app.notify_person(str(error))

    def command(self, name: str, argument: str) -> None:
        """Carry out a ``/`` command."""
        app = self._app
        if name == "model" and argument:
            app.beside(self._renew(meant(argument)), "prompts")
        elif name == "model":
            app.notify_person("Name a model: /model NAME. `wukong models` lists what can be asked from here.")
        elif name == "mode" and argument in MODES:
            app.permissions = argument
            app.beside(self._renew(app.model_name), "prompts")
        elif name == "mode":
            app.notify_person(f"A mode is one of {', '.join(MODES)}.")
        elif name == "new":
            self._fresh = True
            app.notify_person("The next prompt begins a new session.")
        elif name == "scan":
            app.beside(self._act("scan", {}), "acts")
        elif name in BY_NAME:
            app.beside(app.do(BY_NAME[name]), "acts")

    async def _renew(self, model: str | None) -> None:
        """Tell the session what it may use and do from now on; without one, the next prompt begins it so."""
        app = self._app
        try:
            if app.state.session is None:
                app.state.session = await app.desk.call(Open(model=model, mode=app.permissions))
            else:
                await app.desk.call(Open(resume=app.state.session, model=model, mode=app.permissions))
        except WorkspaceError as error:
            app.notify_person(str(error))
            return
        app.model_name = model
        app.notify_person(f"{spoken(model) if model else 'The same model'}, mode {app.permissions}.")

    async def offer_paths(self) -> None:
        """Give the prompt the documents that there are, for ``@``."""
        app = self._app
        app.prompt.paths = await app.desk.study(lambda history: sorted(history.tree()))

    async def remember(self) -> None:
        """Give the prompt what was said here before."""
        app = self._app

        def said(history: History) -> list[str]:
            journal = history.store.journal
            entries = [journal.entry(id_) for id_ in journal.of_kind("prompt")[-REMEMBERED:]]
            contents = history.store.contents
            return [contents.get(e.payload).decode("utf-8", "replace") for e in entries if e.payload is not None]

        app.prompt.history = await app.desk.study(said)

    def do_interrupt(self, _: events.Key | None) -> None:
        self._app.beside(self._interrupt(), "acts")

    async def _interrupt(self) -> None:
        app = self._app
        if app.state.session is None or not app.desk.connected:
            app.notify_person("Nothing runs. ctrl+q leaves.")
            return
        try:
            stopped = await app.desk.call(Interrupt(app.state.session))
            app.notify_person("Interrupted; what was done stands." if stopped else "Nothing runs. ctrl+q leaves.")
        except WorkspaceError as error:
            app.notify_person(str(error))

    def do_leave(self, _: events.Key | None) -> None:
        self._app.exit()

    def hold(self) -> bool:
        """In the demo, while it plays live: hold between two operations, or go on. False elsewhere."""
        app = self._app
        if self.rehearsal is None or not app.state.live or self.rehearsal.over or app.state.session is None:
            return False
        self._held = not self._held
        app.beside(self._hold(app.state.session, self._held), "acts")
        return True

    async def _hold(self, session: str, held: bool) -> None:
        try:
            await self._app.desk.call(Hold(session, held))
            self._app.notify_person("Held between two operations; space goes on." if held else "")
        except WorkspaceError as error:
            self._app.notify_person(str(error))

    # -- approvals

    def approve(self, asked: Sequence[Approval]) -> None:
        """Keep what waits for an answer, and ask for the first of it if nothing else is asked."""
        app = self._app
        now = {approval.operation: approval for approval in asked}
        fresh = [approval for operation, approval in now.items() if operation not in self.waiting]
        self.waiting = now
        if fresh and len(app.screen_stack) == 1:
            self.ask_approval(fresh[0])

    def ask_approval(self, approval: Approval) -> None:
        """Show exactly what would be done, and ask."""
        from wukong_tui.screens.approval import ApprovalScreen

        def answered(answer: Any) -> None:
            if answer is None:
                self._app.notify_person("It waits for your answer; enter shows it again.")
                return
            allow, reason = answer.allow, answer.reason
            self._app.beside(self._answer(approval.operation, allow, reason), "acts")

        self._app.push_screen(ApprovalScreen(approval.session, approval.capability, approval.arguments), answered)

    async def _answer(self, operation: int, allow: Any, reason: str) -> None:
        try:
            await self._app.desk.call(Answer(operation, allow, reason))
        except WorkspaceError as error:
            self._app.notify_person(str(error))

    # -- taking back, previewed

    def do_undo(self, _: events.Key | None) -> None:
        self._preview("undo", {"session": self._app.state.session})

    def do_redo(self, _: events.Key | None) -> None:
        self._preview("redo", {"session": self._app.state.session})

    def do_restore(self, _: events.Key | None) -> None:
        app = self._app
        if app.state.live:
            app.notify_person("You are LIVE; go back to the moment to restore, then R.")
            return
        self._preview("restore", {"address": f"op:{app.state.cursor}"})

    def do_revert(self, _: events.Key | None) -> None:
        app = self._app
        self._preview("revert", {"operations": [f"op:{app.state.cursor}"]})

    def _preview(self, name: str, arguments: dict[str, Any]) -> None:
        self._app.beside(self._previewed(name, arguments), "previews", exclusive=True)

    async def _previewed(self, name: str, arguments: dict[str, Any]) -> None:
        """Show what an act would do; do it on a yes."""
        from wukong_tui.screens.preview import PreviewScreen

        app = self._app
        given = {key: value for key, value in arguments.items() if value is not None}
        try:
            shown = await app.desk.call(Act(name, {**given, "dry_run": True}))  # type: ignore[arg-type]
        except WorkspaceError as error:
            app.notify_person(str(error))
            return
        if "target" in shown:
            given = {**given, "target": f"op:{shown['target']}"}
        title = _title(name, given, shown)
        if not shown["touched"] and not shown["conflicts"] and name in ("restore", "revert"):
            app.notify_person("The documents are already so; nothing to do.")
            return
        screen = PreviewScreen(title, shown["touched"], shown["conflicts"], shown["uncertain"])
        if await app.push_screen_wait(screen):
            if shown["uncertain"]:
                given["consent"] = True
            await self._act(name, given)

    async def _act(self, name: str, arguments: dict[str, Any]) -> None:
        app = self._app
        given = {**arguments, "as": app.state.session or "cli"}
        try:
            done = await app.desk.call(Act(name, given))  # type: ignore[arg-type]
        except WorkspaceError as error:
            app.notify_person(str(error))
            return
        if not app.state.live:
            app.wake(Move("live"))
        made = done.get("versions") or ()
        count = f"{len(made):,} documents" if len(made) != 1 else "1 document"
        undo = "" if name == "scan" else " U takes it back." if name != "undo" else " Y brings it again."
        app.notify_person(f"{name.capitalize()}: {count}.{undo}")
        app.wake()

    # -- windows

    def close(self) -> bool:
        """Close the explanation, if it is open."""
        if not self.explaining:
            return False
        self.explaining = False
        self._app.looking.focus(self._app.state.focus)
        return True

    def do_why(self, _: events.Key | None) -> None:
        """Explain the line of the document that is chosen, or no longer."""
        app = self._app
        if self.close():
            return
        if app.frame is None or app.frame.look.document is None:
            app.notify_person("No document is open; `:` and its name opens one.")
            return
        self.explaining = True
        if "document" not in app.visible_panes():
            app.looking.focus("document")
        self.explain_line()
        app.place()
        app.screen_stack[0].set_focus(app.pane("why"), scroll_visible=False)

    def explain_line(self) -> None:
        """Explain the line that is chosen now."""
        self._app.pane("why").ask(self._app.pane("document").line)

    def do_blame(self, _: events.Key | None) -> None:
        self._app.pane("document").toggle_blame()

    def do_help(self, _: events.Key | None) -> None:
        from wukong_tui.screens.help import HelpScreen

        self._app.push_screen(HelpScreen())

    def do_palette(self, _: events.Key | None) -> None:
        from wukong_tui.screens.picker import Item, PickerScreen

        app = self._app
        offered = [action for action in ACTIONS if action.name != "palette"]
        items = [Item(action.title, action.group, action.shown) for action in offered]

        def chosen(index: int | None) -> None:
            if index is not None:
                if offered[index].mode == "time" and app.state.mode == "work":
                    app.looking.switch_to("time")
                app.beside(app.do(offered[index]), "acts")

        app.push_screen(PickerScreen("Actions", items), chosen)

    def do_sessions(self, _: events.Key | None) -> None:
        self._app.beside(self._sessions(), "previews", exclusive=True)

    async def _sessions(self) -> None:
        from wukong_tui.screens.picker import Item, PickerScreen

        app = self._app

        def look(history: History) -> list[tuple[str, str, str]]:
            journal = history.store.journal
            found = []
            for id_ in reversed(journal.of_kind("session")[-500:]):
                entry = journal.entry(id_)
                first = journal.of_kind("prompt", session=entry.session)[:1]
                said = journal.entry(first[0]).name if first else "nothing said yet"
                found.append((entry.session or "", said or "", os.path.basename(entry.name or "")))
            return found

        rows = await app.desk.study(look)
        if not rows:
            app.notify_person("There is no session yet; the first prompt begins one.")
            return
        items = [Item(f"{name}  {said}", model, "") for name, said, model in rows]
        index = await app.push_screen_wait(PickerScreen("Sessions", items))
        if index is not None:
            app.state.session, self._fresh = rows[index][0], False
            app.wake()

    def do_theme(self, _: events.Key | None) -> None:
        app = self._app
        app.paint("light" if app.look_theme.dark else "dark")

    def do_go_to(self, _: events.Key | None) -> None:
        self._question("Go to", "12, -1, op:9, 14:03, 10m ago, a document", self._app.looking.go_to)

    def do_search(self, _: events.Key | None) -> None:
        app = self._app

        def search(text: str) -> None:
            app.beside(app.looking.search(text), "search", exclusive=True)

        self._question("Search every version", "a text, exactly", search)

    def ask_filter(self) -> None:
        """Ask what rows of the timeline to show; nothing shows all."""
        self._question("Show in the timeline", "a kind, a name, a document; nothing for all",
                       self._app.pane("timeline").filter, empty=True)  # fmt: skip

    def _question(self, title: str, hint: str, then: Any, *, empty: bool = False) -> None:
        from wukong_tui.screens.ask import AskScreen

        def answered(text: str | None) -> None:
            if text or (empty and text is not None):
                then(text)

        self._app.push_screen(AskScreen(title, hint), answered)


def _title(name: str, arguments: dict[str, Any], shown: dict[str, Any]) -> str:
    """What a preview is of."""
    word = PREVIEWS[name]
    if name in ("undo", "redo"):
        return f"{word}: {shown.get('name') or shown.get('target')}"
    if name == "restore":
        return f"{word}: documents as they were at {arguments['address']}"
    return f"{word}: take out {', '.join(arguments['operations'])}, keep everything later"
