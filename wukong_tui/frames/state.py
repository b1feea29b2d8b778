"""What the person at this screen looks at: plain data, changed by keys and by frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from wukong_tui.frames.layout import PaneName

MAIN = 1
"""The branch that is looked at."""

OfficeMode = Literal["work", "time"]
"""Typing, or looking."""
Permissions = Literal["read-only", "ask", "auto"]
"""What agents may do without asking."""


@dataclass(slots=True)
class OfficeState:
    """The cursor, the lenses over it, and where the keys go.

    ``live`` says that the cursor follows the newest entry; ``pinned`` that the document was
    chosen by the person and does not follow what changes.
    """

    mode: OfficeMode = "work"
    cursor: int = 0
    newest: int = 0
    live: bool = True
    session: str | None = None
    document: int | None = None
    branch: int = MAIN
    pinned: bool = False
    focus: PaneName = "document"
    side: PaneName = "plan"
    zoom: bool = False
    count: str = ""
    notice: str = ""
    hits: list[tuple[int, int]] = field(default_factory=list)
    """Entries and documents that a search has found, newest first."""

    def take_count(self) -> int:
        """The number typed before a key, once; 1 where there is none."""
        count, self.count = self.count, ""
        return int(count[:7]) if count else 1
