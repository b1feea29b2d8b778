"""What operations are and how they end: the journal's two vocabularies, each word defined once."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class _Word(StrEnum):
    """A word of the journal. One of a newer program reads as it is written, equal to that text."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        word = str.__new__(cls, value)
        word._name_, word._value_ = "OTHER", value
        return word


class Kind(_Word):
    """What an operation is."""

    # of the documents
    EDIT = "edit"
    SCAN = "scan"
    OUTSIDE = "outside"
    CONFLICT = "conflict"
    MERGE = "merge"
    BRANCH = "branch"
    CHECKOUT = "checkout"
    IMPORT = "import"
    EVICT = "evict"
    """Kept files were let go."""
    APPLY = "apply"
    """A change set that was held was laid in."""
    DROP = "drop"
    """A change set that was held was dropped."""
    # taking back
    RESTORE = "restore"
    REVERT = "revert"
    UNDO = "undo"
    REDO = "redo"
    # of a session
    SESSION = "session"
    SETTINGS = "settings"
    PROMPT = "prompt"
    NOTE = "note"
    MODEL = "model"
    SUMMARY_CALL = "summary call"
    SUMMARY = "summary"
    CAPABILITY = "capability"
    APPROVAL = "approval"
    # of a plan
    PLAN = "plan"
    ATTEMPT = "attempt"
    LESSON = "lesson"


class Outcome(_Word):
    """How an operation ended. One that still runs has none."""

    DONE = "done"
    VERIFIED = "verified"
    """Done, and its check holds."""
    FAILED = "failed"
    CONFLICT = "conflict"
    """Somebody else changed the same thing; theirs was kept."""
    REFUSED = "refused"
    """Not allowed, or asked for in a way that makes no sense: nothing was done."""
    LIMIT = "limit"
    """A budget was spent."""
    INTERRUPTED = "interrupted"
    """A person stopped it."""
    UNFINISHED = "unfinished"
    """What it belonged to ended first."""
    UNKNOWN = "unknown"
    """Its host died: how it went on is not known, and it is never run again."""

    @property
    def well(self) -> bool:
        """Whether it did what it was to do."""
        return self in (Outcome.DONE, Outcome.VERIFIED)

    @property
    def failed(self) -> bool:
        """Whether it did not end well, for whatever reason."""
        return not self.well

    @property
    def refused(self) -> bool:
        """Whether it was never begun, for want of permission or of sense."""
        return self is Outcome.REFUSED
