"""What opens over the panes: the explanation of a line, help, palette, sessions, and lines to be typed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from workspace.kinds import Kind
from wukong_tui.actions.table import ACTIONS

if TYPE_CHECKING:
    from workspace import History
    from wukong_tui.app import Office

SESSIONS = 500
"""Sessions that can be chosen from, the newest ones."""


class Windows:
    """Opens and closes windows; what is chosen in them is carried out elsewhere."""

    def __init__(self, app: Office) -> None:
        self._app = app
        self.explaining = False
        """Whether the explanation of a line is open."""

    # -- why a line is there

    def explain(self) -> None:
        """Explain the line of the document that is chosen, or no longer."""
        app = self._app
        if self.close_explanation():
            return
        if app.frame is None or app.frame.look.document is None:
            app.notify_person("No document is open; `:` and its name opens one.")
            return
        self.explaining = True
        if "document" not in app.visible_panes():
            app.navigation.focus("document")
        self.explain_line()
        app.place()
        app.screen_stack[0].set_focus(app.panes.why, scroll_visible=False)

    def explain_line(self) -> None:
        """Explain the line that is chosen now."""
        self._app.panes.why.ask(self._app.panes.document.line)

    def close_explanation(self) -> bool:
        """Close the explanation; whether it was open."""
        if not self.explaining:
            return False
        self.explaining = False
        if self._app.state.mode == "time":
            self._app.navigation.focus(self._app.state.focus)
        else:
            self._app.place()
        return True

    # -- lists

    def help(self) -> None:
        """Show every key."""
        from wukong_tui.screens.help import HelpScreen

        self._app.push_screen(HelpScreen())

    def palette(self) -> None:
        """Offer every action by name; one that needs an argument is begun in the prompt."""
        from widgets.choices import Choice
        from widgets.picker import PickerScreen

        app = self._app
        offered = [action for action in ACTIONS if action.name != "palette"]

        def chosen(index: int | None) -> None:
            if index is None:
                return
            action = offered[index]
            if action.argument and not action.argument.startswith("["):
                app.navigation.switch_to("work")
                app.prompt.put(f"/{action.name} ")
            else:
                app.keyboard.do_by_name(action)

        choices = [Choice(action.title, action.group, action.shown) for action in offered]
        app.push_screen(PickerScreen("Actions", choices), chosen)

    def sessions(self) -> None:
        """Offer the sessions."""
        self._app.beside(self._sessions(), "previews", exclusive=True)

    async def _sessions(self) -> None:
        from widgets.choices import Choice
        from widgets.picker import PickerScreen

        app = self._app

        def look(history: History) -> list[tuple[str, str, str]]:
            journal = history.store.journal
            found = []
            for id_ in reversed(journal.of_kind(Kind.SESSION)[-SESSIONS:]):
                entry = journal.entry(id_)
                first = journal.of_kind(Kind.PROMPT, session=entry.session)[:1]
                said = journal.entry(first[0]).name if first else "no prompt yet"
                found.append((entry.session or "", said or "", os.path.basename(entry.name or "")))
            return found

        rows = await app.backend.study(look)
        if not rows:
            app.notify_person("No session yet; the first prompt begins one.")
            return
        choices = [Choice(f"{name}  {said}", model, "") for name, said, model in rows]
        index = await app.push_screen_wait(PickerScreen("Sessions", choices))
        if index is not None:
            app.state.session = rows[index][0]
            app.wake()

    def theme(self) -> None:
        """Draw dark where it was light, and light where it was dark."""
        app = self._app
        app.paint("light" if app.look_theme.dark else "dark")

    # -- one line to be typed

    def go_to(self, address: str) -> None:
        """Go to an address; without one, ask for it."""
        if address:
            self._app.navigation.go_to(address)
        else:
            self._ask("Go to", "12, -1, op:9, 14:03, 10m ago, a document", self._app.navigation.go_to)

    def search(self, text: str) -> None:
        """Search every version for a text; without one, ask for it."""
        app = self._app

        def search(text: str) -> None:
            app.beside(app.searching.search(text), "search", exclusive=True)

        if text:
            search(text)
        else:
            self._ask("Search every version", "the exact text", search)

    def filter(self, words: str) -> None:
        """Show only some rows of the timeline; without words, ask for them, and nothing typed shows all."""
        if words:
            self._app.panes.timeline.filter(words)
        else:
            self._ask("Show in the timeline", "a kind, a name, a document; nothing for all",
                      self._app.panes.timeline.filter, empty=True)  # fmt: skip

    def _ask(self, title: str, hint: str, then: Callable[[str], None], *, empty: bool = False) -> None:
        from wukong_tui.screens.ask import AskScreen

        def answered(text: str | None) -> None:
            if text or (empty and text is not None):
                then(text)

        self._app.push_screen(AskScreen(title, hint), answered)
