"""Taking back, previewed: undo, redo, restore, revert; and recording what changed on disk."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workspace.amounts import plural
from workspace.errors import Changed, WorkspaceError
from wukong_tui.frames.frame import Move

if TYPE_CHECKING:
    from runtime.host.answers import ActAnswer
    from runtime.protocol import ActName
    from wukong_tui.app import Office

AGAIN = {"undo": "That is an undo; Y redoes it.", "redo": "That is a redo; U undoes it."}
PREVIEWS = {"undo": "Undo", "redo": "Redo", "restore": "Restore", "revert": "Revert"}


class UndoActions:
    """All that changes something goes through the host."""

    def __init__(self, app: Office) -> None:
        self._app = app

    def undo(self) -> None:
        """Take back the newest act of the session."""
        self._preview("undo", {"session": self._app.state.session})

    def redo(self) -> None:
        """Bring again what the newest undo took."""
        self._preview("redo", {"session": self._app.state.session})

    def restore(self) -> None:
        """Make the documents what they were at the cursor."""
        app = self._app
        if app.state.live:
            app.notify_person("You are LIVE; go back to the point to restore, then press R.")
            return
        self._preview("restore", {"cursor": app.state.cursor})

    def revert(self) -> None:
        """Take out the operation at the cursor, and keep everything later."""
        self._preview("revert", {"operations": [f"op:{self._app.state.cursor}"]})

    def scan(self) -> None:
        """Record what changed on disk."""
        self._app.beside(self.act("scan", {}), "acts")

    def _preview(self, name: ActName, arguments: dict[str, object]) -> None:
        now = self._app.keyboard.presses, self._app.state.mode
        self._app.beside(self._previewed(name, arguments, now), "previews", exclusive=True)

    async def _previewed(self, name: ActName, arguments: dict[str, object], asked: tuple[int, str]) -> None:
        """Do exactly what was agreed to; where it has become something else meanwhile, ask again."""
        while sure := await self.agreed(name, arguments, asked):
            if not isinstance(await self.act(name, sure), Changed):
                return
            asked = self._app.keyboard.presses, self._app.state.mode

    async def agreed(
        self, name: ActName, arguments: dict[str, object], asked: tuple[int, str]
    ) -> dict[str, object] | None:
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
            shown = await app.backend.act(name, {**given, "dry_run": True})
        except WorkspaceError as error:
            app.notify_person(str(error))
            return None
        if (
            app.keyboard.presses,
            app.state.mode,
        ) != asked:  # whoever types on has not asked for a window under the keys
            app.notify_person(f"{PREVIEWS[name]} was dropped because you pressed other keys; press its key again.")
            return None
        if not shown["touched"] and not shown["conflicts"] and name in ("restore", "revert"):
            app.notify_person(_grouped(shown["note"]))
            return {}
        sure = {**given, "expect": shown["expect"], "consent": bool(shown["uncertain"])}
        if "target" in shown:
            sure["target"] = f"op:{shown['target']}"
        screen = PreviewScreen(_title(name, shown), shown["touched"], shown["conflicts"], shown["uncertain"],
                               outside=shown.get("outside", ()), stuck=shown.get("stuck", ()),
                               note=_grouped(shown["note"]))  # fmt: skip
        return sure if await app.push_screen_wait(screen) else None

    async def _taken_back_otherwise(self, cursor: int) -> str:
        """What takes back the act at the cursor, where that is no revert; else nothing."""
        kind = await self._app.backend.study(lambda history: history.operation(cursor).kind)
        return AGAIN.get(kind, "")

    async def act(
        self, name: ActName, arguments: dict[str, object], session: str | None = None
    ) -> WorkspaceError | None:
        """Carry out an act, of a session, and say what it did; the error where it did nothing."""
        app = self._app
        given = {**arguments, "as": session or app.state.session or "cli"}
        try:
            done = await app.backend.act(name, given)
        except WorkspaceError as error:
            app.notify_person(str(error))
            return error
        if not app.state.live:
            app.wake(Move("live"))
        made = done.get("versions") or ()
        count = plural(len(made), "document")
        undo = "" if name == "scan" else " U undoes it." if name != "undo" else " Y redoes it."
        app.notify_person(f"{name.capitalize()}: {count}.{undo}")
        app.wake()
        return None


def _title(name: ActName, shown: ActAnswer) -> str:
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
