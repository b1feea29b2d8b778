"""The one door: what is decided, recorded, told and logged of every act."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from runtime.dispatch.cause import Cause
from runtime.dispatch.direct import invoke
from runtime.dispatch.door import Dispatch, Invocation, Plain
from runtime.dispatch.policy import Decision, Policy, Request
from runtime.dispatch.session import Session
from runtime.execution import sandbox
from runtime.host import acts
from runtime.host.sessions import Sessions
from runtime.host.toolset import toolset
from runtime.models.base import Message, ModelReply, TextDelta, Tool
from runtime.protocol import Answer, Open, Prompt
from runtime.tools.call import Call
from runtime.tools.capability import Refused, Result
from runtime.tools.declared import declared
from tests.runtime.office import answers, begin, office, operations, prompt, turn, until, write_cassette
from workspace import Entry, Usage, Workspace, WorkspaceError
from workspace.kinds import Kind
from workspace.records import BEGUN, INSTANT

needs_sandbox = pytest.mark.skipif(sandbox.available() is not None, reason="no sandbox works here")


def tape(tmp_path: Path, *turns: dict[str, Any]) -> Path:
    return write_cassette(tmp_path / "tape.toml", [*turns, turn("Done.")])


SAID = "text of a document"


class Defective:
    """A model with a defect of its own, as no provider has."""

    name, window, scripted = "defective", 100_000, True

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, limit: int | None = None
    ) -> AsyncIterator[TextDelta | ModelReply]:
        yield TextDelta("hm")
        raise ZeroDivisionError(SAID)

    def count(self, messages: Sequence[Message], tools: Sequence[Tool]) -> int:
        return 1

    def cost(self, usage: Usage) -> int | None:
        return 0


async def test_a_defect_in_a_session_is_logged_and_its_operation_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Sessions(folder, choose=lambda _: Defective())
    await desk.start()
    try:
        session = await begin(desk)
        with caplog.at_level(logging.ERROR, logger="wukong"):
            done = await prompt(desk, session)
        assert done.outcome == "failed"
        assert done.detail["error"] == f"ZeroDivisionError: {SAID}"
        (asked,) = await operations(desk, "model")
        assert (asked.outcome, asked.detail["error"]) == ("failed", f"ZeroDivisionError: {SAID}")
        assert session.name in caplog.text
        assert f"op:{done.id}" in caplog.text
        assert "in stream" in caplog.text
        assert SAID not in caplog.text, "a message may hold a document's text"
    finally:
        await desk.close()


async def test_an_answer_that_nobody_knows_refuses(folder: Path, tmp_path: Path) -> None:
    script = tape(tmp_path, turn("", ("write", {"path": "a.txt", "text": "1\n"})))
    async with office(folder, script) as desk:
        session = await begin(desk, mode="ask")
        number = await desk.handle(Prompt(session.name, "Do it."))
        await until(lambda: bool(desk.approvals.listing()))
        await desk.handle(Answer(desk.approvals.listing()[0]["approval"], "yes"))  # type: ignore[arg-type]
        assert session.running is not None
        await session.running
        assert (await desk.read(lambda history: history.operation(number))).outcome == "done"
        assert [approval.outcome for approval in await operations(desk, "approval")] == ["refused"]
    assert not (folder / "a.txt").exists()


# -- a call


class Broken(Plain):
    """An executor with a defect."""

    async def execute(self, invocation: Invocation) -> Result:
        raise ZeroDivisionError(SAID)


async def asked(desk: Sessions, session: Session) -> Cause:
    """The cause of what an agent does because of a prompt."""
    act = session.cause.act(Kind.PROMPT, "Do it.")
    return session.cause.answering(await desk.write(lambda work: work.begin(act)), "agent")


async def test_an_executor_that_raises_is_recorded_told_and_logged(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with office(folder, tape(tmp_path)) as desk:
        session = await begin(desk)
        dispatch = Dispatch(session, declared().executed_by({"run": Broken()}))
        with caplog.at_level(logging.ERROR, logger="wukong"):
            result = await dispatch.invoke(await asked(desk, session), Call("run", {"command": "true"}))
        assert "ZeroDivisionError" in result.text
        (made,) = await operations(desk, "capability")
        assert (made.outcome, made.detail["error"]) == ("failed", f"ZeroDivisionError: {SAID}")
        assert f"session {session.name}, op:{made.id} run failed" in caplog.text
        assert "in execute" in caplog.text
        assert SAID not in caplog.text


async def test_a_document_call_that_breaks_is_recorded_and_the_model_goes_on(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").write_text("1\n")
    huge = {"path": "a.txt", "text": "2\n", "version": 10**30}
    script = tape(tmp_path, turn("", ("write", huge)), turn("I see.", expect="OverflowError"))
    async with office(folder, script) as desk:
        assert (await prompt(desk, await begin(desk))).outcome == "done"
        (made,) = await operations(desk, "capability")
        assert made.outcome == "failed"
        assert made.detail["error"].startswith("OverflowError: ")
    assert (folder / "a.txt").read_text() == "1\n"


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("fly", {}, "There is no capability 'fly'; there are "),
        ("write", {"path": "a.txt"}, "write: text is missing."),
        ("write", {"path": 3, "text": "x"}, "write: path has to be text."),
        ("write", {"path": "a.txt", "text": "x", "more": 1}, "write: there is no more; it takes path, text, "),
        ("write", ["a.txt", "x"], "write: the arguments are not an object."),
        ("write", {"path": "a.txt", "text": "\ud83d"}, "write: text holds half a character"),
        ("run", {"command": "true", "seconds": 0}, "run: seconds has to be more than 0."),
        ("run", {"command": "true", "seconds": float("nan")}, "run: seconds has to be a finite number."),
        ("run", {"command": "true", "seconds": True}, "run: seconds has to be a number."),
        ("plan", {"action": "dance"}, "plan: action has to be one of set, start, finish, show."),
        ("plan", {"action": "set", "steps": ["x"]}, "plan: item 1 of steps has to be an object."),
        ("plan", {"action": "set", "steps": [{"title": "\udc80\ud800"}]}, "plan: item 1 of steps holds half"),
    ],
)
async def test_invalid_arguments_never_begin_and_are_refused_in_a_sentence(
    folder: Path, tmp_path: Path, name: str, arguments: Any, sentence: str
) -> None:
    async with office(folder, tape(tmp_path)) as desk:
        session = await begin(desk)
        every = {capability.name: Broken() for capability in declared() if capability.act is None}
        dispatch = Dispatch(session, declared().executed_by(every))
        result = await dispatch.invoke(await asked(desk, session), Call(name, arguments))
        assert result.text.startswith(sentence)
        (made,) = await operations(desk, "capability")
        assert (made.name, made.outcome, made.decision) == (f"{name} refused", "refused", None)
        assert list(folder.iterdir()) == [folder / ".wukong"]


class Undecided(Policy):
    """A policy with a defect."""

    def decide(self, request: Request) -> Decision:
        raise KeyError(request.capability)


async def test_an_error_in_a_decision_is_a_denial(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with office(folder, tape(tmp_path)) as desk:
        session = await begin(desk)
        session.policy = Undecided("auto")
        call = Call("write", {"path": "a.txt", "text": "x"})
        result = await Dispatch(session, toolset(desk.workplace(session))).invoke(await asked(desk, session), call)
        assert result.text == "Refused: it could not be decided (KeyError: 'write')."
        (made,) = await operations(desk, "capability")
        assert made.outcome == "refused"
        assert "deciding on write failed" in caplog.text
    assert not (folder / "a.txt").exists()


async def test_a_path_that_is_not_utf8_is_an_argument_like_any_other(folder: Path, tmp_path: Path) -> None:
    async with office(folder, tape(tmp_path)) as desk:
        session = await begin(desk)
        call = Call("write", {"path": "caf\udce9.txt", "text": "x"})
        result = await Dispatch(session, toolset(desk.workplace(session))).invoke(await asked(desk, session), call)
        assert result.outcome == "done"
    assert (folder / os.fsdecode(b"caf\xe9.txt")).read_text() == "x"


async def test_a_call_that_is_interrupted_while_a_person_is_asked_changes_nothing(
    folder: Path, tmp_path: Path
) -> None:
    async with office(folder, tape(tmp_path)) as desk:
        session = await begin(desk, mode="ask")
        cause = await asked(desk, session)
        call = Call("write", {"path": "a.txt", "text": "x"})
        waiting = asyncio.create_task(Dispatch(session, toolset(desk.workplace(session))).invoke(cause, call))
        await until(lambda: bool(desk.approvals.listing()))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert [approval.outcome for approval in await operations(desk, "approval")] == ["interrupted"]
    assert not (folder / "a.txt").exists()


async def test_in_an_external_conversation_a_person_is_asked_whatever_the_mode(folder: Path, tmp_path: Path) -> None:
    script = tape(tmp_path, turn("", ("read", {"path": "a.txt"}), ("write", {"path": "b.txt", "text": "1\n"})))
    (folder / "a.txt").write_text("1\n")
    async with office(folder, script) as desk:
        session = await begin(desk, mode="auto", scope="external")
        session.policy.grant("write")
        answering = answers(desk, "no")
        await prompt(desk, session)
        assert answering == [("write", {"path": "b.txt", "text": "1\n"})]
        entries = await desk.read(lambda history: list(history.store.journal.of_session(session.name)))
        assert {e.detail.get("scope") for e in entries if e.phase in (BEGUN, INSTANT)} == {"external"}
        name = session.name
    async with office(folder, script) as desk:
        await desk.handle(Open(resume=name, mode="auto"))
        assert desk.session(name).cause.scope == "external"
    assert not (folder / "b.txt").exists()


# -- plans

CHECKED = [{"title": "Shout", "check": {"command": "grep -q loud a.txt"}}]


@needs_sandbox
async def test_finishing_a_step_is_asked_for_once_with_the_command_that_it_runs(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").write_text("loud\n")
    script = tape(
        tmp_path, turn("", ("plan", {"action": "set", "steps": CHECKED})), turn("", ("plan", {"action": "start"})),
        turn("", ("plan", {"action": "show"})), turn("", ("plan", {"action": "finish"})),
    )  # fmt: skip
    async with office(folder, script) as desk:
        session = await begin(desk, mode="ask")
        answering = answers(desk, "once")
        await prompt(desk, session)
        assert answering == [("plan", {"action": "finish", "check": "grep -q loud a.txt"})]
        assert [attempt.outcome for attempt in await operations(desk, "attempt")] == ["verified"]
        checks = [o for o in await operations(desk, "capability") if (o.name or "").startswith("check ")]
        assert [(o.outcome, o.decision) for o in checks] == [("done", "allowed by a person")]


@needs_sandbox
async def test_a_grant_of_plan_for_the_session_is_no_grant_of_its_commands(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").write_text("loud\n")
    script = tape(
        tmp_path, turn("", ("plan", {"action": "set", "steps": CHECKED})), turn("", ("plan", {"action": "start"})),
        turn("", ("plan", {"action": "finish"})),
    )  # fmt: skip
    async with office(folder, script) as desk:
        session = await begin(desk, mode="ask")
        session.policy.grant("plan")
        answering = answers(desk, "no")
        await prompt(desk, session)
        assert answering == [("run", {"command": "grep -q loud a.txt"})]
        assert [attempt.outcome for attempt in await operations(desk, "attempt")] == ["failed"]


# -- causes


def test_a_cause_never_changes() -> None:
    cause = Cause("ann", "s1")
    with pytest.raises(dataclasses.FrozenInstanceError):
        cause.prompt = 3  # type: ignore[misc]
    answering = cause.answering(3, "agent")
    assert (cause.prompt, cause.agent) == (None, None)
    assert answering.under(5) == Cause("ann", "s1", "agent", 3, parent=5)


async def test_the_cause_of_a_prompt_is_in_every_entry_below_it(folder: Path, tmp_path: Path) -> None:
    steps = [{"title": "Shout", "check": {"document": "a.txt", "contains": "LOUD"}, "attempts": 2}]
    script = tape(
        tmp_path, turn("", ("plan", {"action": "set", "steps": steps})), turn("", ("plan", {"action": "start"})),
        turn("", ("write", {"path": "a.txt", "text": "quiet\n"}), ("fly", {})),
        turn("", ("plan", {"action": "finish"})), turn("", ("plan", {"action": "start"})),
        turn("", ("write", {"path": "a.txt", "text": "LOUD\n"})), turn("", ("plan", {"action": "finish"})),
    )  # fmt: skip
    async with office(folder, script) as desk:
        session = await begin(desk)
        done = await prompt(desk, session)
        assert done.outcome == "done"

        entries = await desk.read(lambda history: list(history.store.journal.of_session(session.name)))
        below = [e for e in entries if e.operation > done.id and e.phase in (BEGUN, INSTANT)]
        parents = {e.id: e.parent for e in below}

        def root(entry: Entry) -> int | None:
            at: int | None = entry.id
            while at in parents:
                at = parents[at]
            return at

        assert {root(entry) for entry in below} == {done.id}
        assert {entry.actor for entry in below} <= {"agent", "ann", "wukong"}
        attempts = [entry for entry in below if entry.kind == "attempt"]
        assert [(entry.step, entry.attempt, entry.parent) for entry in attempts] == [(1, 1, done.id), (1, 2, done.id)]
        for number, attempt in enumerate(attempts, 1):
            inside = [entry for entry in below if entry.parent == attempt.id]
            assert {"model", "capability"} <= {entry.kind for entry in inside}
            assert {(entry.step, entry.attempt) for entry in inside} == {(1, number)}
        (lesson,) = [entry for entry in below if entry.kind == "lesson"]
        assert (lesson.parent, lesson.step, lesson.attempt) == (done.id, 1, 1)


async def test_a_session_between_prompts_has_no_cause_left_over(folder: Path, tmp_path: Path) -> None:
    steps = [{"title": "Shout"}]
    script = tape(
        tmp_path, turn("", ("plan", {"action": "set", "steps": steps})), turn("", ("plan", {"action": "start"})),
        turn("I stop here."), turn("", ("write", {"path": "a.txt", "text": "1\n"})),
    )  # fmt: skip
    async with office(folder, script) as desk:
        session = await begin(desk)
        await prompt(desk, session)
        assert (session.conversation.prompt, session.conversation.attempt) == (None, None)
        second = await prompt(desk, session, "And now?")
        written = (await operations(desk, "capability"))[-1]
        assert (written.name, written.parent, written.step, written.attempt) == ("write a.txt", second.id, None, None)


# -- acts of people


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("revert", {}, "revert: operations is missing."),
        ("revert", {"operations": "op:1"}, "revert: operations has to be a list."),
        ("undo", {"target": []}, "undo: target has to be text or a whole number or null."),
        ("scan", {"largest": 0}, "scan: largest has to be 1 or more."),
        (
            "scan",
            {"dry_run": True},
            f"scan: there is no dry_run; it takes {', '.join(acts.registry().find('scan').parameters)}.",
        ),
        ("restore", {}, "Restore takes an address, or the number of an entry."),
        ("dance", {}, f"There is no capability 'dance'; there are {', '.join(a.name for a in acts.registry())}."),
    ],
)
def test_an_act_of_a_person_that_makes_no_sense_is_refused_in_a_sentence(
    folder: Path, name: str, arguments: dict[str, Any], sentence: str
) -> None:
    with Workspace.open(folder) as work:
        work.scan()
        before = work.cursor
        with pytest.raises(WorkspaceError) as refused:
            acts.perform(work, name, arguments, "ann")
        assert str(refused.value) == sentence
        assert work.cursor == before


def test_where_nothing_may_be_changed_a_person_may_still_look(folder: Path) -> None:
    (folder / "a.txt").write_text("1\n")
    with Workspace.open(folder) as work:
        work.scan()
        (folder / "a.txt").write_text("2\n")
        work.scan()
        before, cause, policy = work.cursor, Cause("ann", "cli"), Policy("read-only")
        look = Call("undo", {"dry_run": True})
        assert invoke(work, cause, look, acts.registry(), policy)["touched"]
        with pytest.raises(Refused, match="read-only"):
            invoke(work, cause, Call("undo", {}), acts.registry(), policy)
        assert work.cursor == before
