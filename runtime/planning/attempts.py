"""Attempts: a step is started, judged by its check, and if it failed taken back and remembered."""

from __future__ import annotations

from dataclasses import replace

from runtime.dispatch.cause import Cause
from runtime.dispatch.door import Intent, Invocation, Plain
from runtime.dispatch.session import OpenAttempt, Session
from runtime.planning import lessons, plan
from runtime.tools.call import Call
from runtime.tools.capability import Arguments, Capability, Refused, Result, shorten
from runtime.usage import meter
from workspace import Conflicted, History
from workspace.entries import AttemptEntry, CapabilityEntry, LessonEntry, LessonText, PlanEntry
from workspace.kinds import Kind, Outcome
from workspace.store.lines import is_binary, unified
from workspace.totals import Total

DIFF_LINES = 200


class KeepPlan(Plain):
    """Executes ``plan``: set, start, finish and show."""

    async def intend(self, session: Session, capability: Capability, arguments: Arguments) -> Intent:
        """Finishing a step executes something only where its check is a command, which is shown then."""
        effects = capability.effects_of(arguments)
        if arguments["action"] != "finish" or session.conversation.attempt is None:
            return Intent(effects & {"read", "journal"} or frozenset({"journal"}), arguments)
        check = (await _current(session)).step(session.conversation.attempt.step).check
        if check is None or check.command is None:
            return Intent(effects - {"execute"}, arguments)
        return Intent(effects, {**arguments, "check": check.command})

    async def execute(self, invocation: Invocation) -> Result:
        session, arguments = invocation.session, invocation.arguments
        match arguments["action"]:
            case "set":
                text = await _set(session, arguments)
            case "start":
                text = await _start(session, arguments.get("step"))
            case "finish":
                text = await _finish(invocation, arguments.get("note", ""))
            case _:
                text = _show(await _current(session))
        return Result(text)


async def _current(session: Session) -> plan.Plan:
    found = await session.host.read(lambda history: plan.at(history, session.name))
    if found is None:
        raise Refused("There is no plan yet; set one first.")
    return found


async def _set(session: Session, arguments: Arguments) -> str:
    if session.conversation.attempt is not None:
        raise Refused("An attempt is open; finish it before the plan changes.")
    steps = plan.parse(arguments.get("steps"))
    act = _under_prompt(session).act(Kind.PLAN, f"{len(steps)} steps", detail=PlanEntry(steps).detail())
    await session.host.write(lambda work: work.record(act))
    return _show(await _current(session))


async def _start(session: Session, number: int | None) -> str:
    if session.policy.mode == "read-only":
        raise Refused("This session is read-only: a step is not tried in it.")
    if (trying := session.conversation.attempt) is not None:
        raise Refused(f"Step {trying.step} is being tried; finish it first.")
    current = await _current(session)
    step = current.step(number) if number is not None else next((s for s in current.steps if s.state == "todo"), None)
    if step is None:
        raise Refused("No step is open.")
    if len(step.attempts) >= step.limit:
        tries = len(step.attempts)
        raise Refused(f"Step {step.number} has been tried {tries} times, which is its limit; ask a person.")
    before = {attempt.operation for attempt in step.attempts}

    def look(history: History) -> list[lessons.Lesson]:
        journal = history.store.journal
        own = {
            id_ for id_ in journal.of_kind(Kind.LESSON)
            if LessonEntry.of(journal.operation(id_)).attempt_operation in before
        }  # fmt: skip
        return lessons.offer(history, step.title, own)

    offered = await session.host.read(look)
    number = len(step.attempts) + 1
    detail = AttemptEntry(lessons=tuple(lesson.operation for lesson in offered)).detail()
    cause = replace(_under_prompt(session), step=step.number, attempt=number)
    act = cause.act(Kind.ATTEMPT, step.title, detail=detail)
    operation = await session.host.write(lambda work: work.begin(act))
    session.conversation.attempt = OpenAttempt(operation, step.number, number)
    judged = f"It is judged by: {step.check}." if step.check else "It has no check."
    taught = "".join(f"\n\n{lesson.text()}" for lesson in offered)
    return f"Attempt {number} of {step.limit} at step {step.number}, {step.title!r}. {judged}{taught}"


async def _finish(invocation: Invocation, note: str) -> str:
    session = invocation.session
    attempt = session.conversation.attempt
    if attempt is None:
        raise Refused("No attempt is open; start a step first.")
    step = (await _current(session)).step(attempt.step)
    why = await _judge(invocation, step)
    if why is None:
        outcome = Outcome.VERIFIED if step.check else Outcome.DONE
        noted = AttemptEntry(note=note).detail()
        await session.host.write(lambda work: work.end(attempt.operation, outcome, detail=noted))
        session.conversation.attempt = None
        return f"Step {step.number} is {outcome}." + ("" if step.check else " It had no check.")
    return await _fail(session, step, attempt, why, note)


async def _judge(invocation: Invocation, step: plan.Step) -> str | None:
    """Why the step's check fails; None where it holds or there is none."""
    check = step.check
    if check is None:
        return None
    session = invocation.session
    if check.command is None:
        await session.host.snapshot()
        return await session.host.read(lambda history: plan.holds(check, history))
    call = Call("run", {"command": check.command}, label=f"check {check.command[:80]}")
    seen = invocation.decision if invocation.decision.by == "person" else None  # who allowed this saw the command
    result = await invocation.dispatch.invoke(session.conversation.cause(), call, decision=seen)
    if result.status == 0:
        return None
    said = shorten(result.text, 2000)[0].strip()
    if result.status is None:
        return f"the check `{check.command}` could not be run: {said}"
    return f"`{check.command}` ended with status {result.status}: {said}"


async def _fail(session: Session, step: plan.Step, attempt: OpenAttempt, why: str, note: str) -> str:
    """Record the failure and its lesson, then take the attempt back: what others did meanwhile stays."""
    host, operation = session.host, attempt.operation
    cause = session.conversation.cause().under(_under_prompt(session).parent)

    def learn(history: History) -> tuple[str, str, Total]:
        return net_diff(history, operation), tried(history, operation), meter.of_family(history, operation)

    noted = AttemptEntry(why=why, note=note).detail()
    await host.write(lambda work: work.end(operation, Outcome.FAILED, detail=noted))
    diff, tries, total = await host.read(learn)
    payload = LessonText(
        step.title, why, f"{note}\n{tries}".strip(), diff, total.known, total.estimated > 0
    ).payload()
    lesson_act = cause.act(Kind.LESSON, why[:120], detail=LessonEntry(operation).detail())
    lesson = await host.write(lambda work: work.record(lesson_act, payload=payload))
    revert = cause.act(Kind.REVERT, f"failed attempt at {step.title}")
    session.conversation.attempt = None
    try:
        await host.snapshot()
        taken = await host.alone(lambda work: work.revert([operation], act=revert, consent=True))
        back = f"It was taken back ({len(taken)} documents)."
    except Conflicted as error:
        back = f"It could not be taken back by itself, because later edits overlap: {error}"
    left = step.limit - len(step.attempts)
    again = f"{left} attempts are left." if left > 0 else "No attempt is left: tell the person."
    return f"The check failed: {why}\n{back} Lesson op:{lesson} is kept. {again}"


def _under_prompt(session: Session) -> Cause:
    """The cause of what belongs to the prompt as a whole, not to an attempt at a step."""
    if session.conversation.prompt is None:
        raise Refused("Nothing has been asked; a plan belongs to a prompt.")
    return session.conversation.prompt


def _show(current: plan.Plan) -> str:
    rows = []
    for step in current.steps:
        check = f"; check: {step.check}" if step.check else ""
        tries = f", {len(step.attempts)} of {step.limit} attempts" if step.attempts else ""
        rows.append(f"{step.number}. [{step.state}{tries}] {step.title}{check}")
    return "\n".join(rows)


def tried(history: History, attempt: int) -> str:
    """What was done in an attempt, a call a line; a loop of calls is one."""
    journal = history.store.journal
    calls = [journal.entry(child) for child in journal.children(attempt)[:80]]
    names = [
        call.name or ""
        for call in calls
        if call.kind == Kind.CAPABILITY and CapabilityEntry.of(call).capability != "plan"
    ]
    return "; ".join(name for name in names[:40] if name)


def net_diff(history: History, operation: int) -> str:
    """What an operation and its descendants changed in all, as a unified diff of bounded length."""
    versions = history.store.versions
    members = set(history.store.journal.family(operation))
    last = max(history.store.journal.operation(member).last for member in (min(members), max(members)))
    first_and_last: dict[int, list[int]] = {}
    for version in versions.of_entries(min(members), last):
        if version.operation in members:
            span = first_and_last.setdefault(version.document, [version.parent or 0, version.number])
            span[1] = version.number
    rows: list[str] = []
    for document, (before, after) in first_and_last.items():
        new = versions.get(document, after)
        old = versions.bytes_of(versions.get(document, before)) if before else b""
        content = versions.bytes_of(new)
        rows.append(f"--- {new.path}")
        if is_binary(old) or is_binary(content):
            rows.append(f"binary, {len(old):,} to {len(content):,} bytes")
            continue
        for sign, line, _, text in unified(old, content, context=1):
            rows.append(f"@@ {line}" if sign == "@" else sign + text.decode("utf-8", "replace").rstrip("\n"))
        if len(rows) > DIFF_LINES:
            break
    if len(rows) > DIFF_LINES:
        rows = [*rows[:DIFF_LINES], "… and more"]
    return "\n".join(rows)
