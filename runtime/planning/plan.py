"""Plans: ordered steps, each tried in attempts that a check judges. State is a fold over the journal."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import regex

from workspace import History, WorkspaceError
from workspace.entries import AttemptEntry, Check, PlanEntry, PlannedStep
from workspace.kinds import Kind, Outcome
from workspace.operations.undo import undone

ATTEMPTS = 3
"""Attempts of a step unless the plan says otherwise."""
SECONDS = 2.0
"""How long a pattern may look at a document."""

StepState = Literal["todo", "doing", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a step; ``outcome`` is verified, failed, done (without a check), unknown …, None while it runs."""

    operation: int
    number: int
    outcome: Outcome | None
    lessons: tuple[int, ...]


@dataclass(slots=True)
class Step:
    """A step of a plan, numbered from 1."""

    number: int
    title: str
    check: Check | None
    limit: int
    state: StepState = "todo"
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """A session's plan as it stood at a cursor; ``operation`` set it."""

    operation: int
    steps: list[Step]

    def step(self, number: int) -> Step:
        """Step ``number``. Raises WorkspaceError."""
        if not 1 <= number <= len(self.steps):
            raise WorkspaceError(f"The plan has no step {number}; it has {len(self.steps)}.")
        return self.steps[number - 1]

    @property
    def current(self) -> Step | None:
        return next((step for step in self.steps if step.state == "doing"), None)


def at(history: History, session: str, cursor: int | None = None) -> Plan | None:
    """The session's plan at the cursor; what was undone does not count."""
    upto = history.cursor if cursor is None else cursor
    journal = history.store.journal
    gone = undone(history, upto)
    plans = [id_ for id_ in journal.of_kind(Kind.PLAN, upto, session=session) if not _is_gone(history, id_, gone)]
    if not plans:
        return None
    newest = journal.operation(plans[-1], upto)
    plan = Plan(newest.id, [_step(n, step) for n, step in enumerate(PlanEntry.of(newest).steps, 1)])
    for id_ in journal.of_kind(Kind.ATTEMPT, upto, session=session):
        if id_ < newest.id or _is_gone(history, id_, gone):
            continue
        operation = journal.operation(id_, upto)
        if operation.step is None or operation.step > len(plan.steps):
            continue
        step = plan.steps[operation.step - 1]
        lessons = AttemptEntry.of(operation).lessons
        step.attempts.append(Attempt(id_, operation.attempt or 0, operation.outcome, lessons))
        step.state = _state(step)
    return plan


def parse(steps: object) -> tuple[PlannedStep, ...]:
    """Check and normalise the steps a model wrote. Raises WorkspaceError with one sentence."""
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not steps:
        raise WorkspaceError("A plan is a list of steps, each with a title.")
    out = []
    for number, step in enumerate(steps, 1):
        record = {"title": step} if isinstance(step, str) else step
        if not isinstance(record, Mapping) or not str(record.get("title", "")).strip():
            raise WorkspaceError(f"Step {number} has no title.")
        check = None if record.get("check") is None else _parse_check(number, record["check"])
        attempts = record.get("attempts", ATTEMPTS)
        if not isinstance(attempts, int) or not 1 <= attempts <= 20:
            raise WorkspaceError(f"Step {number}: attempts is a number from 1 to 20.")
        out.append(PlannedStep(str(record["title"]).strip(), check, attempts))
    return tuple(out)


def holds(check: Check, history: History) -> str | None:
    """Why a predicate on a document does not hold now; None where it does."""
    assert check.document is not None
    says = check.says
    paths = [path for path in history.tree() if fnmatch.fnmatchcase(path, check.document)]
    if check.exists is False:
        return says or f"{paths[0]} exists" if paths else None
    if not paths:
        return says or f"{check.document} does not exist"
    for path in paths:
        version = history.find(path)
        assert version is not None
        text = history.content(version).decode("utf-8", "replace")
        if check.contains is not None and check.contains not in text:
            return says or f"{path} does not contain {check.contains!r}"
        if check.lacks is not None and check.lacks in text:
            return says or f"{path} contains {check.lacks!r}"
        try:
            if check.matches is not None and _found(check.matches, text) is None:
                return says or f"{path} does not match {check.matches!r}"
            if check.forbids is not None and (found := _found(check.forbids, text)) is not None:
                return says.replace("{}", found) if says else f"{path} has {found!r}"
        except TimeoutError:
            return f"the pattern takes longer than {SECONDS:.0f} s on {path}"
    return None


def _found(pattern: str, text: str) -> str | None:
    """What a pattern finds first, or its first group of it; None where it finds nothing. Raises TimeoutError."""
    match = regex.search(pattern, text, regex.MULTILINE, timeout=SECONDS)
    if match is None:
        return None
    return str(match[1] or "") if match.re.groups else str(match[0])


def _step(number: int, step: PlannedStep) -> Step:
    return Step(number, step.title, step.check, ATTEMPTS if step.attempts is None else step.attempts)


def _state(step: Step) -> StepState:
    last = step.attempts[-1].outcome
    if last is None:
        return "doing"
    if last.well:
        return "done"
    return "failed" if len(step.attempts) >= step.limit else "todo"


def _parse_check(number: int, check: object) -> Check:
    if isinstance(check, str):
        check = {"command": check}
    known = {"command", "document", "contains", "lacks", "matches", "forbids", "exists", "says"}
    if not isinstance(check, Mapping) or not set(check) <= known:
        raise WorkspaceError(
            f"Step {number}: a check is a command, or a document with one of {', '.join(sorted(known))}."
        )
    if ("command" in check) == ("document" in check):
        raise WorkspaceError(f"Step {number}: a check names either a command or a document.")
    for pattern in (check.get("matches"), check.get("forbids")):
        try:
            if pattern is not None:
                regex.compile(pattern)
        except regex.error as error:
            raise WorkspaceError(f"Step {number}: {pattern!r} is no regular expression: {error}.") from None
    read = PlannedStep.read({"title": "", "check": check}).check
    assert read is not None
    return read


def _is_gone(history: History, operation: int, gone: set[int]) -> bool:
    """Whether an operation, or what caused it, was undone."""
    at: int | None = operation
    while at is not None:
        if at in gone:
            return True
        at = history.store.journal.entry(at).parent
    return False
