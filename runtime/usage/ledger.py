"""The ledger: what model calls had cost at any cursor, kept as running sums so that no query reads them again.

It agrees with ``meter.total``, ``meter.effect`` and ``meter.of_family``, which read the journal.
Entries are taken in once, in order; every change of a sum is noted with the entry that made it,
and a cursor is a bisection.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from runtime.usage.meter import VERDICTS, Effect, Verdict
from workspace import Entry, History, NotFound
from workspace.entries import AttemptEntry, LessonEntry, RevertEntry, SessionEntry
from workspace.kinds import Kind, Outcome
from workspace.records import BEGUN, ENDED
from workspace.store.journal import Journal
from workspace.totals import NOTHING, Total

PLANNING = frozenset({Kind.PLAN, Kind.ATTEMPT, Kind.LESSON, Kind.UNDO, Kind.REDO, Kind.REVERT})
"""Kinds whose entries can change what a plan looks like."""
KINDS = (*sorted(PLANNING), Kind.SESSION, Kind.SETTINGS)
FRAMES = frozenset({Kind.PROMPT, Kind.ATTEMPT, Kind.SUMMARY})
"""Long operations that only hold others: they have no row of their own."""
PAGE = 500
"""Entries that are read at a time."""
SPAN = 50_000
"""Entries that one query may pass over."""

_WIDTH = len(NOTHING.numbers)
_MOST = 1 << 62
"""Where a sum stays that nobody can mean."""


@dataclass(frozen=True, slots=True)
class SpendingLimits:
    """What a session may spend: tokens, and 1e-9 USD; None is without limit."""

    tokens: int | None = None
    cost: int | None = None


class _Series:
    """A sum that changes with the journal: its value after each entry that changed it."""

    __slots__ = ("entries", "now", "values")

    def __init__(self) -> None:
        self.entries = array("q")
        self.values = array("q")
        self.now = NOTHING

    def add(self, entry: int, change: Total) -> None:
        self.now += change
        try:
            value = array("q", self.now.numbers)
        except OverflowError:  # a provider's number may be any
            value = array("q", (max(-_MOST, min(_MOST, number)) for number in self.now.numbers))
        if self.entries and self.entries[-1] == entry:
            self.values[-_WIDTH:] = value
        else:
            self.entries.append(entry)
            self.values.extend(value)

    def at(self, cursor: int) -> Total:
        index = bisect_right(self.entries, cursor)
        return Total(*self.values[(index - 1) * _WIDTH : index * _WIDTH]) if index else NOTHING


@dataclass(slots=True)
class _Call:
    """A model call as it stands after the entries taken in so far."""

    id: int
    session: str | None
    number: int
    step: tuple[int, int | None]
    """The plan that was set when it began, 0 for none, and its step."""
    line: tuple[int, ...]
    """The attempts that it is part of, the newest first."""
    ref: bytes | None = None
    first_ref: bytes | None = None
    ended: bool = False
    spent: Total = NOTHING
    counted: list[Total] = field(default_factory=lambda: [NOTHING, NOTHING])
    """What it adds to the workspace's sums, and to its session's."""


@dataclass(slots=True)
class _Try:
    """An attempt as it stands after the entries taken in so far."""

    lessons: tuple[int, ...]
    outcome: Outcome | None = None
    ended: bool = False
    verdict: Verdict = "unjudged"
    sums: dict[str | None, Total] = field(default_factory=dict)
    """What the calls judged by it add, by session; None is the workspace."""


class Ledger:
    """Sums over model calls, each provider's message once, at any cursor up to ``seen``."""

    def __init__(self) -> None:
        self.seen = 0
        """The newest entry that is taken in."""
        self._calls: dict[int, _Call] = {}
        self._tries: dict[int, _Try] = {}
        self._series: dict[tuple[object, ...], _Series] = {}
        self._first: dict[tuple[str | None, bytes], int] = {}
        self._others: dict[tuple[str | None, bytes], set[int]] = {}
        self._lesson_of: dict[int, int] = {}
        self._taught: dict[int, int] = {}
        self._uses: dict[int, int] = {}
        self._lines: dict[int, tuple[int, ...]] = {}
        self._plan: dict[str | None, int] = {}
        self._steps: dict[str | None, list[tuple[int, int | None]]] = {}
        self._sessions: list[str | None] = []
        self._made: dict[str | None, int] = {}
        self._rows: dict[str | None, array[int]] = {None: array("q")}
        self._closed: dict[int, int] = {}
        self._corrected: set[int] = set()
        self._asking: set[int] = set()
        self._limits: dict[str, list[tuple[int, SpendingLimits]]] = {}
        self._marks = array("q")
        self._reverted: dict[int, int] = {}

    def read(self, history: History, upto: int, seconds: float | None = None) -> bool:
        """Take in the entries up to one; whether all of them are in. Pauses after about ``seconds``."""
        if self.seen >= upto:
            return True
        journal = history.store.journal
        upto = min(upto, journal.last())
        end = None if seconds is None else time.monotonic() + seconds
        while self.seen < upto:
            to = min(upto, self.seen + SPAN)
            page = journal.landmarks(KINDS, after=self.seen, upto=to, limit=PAGE)
            for entry in page:
                self._take(journal, entry)
            self.seen = page[-1].id if len(page) == PAGE else to
            if end is not None and time.monotonic() > end:
                break
        return self.seen >= upto

    # -- what it says

    def total(self, session: str | None, cursor: int) -> Total:
        """The sum of a session's model calls, of all where it is None."""
        return self._at(("all", session), cursor)

    def effect(self, session: str | None, cursor: int) -> Effect:
        """The same sum by what came of it."""
        return Effect(*(self._at(("effect", session, verdict), cursor) for verdict in VERDICTS))

    def by_step(self, session: str | None, cursor: int) -> dict[tuple[int, int | None], Total]:
        """A session's sums by (plan, step), in order of first use: plan 0 and step None are none."""
        found = {key: self._at(("step", session, *key), cursor) for key in self._steps.get(session, ())}
        return {key: total for key, total in found.items() if total.calls}

    def by_session(self, cursor: int) -> dict[str, Total]:
        """The workspace's sums by session, in order of first use; "" is without one."""
        found = {name or "": self._at(("session", name), cursor) for name in self._sessions}
        return {name: total for name, total in found.items() if total.calls}

    def of_attempt(self, attempt: int, cursor: int) -> Total:
        """The sum of the model calls that an attempt caused."""
        return self._at(("attempt", attempt), cursor)

    def limits(self, session: str, cursor: int) -> SpendingLimits:
        """What the session may spend."""
        known = self._limits.get(session, [])
        index = bisect_right(known, cursor, key=lambda item: item[0])
        return known[index - 1][1] if index else SpendingLimits()

    def rows(self, session: str | None, cursor: int, back: int, count: int) -> tuple[list[int], int]:
        """``count`` rows up to the cursor, oldest first, without the newest ``back``; and how many there are in all.

        A row is a model call or a long operation.
        """
        known = self._rows.get(session, array("q"))
        size = bisect_right(known, cursor)
        end = max(0, size - back)
        return list(known[max(0, end - count) : end]), size

    def number(self, operation: int) -> int | None:
        """Which call of its session a model call is, from 1; None for what is no model call."""
        call = self._calls.get(operation)
        return call.number if call else None

    def asked(self, operation: int) -> bool:
        """Whether an operation ever caused a model call directly: then it was not free."""
        return operation in self._asking

    def same_as(self, operation: int, session: str | None, cursor: int) -> int | None:
        """The earlier call, of the session or of all, that is counted in place of this one of the same message id."""
        call = self._calls.get(operation)
        if call is None or call.ref is None or self._closed.get(operation, operation) > cursor:
            return None
        first = self._first.get((session, call.ref), operation)
        return first if first != operation and self._closed.get(first, first) <= cursor else None

    def is_settled(self, operation: int, cursor: int) -> bool:
        """Whether an operation has ended at the cursor and is known not to change after that."""
        closed = self._closed.get(operation)
        return closed is not None and closed <= cursor and operation not in self._corrected

    def mark(self, cursor: int) -> int:
        """The newest entry up to the cursor that can have changed a plan; 0 for none."""
        index = bisect_right(self._marks, cursor)
        return self._marks[index - 1] if index else 0

    def taught_by(self, lesson: int) -> int | None:
        """The attempt that a lesson came of."""
        return self._taught.get(lesson)

    def is_reverted(self, attempt: int, cursor: int) -> bool:
        """Whether an attempt was taken back at the cursor."""
        return self._reverted.get(attempt, cursor + 1) <= cursor

    # -- taking in

    def _at(self, key: tuple[object, ...], cursor: int) -> Total:
        series = self._series.get(key)
        return series.at(cursor) if series else NOTHING

    def _take(self, journal: Journal, entry: Entry) -> None:
        if entry.kind in PLANNING:
            self._marks.append(entry.id)
        if entry.phase <= BEGUN:
            self._begin(journal, entry)
        elif (call := self._calls.get(entry.operation)) is not None:
            if entry.phase == ENDED or not call.ended:
                call.ended = call.ended or entry.phase == ENDED
                self._change(entry.id, call, Total.of(entry.usage), entry.ref or call.first_ref)
        elif (attempt := self._tries.get(entry.operation)) is not None:
            if entry.phase == ENDED or not attempt.ended:
                attempt.ended = attempt.ended or entry.phase == ENDED
                lessons = AttemptEntry.of(entry).lessons or attempt.lessons
                self._end_attempt(entry, attempt, entry.outcome or (Outcome.DONE if attempt.ended else None), lessons)
        if entry.phase == ENDED:
            if entry.operation in self._closed:
                self._corrected.add(entry.operation)
            else:
                self._closed[entry.operation] = entry.id

    def _begin(self, journal: Journal, entry: Entry) -> None:
        kind, session = entry.kind, entry.session
        if kind == Kind.PLAN:
            self._plan[session] = entry.id
        elif kind in (Kind.SESSION, Kind.SETTINGS) and session is not None:
            said = SessionEntry.of(entry)
            limits = SpendingLimits(said.max_tokens, said.max_cost)
            self._limits.setdefault(session, []).append((entry.id, limits))
        elif kind == Kind.LESSON:
            self._learn(entry)
        elif kind == Kind.REVERT:
            for operation in RevertEntry.of(entry).reverts:
                self._reverted.setdefault(operation, entry.id)
        elif kind == Kind.ATTEMPT:
            attempt = self._tries[entry.id] = _Try(AttemptEntry.of(entry).lessons)
            self._end_attempt(entry, attempt, entry.outcome or (None if entry.phase == BEGUN else Outcome.DONE))
        if entry.model is not None:
            self._begin_call(journal, entry)
        if entry.model is not None or (entry.phase == BEGUN and kind not in FRAMES):
            self._rows[None].append(entry.id)
            if session is not None:
                self._rows.setdefault(session, array("q")).append(entry.id)

    def _begin_call(self, journal: Journal, entry: Entry) -> None:
        session = entry.session
        if entry.parent is not None:
            self._asking.add(entry.parent)
        number = self._made[session] = self._made.get(session, 0) + 1
        if number == 1:
            self._sessions.append(session)
        step = (self._plan.get(session, 0) if entry.step is not None else 0, entry.step)
        known = self._steps.setdefault(session, [])
        if step not in known:
            known.append(step)
        line = self._line(journal, entry.id, entry)
        call = self._calls[entry.id] = _Call(entry.id, session, number, step, line, first_ref=entry.ref)
        call.ended = entry.phase != BEGUN
        self._change(entry.id, call, Total.of(entry.usage), entry.ref)

    def _line(self, journal: Journal, operation: int, entry: Entry | None = None) -> tuple[int, ...]:
        """The attempts that an operation is or descends from, the newest first."""
        if (known := self._lines.get(operation)) is not None:
            return known
        if entry is None:
            with suppress(NotFound):
                entry = journal.entry(operation)
        if entry is None:
            return ()
        parent = entry.parent
        above = self._line(journal, parent) if parent is not None and parent < operation else ()
        line = (operation, *above) if entry.kind == Kind.ATTEMPT else above
        if entry.model is None:
            self._lines[operation] = line
        return line

    def _change(self, entry: int, call: _Call, spent: Total, ref: bytes | None) -> None:
        """A call costs something else, or is known by another message id, from an entry on."""
        old, call.spent, call.ref = call.ref, spent, ref
        for scope in (None, call.session) if call.session is not None else (None,):
            touched = {call.id}
            if old != ref:
                touched |= self._leave((scope, old), call.id) if old is not None else set()
                touched |= self._join((scope, ref), call.id) if ref is not None else set()
            for id_ in touched:
                self._settle(entry, scope, self._calls[id_])

    def _join(self, key: tuple[str | None, bytes], id_: int) -> set[int]:
        """A call has this message id; the calls for which that changes who is counted."""
        first = self._first.setdefault(key, id_)
        if first == id_:
            return {id_}
        self._others.setdefault(key, set()).add(max(first, id_))
        self._first[key] = min(first, id_)
        return {first, id_}

    def _leave(self, key: tuple[str | None, bytes], id_: int) -> set[int]:
        """A call has this message id no more; the calls for which that changes who is counted."""
        others = self._others.get(key, set())
        if self._first.get(key) != id_:
            others.discard(id_)
            return set()
        if not others:
            del self._first[key]
            return set()
        self._first[key] = first = min(others)
        others.discard(first)
        return {first}

    def _settle(self, entry: int, scope: str | None, call: _Call) -> None:
        """Bring the sums of a session, or of the workspace, to what a call counts for now."""
        place = 0 if scope is None else 1
        counts = call.ref is None or self._first[scope, call.ref] == call.id
        new = call.spent if counts else NOTHING
        change = new - call.counted[place]
        if not change:
            return
        call.counted[place] = new
        judge = self._tries.get(call.line[0]) if call.line else None
        if judge is not None:
            judge.sums[scope] = judge.sums.get(scope, NOTHING) + change
        keys: list[tuple[object, ...]] = [("all", scope), ("effect", scope, judge.verdict if judge else "unjudged")]
        if scope is None:
            keys.append(("session", call.session))
            keys += [("attempt", attempt) for attempt in call.line]
        if scope == call.session:
            keys.append(("step", scope, *call.step))
        for key in keys:
            self._add(key, entry, change)

    def _add(self, key: tuple[object, ...], entry: int, change: Total) -> None:
        if (series := self._series.get(key)) is None:
            series = self._series[key] = _Series()
        series.add(entry, change)

    # -- verdicts

    def _end_attempt(
        self, entry: Entry, attempt: _Try, outcome: Outcome | None, lessons: tuple[int, ...] | None = None
    ) -> None:
        before = attempt.lessons if attempt.outcome == Outcome.VERIFIED else ()
        attempt.outcome = outcome
        attempt.lessons = attempt.lessons if lessons is None else lessons
        after = attempt.lessons if outcome == Outcome.VERIFIED else ()
        self._count_uses(before, -1)
        self._count_uses(after, 1)
        taught = [self._taught[lesson] for lesson in (*before, *after) if lesson in self._taught]
        for id_ in (entry.operation, *taught):
            self._judge(entry.id, id_)

    def _count_uses(self, lessons: Iterable[int], change: int) -> None:
        for lesson in lessons:
            self._uses[lesson] = self._uses.get(lesson, 0) + change

    def _learn(self, entry: Entry) -> None:
        attempt = LessonEntry.of(entry).attempt_operation
        if attempt is not None:
            self._lesson_of[attempt] = entry.id
            self._taught[entry.id] = attempt
            self._judge(entry.id, attempt)

    def _judge(self, entry: int, id_: int) -> None:
        """Move what an attempt's calls cost to where it belongs from an entry on."""
        attempt = self._tries.get(id_)
        if attempt is None:
            return
        new: Verdict = "unjudged"
        if attempt.outcome == Outcome.VERIFIED:
            new = "effective"
        elif attempt.outcome == Outcome.FAILED:
            new = "effective" if self._uses.get(self._lesson_of.get(id_, 0), 0) > 0 else "wasted"
        old, attempt.verdict = attempt.verdict, new
        if new == old:
            return
        for scope, spent in attempt.sums.items():
            if spent:
                self._add(("effect", scope, old), entry, -spent)
                self._add(("effect", scope, new), entry, spent)
