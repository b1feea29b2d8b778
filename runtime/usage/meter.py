"""The meter: what operations cost in tokens and money, and what the numbers are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from workspace import History, Operation, Usage


def is_unknown(use: Usage) -> bool:
    """Whether nobody knows what a call used: neither the provider said so nor was it estimated."""
    return use.estimated is None and (use.input is None or use.output is None)


@dataclass(slots=True)
class Total:
    """A sum over model calls. Reported, estimated and unknown are kept apart, never added up silently.

    ``unknown`` counts calls whose tokens nobody knows, ``unpriced`` those without a known
    cost; ``cost`` is in 1e-9 USD.
    """

    calls: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    estimated: int = 0
    unknown: int = 0
    cost: int = 0
    unpriced: int = 0

    @property
    def reported(self) -> int:
        return self.input + self.output

    def add(self, operation: Operation) -> None:
        """Add the call that an operation made."""
        self.count(operation.usage)

    def count(self, use: Usage) -> None:
        """Add one call that used so much."""
        self.calls += 1
        self.input += use.input or 0
        self.output += use.output or 0
        self.cached += use.cached or 0
        self.reasoning += use.reasoning or 0
        self.estimated += use.estimated or 0
        self.unknown += is_unknown(use)
        if use.cost is None:
            self.unpriced += 1
        else:
            self.cost += use.cost

    def text(self) -> str:
        """The total for a person: ``12,345 + ~678 + 1?``."""
        parts = []
        if self.reported or not (self.estimated or self.unknown):
            parts.append(f"{self.reported:,}")
        if self.estimated:
            parts.append(f"~{self.estimated:,}")
        if self.unknown:
            parts.append(f"{self.unknown:,} call{'' if self.unknown == 1 else 's'} ?")
        return " + ".join(parts)

    def record(self) -> dict[str, Any]:
        """The total for JSON."""
        return {
            "calls": self.calls,
            "input": self.input,
            "output": self.output,
            "cached": self.cached,
            "reasoning": self.reasoning,
            "estimated": self.estimated,
            "unknown_calls": self.unknown,
            "cost_usd": self.cost / 1e9,
            "unpriced_calls": self.unpriced,
        }


@dataclass(frozen=True, slots=True)
class Effect:
    """Tokens by what came of them: see DESIGN's words effective, wasted, unjudged."""

    effective: Total = field(default_factory=Total)
    wasted: Total = field(default_factory=Total)
    unjudged: Total = field(default_factory=Total)


def calls(history: History, *, session: str | None = None, cursor: int | None = None) -> list[Operation]:
    """Model calls up to the cursor, oldest first, each provider message id once."""
    upto = history.cursor if cursor is None else cursor
    seen: set[bytes] = set()
    out = []
    for id_ in history.store.journal.model_calls(upto):
        operation = history.store.journal.operation(id_, upto)
        if session is not None and operation.session != session:
            continue
        if operation.ref is not None:
            if operation.ref in seen:
                continue
            seen.add(operation.ref)
        out.append(operation)
    return out


def total(operations: Iterable[Operation]) -> Total:
    """The sum of some model calls."""
    result = Total()
    for operation in operations:
        result.add(operation)
    return result


def by_session(operations: Iterable[Operation]) -> dict[str, Total]:
    """Totals per session, in order of first use."""
    out: dict[str, Total] = {}
    for operation in operations:
        out.setdefault(operation.session or "", Total()).add(operation)
    return out


def by_step(operations: Iterable[Operation]) -> dict[int | None, Total]:
    """Totals per plan step; None is what belongs to no step."""
    out: dict[int | None, Total] = {}
    for operation in operations:
        out.setdefault(operation.step, Total()).add(operation)
    return out


def of_family(history: History, operation: int, cursor: int | None = None) -> Total:
    """The sum of the model calls that an operation caused, itself included."""
    family = set(history.store.journal.family(operation))
    return total(call for call in calls(history, cursor=cursor) if call.id in family)


def effect(history: History, *, session: str | None = None, cursor: int | None = None) -> Effect:
    """Model calls divided by what came of their attempt.

    Effective: of verified attempts, and of failed attempts whose lesson a later verified
    attempt was given; wasted: of other failed attempts; unjudged: everything without a check.
    """
    upto = history.cursor if cursor is None else cursor
    journal = history.store.journal
    attempts = [journal.operation(id_, upto) for id_ in journal.of_kind("attempt", upto)]
    lessons = {journal.operation(id_).detail.get("attempt_operation"): id_ for id_ in journal.of_kind("lesson", upto)}
    used = {lesson for a in attempts if a.outcome == "verified" for lesson in a.detail.get("lessons", ())}
    verdict: dict[int, str] = {}
    for attempt in attempts:
        if attempt.outcome == "verified":
            kind = "effective"
        elif attempt.outcome == "failed":
            kind = "effective" if lessons.get(attempt.id) in used else "wasted"
        else:
            kind = "unjudged"
        for member in journal.family(attempt.id):
            verdict[member] = kind
    result = Effect()
    for call in calls(history, session=session, cursor=upto):
        getattr(result, verdict.get(call.id, "unjudged")).add(call)
    return result
