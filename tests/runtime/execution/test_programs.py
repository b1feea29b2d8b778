"""Calls of programs: carried out together, each all or nothing by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from runtime.dispatch.door import Dispatch, Invocation
from runtime.dispatch.policy import Decision
from runtime.dispatch.session import Session
from runtime.execution.programs import Calls
from runtime.execution.rpc import CallResult
from runtime.host.sessions import Sessions
from runtime.host.toolset import toolset
from runtime.tools.call import Call
from tests.runtime.office import begin, office, operations, turn, write_cassette
from workspace import Workspace
from workspace.kinds import Kind
from workspace.operations.verify import verify

HUGE = 10**30
"""A version number that fits no database: the act itself breaks on it."""


async def carried_out(desk: Sessions, *calls: Call) -> tuple[list[CallResult], Calls, int]:
    """The answers to calls of one program, who answered them, and the program's operation."""
    session = await begin(desk)
    program = await running(desk, session, Call("program", {"text": "…"}))
    them = Calls(program)
    return await them.many(calls), them, program.operation


async def running(
    desk: Sessions, session: Session, call: Call, by: Literal["policy", "person"] = "policy"
) -> Invocation:
    """A program that was let in and has begun."""
    dispatch = Dispatch(session, toolset(desk.workplace(session)))
    capability, arguments = dispatch.registry.validated(call)
    prompt = await desk.write(lambda work: work.begin(session.cause.act(Kind.PROMPT, "Do it.")))
    cause = session.cause.answering(prompt, "agent")
    act = cause.act(Kind.CAPABILITY, "program")
    decision = Decision("allow", "", by=by)
    program = Invocation(dispatch, call, capability, arguments, cause, capability.effects, decision, act)
    await program.begin()
    return program


def write(path: str, text: str, **more: Any) -> Call:
    return Call("write", {"path": path, "text": text, **more})


def tape(tmp_path: Path) -> Path:
    return write_cassette(tmp_path / "tape.toml", [turn("Done.")])


async def test_a_call_that_breaks_fails_alone_and_is_recorded(folder: Path, tmp_path: Path) -> None:
    (folder / "b").write_text("before\n")
    async with office(folder, tape(tmp_path)) as desk:
        calls = [write("a", "1\n"), write("b", "2\n", version=HUGE), write("c", "3\n"), Call("read", {"path": "a"})]
        answers, them, program = await carried_out(desk, *calls)
        assert [answer.error is None for answer in answers] == [True, False, True, True]
        assert "OverflowError" in str(answers[1].error)
        assert answers[3].value == "1\n"
        assert (them.made, them.failed) == (4, 1)
        made = [o for o in await operations(desk, "capability") if o.parent == program]
        assert [o.outcome for o in made] == ["done", "failed", "done", "done"]
        assert made[1].name == "write b"
        assert (await desk.read(lambda history: verify(history.store))).ok
    assert [(folder / name).read_text() for name in "abc"] == ["1\n", "before\n", "3\n"]


async def test_a_call_that_broke_is_not_remembered_as_read(folder: Path, tmp_path: Path) -> None:
    async with office(folder, tape(tmp_path)) as desk:
        answers, *_ = await carried_out(
            desk, write("a", "1\n"), write("a", "2\n", version=HUGE), write("a", "3\n"), Call("read", {"path": "a"})
        )
        assert [answer.error is None for answer in answers] == [True, False, True, True]
        assert answers[3].value == "3\n"


async def test_a_file_that_somebody_saves_meanwhile_fails_the_calls_on_it_alone(folder: Path, tmp_path: Path) -> None:
    (folder / "a").write_text("before\n")
    async with office(folder, tape(tmp_path)) as desk:

        def meddle(work: Workspace) -> None:
            def step(point: str) -> None:
                if point == "committed":
                    (folder / "a").write_text(f"theirs, after {work.cursor}\n")

            work.step = step

        await desk.alone(meddle)
        answers, *_ = await carried_out(desk, write("./a", "ours\n"), write("b", "other\n"))
        assert [answer.error is None for answer in answers] == [False, True]
    assert (folder / "a").read_text().startswith("theirs")
