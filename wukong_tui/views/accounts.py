"""The account of one edit, put together from the journal: causes, decision, tokens, what became of it."""

from __future__ import annotations

from datetime import datetime

from runtime.labels import short_label, short_name
from runtime.usage import meter
from widgets.why import Account, Fate, Made, Tokens, WhyCause, WhyDecision
from workspace import History, Operation, Version
from workspace.amounts import ago, in_words
from workspace.entries import (
    ApprovalEntry,
    AttemptEntry,
    CapabilityEntry,
    CaptureEntry,
    LessonEntry,
    PlanEntry,
    RevertEntry,
    UndoEntry,
    is_probable,
)
from workspace.kinds import Kind, Outcome
from workspace.operations.blame import Run, swapped, through
from workspace.operations.undo import undone
from workspace.store.lines import hunks
from workspace.totals import Total
from wukong_tui.views import Look

BY_RULE = frozenset({"allowed: auto within the sandbox", "allowed: it only reads", "allowed: it changes no document"})
"""Decisions that no person was asked for."""


class Accounts:
    """Tells of edits as they are known at the newest entry: what became of one lies after it."""

    def __init__(self, history: History, look: Look) -> None:
        self._history = history
        self._journal = history.store.journal
        self._look = look
        self._known: dict[int, Operation] = {}
        self._totals: dict[int, Total] = {}

    def account(
        self, version: Version, seen: Version | None = None, line: int | None = None, source: Version | None = None
    ) -> Account:
        """The account of the edit that made a version.

        ``seen`` and ``line`` (from 0): where the line is looked at, to tell whether it still
        stands; ``source``: the version that a restore brought back.
        """
        operation = self._operation(version.operation)
        chain = [self._operation(id_) for id_ in self.ancestry(version.operation)]
        fates = self._fates(chain)
        if seen is not None:
            fates = [self._standing(seen, line), *fates]
        return Account(
            self.made(version, source),
            tuple(self._cause(at) for at in reversed(chain)) if operation.parent is not None else (),
            self._decision(chain),
            self._tokens(chain),
            tuple(fates),
        )

    def made(self, version: Version, source: Version | None = None) -> Made:
        """Who made a version, when and how."""
        operation = self._operation(version.operation)
        return Made(
            version.number, operation.id, short_label(operation), short_name(operation.actor), operation.session,
            self._clock(operation.started), f"{ago(self._look.now - operation.started)}",
            self._note(operation, source),
        )  # fmt: skip

    def ancestry(self, operation: int) -> list[int]:
        """An operation and what caused it, innermost first."""
        out = []
        at: int | None = operation
        while at is not None:
            out.append(at)
            at = self._operation(at).parent
        return out

    def targets(self, operation: Operation) -> set[int]:
        """What a revert or undo took out, or what a redo brought again; nothing for any other act."""
        if operation.kind == Kind.REVERT:
            return set(RevertEntry.of(operation).reverts)
        if operation.kind in (Kind.UNDO, Kind.REDO) and (target := UndoEntry.of(operation).target):
            return {target} if operation.kind == Kind.UNDO else self.targets(self._operation(target))
        return set()

    # -- what led to it

    def _cause(self, operation: Operation) -> WhyCause:
        who, clock = short_name(operation.actor), self._clock(operation.started)
        if operation.kind == Kind.PROMPT:
            return WhyCause("prompt", operation.id, operation.name or "", who, clock, outcome=operation.outcome)
        if operation.kind == Kind.ATTEMPT:
            return WhyCause(
                "attempt", operation.id, operation.name or "", who, clock, step=operation.step,
                attempt=operation.attempt, check=self._check(operation), outcome=operation.outcome,
                why=AttemptEntry.of(operation).why,
            )  # fmt: skip
        times = len(self._journal.children(operation.id))
        return WhyCause("loop" if times else "call", operation.id, short_label(operation), who, clock, max(1, times))

    def _check(self, attempt: Operation) -> str:
        """How the plan that was in force said that an attempt is judged."""
        plans = self._journal.of_kind(Kind.PLAN, attempt.id, session=attempt.session)
        if not plans or attempt.step is None:
            return ""
        steps = PlanEntry.of(self._operation(plans[-1])).steps
        check = steps[attempt.step - 1].check if 1 <= attempt.step <= len(steps) else None
        return str(check) if check is not None else ""

    def _decision(self, chain: list[Operation]) -> WhyDecision | None:
        """The nearest recorded decision, and the person who gave it, if one was asked."""
        decided = next((operation for operation in chain if operation.decision), None)
        if decided is None or decided.decision is None:
            return None
        text = decided.decision
        if text.startswith("allowed: allowed"):
            text = text.removeprefix("allowed: ")
        approval = None if decided.decision in BY_RULE else self._approval(decided)
        if approval is None:
            return WhyDecision(text, operation=decided.id)
        at = self._clock(approval.ended or approval.started)
        return WhyDecision(text, short_name(approval.actor), at, approval.id)

    def _approval(self, decided: Operation) -> Operation | None:
        name = CapabilityEntry.of(decided).capability
        whole = decided.decision == "allowed: allowed for this session"
        for id_ in reversed(self._journal.of_kind(Kind.APPROVAL, decided.id, session=decided.session)):
            approval = self._operation(id_)
            if approval.name != name or approval.outcome != Outcome.DONE:
                continue
            if whole and ApprovalEntry.of(approval).allow != "session":
                continue
            if not whole and approval.parent != decided.parent:
                continue
            return approval
        return None

    def _tokens(self, chain: list[Operation]) -> tuple[Tokens, ...]:
        out = []
        for operation in chain:
            if operation.kind not in (Kind.ATTEMPT, Kind.PROMPT):
                continue
            total = self._total(operation)
            of = (
                "the prompt"
                if operation.kind == Kind.PROMPT
                else f"attempt {operation.attempt} of step {operation.step}"
            )
            out.append(Tokens(of, operation.id, in_words(total) if total.calls else "no model call"))
        return tuple(out)

    def _total(self, operation: Operation) -> Total:
        """The sum of the model calls that an operation caused: found from the calls, which are few."""
        if (known := self._totals.get(operation.id)) is None:
            calls = meter.calls(self._history, session=operation.session, cursor=self._look.newest)
            mine = (call for call in calls if call.id >= operation.id and operation.id in self.ancestry(call.id))
            known = self._totals[operation.id] = meter.total(mine)
        return known

    # -- what became of it

    def _fates(self, chain: list[Operation]) -> list[Fate]:
        newest = self._look.newest
        ids = {operation.id for operation in chain}
        gone = undone(self._history, newest)
        out: list[Fate] = []
        for attempt in chain:
            if attempt.kind == Kind.ATTEMPT:
                out += self._judged(attempt)
        for id_ in self._journal.of_kind(Kind.REVERT, newest):
            revert = self._operation(id_)
            if self.targets(revert) & ids and not gone & set(self.ancestry(id_)):
                out.append(Fate("reverted", f"reverted by {short_name(revert.actor) or 'unknown'}", id_))
        if gone & ids:
            undos = [self._operation(id_) for id_ in self._journal.of_kind(Kind.UNDO, newest)]
            last = next((undo for undo in reversed(undos) if self.targets(undo) & gone & ids), None)
            if last is not None:
                out.append(Fate("undone", f"undone by {short_name(last.actor) or 'unknown'}", last.id))
        return out + [fate for attempt in chain if attempt.kind == Kind.ATTEMPT for fate in self._learnt(attempt)]

    def _judged(self, attempt: Operation) -> list[Fate]:
        name = f"attempt {attempt.attempt} of step {attempt.step}"
        if attempt.outcome == Outcome.VERIFIED:
            return [Fate("verified", f"{name} was verified", attempt.id)]
        if attempt.outcome == Outcome.FAILED:
            why = AttemptEntry.of(attempt).why
            return [Fate("failed", f"{name} failed" + (f": {why}" if why else ""), attempt.id)]
        return []

    def _learnt(self, attempt: Operation) -> list[Fate]:
        """The lesson of an attempt, and the attempts that were given it."""
        newest = self._look.newest
        out = []
        for id_ in self._journal.of_kind(Kind.LESSON, newest):
            if LessonEntry.of(self._operation(id_)).attempt_operation != attempt.id:
                continue
            out.append(Fate("lesson", "its lesson is kept", id_))
            for later in self._journal.of_kind(Kind.ATTEMPT, newest):
                given = self._operation(later)
                if id_ in AttemptEntry.of(given).lessons:
                    ended = given.outcome or "in progress"
                    text = f"lesson used by attempt {given.attempt} of step {given.step}, {ended}"
                    out.append(Fate("used", text, later))
        return out

    def _standing(self, seen: Version, line: int | None) -> Fate:
        """Whether a line that is looked at is still there at the newest entry, else what changed it.

        The change is found by halving the entries between: some change of the line, the first if it changed once.
        """
        versions, branch = self._history.store.versions, self._look.branch
        low, high = self._look.cursor, self._look.newest

        def stands(version: Version | None) -> bool:
            if version is None or not version.exists:
                return False
            if version.content == seen.content:
                return True
            if line is None:
                return False
            found = hunks(versions.bytes_of(seen), versions.bytes_of(version))
            return not through([Run(line, line + 1, 0)], swapped(found))[1]

        if low >= high or stands(versions.at(seen.document, branch, high)):
            return Fate("stands", "still there")
        while high - low > 1:
            middle = (low + high) // 2
            if stands(versions.at(seen.document, branch, middle)):
                low = middle
            else:
                high = middle
        later = versions.at(seen.document, branch, high)
        if later is None:
            return Fate("changed", "changed later")
        operation = self._operation(later.operation)
        verb = "deleted" if not later.exists else "changed"
        return Fate("changed", f"{verb} later by @{later.number:,} {short_label(operation)}", operation.id)

    # -- words

    def _note(self, operation: Operation, source: Version | None) -> str:
        """What kind of act it was, where that has to be said."""
        kind, capture = operation.kind, CaptureEntry.of(operation)
        if kind == Kind.SCAN and capture.first:
            return "It was there when the history began."
        if kind in (Kind.SCAN, Kind.OUTSIDE):
            how = "seen live" if capture.watched else "recorded by a scan"
            return f"Edited outside, {how}."
        if kind == Kind.IMPORT:
            commit = operation.ref.hex()[:10] if operation.ref else "unknown"
            return f"Imported from git, commit {commit}."
        if kind == Kind.MERGE:
            return "A merge of two lines of versions."
        if kind == Kind.RESTORE:
            return (
                f"Brought back by a restore: again as in @{source.number:,}."
                if source
                else "Brought back by a restore."
            )
        if kind in (Kind.REVERT, Kind.UNDO, Kind.REDO):
            return self._taking(operation)
        if is_probable(operation):
            return "Changed while this command ran; someone else may have made it."
        return ""

    def _taking(self, operation: Operation) -> str:
        verb = {Kind.REVERT: "Taken out by a revert", Kind.UNDO: "Taken back by an undo"}.get(
            operation.kind, "Done again by a redo"
        )
        about = [self._operation(id_) for id_ in sorted(self.targets(operation))]
        failed = next((at for at in about if at.kind == Kind.ATTEMPT and at.outcome == Outcome.FAILED), None)
        if failed is not None:
            why = AttemptEntry.of(failed).why
            said = f"Attempt {failed.attempt} of step {failed.step} failed and was taken back"
            return f"{said}: {why}" if why else f"{said}."
        names = ", ".join(f"op:{at.id:,} {short_label(at)}" for at in about[:3]) + (
            " and more" if len(about) > 3 else ""
        )
        return f"{verb} of {names}." if names else f"{verb}."

    def _clock(self, microseconds: int) -> str:
        """Local time of day, with the date where it is not today's."""
        then = datetime.fromtimestamp(microseconds / 1e6)
        today = datetime.fromtimestamp(self._look.now / 1e6).date()
        return then.strftime("%H:%M:%S" if then.date() == today else "%Y-%m-%d %H:%M:%S")

    def _operation(self, id_: int) -> Operation:
        if (known := self._known.get(id_)) is None:
            known = self._known[id_] = self._journal.operation(id_, self._look.newest)
        return known
