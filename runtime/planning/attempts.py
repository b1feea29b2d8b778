"""Attempts: a step is started, judged by its check, and if it failed taken back and remembered."""

from __future__ import annotations

from runtime.agent.session import Session
from runtime.dispatch.authorize import authorize
from runtime.execution import command
from runtime.planning import lessons, plan
from runtime.tools import CAPABILITIES, Arguments, Refused, shorten
from runtime.usage import meter
from workspace import Act, Conflicted, History, Workspace
from workspace.kinds import Kind, Outcome
from workspace.store.lines import is_binary, unified
from workspace.totals import Total

DIFF_LINES = 200


async def carry_out(session: Session, act: Act, arguments: Arguments, payload: bytes) -> str:
    """The plan capability: set, start, finish or show; its answer to the model."""
    operation = await session.host.write(lambda work: work.begin(act, payload=payload))
    outcome = Outcome.DONE
    try:
        action = arguments["action"]
        if action == "set":
            text = await _set(session, arguments)
        elif action == "start":
            text = await _start(session, arguments.get("step"))
        elif action == "finish":
            text = await _finish(session, arguments.get("note", ""))
        elif action == "show":
            text = _show(await _plan(session))
        else:
            raise Refused(f"plan cannot {action}; it can set, start, finish and show.")
    except Refused as error:
        text, outcome = str(error), Outcome.REFUSED
    answer = text.encode("utf-8", "replace")
    await session.host.write(lambda work: work.end(operation, outcome, payload=answer))
    return text


async def _plan(session: Session) -> plan.Plan:
    found = await session.host.read(lambda history: plan.at(history, session.name))
    if found is None:
        raise Refused("There is no plan yet; set one first.")
    return found


async def _set(session: Session, arguments: Arguments) -> str:
    if session.attempt is not None:
        raise Refused("An attempt is open; finish it before the plan changes.")
    steps = plan.parse(arguments.get("steps"))
    act = session.act(Kind.PLAN, f"{len(steps)} steps", detail={"steps": steps}, parent=session.prompt)
    await session.host.write(lambda work: work.record(act))
    return _show(await _plan(session))


async def _start(session: Session, number: int | None) -> str:
    if session.policy.mode == "read-only":
        raise Refused("This session is read-only: a step is not tried in it.")
    if session.attempt is not None:
        raise Refused(f"Step {session.step} is being tried; finish it first.")
    current = await _plan(session)
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
            if journal.operation(id_).detail.get("attempt_operation") in before
        }  # fmt: skip
        return lessons.offer(history, step.title, own)

    offered = await session.host.read(look)
    session.step, session.try_number = step.number, len(step.attempts) + 1
    detail = {"lessons": [lesson.operation for lesson in offered]} if offered else {}
    act = session.act(Kind.ATTEMPT, step.title, detail=detail, parent=session.prompt)
    session.attempt = await session.host.write(lambda work: work.begin(act))
    judged = f"It is judged by: {step.check}." if step.check else "It has no check."
    taught = "".join(f"\n\n{lesson.text()}" for lesson in offered)
    return f"Attempt {session.try_number} of {step.limit} at step {step.number}, {step.title!r}. {judged}{taught}"


async def _finish(session: Session, note: str) -> str:
    attempt, number = session.attempt, session.step
    if attempt is None or number is None:
        raise Refused("No attempt is open; start a step first.")
    step = (await _plan(session)).step(number)
    why = await _judge(session, step)
    if why is None:
        outcome = Outcome.VERIFIED if step.check else Outcome.DONE
        await session.host.write(lambda work: work.end(attempt, outcome, detail=_noted(note)))
        _leave(session)
        return f"Step {number} is {outcome}." + ("" if step.check else " It had no check.")
    return await _fail(session, step, attempt, why, note)


async def _judge(session: Session, step: plan.Step) -> str | None:
    """Why the step's check fails; None where it holds or there is none."""
    check = step.check
    if check is None:
        return None
    if check.command is None:
        await session.host.alone(lambda work: work.catch_up())
        return await session.host.read(lambda history: plan.holds(check, history))
    arguments = {"command": check.command}
    try:
        decision = await authorize(session, CAPABILITIES["run"], arguments)
    except Refused as error:
        return f"the check `{check.command}` could not be run: {error}"
    act = session.act(
        Kind.CAPABILITY, f"check {check.command[:80]}", decision=decision, detail={"attribution": "probable"}
    )
    status, output = await command.run(session, act, check.command, payload=check.command.encode())
    if status == 0:
        return None
    said = shorten(output, 2000)[0].strip()
    return f"`{check.command}` ended with status {status}: {said}"


async def _fail(session: Session, step: plan.Step, attempt: int, why: str, note: str) -> str:
    """Record the failure and its lesson, then take the attempt back: what others did meanwhile stays."""
    host = session.host

    def learn(history: History) -> tuple[str, str, Total]:
        return net_diff(history, attempt), tried(history, attempt), meter.of_family(history, attempt)

    await host.write(lambda work: work.end(attempt, Outcome.FAILED, detail={"why": why, **_noted(note)}))
    diff, tries, total = await host.read(learn)
    tokens = total.known
    payload = lessons.pack(step.title, why, f"{note}\n{tries}".strip(), diff, tokens, total.estimated > 0)
    lesson_act = session.act(Kind.LESSON, why[:120], parent=session.prompt, detail={"attempt_operation": attempt})
    lesson = await host.write(lambda work: work.record(lesson_act, payload=payload))
    revert = session.act(Kind.REVERT, f"failed attempt at {step.title}", parent=session.prompt)
    _leave(session)
    try:
        taken = await host.alone(lambda work: _take_back(work, attempt, revert))
        back = f"It was taken back ({taken} documents)."
    except Conflicted as error:
        back = f"It could not be taken back by itself, because later edits overlap: {error}"
    left = step.limit - len(step.attempts)
    again = f"{left} attempts are left." if left > 0 else "No attempt is left: tell the person."
    return f"The check failed: {why}\n{back} Lesson op:{lesson} is kept. {again}"


def _take_back(work: Workspace, attempt: int, act: Act) -> int:
    work.catch_up()
    return len(work.revert([attempt], act=act, consent=True))


def _leave(session: Session) -> None:
    session.attempt = session.step = session.try_number = None


def _noted(note: str) -> dict[str, str]:
    return {"note": note} if note else {}


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
        call.name or "" for call in calls if call.kind == "capability" and call.detail.get("capability") != "plan"
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
