"""Why something happens: who and what an act comes from, passed on with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workspace import Act
from workspace.entries import CauseEntry, Detail, Scope
from workspace.kinds import Kind


@dataclass(frozen=True, slots=True)
class Cause:
    """Who and what an act comes from. It never changes: what is caused further on gets one made from it."""

    principal: str
    """The person or account on whose behalf it happens."""
    session: str | None = None
    agent: str | None = None
    """Who acts for the principal; None: the principal."""
    prompt: int | None = None
    """The operation of the prompt that all this answers."""
    step: int | None = None
    """The number of the plan's step that is being tried."""
    attempt: int | None = None
    """Which try at the step this is, from 1."""
    parent: int | None = None
    """The operation that caused it directly."""
    scope: Scope = "internal"

    def act(
        self,
        kind: Kind,
        name: str | None = None,
        *,
        decision: str | None = None,
        model: str | None = None,
        detail: Detail | None = None,
    ) -> Act:
        """What an operation that comes from this is recorded with.

        Its principal is that of the prompt, or else of the session; only where there is
        neither, or the scope is not internal, an entry says so itself.
        """
        alone = self.agent is not None and self.prompt is None and self.session is None
        own = CauseEntry(self.principal if alone else None, self.scope).detail()
        return Act(
            kind=kind, name=name, actor=self.agent or self.principal, session=self.session, parent=self.parent,
            step=self.step, attempt=self.attempt, decision=decision, model=model, detail={**own, **(detail or {})},
        )  # fmt: skip

    def under(self, operation: int | None) -> Cause:
        """The cause of what an operation causes."""
        return replace(self, parent=operation)

    def by(self, agent: str | None) -> Cause:
        """The same, done by somebody else; None: by the principal."""
        return replace(self, agent=agent)

    def answering(self, prompt: int, agent: str) -> Cause:
        """The cause of what an agent does because of a prompt."""
        return replace(self, prompt=prompt, parent=prompt, agent=agent)
