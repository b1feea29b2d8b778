"""The one table of actions: keys, help, palette, ``/`` commands and the documentation are made of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from widgets.completion import SlashCommand

if TYPE_CHECKING:
    from textual.events import Key

    from wukong_tui.app import Office

ActionMode = Literal["any", "work", "time"]
"""Where an action's keys count: everywhere, while typing, while looking."""
Group = Literal["Go", "Look", "Panes", "Play", "Take back", "Talk", "Office"]


@dataclass(frozen=True, slots=True)
class ActionCall:
    """How an action was asked for: by a key, or by its name and what followed it."""

    key: Key | None = None
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person can do: ``handler`` does it, ``keys`` as Textual names them ask for it, ``/name`` as well.

    ``written`` is how the keys are written for a person, also of keys that are the prompt's own; ``counted``
    whether a number typed before them says how often; ``argument`` what may follow the name, in square brackets
    where it may be left out.
    """

    name: str
    handler: Callable[[Office, ActionCall], None]
    group: Group
    keys: tuple[str, ...]
    written: str
    title: str
    mode: ActionMode = "time"
    counted: bool = False
    argument: str = ""

    @property
    def shown(self) -> str:
        """How a person asks for it: its keys, else its name."""
        return self.written or f"/{self.name}"


# fmt: off
ACTIONS: tuple[Action, ...] = (
    Action("back", lambda office, call: office.navigation.step_version(-1, call.key), "Go", ("left", "h"), "← h",
           "one version back (hold: faster; 20←: twenty)", counted=True),
    Action("forward", lambda office, call: office.navigation.step_version(1, call.key), "Go", ("right", "l"), "→ l",
           "one version forward", counted=True),
    Action("before", lambda office, _: office.navigation.step("operation", -1), "Go", ("comma",), ",",
           "one operation back", counted=True),
    Action("after", lambda office, _: office.navigation.step("operation", 1), "Go", ("full_stop",), ".",
           "one operation forward", counted=True),
    Action("step-back", lambda office, _: office.navigation.step("step", -1), "Go", ("left_parenthesis",), "(",
           "start of the previous plan step", counted=True),
    Action("step-forward", lambda office, _: office.navigation.step("step", 1), "Go", ("right_parenthesis",), ")",
           "start of the next plan step", counted=True),
    Action("prompt-back", lambda office, _: office.navigation.step("prompt", -1), "Go", ("left_curly_bracket",), "{",
           "previous prompt", counted=True),
    Action("prompt-forward", lambda office, _: office.navigation.step("prompt", 1), "Go",
           ("right_curly_bracket",), "}", "next prompt", counted=True),
    Action("first", lambda office, _: office.navigation.to_first(), "Go", ("g",), "g", "the first entry"),
    Action("live", lambda office, _: office.navigation.to_live(), "Go", ("G",), "G", "LIVE"),
    Action("jump-back", lambda office, call: office.navigation.jump_back(call.key), "Go", ("apostrophe",), "''",
           "back to where you jumped from"),
    Action("go-to", lambda office, call: office.windows.go_to(call.argument), "Go", ("colon",), ":",
           "go to 12, -1, op:9, 14:03, 10m ago, a document", argument="[ADDRESS]"),
    Action("search", lambda office, call: office.windows.search(call.argument), "Go", ("slash",), "/",
           "search every version", argument="[TEXT]"),
    Action("search-next", lambda office, _: office.searching.follow(1), "Go", ("n",), "n", "next hit (older)"),
    Action("search-previous", lambda office, _: office.searching.follow(-1), "Go", ("N",), "N",
           "previous hit (newer)"),

    Action("down", lambda office, _: office.navigation.scroll(1), "Look", ("j", "down"), "j ↓", "a line down",
           counted=True),
    Action("up", lambda office, _: office.navigation.scroll(-1), "Look", ("k", "up"), "k ↑", "a line up",
           counted=True),
    Action("page-down", lambda office, _: office.navigation.scroll_page(1), "Look", ("pagedown", "ctrl+f"), "PgDn",
           "a page down"),
    Action("page-up", lambda office, _: office.navigation.scroll_page(-1), "Look", ("pageup", "ctrl+b"), "PgUp",
           "a page up"),
    Action("top", lambda office, _: office.navigation.scroll_to_top(), "Look", ("home",), "home",
           "to the top of the pane"),
    Action("bottom", lambda office, _: office.navigation.scroll_to_bottom(), "Look", ("end",), "end",
           "to the bottom of the pane"),
    Action("left", lambda office, _: office.navigation.scroll_sideways(-1), "Look", ("less_than_sign",), "<",
           "to the left of a long line", counted=True),
    Action("right", lambda office, _: office.navigation.scroll_sideways(1), "Look", ("greater_than_sign",), ">",
           "to the right of a long line", counted=True),
    Action("diff", lambda office, _: office.navigation.cycle_mode(), "Look", ("d",), "d",
           "content, diff, side by side; in the meter session, workspace"),
    Action("blame", lambda office, _: office.navigation.toggle_blame(), "Look", ("b",), "b",
           "which version made each line"),
    Action("why", lambda office, _: office.windows.explain(), "Look", ("w",), "w", "why this line is there"),
    Action("filter", lambda office, call: office.windows.filter(call.argument), "Look", ("f",), "f",
           "filter the timeline", argument="[WORDS]"),
    Action("copy", lambda office, _: office.navigation.copy(), "Look", ("y",), "y", "copy what is selected"),
    Action("open", lambda office, _: office.navigation.choose(), "Look", ("enter",), "enter",
           "open or unfold what is selected"),

    Action("next-pane", lambda office, _: office.navigation.next_pane(1), "Panes", ("tab",), "tab", "next pane"),
    Action("previous-pane", lambda office, _: office.navigation.next_pane(-1), "Panes", ("shift+tab",), "shift+tab",
           "previous pane"),
    Action("talk", lambda office, _: office.navigation.focus("talk"), "Panes", ("1",), "1", "go to Talk"),
    Action("plan", lambda office, _: office.navigation.focus("plan"), "Panes", ("2",), "2", "go to Plan"),
    Action("meter", lambda office, _: office.navigation.focus("meter"), "Panes", ("3",), "3", "go to Meter"),
    Action("document", lambda office, _: office.navigation.focus("document"), "Panes", ("4",), "4", "go to Document"),
    Action("timeline", lambda office, _: office.navigation.focus("timeline"), "Panes", ("5",), "5", "go to Timeline"),
    Action("zoom", lambda office, _: office.navigation.zoom(), "Panes", ("z",), "z", "this pane alone, and back"),

    Action("play", lambda office, _: office.playback.toggle(), "Play", ("space",), "space", "play and pause"),
    Action("faster", lambda office, _: office.playback.faster(), "Play", ("plus",), "+", "play faster"),
    Action("slower", lambda office, _: office.playback.slower(), "Play", ("minus",), "-", "play slower"),

    Action("undo", lambda office, _: office.undo_actions.undo(), "Take back", ("U",), "U",
           "undo the newest act, with a preview"),
    Action("redo", lambda office, _: office.undo_actions.redo(), "Take back", ("Y",), "Y", "redo what was undone"),
    Action("restore", lambda office, _: office.undo_actions.restore(), "Take back", ("R",), "R",
           "restore the documents to what they are here"),
    Action("revert", lambda office, _: office.undo_actions.revert(), "Take back", ("V",), "V",
           "revert this operation, keep everything later"),
    Action("scan", lambda office, _: office.undo_actions.scan(), "Take back", (), "",
           "record what changed on disk", "any"),

    Action("send", lambda office, call: office.prompting.send(call.argument), "Talk", (), "enter",
           "send; ctrl+j begins a new line", "work", argument="[TEXT]"),
    Action("recall", lambda office, _: office.prompt.recall(), "Talk", (), "↑ ↓", "earlier prompts", "work"),
    Action("name-command", lambda office, _: office.prompt.begin("/"), "Talk", (), "/", "a command", "work"),
    Action("name-document", lambda office, _: office.prompt.begin("@"), "Talk", (), "@", "name a document", "work"),
    Action("untype", lambda office, _: office.prompt.undo(), "Talk", (), "ctrl+z",
           "take back what was typed", "work"),
    Action("model", lambda office, call: office.prompting.use_model(call.argument), "Talk", (), "",
           "which model to ask from now on", "any", argument="NAME"),
    Action("mode", lambda office, call: office.prompting.use_mode(call.argument), "Talk", (), "",
           "what an agent may do without asking: ask, auto or read-only", "any", argument="MODE"),
    Action("new", lambda office, _: office.prompting.begin_anew(), "Talk", (), "",
           "begin a new session with the next prompt", "any"),
    Action("sessions", lambda office, _: office.windows.sessions(), "Talk", (), "", "choose a session", "any"),

    Action("switch", lambda office, _: office.navigation.switch(), "Office", ("ctrl+t",), "ctrl+t",
           "switch between WORK (typing) and TIME (looking)", "any"),
    Action("interrupt", lambda office, _: office.prompting.interrupt(), "Office", ("ctrl+c",), "ctrl+c",
           "interrupt the agent", "any"),
    Action("answer", lambda office, _: office.answering.ask_again(), "Office", ("ctrl+o",), "ctrl+o",
           "answer what is waiting for you", "any"),
    Action("palette", lambda office, _: office.windows.palette(), "Office", ("ctrl+p",), "ctrl+p",
           "every action by name", "any"),
    Action("close", lambda office, _: office.navigation.close(), "Office", ("escape",), "esc",
           "close the topmost thing", "any"),
    Action("help", lambda office, _: office.windows.help(), "Office", ("question_mark", "f1"), "? F1", "this help"),
    Action("theme", lambda office, _: office.windows.theme(), "Office", (), "", "dark or light", "any"),
    Action("leave", lambda office, _: office.exit(), "Office", ("ctrl+q",), "ctrl+q",
           "leave; what is running goes on", "any"),
)
# fmt: on
BY_NAME = {action.name: action for action in ACTIONS}
COMMANDS: tuple[SlashCommand, ...] = tuple(
    SlashCommand(action.name, action.title, action.argument or ("[COUNT]" if action.counted else ""))
    for action in sorted(ACTIONS, key=lambda action: (bool(action.written), action.mode == "time"))
)
"""Every action as a prompt that begins with ``/`` names it: those without a key first, then those for anywhere."""


def page() -> str:
    """The table as the page of keys in the documentation: `python -m wukong_tui.actions.table`."""
    rows = [
        "# Keys",
        "",
        "Every key of the office. TIME is looking, WORK is typing; `ctrl+t` switches.",
        "Every action is in the palette (`ctrl+p`) as well, and can be typed into the prompt by its name.",
        "",
    ]
    for group in dict.fromkeys(action.group for action in ACTIONS):
        rows += [f"## {group}", "", "| Keys | Name | Where | What |", "| --- | --- | --- | --- |"]
        for action in ACTIONS:
            if action.group == group:
                keys = " ".join(f"`{key}`" for key in action.written.split())
                command = next(command for command in COMMANDS if command.name == action.name)
                rows.append(f"| {keys} | `{command.usage}` | {_PLACES[action.mode]} | {action.title} |")
        rows.append("")
    return "\n".join(rows)


_PLACES = {"any": "everywhere", "work": "WORK", "time": "TIME"}

if __name__ == "__main__":
    sys.stdout.write(page())
