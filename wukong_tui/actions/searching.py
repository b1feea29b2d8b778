"""Searching every version: the hits, and going from one to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workspace.errors import WorkspaceError
from wukong_tui.frames.frame import Move

if TYPE_CHECKING:
    from workspace import History
    from wukong_tui.app import Office

HITS = 500
"""Hits of a search that are kept, at most."""


class Searching:
    """Finds a text in every version, and goes to where it came or went."""

    def __init__(self, app: Office) -> None:
        self._app = app
        self.text = ""
        """What was searched for last."""
        self._at = 0

    async def search(self, text: str) -> None:
        """Find where a string came or went in any version, and go to the newest hit before the cursor.

        Whoever has pressed other keys meanwhile stays where they are, and is told.
        """
        from workspace.operations.search import search

        app, cursor = self._app, self._app.state.cursor
        asked = app.keyboard.presses, app.state.live or cursor

        def find(history: History) -> list[tuple[int, int]]:
            found = []
            for hit in search(history, text):
                found.append((hit.version.entry, hit.version.document))
                if len(found) == HITS:
                    break
            return found

        self.text = text
        try:
            app.state.hits = await app.backend.study(find)
        except WorkspaceError as error:
            app.notify_person(str(error))
            return
        if not app.state.hits:
            app.notify_person(f"No version contains {text!r}.")
            return
        if (app.keyboard.presses, app.state.live or app.state.cursor) != asked:
            self._at = -1
            app.notify_person(f"{text!r}: {len(app.state.hits):,} hits; n goes to the next one.")
            return
        self._show(self._hit_before(cursor))

    def follow(self, by: int) -> None:
        """The hit next to the one that is shown; after other moves, the one next to the cursor."""
        state = self._app.state
        if not state.hits:
            state.notice = "No search yet; `/` begins one."
            return
        if self._at < 0:  # none was shown yet
            self._show(self._hit_before(state.cursor))
            return
        at = self._at + by
        if state.hits[self._at][0] != state.cursor:
            older = [i for i, (entry, _) in enumerate(state.hits) if entry < state.cursor]
            newer = [i for i, (entry, _) in enumerate(state.hits) if entry > state.cursor]
            at = (older[0] if older else len(state.hits)) if by > 0 else (newer[-1] if newer else -1)
        if not 0 <= at < len(state.hits):
            state.notice = "That was the oldest hit." if by > 0 else "That was the newest hit."
            return
        self._show(at)

    def _hit_before(self, cursor: int) -> int:
        """The newest hit up to an entry; where there is none, the newest of all."""
        return next((i for i, (entry, _) in enumerate(self._app.state.hits) if entry <= cursor), 0)

    def _show(self, index: int) -> None:
        app = self._app
        self._at = index
        entry, document = app.state.hits[index]
        app.navigation.leave()
        app.state.notice = f"Hit {index + 1:,} of {len(app.state.hits):,} for {self.text!r}."
        app.wake(Move("document", document), Move("entry", entry))
        app.panes.document.look_for(self.text)
