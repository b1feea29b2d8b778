"""Lessons: what failed attempts taught, found again for similar steps."""

from __future__ import annotations

import json
from dataclasses import dataclass

from rapidfuzz import fuzz

from workspace import History
from workspace.kinds import Kind
from workspace.operations.ranking import rank

SIMILAR = 55.0
"""Likeness of two steps, 0 to 100, from which a lesson is offered."""
OFFERED = 3
DIFF_LIMIT = 4_000
"""Characters of a diff that are told to a model."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A failed attempt as experience: the step, why it failed, what was tried, its diff and tokens."""

    operation: int
    step: str
    why: str
    tried: str
    diff: str
    tokens: int
    estimated: bool

    def text(self) -> str:
        """The lesson as a model is told it."""
        mark = "~" if self.estimated else ""
        return (
            f"Lesson op:{self.operation}, from a failed attempt at {self.step!r} ({mark}{self.tokens:,} tokens):"
            f" {self.why}\nTried: {self.tried}\n{self.diff[:DIFF_LIMIT]}"
        )


def pack(step: str, why: str, tried: str, diff: str, tokens: int, estimated: bool) -> bytes:
    """A lesson as the payload of its entry; bytes that were no text are replaced, for a model is told text."""
    told = {"step": step, "why": why, "tried": tried, "diff": diff}
    clean = {name: text.encode("utf-8", "replace").decode("utf-8") for name, text in told.items()}
    record = {**clean, "tokens": tokens, "estimated": estimated}
    return json.dumps(record, ensure_ascii=True).encode()


def every(history: History) -> list[Lesson]:
    """All lessons, oldest first."""
    out = []
    for id_ in history.store.journal.of_kind(Kind.LESSON):
        payload = history.store.journal.entry(id_).payload
        if payload is not None:
            out.append(Lesson(operation=id_, **json.loads(history.store.contents.get(payload))))
    return out


def offer(history: History, step: str, own: set[int] = frozenset()) -> list[Lesson]:  # type: ignore[assignment]
    """Lessons for a step: those of its ``own`` attempts first, then those of similar steps."""
    known = every(history)
    ranks = rank([(lesson.operation, f"{lesson.step}\n{lesson.why}") for lesson in known], step)
    scored = []
    for lesson in known:
        likeness = 100.0 if lesson.operation in own else fuzz.token_set_ratio(step.lower(), lesson.step.lower())
        if likeness >= SIMILAR:
            scored.append(
                (lesson.operation not in own, -likeness, ranks.get(lesson.operation, 1.0), -lesson.operation)
            )
    best = [-key[3] for key in sorted(scored)[:OFFERED]]
    return [lesson for id_ in best for lesson in known if lesson.operation == id_]
