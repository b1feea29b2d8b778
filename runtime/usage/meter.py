"""The meter: what operations cost in tokens and money, and what the numbers are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from workspace import History, Operation
from workspace.entries import AttemptEntry, LessonEntry
from workspace.kinds import Kind, Outcome
from workspace.totals import NOTHING, Total, total_of

Verdict = Literal["effective", "wasted", "unjudged"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""What can come of tokens, in the order of the fields of an Effect."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Tokens by what came of them: see DESIGN's words effective, wasted, unjudged."""

    effective: Total = NOTHING
    wasted: Total = NOTHING
    unjudged: Total = NOTHING


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
    return total_of(operation.usage for operation in operations)


def by_session(operations: Iterable[Operation]) -> dict[str, Total]:
    """Totals per session, in order of first use."""
    out: dict[str, Total] = {}
    for operation in operations:
        name = operation.session or ""
        out[name] = out.get(name, NOTHING) + Total.of(operation.usage)
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
    attempts = [journal.operation(id_, upto) for id_ in journal.of_kind(Kind.ATTEMPT, upto)]
    lessons = {
        LessonEntry.of(journal.operation(id_)).attempt_operation: id_ for id_ in journal.of_kind(Kind.LESSON, upto)
    }
    used = {lesson for a in attempts if a.outcome == Outcome.VERIFIED for lesson in AttemptEntry.of(a).lessons}
    verdicts: dict[int, Verdict] = {}
    for attempt in attempts:
        if attempt.outcome == Outcome.VERIFIED:
            verdict: Verdict = "effective"
        elif attempt.outcome == Outcome.FAILED:
            verdict = "effective" if lessons.get(attempt.id) in used else "wasted"
        else:
            verdict = "unjudged"
        for member in journal.family(attempt.id):
            verdicts[member] = verdict
    sums = dict.fromkeys(VERDICTS, NOTHING)
    for call in calls(history, session=session, cursor=upto):
        sums[verdicts.get(call.id, "unjudged")] += Total.of(call.usage)
    return Effect(**sums)
