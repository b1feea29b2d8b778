"""What an act did in all, with everything it caused: documents, lines, tokens; added up a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar, cast

from workspace import History, Operation, Usage
from workspace.amounts import plural
from workspace.operations import outline
from workspace.store.store import Store
from workspace.totals import NOTHING, Total, total_of

T = TypeVar("T")

CHUNK = 1 << 12
"""Entries that one load adds up, at most."""
KEPT = 4096
"""Operations whose sums are remembered, at most."""


@dataclass(frozen=True, slots=True)
class Did:
    """What an act did: documents in words, lines (None where nobody can count), model calls."""

    documents: str = ""
    added: int | None = None
    removed: int | None = None
    spent: Total = NOTHING
    pending: bool = False


@dataclass(slots=True)
class _Part:
    """What is added up of an act's edits so far, up to an entry."""

    upto: int
    documents: set[int] = field(default_factory=set)
    added: int | None = None
    removed: int | None = None


@dataclass(slots=True)
class _Spending:
    """The model calls that an act caused, of those that ended up to an entry, and their sum."""

    upto: int
    calls: dict[int, tuple[bytes | None, Usage]] = field(default_factory=dict)
    total: Total = NOTHING


class Sums:
    """Adds up what acts did; of those under way only what came since the last time."""

    def __init__(self) -> None:
        self._counts: dict[int, tuple[int, int]] = {}
        self._parts: dict[int, _Part] = {}
        self._spendings: dict[int, _Spending] = {}
        self._parents: dict[int, int | None] = {}
        self._left = CHUNK
        self._read: dict[tuple[object, int, int], object] = {}
        """What this load has read of a range of entries: acts that are under way want the same one."""

    def begin(self) -> None:
        """Start a load: it may add up so many entries and no more."""
        self._left = CHUNK
        self._read.clear()
        for kept in (self._counts, self._parts, self._spendings):
            if len(kept) > KEPT:
                kept.clear()
        if len(self._parents) > 16 * KEPT:
            self._parents.clear()

    def count(self, history: History, operation: int, last: int) -> int:
        """How many acts an operation caused directly, up to an entry."""
        upto, known = self._counts.get(operation, (None, 0))
        if upto is None:
            known = outline.caused(history.store, operation, operation, last)
        elif upto < last:
            known += self._once(outline.begun, history, upto, last).get(operation, 0)
        else:
            return known
        self._counts[operation] = (last, known)
        return known

    def of(self, history: History, operation: Operation, last: int, newest: int, *, composite: bool) -> Did:
        """What an operation did up to an entry; ``composite`` says that it caused others.

        What model calls took counts up to the ``newest`` entry: one may end after what it was made for.
        """
        spent = self._spent(history, operation, newest, composite)
        if not composite:
            made = [v for v in history.store.versions.of_operation(operation.id) if v.entry <= operation.last]
            paths = list(dict.fromkeys(version.path for version in made))
            plus, minus = _sum([v.added for v in made]), _sum([v.removed for v in made])
            documents = paths[0] if len(paths) == 1 else plural(len(paths), "document") if paths else ""
            return Did(documents, plus, minus, spent)
        part = self._parts.setdefault(operation.id, _Part(operation.id - 1))
        while part.upto < last and self._left > 0:
            upto = min(last, part.upto + self._left)
            self._left -= upto - part.upto
            for owner, document, added, removed in self._once(outline.edits, history, part.upto, upto):
                if self._is_under(history, owner, operation.id):
                    part.documents.add(document)
                    part.added = _sum([part.added, added])
                    part.removed = _sum([part.removed, removed])
            part.upto = upto
        count = len(part.documents)
        words = plural(count, "document") if count else ""
        return Did(words, part.added, part.removed, spent, pending=part.upto < last)

    def _spent(self, history: History, operation: Operation, newest: int, composite: bool) -> Total:
        if not composite:
            called = operation.model is not None and operation.ended is not None
            return Total.of(operation.usage) if called else NOTHING
        known = self._spendings.get(operation.id)
        if known is None:
            known = self._spendings[operation.id] = _Spending(newest)
            calls = outline.model_calls(history.store, operation.id - 1, newest)
        elif known.upto < newest:
            calls, known.upto = self._once(outline.ended_calls, history, known.upto, newest), newest
        else:
            return known.total
        more = {call: (ref, usage) for call, _, ref, usage in calls if self._is_under(history, call, operation.id)}
        if more:
            known.calls |= more
            known.total = _total(call for _, call in sorted(known.calls.items()))
        return known.total

    def _once(self, query: Callable[[Store, int, int], T], history: History, after: int, upto: int) -> T:
        """What a query finds in a range of entries, read once in a load."""
        key = (query, after, upto)
        if key not in self._read:
            self._read[key] = query(history.store, after, upto)
        return cast(T, self._read[key])

    def _is_under(self, history: History, operation: int, above: int) -> bool:
        """Whether one operation is another, or was caused by it through any others."""
        at: int | None = operation
        while at is not None and at > above:
            if at not in self._parents:
                self._parents[at] = outline.parent_of(history.store, at)
            at = self._parents[at]
        return at == above


def _total(calls: Iterable[tuple[bytes | None, Usage]]) -> Total:
    """The sum of model calls, oldest first; a provider's message counts once."""
    seen: set[bytes] = set()
    uses: list[Usage] = []
    for ref, usage in calls:
        if ref is None or ref not in seen:
            uses.append(usage)
        if ref is not None:
            seen.add(ref)
    return total_of(uses)


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
