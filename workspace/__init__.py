"""RealDoc: an append-only journal, a version for every edit, and the directory they live in."""

from .errors import Busy, Damaged, NeedsConsent, NotFound, WorkspaceError
from .history import History
from .models import Act, Branch, Conflict, Edit, Entry, Operation, State, Usage, Version
from .placing import Conflicted
from .walk import Skipped
from .working import Scanned
from .workspace import Workspace

__all__ = [
    "Act", "Branch", "Busy", "Conflict", "Conflicted", "Damaged", "Edit", "Entry", "History",
    "NeedsConsent", "NotFound", "Operation", "Scanned", "Skipped", "State", "Usage", "Version",
    "Workspace", "WorkspaceError",
]  # fmt: skip
