"""Where keys go: to the action that has them, in front of a dialog, while typing and while looking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from wukong_tui.actions.table import ACTIONS, Action, ActionCall

if TYPE_CHECKING:
    from textual.events import Key

    from wukong_tui.app import Office

ALWAYS = ("ctrl+c", "ctrl+q")
"""Keys that count in front of a dialog, too."""
ANYWHERE = ("f1",)
"""Keys of looking that mean the same while typing."""
ENTERS = ("pageup",)
"""Keys that begin to look while typing."""
LOOKING = ("Go", "Look", "Panes", "Play")
"""Groups of actions of which one sees more while looking: asked for by name, they begin it."""
KEYS: Mapping[str, Action] = {key: action for action in ACTIONS for key in action.keys}


class Keyboard:
    """Takes keys and names of actions, and carries the actions out."""

    def __init__(self, app: Office) -> None:
        self._app = app
        self.presses = 0
        """Key presses so far: who asks something later sees whether anything was typed since."""

    def take(self, event: Key) -> bool:
        """Carry out the action of a key; False where it is for what has the focus."""
        app = self._app
        self.presses += 1
        if len(app.screen_stack) > 1:
            if event.key in ALWAYS:
                self.do(KEYS[event.key], ActionCall(event))
                return True
            return False
        said, app.state.notice = app.state.notice, ""
        if self._act(event):
            return True
        if said:
            app.say()
        return False

    def _act(self, event: Key) -> bool:
        app, state = self._app, self._app.state
        if state.mode == "time" and event.key.isdigit() and (state.count or app.navigation.counting(event.key)):
            state.count += event.key
            app.say()
            return True
        if event.key != "apostrophe":
            app.navigation.quoted = False
        if state.mode == "work" and event.key in ENTERS:
            app.navigation.switch_to("time")
            return True
        action = KEYS.get(event.key)
        if action is None or (action.mode not in ("any", state.mode) and event.key not in ANYWHERE):
            return False
        if state.count and not action.counted and action.name != "close":
            app.navigation.take_digit()  # it was for a pane, which this key is for
        self.do(action, ActionCall(event))
        return True

    def do(self, action: Action, call: ActionCall) -> None:
        """Carry out an action."""
        action.handler(self._app, call)
        self._app.say()

    def do_by_name(self, action: Action, argument: str = "") -> None:
        """Carry out an action that was asked for by its name, where one sees what it does."""
        app = self._app
        if action.mode == "work" and app.state.mode == "time":
            app.navigation.switch_to("work")
        elif action.mode == "time" and action.group in LOOKING and app.state.mode == "work":
            app.navigation.switch_to("time")
        if action.counted:
            app.state.count = argument
        self.do(action, ActionCall(argument=argument))
