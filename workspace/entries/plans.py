"""Records of plans, attempts at their steps, and what failed ones taught."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from workspace.entries.detail import (
    Detail,
    Record,
    Recorded,
    flag,
    items,
    number,
    numbers,
    of_type,
    some,
    text,
)


@dataclass(frozen=True, slots=True)
class Check:
    """How an attempt is judged: a command that must succeed, or a predicate on a document.

    ``contains``, ``lacks``, ``matches`` and ``forbids`` look at the text of ``document``;
    ``exists`` says whether it must exist. ``matches`` is a regular expression, Python's,
    over the whole text, that must be found; ``forbids`` one that must not. ``says`` is the
    sentence told where the check fails; in it ``{}`` is what the first group of ``forbids`` found.
    """

    command: str | None = None
    document: str | None = None
    contains: str | None = None
    lacks: str | None = None
    matches: str | None = None
    forbids: str | None = None
    exists: bool | None = None
    says: str | None = None

    def __str__(self) -> str:
        if self.command is not None:
            return f"`{self.command}` succeeds"
        if self.says is not None:
            return f"fails with “{self.says.replace('{}', '…')}”"
        for word in ("contains", "lacks", "matches", "forbids"):
            if (value := getattr(self, word)) is not None:
                return f"{self.document} {word} {value!r}"
        return f"{self.document} {'does not exist' if self.exists is False else 'exists'}"


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step as a plan has it; ``attempts`` is how often it may be tried, None as often as usual."""

    title: str
    check: Check | None = None
    attempts: int | None = None

    @classmethod
    def read(cls, record: Detail) -> Self:
        found, check = record.get("check"), None
        if isinstance(found, Mapping):
            texts = {field.name: some(found, field.name) for field in fields(Check) if field.name != "exists"}
            check = Check(**texts, exists=of_type(bool, found.get("exists")))
        return cls(text(record, "title"), check, number(record, "attempts"))

    def record(self) -> dict[str, object]:
        """The step as JSON values."""
        given = {f.name: getattr(self.check, f.name) for f in fields(Check)} if self.check else {}
        check = {name: value for name, value in given.items() if value is not None}
        return {
            "title": self.title, **({"check": check} if check else {}),
            **({} if self.attempts is None else {"attempts": self.attempts}),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlanEntry(Record):
    """A plan, set as a whole."""

    steps: tuple[PlannedStep, ...] = ()

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        return cls(tuple(PlannedStep.read(row) for row in items(entry.detail, "steps") if isinstance(row, Mapping)))

    def detail(self) -> dict[str, object]:
        return {"steps": [step.record() for step in self.steps]}


@dataclass(frozen=True, slots=True)
class AttemptEntry(Record):
    """An attempt at a step: the lessons it was given, why it failed, and what was noted at its end."""

    lessons: tuple[int, ...] = ()
    why: str = ""
    note: str = ""

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        detail = entry.detail
        return cls(numbers(detail, "lessons"), text(detail, "why"), text(detail, "note"))


@dataclass(frozen=True, slots=True)
class LessonEntry(Record):
    """What a failed attempt taught. Its payload is the lesson."""

    attempt_operation: int | None = None

    @classmethod
    def of(cls, entry: Recorded) -> Self:
        return cls(number(entry.detail, "attempt_operation"))


@dataclass(frozen=True, slots=True)
class LessonText:
    """A lesson in words: the step, why it failed, what was tried, its diff, and the tokens it took."""

    step: str
    why: str
    tried: str
    diff: str
    tokens: int
    estimated: bool

    @classmethod
    def read(cls, payload: bytes) -> Self:
        """The lesson in the payload of its entry; what is missing or damaged in it is empty."""
        try:
            given = json.loads(payload)
        except ValueError:
            given = None
        record: Detail = given if isinstance(given, dict) else {}
        return cls(
            text(record, "step"), text(record, "why"), text(record, "tried"), text(record, "diff"),
            number(record, "tokens") or 0, flag(record, "estimated"),
        )  # fmt: skip

    def payload(self) -> bytes:
        """The lesson as the payload of its entry; bytes that were no text are replaced, for a model is told text."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        clean = {
            name: value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
            for name, value in given.items()
        }
        return json.dumps(clean, ensure_ascii=True).encode()
