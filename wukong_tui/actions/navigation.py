"""What keys do while looking: the cursor, the panes, play, search. Handlers are named after the actions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from textual import events

from workspace.errors import WorkspaceError
from wukong_tui.actions.motion import Jumps, Momentum, Player
from wukong_tui.frames.frame import Move
from wukong_tui.frames.layout import PANES, Pane, shape_of

if TYPE_CHECKING:
    from workspace import History
    from wukong_tui.app import Office

SIDEWAYS = 16
"""Columns that one press goes along a long line."""
WHOLE = 90
"""Seconds in which playing shows the rest of a history, about, unless a person wants it faster."""
PAUSE = 0.3
"""Seconds after which a single digit was meant for a pane, not as the start of a count."""
HITS = 500
"""Hits of a search that are kept, at most."""


class Navigation:
    """The hand that looks: it changes what is seen and never what is there."""

    def __init__(self, app: Office) -> None:
        self._app = app
        self.momentum = Momentum()
        self.player = Player()
        self.jumps = Jumps()
        self.searched = ""
        self.quoted = False
        """Whether the first of two quotes was pressed."""
        self._hit_at = 0
        self._from: object = None
        self._digit = 0
        self._playing: Any = None

    # -- modes and panes

    def switch_to(self, mode: Literal["work", "time"]) -> None:
        """Type, or look."""
        app = self._app
        app.state.mode = mode
        self.stop()
        app.place()
        if mode == "work":
            app.screen_stack[0].set_focus(app.prompt, scroll_visible=False)  # now: a key may be right behind this one
        else:
            self.focus(app.state.focus)
        app.say()

    def focus(self, pane: Pane) -> None:
        """Send the keys to a pane, shown if it was not."""
        app = self._app
        app.state.focus = pane
        if pane in ("talk", "plan"):
            app.state.side = pane
        app.place()
        app.screen_stack[0].set_focus(app.pane(pane), scroll_visible=False)

    def counting(self, digit: str) -> bool:
        """Take a digit: the start of a count, or a pane if nothing follows soon."""
        if not "1" <= digit <= "5":
            return digit != "0"
        self._digit += 1
        number = self._digit

        def was_a_pane() -> None:
            if number == self._digit and self._app.state.count == digit:
                self.take_digit()

        self._app.set_timer(PAUSE, was_a_pane)
        return True

    def take_digit(self) -> None:
        """Go to the pane of the digit that was typed, where it was no count."""
        state = self._app.state
        digit, state.count = state.count, ""
        if digit in ("1", "2", "3", "4", "5"):
            self.focus(PANES[int(digit) - 1])
        self._app.say()

    def do_switch(self, _: events.Key | None) -> None:
        self.switch_to("time" if self._app.state.mode == "work" else "work")

    def do_close(self, _: events.Key | None) -> bool | None:
        """Close the topmost thing: what is typed before a key, a popup, the why, the zoom. Never moves the cursor."""
        app = self._app
        self.stop()
        if app.state.mode == "work":
            app.prompt.close_popup()
            return None
        if app.state.count:
            app.state.count = ""
        elif app.undo_actions.close():
            pass
        elif app.state.zoom:
            self.do_zoom(None)
        return None

    def do_next_pane(self, _: events.Key | None) -> None:
        self._next(1)

    def do_previous_pane(self, _: events.Key | None) -> None:
        self._next(-1)

    def do_talk(self, _: events.Key | None) -> None:
        self.focus("talk")

    def do_plan(self, _: events.Key | None) -> None:
        self.focus("plan")

    def do_meter(self, _: events.Key | None) -> None:
        self.focus("meter")

    def do_document(self, _: events.Key | None) -> None:
        self.focus("document")

    def do_timeline(self, _: events.Key | None) -> None:
        self.focus("timeline")

    def do_zoom(self, _: events.Key | None) -> None:
        app = self._app
        app.state.zoom = not app.state.zoom
        app.place()

    def _next(self, by: int) -> None:
        app = self._app
        shape = shape_of(*app.size)
        panes = [p for p in PANES if shape == "narrow" or app.state.zoom or p in app.visible_panes()]
        at = panes.index(app.state.focus) if app.state.focus in panes else 0
        self.focus(panes[(at + by) % len(panes)])

    # -- the cursor

    def do_back(self, event: events.Key | None) -> None:
        self._steps(event, -1)

    def do_forward(self, event: events.Key | None) -> None:
        self._steps(event, 1)

    def _steps(self, event: events.Key | None, direction: int) -> None:
        """One version, as many as a count says, or faster and faster while the key is held."""
        app = self._app
        self.stop()
        if app.state.count:
            app.wake(Move("version", direction * app.state.take_count()))
            return
        versions = app.frame.versions if app.frame else 1
        key = "forward" if direction > 0 else "back"
        pressed = event.time if event is not None else time.monotonic()  # not when there was time to look at it
        stride = self.momentum.press(key, pressed, versions, back=direction < 0)
        app.wake(Move("version", direction * stride))

    def do_before(self, _: events.Key | None) -> None:
        self._go("operation", -1)

    def do_after(self, _: events.Key | None) -> None:
        self._go("operation", 1)

    def do_step_back(self, _: events.Key | None) -> None:
        self._go("step", -1)

    def do_step_forward(self, _: events.Key | None) -> None:
        self._go("step", 1)

    def do_prompt_back(self, _: events.Key | None) -> None:
        self._go("prompt", -1)

    def do_prompt_forward(self, _: events.Key | None) -> None:
        self._go("prompt", 1)

    def do_first(self, _: events.Key | None) -> None:
        self._jump(Move("first"))

    def do_live(self, _: events.Key | None) -> None:
        self._jump(Move("live"))

    def do_jump_back(self, event: events.Key | None) -> None:
        """Back to where one jumped from: the second of two quotes; again, there and back."""
        app = self._app
        if event is not None and not self.quoted:
            self.quoted = True
            return
        self.quoted = False
        there = self.jumps.back(app.state.cursor, live=app.state.live)
        if there is None:
            app.state.notice = "You have not jumped from anywhere yet."
        else:
            cursor, live = there
            app.wake(Move("live") if live else Move("entry", cursor))

    def go_to(self, text: str) -> None:
        """Go where an address leads; the sentence that says why not goes into the bar."""
        self._jump(Move("goto", text=text))

    def go_to_entry(self, entry: int) -> None:
        """Go to an entry that was chosen in a pane."""
        self._jump(Move("entry", entry))

    def _go(self, kind: Literal["operation", "step", "prompt"], direction: int) -> None:
        app = self._app
        self.stop()
        if kind != "operation":
            self._leave()
        app.wake(Move(kind, direction * app.state.take_count()))

    def _jump(self, move: Move) -> None:
        self.stop()
        self._app.state.count = ""
        self._leave()
        self._app.wake(move)

    def _leave(self) -> None:
        """Remember where a jump starts."""
        self.jumps.jumped(self._app.state.cursor, live=self._app.state.live)

    # -- inside a pane

    @property
    def _pane(self) -> Any:
        return self._app.pane("why" if self._app.undo_actions.explaining else self._app.state.focus)

    def do_down(self, _: events.Key | None) -> None:
        self._pane.move(self._app.state.take_count())

    def do_up(self, _: events.Key | None) -> None:
        self._pane.move(-self._app.state.take_count())

    def do_page_down(self, _: events.Key | None) -> None:
        self._pane.page(1)

    def do_page_up(self, _: events.Key | None) -> None:
        self._pane.page(-1)

    def do_open(self, _: events.Key | None) -> None:
        if hasattr(self._pane, "choose"):
            self._pane.choose()

    def do_diff(self, _: events.Key | None) -> None:
        pane = self._pane
        (pane if hasattr(pane, "cycle") else self._app.pane("document")).cycle()

    def do_left(self, _: events.Key | None) -> None:
        self._app.pane("document").side(-SIDEWAYS * self._app.state.take_count())

    def do_right(self, _: events.Key | None) -> None:
        self._app.pane("document").side(SIDEWAYS * self._app.state.take_count())

    def do_filter(self, _: events.Key | None) -> None:
        self._app.undo_actions.ask_filter()

    def do_copy(self, _: events.Key | None) -> None:
        app = self._app
        copied = getattr(self._pane, "copied", None)
        text = copied() if copied is not None else ""
        if text:
            app.copy_to_clipboard(text)
        lines = text.count("\n") + bool(text and not text.endswith("\n"))
        app.state.notice = f"Copied {lines:,} lines." if lines > 1 else "Copied." if text else "Nothing to copy here."

    # -- play

    def do_play(self, _: events.Key | None) -> None:
        """Play from here, or pause; the demo holds between two operations instead while it is live."""
        app = self._app
        if app.prompting.hold():
            return
        if self.player.playing:
            self.stop()
            return
        left = app.state.newest - app.state.cursor
        if app.state.live:
            left = app.state.newest
            app.wake(Move("first"))
        self._from = app.frame
        self.player.suit(left / WHOLE)
        self.player.toggle(time.monotonic())
        self._playing = app.set_interval(1 / 30, self._tick)

    def do_faster(self, _: events.Key | None) -> None:
        self.player.faster(time.monotonic())

    def do_slower(self, _: events.Key | None) -> None:
        self.player.slower(time.monotonic())

    def stop(self) -> None:
        """Stop playing."""
        self.player.stop()
        if self._playing is not None:
            self._playing.stop()
            self._playing = None

    def _tick(self) -> None:
        app = self._app
        if app.frame is self._from:  # it shows yet where playing was begun
            return
        if self.player.arrived(app.state.cursor, app.state.newest, moved=True):
            self.stop()
            app.wake(Move("live"))
            return
        steps = self.player.due(time.monotonic())
        if steps:
            app.wake(Move("operation", steps))

    def let_go(self) -> None:
        """Say no longer that a key is held once it is not."""
        if self.momentum.release(time.monotonic()):
            self._app.say()

    # -- search

    async def search(self, text: str) -> None:
        """Find where a string came or went in any version, and go to the newest hit before the cursor.

        Whoever has pressed other keys meanwhile stays where they are, and is told.
        """
        from workspace.operations.search import search

        app, cursor = self._app, self._app.state.cursor
        asked = app.keys, app.state.live or cursor

        def find(history: History) -> list[tuple[int, int]]:
            found = []
            for hit in search(history, text):
                found.append((hit.version.entry, hit.version.document))
                if len(found) == HITS:
                    break
            return found

        self.searched = text
        try:
            app.state.hits = await app.backend.study(find)
        except WorkspaceError as error:
            app.notify_person(str(error))
            return
        if not app.state.hits:
            app.notify_person(f"{text!r} is in no version.")
            return
        if (app.keys, app.state.live or app.state.cursor) != asked:
            self._hit_at = -1
            app.notify_person(f"{text!r} came or went in versions: {len(app.state.hits):,}; n goes there.")
            return
        self._hit(self._hit_before(cursor))

    def _hit_before(self, cursor: int) -> int:
        """The newest hit up to an entry; where there is none, the newest of all."""
        return next((i for i, (entry, _) in enumerate(self._app.state.hits) if entry <= cursor), 0)

    def do_search_next(self, _: events.Key | None) -> None:
        self._following(1)

    def do_search_previous(self, _: events.Key | None) -> None:
        self._following(-1)

    def _following(self, by: int) -> None:
        """The hit next to the one that is shown; after other moves, the one next to the cursor."""
        state = self._app.state
        if not state.hits:
            state.notice = "Nothing was searched for yet; `/` does."
            return
        if self._hit_at < 0:  # none was shown yet
            self._hit(self._hit_before(state.cursor))
            return
        at = self._hit_at + by
        if state.hits[self._hit_at][0] != state.cursor:
            older = [i for i, (entry, _) in enumerate(state.hits) if entry < state.cursor]
            newer = [i for i, (entry, _) in enumerate(state.hits) if entry > state.cursor]
            at = (older[0] if older else len(state.hits)) if by > 0 else (newer[-1] if newer else -1)
        if not 0 <= at < len(state.hits):
            state.notice = "That was the oldest hit." if by > 0 else "That was the newest hit."
            return
        self._hit(at)

    def _hit(self, index: int) -> None:
        app = self._app
        self._hit_at = index
        entry, document = app.state.hits[index]
        self._leave()
        app.state.notice = f"{index + 1:,} of {len(app.state.hits):,} versions where {self.searched!r} came or went."
        app.wake(Move("document", document), Move("entry", entry))
        app.pane("document").look_for(self.searched)
