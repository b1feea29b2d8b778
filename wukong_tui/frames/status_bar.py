"""What the bar, the hints and the prompt's target say: pure functions of what is looked at."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from widgets.paint import Line, Span, cells, clip, wrap
from workspace.amounts import ago
from wukong_tui.frames.layout import PANES, shape_of
from wukong_tui.frames.state import OfficeState
from wukong_tui.views import Look

if TYPE_CHECKING:
    from wukong_tui.frames.frame import Frame

LONGEST = 2_000
"""Characters of a notice that are shown, at most."""
SHORT = {"talk": "Talk", "plan": "Plan", "meter": "Meter", "document": "Doc", "timeline": "Time"}
TIME_HINTS = (
    ("← →", "step"), ("w", "why"), ("?", "help"), ("ctrl+t", "type"), ("G", "LIVE"), ("R", "restore"),
    ("U", "undo"), ("space", "play"), (", .", "operation"), ("{ }", "prompt"), ("b", "blame"), ("d", "diff"),
    ("V", "revert"), (":", "go to"), ("/", "search"),
)  # fmt: skip


def bar(
    state: OfficeState, frame: Frame | None, root: Path, size: tuple[int, int], speed: str, waiting: int
) -> tuple[Line, Line]:
    """The left and the right of the bar: at the right always where one is; a notice has the left
    while it is shown.

    ``speed`` is what is said of held keys and of playing, ``waiting`` counts what asks for an answer.
    """
    width, shape = size[0], shape_of(*size)
    left: list[Span] = []
    if shape == "narrow":
        for number, pane in enumerate(PANES, 1):
            lit = pane == state.focus
            left += [(f"{number}", "dim"), (SHORT[pane] + ("•" if lit else " "), "strong" if lit else ""), (" ", "")]
    else:
        folder = str(root).replace(str(Path.home()), "~", 1)
        left += [("wukong", "strong"), (f"  {clip(folder, width // 3, keep='end')}  ", "dim")]
    right: list[Span] = []
    if waiting:
        right.append((f"{waiting:,} waiting · ctrl+o ", "accent"))
    if state.count:
        right.append((f"{state.count} ", "strong"))
    if speed:
        right.append((f"{speed} ", "accent"))
    if frame is not None:
        room = width - 4 - cells(left) - cells(right)  # a blank at either end, two between left and right
        right += where(frame.look, frame.time, min(40 if shape == "narrow" else 80, max(8, room)))
    if state.notice:
        left = [(clip(state.notice, width - 5 - cells(right)), "strong")]
    return left, right


def notice(state: OfficeState, right: Line, width: int) -> list[Line]:
    """The rows of a notice that does not fit into the bar beside what stands at its right; none where it does."""
    lines = state.notice[:LONGEST].split("\n")
    if len(lines) == 1 and cells([(state.notice, "")]) <= width - 5 - cells(right):
        return []
    return [row for line in lines for row in wrap([(line, "bar strong")], width - 2)]


def hints(width: int) -> Line:
    """The keys that matter while looking, as many as there is room for."""
    line: list[Span] = [(" ", "")]
    for key, title in TIME_HINTS:
        piece: list[Span] = [(key, "strong"), (f" {title}   ", "dim")]
        if cells([*line, *piece]) > width:
            break
        line += piece
    return line


def target(state: OfficeState) -> str:
    """Where a prompt would go."""
    return "→ LIVE" if state.live else f"→ branch from op {state.cursor:,}"


def where(look: Look, time_of_cursor: int | None, width: int | None = None) -> list[Span]:
    """``LIVE``, or ``TIME op 4,217/13,031 · 14:03:22 · 2 h ago · LIVE +8,814``; parts go where ``width`` is short.

    The last entry may be reached without being live: then nothing is said of what follows.
    """
    if look.live:
        return _fit([[(" LIVE ", "live")]], width)
    head: list[Span] = [(" TIME ", "time"), (" ", "bar")]
    long: Span = (f"op {look.cursor:,}/{look.newest:,}", "bar")
    brief: Span = (f"{look.cursor:,}/{look.newest:,}", "bar")
    dot: Span = (" · ", "bar")
    parts: list[Span] = []
    if time_of_cursor is not None:
        parts = [dot, (datetime.fromtimestamp(time_of_cursor / 1e6).strftime("%H:%M:%S"), "bar")]
    aged = [*parts, dot, (ago(look.now - time_of_cursor), "bar")] if time_of_cursor is not None else parts
    behind = look.newest - look.cursor
    more: list[Span] = [dot, (f"LIVE +{behind:,}", "bar accent")] if behind > 0 else []
    choices: list[list[Span]] = [
        [*head, long, *aged, *more],
        [*head, long, *parts, *more],
        [*head, brief, *parts],
        [*head, brief],
        [head[0]],
    ]
    return _fit(choices, width)


def _fit(choices: list[list[Span]], width: int | None) -> list[Span]:
    """The first choice that fits; nothing where none does."""
    return next((spans for spans in choices if width is None or cells(spans) <= width), [])
