"""What a person does: taking back, and the windows that ask first. Handlers are named after the actions."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from textual import events

from runtime.protocol import Perform
from workspace.errors import Changed, WorkspaceError
from workspace.kinds import Kind
from wukong_tui.actions.table import ACTIONS
from wukong_tui.frames.frame import Move

if TYPE_CHECKING:
    from workspace import History
    from wukong_tui.app import Office

AGAIN = {"undo": "That is an undo; Y brings it again.", "redo": "That is a redo; U takes it back."}
PREVIEWS = {"undo": "Undo", "redo": "Redo", "restore": "Restore", "revert": "Revert"}


class UndoActions:
    """The hand that acts: all that changes something goes through the host."""

    def __init__(self, app: Office) -> None:
        self._app = app
        self.explaining = False

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
        self._preview("restore", {"cursor": app.state.cursor})

    def do_revert(self, _: events.Key | None) -> None:
        self._preview("revert", {"operations": [f"op:{self._app.state.cursor}"]})

    def _preview(self, name: str, arguments: dict[str, Any]) -> None:
        now = self._app.keys, self._app.state.mode
        self._app.beside(self._previewed(name, arguments, now), "previews", exclusive=True)

    async def _previewed(self, name: str, arguments: dict[str, Any], asked: tuple[int, str]) -> None:
        """Do exactly what was agreed to; where it has become something else meanwhile, ask again."""
        while sure := await self.agreed(name, arguments, asked):
            if not isinstance(await self.act(name, sure), Changed):
                return
            asked = self._app.keys, self._app.state.mode

    async def agreed(self, name: str, arguments: dict[str, Any], asked: tuple[int, str]) -> dict[str, Any] | None:
        """Show what an act would do, unless the person went on since they asked: what a yes means as arguments.

        None where it is not to be done, an empty record where it would do nothing.
        """
        from wukong_tui.screens.preview import PreviewScreen

        app = self._app
        given = {key: value for key, value in arguments.items() if value is not None}
        try:
            if name == "revert" and (refused := await self._taken_back_otherwise(app.state.cursor)):
                app.notify_person(refused)
                return None
            shown = await app.backend.call(Perform(name, {**given, "dry_run": True}))  # type: ignore[arg-type]
        except WorkspaceError as error:
            app.notify_person(str(error))
            return None
        if (app.keys, app.state.mode) != asked:  # whoever types on has not asked for a window under the keys
            app.notify_person(f"{PREVIEWS[name]} was not asked about, as you went on; press its key again.")
            return None
        if not shown["touched"] and not shown["conflicts"] and name in ("restore", "revert"):
            app.notify_person(_grouped(shown["note"]))
            return {}
        sure = {**given, "expect": shown["expect"], "consent": bool(shown["uncertain"])}
        if "target" in shown:
            sure["target"] = f"op:{shown['target']}"
        screen = PreviewScreen(_title(name, shown), shown["touched"], shown["conflicts"], shown["uncertain"],
                               note=_grouped(shown["note"]))  # fmt: skip
        return sure if await app.push_screen_wait(screen) else None

    async def _taken_back_otherwise(self, cursor: int) -> str:
        """What takes back the act at the cursor, where that is no revert; else nothing."""
        kind = await self._app.backend.study(lambda history: history.operation(cursor).kind)
        return AGAIN.get(kind, "")

    async def act(self, name: str, arguments: dict[str, Any], session: str | None = None) -> WorkspaceError | None:
        """Carry out an act, of a session, and say what it did; the error where it did nothing."""
        app = self._app
        given = {**arguments, "as": session or app.state.session or "cli"}
        try:
            done = await app.backend.call(Perform(name, given))  # type: ignore[arg-type]
        except WorkspaceError as error:
            app.notify_person(str(error))
            return error
        if not app.state.live:
            app.wake(Move("live"))
        made = done.get("versions") or ()
        count = f"{len(made):,} documents" if len(made) != 1 else "1 document"
        undo = "" if name == "scan" else " U takes it back." if name != "undo" else " Y brings it again."
        app.notify_person(f"{name.capitalize()}: {count}.{undo}")
        app.wake()
        return None

    # -- windows

    def close(self) -> bool:
        """Close the explanation, if it is open."""
        if not self.explaining:
            return False
        self.explaining = False
        self._app.navigation.focus(self._app.state.focus)
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
            app.navigation.focus("document")
        self.explain_line()
        app.place()
        app.screen_stack[0].set_focus(app.pane("why"), scroll_visible=False)

    def explain_line(self) -> None:
        """Explain the line that is chosen now."""
        self._app.pane("why").ask(self._app.pane("document").line)

    def do_blame(self, _: events.Key | None) -> None:
        document = self._app.pane("document")
        document.toggle_blame()
        if document.note:
            self._app.notify_person(document.note)

    def do_help(self, _: events.Key | None) -> None:
        from wukong_tui.screens.help import HelpScreen

        self._app.push_screen(HelpScreen())

    def do_palette(self, _: events.Key | None) -> None:
        from widgets.choices import Item
        from widgets.picker import PickerScreen

        app = self._app
        offered = [action for action in ACTIONS if action.name != "palette" and app.can(action)]
        items = [Item(action.title, action.group, action.shown) for action in offered]

        def chosen(index: int | None) -> None:
            if index is not None:
                if offered[index].mode == "time" and app.state.mode == "work":
                    app.navigation.switch_to("time")
                app.beside(app.do(offered[index]), "acts")

        app.push_screen(PickerScreen("Actions", items), chosen)

    def do_sessions(self, _: events.Key | None) -> None:
        self._app.beside(self._sessions(), "previews", exclusive=True)

    async def _sessions(self) -> None:
        from widgets.choices import Item
        from widgets.picker import PickerScreen

        app = self._app

        def look(history: History) -> list[tuple[str, str, str]]:
            journal = history.store.journal
            found = []
            for id_ in reversed(journal.of_kind(Kind.SESSION)[-500:]):
                entry = journal.entry(id_)
                first = journal.of_kind(Kind.PROMPT, session=entry.session)[:1]
                said = journal.entry(first[0]).name if first else "nothing said yet"
                found.append((entry.session or "", said or "", os.path.basename(entry.name or "")))
            return found

        rows = await app.backend.study(look)
        if not rows:
            app.notify_person("There is no session yet; the first prompt begins one.")
            return
        items = [Item(f"{name}  {said}", model, "") for name, said, model in rows]
        index = await app.push_screen_wait(PickerScreen("Sessions", items))
        if index is not None:
            app.state.session = rows[index][0]
            app.wake()

    def do_theme(self, _: events.Key | None) -> None:
        app = self._app
        app.paint("light" if app.look_theme.dark else "dark")

    def do_go_to(self, _: events.Key | None) -> None:
        self._question("Go to", "12, -1, op:9, 14:03, 10m ago, a document", self._app.navigation.go_to)

    def do_search(self, _: events.Key | None) -> None:
        app = self._app

        def search(text: str) -> None:
            app.beside(app.navigation.search(text), "search", exclusive=True)

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


def _title(name: str, shown: dict[str, Any]) -> str:
    """What a preview is of: the act, and by whom what it takes back was done."""
    word = PREVIEWS[name]
    if name == "restore":
        return f"{word}: documents as they were at {_grouped(shown['name'])}"
    names = [f"op:{about['operation']:,} {_grouped(about['label'])}" for about in shown["about"]]
    actors = dict.fromkeys(about["actor"] for about in shown["about"] if about["actor"])
    by = f" · by {', '.join(actors)}" if actors else ""
    return f"{word}: {', '.join(names)}{by}"


def _grouped(text: str) -> str:
    """A sentence with the numbers of operations and entries as they are shown everywhere: ``op:3,057``."""
    return re.sub(r"(?<=\bop:)[0-9]+|(?<=\bentry )[0-9]+", lambda found: f"{int(found[0]):,}", text)
