"""What the meter draws: totals at the cursor and a page of the operations up to it."""

from __future__ import annotations

from runtime.labels import call_label
from runtime.usage.ledger import Ledger
from widgets.meter import MeterNeed, MeterPage, MeterRow, Share
from workspace import History, Operation
from workspace.entries import PlanEntry
from workspace.totals import NOTHING, Total
from wukong_tui.views import Look
from wukong_tui.views.plan import READING

KEPT = 2_000
"""Rows of ended operations that are kept."""


class MeterView:
    """Loads the meter; the ledger may be shared with the plan's view, as both run in one thread."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger or Ledger()
        self._rows: dict[tuple[int, bool], MeterRow] = {}
        self._loops: dict[int, tuple[int, int]] = {}
        self._titles: dict[int, tuple[str, ...]] = {}

    def load(self, history: History, look: Look, need: MeterNeed) -> MeterPage:
        """Totals and operations of the session that is looked at, or of the workspace, at the cursor."""
        cursor, ledger = look.cursor, self._ledger
        session = None if need.whole else look.session
        if not ledger.read(history, cursor, READING):
            return MeterPage(session, ready=False)
        ids, count = ledger.rows(session, cursor, need.back, need.rows)
        back = min(need.back, max(0, count - len(ids)))
        rows = tuple(self._row(history, id_, cursor, session) for id_ in ids)
        effect = ledger.effect(session, cursor)
        limits = ledger.limits(session, cursor) if session is not None else None
        return MeterPage(
            session=session, total=ledger.total(session, cursor), effective=effect.effective,
            wasted=effect.wasted, unjudged=effect.unjudged,
            bars=self._by_session(cursor) if session is None else self._by_step(history, session, cursor),
            rows=rows, count=count, back=back, max_tokens=limits.tokens if limits else None,
            max_cost=limits.cost if limits else None,
        )  # fmt: skip

    # -- bars

    def _by_session(self, cursor: int) -> tuple[Share, ...]:
        found = self._ledger.by_session(cursor)
        return tuple(Share(f"session {name}" if name else "no session", use) for name, use in found.items())

    def _by_step(self, history: History, session: str, cursor: int) -> tuple[Share, ...]:
        """A bar for each step of the newest plan, one for earlier plans, one for what belongs to no step."""
        found = self._ledger.by_step(session, cursor)
        newest = max((plan for plan, step in found if step is not None), default=None)
        if newest is None:
            return ()
        titles = self._steps(history, newest)
        shares: list[Share] = []
        earlier = outside = NOTHING
        for (plan, step), use in sorted(found.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
            if step is None:
                outside += use
            elif plan != newest:
                earlier += use
            else:
                title = titles[step - 1] if 1 <= step <= len(titles) else "step"
                shares.append(Share(f"{step} {title}", use))
        if earlier.calls:
            shares.insert(0, Share("earlier plans", earlier))
        if outside.calls:
            shares.append(Share("no step", outside))
        return tuple(shares)

    def _steps(self, history: History, plan: int) -> tuple[str, ...]:
        if plan not in self._titles:
            if len(self._titles) >= KEPT:
                self._titles.clear()
            steps = PlanEntry.of(history.store.journal.entry(plan)).steps if plan else ()
            self._titles[plan] = tuple(step.title for step in steps)
        return self._titles[plan]

    # -- rows

    def _row(self, history: History, id_: int, cursor: int, session: str | None) -> MeterRow:
        settled, whole = self._ledger.is_settled(id_, cursor), session is None
        same = self._ledger.same_as(id_, session, cursor)
        counted_as = self._ledger.number(same) if same is not None else None
        if settled and (known := self._rows.get((id_, whole))) is not None and known.same == counted_as:
            return known
        operation = history.store.journal.operation(id_, cursor)
        row = MeterRow(
            id_, operation.started, _label(operation, self._ledger.number(id_), whole),
            _use(operation), None if operation.ended is None else max(0, operation.ended - operation.started),
            operation.outcome, self._times(history, id_, cursor), operation.model,
            counted_as,
        )  # fmt: skip
        if settled:
            if len(self._rows) >= KEPT:
                self._rows.clear()
            self._rows[id_, whole] = row
        return row

    def _times(self, history: History, id_: int, cursor: int) -> int:
        """How many operations a loop caused up to the cursor; only what was not counted yet is counted."""
        if self._ledger.asked(id_):
            return 0
        if len(self._loops) >= KEPT:
            self._loops.clear()
        at, count = self._loops.get(id_, (id_, 0))
        caused = history.store.journal.caused
        if cursor > at:
            count += caused(id_, after=at, upto=cursor)
        elif cursor < at:
            count -= caused(id_, after=cursor, upto=at)
        self._loops[id_] = (cursor, count)
        return count


def _label(operation: Operation, number: int | None, whole: bool) -> str:
    """A row's name, with its session where rows of all are shown."""
    text = call_label(operation, number)
    return f"{operation.session} {text}" if whole and operation.session else text


def _use(operation: Operation) -> Total | None:
    """What one model call cost; None for what asked no model."""
    return None if operation.model is None else Total.of(operation.usage)
