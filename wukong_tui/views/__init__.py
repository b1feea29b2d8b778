"""What each pane is given: functions of (journal, cursor) that run in a reader's thread, no Textual anywhere.

Each module has a view: an object that lives in the reader's thread, keeps what it has already
read, and whose ``load(history, look, need)`` returns the page that its pane draws. Its cost
follows what is on screen, not the length of the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from workspace import History

Need_contra = TypeVar("Need_contra", contravariant=True)
Page_co = TypeVar("Page_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at: all panes of one frame are given the same.

    ``cursor`` is an entry; ``newest`` the last one that was known when the frame was made
    (``live`` says that the cursor follows it). ``session`` and ``document`` are lenses: None
    where nothing is chosen. ``now`` is in microseconds since 1970, for ages.
    """

    cursor: int
    newest: int
    live: bool
    session: str | None
    document: int | None
    branch: int
    now: int


class PaneView(Protocol[Need_contra, Page_co]):
    """Makes the pages of one pane."""

    def load(self, history: History, look: Look, need: Need_contra) -> Page_co:
        """The page for what is looked at. Raises WorkspaceError where the history cannot be read."""
