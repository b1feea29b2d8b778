"""What the plan pane draws: the plan at the cursor with what its attempts had cost by then."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runtime.planning import plan
from runtime.usage.ledger import Ledger
from widgets.plan import AttemptRow, PlanNeed, PlanPage, StepRow
from workspace import History
from workspace.entries import AttemptEntry
from workspace.kinds import Outcome
from workspace.totals import NOTHING
from wukong_tui.views import Look

READING = 0.02
"""Seconds of reading the journal for the first time in one frame."""
KEPT = 64
"""Plans that are kept, each as it stood between two entries that changed it."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A plan as it is until something changes it, its rows without what they cost, the steps with attempts."""

    found: plan.Plan
    rows: tuple[StepRow, ...]
    tried: tuple[plan.Step, ...]


class PlanView:
    """Loads the plan; the ledger may be shared with the meter's view, as both run in one thread."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger or Ledger()
        self._known: dict[tuple[str, int], _Known | None] = {}

    def load(self, history: History, look: Look, need: PlanNeed) -> PlanPage:
        """The plan of the session that is looked at, as it stood at the cursor."""
        session, cursor, ledger = look.session, look.cursor, self._ledger
        if session is None:
            return PlanPage()
        ready = ledger.read(history, cursor, READING)
        known = self._at(history, session, cursor, ledger.mark(cursor) if ready else None)
        total = ledger.total(session, cursor) if ready else NOTHING
        if known is None:
            return PlanPage(session, total=total, ready=ready)
        steps = list(known.rows)
        newest = (0, 1)
        for step in known.tried:
            newest = max(newest, (step.attempts[-1].operation, step.number))
            if ready:
                attempts = tuple(
                    replace(row, spent=ledger.of_attempt(row.entry, cursor))
                    for row in steps[step.number - 1].attempts
                )
                sums = sum((attempt.spent for attempt in attempts), NOTHING)
                steps[step.number - 1] = replace(steps[step.number - 1], attempts=attempts, spent=sums)
        doing = known.found.current
        outside = total.without(sum((steps[step.number - 1].spent for step in known.tried), NOTHING))
        current = doing.number if doing is not None else newest[1]
        return PlanPage(session, known.found.operation, tuple(steps), current, outside, total, ready)

    def _at(self, history: History, session: str, cursor: int, mark: int | None) -> _Known | None:
        """The plan at the cursor, read only where something changed it since it was last looked at."""
        if mark is not None and (session, mark) in self._known:
            return self._known[session, mark]
        found = plan.at(history, session, cursor)
        known = self._drawn(history, found, cursor) if found is not None else None
        if mark is not None:
            if len(self._known) >= KEPT:
                del self._known[next(iter(self._known))]
            self._known[session, mark] = known
        return known

    def _drawn(self, history: History, found: plan.Plan, cursor: int) -> _Known:
        """A plan's rows without what they cost."""
        rows = []
        for step in found.steps:
            attempts = tuple(self._attempt(history, step, attempt, cursor) for attempt in step.attempts)
            check = str(step.check) if step.check is not None else None
            rows.append(StepRow(step.number, step.title, check, step.state, attempts))
        return _Known(found, tuple(rows), tuple(step for step in found.steps if step.attempts))

    def _attempt(self, history: History, step: plan.Step, attempt: plan.Attempt, cursor: int) -> AttemptRow:
        ledger, id_ = self._ledger, attempt.operation
        mine = {other.operation: other.number for other in step.attempts}
        lessons = []
        for lesson in attempt.lessons:
            number = mine.get(ledger.taught_by(lesson) or 0)
            lessons.append(f"lesson of {number}" if number else f"lesson op:{lesson}")
        why = ""
        if attempt.outcome == Outcome.FAILED:
            why = AttemptEntry.of(history.store.journal.operation(id_, cursor)).why
        reverted = ledger.is_reverted(id_, cursor)
        return AttemptRow(
            id_, attempt.number, attempt.outcome, why, reverted=reverted, lessons=tuple(lessons)
        )  # fmt: skip
