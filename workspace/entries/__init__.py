"""What an entry says beside its columns: a record for each kind, and how its detail and payload hold it.

Nothing else knows the keys. Records of older programs, which lack some, read with their defaults.
"""

from __future__ import annotations

from workspace.entries.detail import Detail, Recorded
from workspace.entries.documents import (
    BranchEntry,
    CaptureEntry,
    ConflictEntry,
    EvictEntry,
    ImportEntry,
    MergeEntry,
    OutsideEntry,
    Passed,
    RevertEntry,
    UndoEntry,
    dated,
    is_probable,
    said,
)
from workspace.entries.plans import AttemptEntry, Check, LessonEntry, LessonText, PlanEntry, PlannedStep
from workspace.entries.sessions import (
    ApprovalEntry,
    Attribution,
    CapabilityEntry,
    CauseEntry,
    Fork,
    Mode,
    ModelEntry,
    PromptEntry,
    Scope,
    SessionEntry,
    SummaryEntry,
    given_arguments,
    reply_text,
)

__all__ = [
    "ApprovalEntry",
    "AttemptEntry",
    "Attribution",
    "BranchEntry",
    "CapabilityEntry",
    "CaptureEntry",
    "CauseEntry",
    "Check",
    "ConflictEntry",
    "Detail",
    "EvictEntry",
    "Fork",
    "ImportEntry",
    "LessonEntry",
    "LessonText",
    "MergeEntry",
    "Mode",
    "ModelEntry",
    "OutsideEntry",
    "Passed",
    "PlanEntry",
    "PlannedStep",
    "PromptEntry",
    "Recorded",
    "RevertEntry",
    "Scope",
    "SessionEntry",
    "SummaryEntry",
    "UndoEntry",
    "dated",
    "given_arguments",
    "is_probable",
    "reply_text",
    "said",
]
