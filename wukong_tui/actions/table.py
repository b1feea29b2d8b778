"""The one table of actions: keys, help, palette and the documentation are made of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

Mode = Literal["any", "work", "time"]
"""Where an action's keys count: everywhere, while typing, while looking."""
Group = Literal["Go", "Look", "Panes", "Play", "Take back", "Talk", "Office"]


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person can do: ``name`` is its handler, ``keys`` as Textual names them.

    ``shown`` is how the keys are written for a person; ``counted`` whether a number typed before them
    says how often.
    """

    name: str
    keys: tuple[str, ...]
    shown: str
    title: str
    group: Group
    mode: Mode = "time"
    counted: bool = False


ACTIONS: tuple[Action, ...] = (
    Action(
        "back",
        ("left", "h"),
        "← h",
        "one version of this document back (hold: faster; 20← : twenty)",
        "Go",
        counted=True,
    ),
    Action("forward", ("right", "l"), "→ l", "one version forward", "Go", counted=True),
    Action("before", ("comma",), ",", "one operation back", "Go", counted=True),
    Action("after", ("full_stop",), ".", "one operation forward", "Go", counted=True),
    Action("step_back", ("left_parenthesis",), "(", "start of the plan step before", "Go", counted=True),
    Action("step_forward", ("right_parenthesis",), ")", "start of the next plan step", "Go", counted=True),
    Action("prompt_back", ("left_curly_bracket",), "{", "prompt before", "Go", counted=True),
    Action("prompt_forward", ("right_curly_bracket",), "}", "next prompt", "Go", counted=True),
    Action("first", ("g",), "g", "the first entry", "Go"),
    Action("live", ("G",), "G", "LIVE", "Go"),
    Action("jump_back", ("apostrophe",), "''", "back to where you jumped from", "Go"),
    Action("go_to", ("colon",), ":", "go to 12, -1, op:9, 14:03, 10m ago, a document", "Go"),
    Action("search", ("slash",), "/", "search in every version ever", "Go"),
    Action("search_next", ("n",), "n", "next hit (older)", "Go"),
    Action("search_previous", ("N",), "N", "previous hit (newer)", "Go"),
    Action("down", ("j", "down"), "j ↓", "a line down", "Look", counted=True),
    Action("up", ("k", "up"), "k ↑", "a line up", "Look", counted=True),
    Action("page_down", ("pagedown", "ctrl+f"), "PgDn", "a page down", "Look"),
    Action("page_up", ("pageup", "ctrl+b"), "PgUp", "a page up", "Look"),
    Action("left", ("less_than_sign",), "<", "to the left of a long line", "Look", counted=True),
    Action("right", ("greater_than_sign",), ">", "to the right of a long line", "Look", counted=True),
    Action("diff", ("d",), "d", "content, diff, side by side; in the meter session, workspace", "Look"),
    Action("blame", ("b",), "b", "who made each line", "Look"),
    Action("why", ("w",), "w", "why this line is there", "Look"),
    Action("filter", ("f",), "f", "filter the timeline", "Look"),
    Action("copy", ("y",), "y", "copy what is chosen", "Look"),
    Action("open", ("enter",), "enter", "open or unfold what is chosen", "Look"),
    Action("next_pane", ("tab",), "tab", "next pane", "Panes"),
    Action("previous_pane", ("shift+tab",), "shift+tab", "pane before", "Panes"),
    Action("talk", ("1",), "1", "Talk", "Panes"),
    Action("plan", ("2",), "2", "Plan", "Panes"),
    Action("meter", ("3",), "3", "Meter", "Panes"),
    Action("document", ("4",), "4", "Document", "Panes"),
    Action("timeline", ("5",), "5", "Timeline", "Panes"),
    Action("zoom", ("z",), "z", "this pane alone, and back", "Panes"),
    Action("play", ("space",), "space", "play and pause", "Play"),
    Action("faster", ("plus",), "+", "play faster", "Play"),
    Action("slower", ("minus",), "-", "play slower", "Play"),
    Action("undo", ("U",), "U", "undo the newest act, previewed", "Take back"),
    Action("redo", ("Y",), "Y", "redo what was undone", "Take back"),
    Action("restore", ("R",), "R", "make the documents what they are here", "Take back"),
    Action("revert", ("V",), "V", "take out this operation, keep everything later", "Take back"),
    Action("send", (), "enter", "send; ctrl+j begins a new line", "Talk", "work"),
    Action("recall", (), "↑ ↓", "what was said before", "Talk", "work"),
    Action("name_command", (), "/", "a command", "Talk", "work"),
    Action("name_document", (), "@", "name a document", "Talk", "work"),
    Action("untype", (), "ctrl+z", "take back what was typed", "Talk", "work"),
    Action("switch", ("ctrl+t",), "ctrl+t", "between WORK (typing) and TIME (looking)", "Office", "any"),
    Action("interrupt", ("ctrl+c",), "ctrl+c", "interrupt the agent", "Office", "any"),
    Action("answer", ("ctrl+o",), "ctrl+o", "answer what waits for you", "Office", "any"),
    Action("palette", ("ctrl+p",), "ctrl+p", "every action by name", "Office", "any"),
    Action("close", ("escape",), "esc", "close the topmost thing", "Office", "any"),
    Action("help", ("question_mark", "f1"), "? F1", "this help", "Office"),
    Action("theme", (), "", "dark or light", "Office", "any"),
    Action("sessions", (), "/sessions", "choose a session", "Office", "any"),
    Action("leave", ("ctrl+q",), "ctrl+q", "leave; what runs goes on", "Office", "any"),
)
BY_NAME = {action.name: action for action in ACTIONS}


def page() -> str:
    """The table as the page of keys in the documentation: `python -m wukong_tui.actions.table`."""
    rows = ["# Keys", "", "Every key of the office. TIME is looking, WORK is typing; `ctrl+t` switches.", ""]
    for group in dict.fromkeys(action.group for action in ACTIONS):
        rows += [f"## {group}", "", "| Keys | Where | What |", "| --- | --- | --- |"]
        for action in ACTIONS:
            if action.group == group:
                keys = " ".join(f"`{key}`" for key in action.shown.split()) or "palette"
                rows.append(f"| {keys} | {_PLACES[action.mode]} | {action.title} |")
        rows.append("")
    return "\n".join(rows)


_PLACES = {"any": "everywhere", "work": "WORK", "time": "TIME"}

if __name__ == "__main__":
    sys.stdout.write(page())
