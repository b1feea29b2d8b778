"""RealDoc: an append-only journal, a version for every edit, and the directory they live in.

Names are loaded when they are first used: whoever draws a text safely needs no database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workspace.errors import Busy, Conflicted, Damaged, NeedsConsent, NotFound, WorkspaceError
    from workspace.operations.history import History
    from workspace.operations.workspace import Workspace
    from workspace.records import Act, Branch, Conflict, Edit, Entry, Operation, State, Usage, Version
    from workspace.working_copy.walk import Skipped
    from workspace.working_copy.working_copy import Scanned

__all__ = [
    "Act", "Branch", "Busy", "Conflict", "Conflicted", "Damaged", "Edit", "Entry", "History",
    "NeedsConsent", "NotFound", "Operation", "Scanned", "Skipped", "State", "Usage", "Version",
    "Workspace", "WorkspaceError",
]  # fmt: skip
_WHERE = {
    "errors": ("Busy", "Conflicted", "Damaged", "NeedsConsent", "NotFound", "WorkspaceError"),
    "operations.history": ("History",),
    "operations.workspace": ("Workspace",),
    "records": ("Act", "Branch", "Conflict", "Edit", "Entry", "Operation", "State", "Usage", "Version"),
    "working_copy.working_copy": ("Scanned",),
    "working_copy.walk": ("Skipped",),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULE[name]}", __name__), name)
    globals()[name] = value
    return value
