"""The few exceptions the workspace raises; each message is one sentence a person can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from workspace.records import Conflict


_BY_CODE: dict[str, type[WorkspaceError]] = {}


class WorkspaceError(Exception):
    """Something was refused or failed; nothing was lost. The message says why and what to do.

    ``code`` names the class where it crosses to another process, and never changes.
    """

    code = "refused"

    def __init_subclass__(cls) -> None:
        if "code" in cls.__dict__:
            if cls.code in _BY_CODE:
                raise TypeError(f"{cls.__name__} has the code of {_BY_CODE[cls.code].__name__}, {cls.code!r}.")
            _BY_CODE[cls.code] = cls

    def data(self) -> dict[str, object]:
        """What it holds beside the message, as JSON values."""
        return {}

    @classmethod
    def of(cls, message: str, data: Mapping[str, object]) -> WorkspaceError:
        """The error of this class that was written as a message and its data."""
        return cls(message)


def restored(code: str | None, message: str, data: Mapping[str, object] | None = None) -> WorkspaceError:
    """The error with this code, message and data; a WorkspaceError where its class is not known here."""
    error = _BY_CODE.get(code or "", WorkspaceError).of(message, data or {})
    if code is not None:
        error.code = code
    return error


class NotFound(WorkspaceError):
    """A workspace, document, version, operation or branch that was named does not exist."""

    code = "not_found"


class Busy(WorkspaceError):
    """Another process holds the workspace's write lock."""

    code = "busy"


class Damaged(WorkspaceError):
    """Stored bytes do not match their digest; no content is given out."""

    code = "damaged"


class Failed(WorkspaceError):
    """The database could not be read or written: damage, a full disk, a device that fails."""

    code = "failed"


class NeedsConsent(WorkspaceError):
    """The act is possible, but only after a person has said yes."""

    code = "needs_consent"


class Changed(WorkspaceError):
    """What a person agreed to is not what would be done now; nothing was done."""

    code = "changed"

    def __init__(self, message: str = "What this would do has changed since you looked; look again.") -> None:
        super().__init__(message)


class Outdated(WorkspaceError):
    """An older program wrote this history; opening it for writing brings it up to date."""

    code = "outdated"


class ReadOnly(WorkspaceError):
    """A writing act was asked of a workspace that was opened for reading."""

    code = "read_only"


class Conflicted(WorkspaceError):
    """Both sides changed the same thing; what was on disk stands. ``conflicts`` says where."""

    code = "conflict"

    def __init__(self, message: str, conflicts: Sequence[Conflict]) -> None:
        super().__init__(message)
        self.conflicts = tuple(conflicts)

    def data(self) -> dict[str, object]:
        return {"conflicts": [conflict.record() for conflict in self.conflicts]}

    @classmethod
    def of(cls, message: str, data: Mapping[str, object]) -> Conflicted:
        from workspace.records import Conflict

        rows = data.get("conflicts")
        return cls(message, [Conflict.of(row) for row in rows] if isinstance(rows, list) else ())

    @classmethod
    def over(cls, conflicts: Sequence[Conflict]) -> Self:
        """What there is to say of files that could not be brought to their heads."""
        paths = ", ".join(sorted({conflict.path for conflict in conflicts}))
        return cls(
            f"{paths}: {conflicts[0].reason}; what is on disk was kept, and our version is in the history.",
            conflicts,
        )
