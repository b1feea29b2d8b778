"""What a frame is asked for and what it shows: plain records between the screen and the reader's thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from wukong_tui.views import Look

if TYPE_CHECKING:
    from workspace import History
    from wukong_tui.demo import Scene

Show = Callable[[], None]
"""Draws a page that was loaded; called in the event loop."""
Load = Callable[["History", Look], Show]
"""Loads what a pane needed when it was asked; called in the reader's thread."""


@dataclass(frozen=True, slots=True)
class Move:
    """Where the cursor is to go: ``count`` of a kind, or what ``text`` names; or which document is to
    be shown, the one named or the one that changes.

    Cursor and document change in frames only, so that no frame undoes what was done while it was made.
    """

    kind: Literal["version", "operation", "step", "prompt", "entry", "first", "live", "goto", "document", "follow"]
    count: int = 0
    text: str = ""

    def joined(self, other: Move) -> Move | None:
        """Both moves as one, where they are steps of one kind."""
        if self.kind == other.kind and self.kind in ("version", "operation", "step", "prompt"):
            return replace(self, count=self.count + other.count)
        return None


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """What a frame is made for."""

    cursor: int
    live: bool
    session: str | None
    document: int | None
    pinned: bool
    branch: int
    moves: Sequence[Move]
    loads: Mapping[str, Load]
    asked_since: int
    now: int


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody has to say yes or no: the operation that asks, what it wants to do exactly."""

    operation: int
    session: str
    capability: str
    arguments: Mapping[str, object]
    effects: tuple[str, ...] = ()
    """What it would do, as it was recorded with the question."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame shows; ``notice`` says why a move did not go as far as it was asked to."""

    look: Look
    pinned: bool
    time: int | None
    versions: int
    pages: Sequence[Show]
    approvals: Sequence[Approval]
    asked_since: int
    notice: str
    again: bool
    told: Scene | None = None
