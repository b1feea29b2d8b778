"""The few exceptions the workspace raises; each message is one sentence a person can act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from workspace.records import Conflict


class WorkspaceError(Exception):
    """Something was refused or failed; nothing was lost. The message says why and what to do."""


class NotFound(WorkspaceError):
    """A workspace, document, version, operation or branch that was named does not exist."""


class Busy(WorkspaceError):
    """Another process holds the workspace's write lock."""


class Damaged(WorkspaceError):
    """Stored bytes do not match their digest; no content is given out."""


class Failed(WorkspaceError):
    """The database could not be read or written: damage, a full disk, a device that fails."""


class NeedsConsent(WorkspaceError):
    """The act is possible, but only after a person has said yes."""


class Changed(WorkspaceError):
    """What a person agreed to is not what would be done now; nothing was done."""

    SENTENCE = "What this would do has changed since you looked; look again."

    def __init__(self) -> None:
        super().__init__(self.SENTENCE)


class ReadOnly(WorkspaceError):
    """A writing act was asked of a workspace that was opened for reading."""


class Conflicted(WorkspaceError):
    """Both sides changed the same thing; what was on disk stands. ``conflicts`` says where."""

    def __init__(self, message: str, conflicts: Sequence[Conflict]) -> None:
        super().__init__(message)
        self.conflicts = tuple(conflicts)

    @classmethod
    def over(cls, conflicts: Sequence[Conflict]) -> Self:
        """What there is to say of files that could not be brought to their heads."""
        paths = ", ".join(sorted({conflict.path for conflict in conflicts}))
        return cls(
            f"{paths}: {conflicts[0].reason}; what is on disk was kept, and our version is in the history.",
            conflicts,
        )
