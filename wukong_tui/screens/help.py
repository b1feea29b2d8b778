"""Every key, by what it is for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, zip_longest

from widgets.dialog import Dialog
from widgets.paint import Ink, Line, Span, cells, pad, wrap
from wukong_tui.actions.table import ACTIONS, Action

COLUMN = 44
"""Cells that a column needs."""
GAP = 3


class HelpScreen(Dialog[None]):
    """The table of actions as help: groups in as many columns as there is room for."""

    WIDEST = 150

    def __init__(self, actions: Sequence[Action] = ACTIONS, *, ink: Ink | None = None) -> None:
        super().__init__(ink=ink)
        self._actions = actions

    def heading(self) -> str:
        return "Help"

    def body(self, width: int) -> list[list[Span]]:
        return columns(self._actions, width)

    def offered(self) -> list[tuple[str, str]]:
        return [("↑ ↓", "read"), ("esc ?", "close")]

    def pressed(self, key: str, character: str | None) -> bool:
        if key in ("question_mark", "f1", "enter", "q"):
            self.dismiss(None)
            return True
        return False


def columns(actions: Sequence[Action], width: int) -> list[list[Span]]:
    """The groups beside each other in columns of about equal height."""
    count = max(1, min(3, (width + GAP) // (COLUMN + GAP)))
    each = (width - GAP * (count - 1)) // count
    keys = min(12, max((cells([(action.shown, "")]) for action in actions), default=0))
    groups = [
        _group(name, list(some), keys, each)
        for name, some in groupby(sorted(actions, key=_order(actions)), key=lambda action: action.group)
    ]
    filled: list[list[Line]] = _balanced(groups, count)
    rows: list[list[Span]] = []
    for parts in zip_longest(*filled, fillvalue=()):
        row: list[Span] = []
        for part in parts:
            row += [*part, (" " * (each - cells(part) + GAP), "")]
        rows.append(row[:-1])
    return rows


def _order(actions: Sequence[Action]):  # type: ignore[no-untyped-def]
    first: dict[str, int] = {}
    for index, action in enumerate(actions):
        first.setdefault(action.group, index)
    return lambda action: first[action.group]


def _group(name: str, actions: Sequence[Action], keys: int, width: int) -> list[Line]:
    rows: list[Line] = [[(name, "heading")]]
    for action in actions:
        for index, line in enumerate(wrap([(action.title, "text")], width - keys - 2)):
            key = pad(action.shown if index == 0 else "", keys)
            rows.append([(key, "strong"), ("  ", ""), *line])
    return rows


def _balanced(groups: Sequence[list[Line]], count: int) -> list[list[Line]]:
    """Groups, in their order, put into ``count`` columns whose longest is as short as can be."""
    lowest, highest = max((len(group) for group in groups), default=0), sum(len(group) + 1 for group in groups)
    for height in range(lowest, highest + 1):
        filled: list[list[Line]] = [[]]
        for group in groups:
            if filled[-1] and len(filled[-1]) + 1 + len(group) > height:
                filled.append([])
            filled[-1] += [*([()] if filled[-1] else []), *group]
        if len(filled) <= count:
            return filled
    return [[line for group in groups for line in (*group, ())]]
