"""Permissions: what may be done, what has to be asked, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from runtime.tools.capability import Effects
from workspace.entries import Mode, Scope


@dataclass(frozen=True, slots=True)
class Request:
    """Someone wants to use a capability with exactly these arguments."""

    capability: str
    effects: Effects
    arguments: Mapping[str, object]
    scope: Scope = "internal"


@dataclass(frozen=True, slots=True)
class Decision:
    """``allow``, ``ask`` (a person) or ``deny``, and why in one sentence.

    ``by`` is who decided: a ``person`` asked about this very call, a ``grant`` of a person
    for the session, or the ``policy`` alone.
    """

    verdict: Literal["allow", "ask", "deny"]
    reason: str
    by: Literal["person", "grant", "policy"] = "policy"


@dataclass(slots=True)
class Policy:
    """A session's mode, and what a person allowed for the rest of the session.

    In an external conversation a person is asked each time, whatever the mode or an earlier grant.
    """

    mode: Mode = "ask"
    granted: set[str] = field(default_factory=set)

    def decide(self, request: Request) -> Decision:
        """Whether a request may go on. Whatever fails to decide is a denial."""
        if not request.effects:
            return Decision("deny", f"{request.capability} declares no effects.")
        if request.effects <= {"read"}:
            return Decision("allow", "it only reads")
        if request.effects <= {"read", "journal"}:
            return Decision("allow", "it changes no document")
        if self.mode == "read-only":
            return Decision("deny", "This session is read-only.")
        if request.effects & {"network", "send", "spend"}:
            return Decision("deny", "Nothing may leave the sandbox.")
        if request.scope == "external":
            return Decision("ask", f"{request.capability} may change things, and this conversation is external")
        if self.mode == "auto":
            return Decision("allow", "auto within the sandbox")
        if request.capability in self.granted:
            return Decision("allow", "allowed for this session", by="grant")
        return Decision("ask", f"{request.capability} may change things")

    def grant(self, capability: str) -> None:
        """A person allows a capability for the rest of the session."""
        self.granted.add(capability)
