"""RealDoc: an append-only journal, a version for every edit, and the directory they live in.

Names are loaded when they are first used: whoever draws a text safely needs no database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
_WHERE = {
    "history": ("History",),
    "errors": ("Busy", "Damaged", "NeedsConsent", "NotFound", "WorkspaceError"),
    "models": ("Act", "Branch", "Conflict", "Edit", "Entry", "Operation", "State", "Usage", "Version"),
    "placing": ("Conflicted",),
    "walk": ("Skipped",),
    "working": ("Scanned",),
    "workspace": ("Workspace",),
}
_MODULE = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULE[name]}", __name__), name)
    globals()[name] = value
    return value
