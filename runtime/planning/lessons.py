"""Lessons: what failed attempts taught, found again for similar steps."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz import fuzz

from workspace import History
from workspace.entries import LessonText
from workspace.kinds import Kind
from workspace.operations.ranking import rank

SIMILAR = 55.0
"""Likeness of two steps, 0 to 100, from which a lesson is offered."""
OFFERED = 3
DIFF_LIMIT = 4_000
"""Characters of a diff that are told to a model."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A failed attempt as experience, and the operation that recorded it."""

    operation: int
    told: LessonText

    def text(self) -> str:
        """The lesson as a model is told it."""
        told = self.told
        mark = "~" if told.estimated else ""
        return (
            f"Lesson op:{self.operation}, from a failed attempt at {told.step!r} ({mark}{told.tokens:,} tokens):"
            f" {told.why}\nTried: {told.tried}\n{told.diff[:DIFF_LIMIT]}"
        )


def every(history: History) -> list[Lesson]:
    """All lessons, oldest first."""
    out = []
    for id_ in history.store.journal.of_kind(Kind.LESSON):
        payload = history.store.journal.entry(id_).payload
        if payload is not None:
            out.append(Lesson(id_, LessonText.read(history.store.contents.get(payload))))
    return out


def offer(history: History, step: str, own: set[int] = frozenset()) -> list[Lesson]:  # type: ignore[assignment]
    """Lessons for a step: those of its ``own`` attempts first, then those of similar steps."""
    known = every(history)
    ranks = rank([(lesson.operation, f"{lesson.told.step}\n{lesson.told.why}") for lesson in known], step)
    scored = []
    for lesson in known:
        likeness = 100.0 if lesson.operation in own else fuzz.token_set_ratio(step.lower(), lesson.told.step.lower())
        if likeness >= SIMILAR:
            scored.append(
                (lesson.operation not in own, -likeness, ranks.get(lesson.operation, 1.0), -lesson.operation)
            )
    best = [-key[3] for key in sorted(scored)[:OFFERED]]
    return [lesson for id_ in best for lesson in known if lesson.operation == id_]
