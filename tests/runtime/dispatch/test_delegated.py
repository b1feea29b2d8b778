"""Calls of programs: each is decided, by what the program was allowed, and what is beyond that is asked about."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from runtime.execution import sandbox
from runtime.execution.programs import Calls
from runtime.protocol import Interrupt, Open, Prompt
from runtime.tools.call import Call
from tests.runtime.execution.test_programs import running
from tests.runtime.office import answers, begin, office, operations, told, turn, until, write_cassette

needs_sandbox = pytest.mark.skipif(sandbox.available() is not None, reason="no sandbox works here")


def tape(tmp_path: Path, *turns: dict[str, Any]) -> Path:
    return write_cassette(tmp_path / "tape.toml", [*turns, turn("Done.")])


async def test_a_call_of_a_program_that_policy_denies_is_refused_and_recorded(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").write_text("1\n")
    async with office(folder, tape(tmp_path)) as desk:
        session = await begin(desk)
        program = await running(desk, session, Call("program", {"text": "…"}))
        session.policy.mode = "read-only"
        calls = [Call("read", {"path": "a.txt"}), Call("write", {"path": "a.txt", "text": "2\n"}), Call("write", {}),
                 Call("run", {"command": "true"})]  # fmt: skip
        given = await Calls(program).many(calls)
        assert given[0].value == "1\n"
        assert given[1].error == "Refused: This session is read-only."
        assert given[2].error == "write: path, text are missing."
        assert str(given[3].error).startswith("There is no run; there are read, ")
        made = [o for o in await operations(desk, "capability") if o.parent == program.operation]
        assert [(o.name, o.outcome) for o in made] == [
            ("read a.txt", "done"), ("write a.txt", "refused"), ("write", "refused"), ("run", "refused")
        ]  # fmt: skip
    assert (folder / "a.txt").read_text() == "1\n"


@needs_sandbox
async def test_a_session_that_becomes_read_only_refuses_what_its_program_writes_from_then_on(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "go").write_text("no\n")
    text = """
import wk
wk.write("a.txt", text="1")
while wk.read("go") == "no\\n":
    pass
try:
    wk.write("a.txt", text="2")
    wk.flush()
except wk.WkError as error:
    print("told:", error)
"""
    script = tape(tmp_path, turn("", ("program", {"text": text})))
    async with office(folder, script) as desk:
        session = await begin(desk)
        await desk.handle(Prompt(session.name, "Do it."))
        await until((folder / "a.txt").exists)
        await desk.handle(Open(resume=session.name, mode="read-only"))
        await desk.write(lambda work: work.write("go", b"yes\n", read=1))
        assert session.running is not None
        await session.running
        (answer,) = [message["content"] for message in told(desk, session) if message["role"] == "tool"]
        assert "This session is read-only." in answer
        refused = [o for o in await operations(desk, "capability") if o.outcome == "refused"]
        assert [o.name for o in refused] == ["write a.txt"]
    assert (folder / "a.txt").read_text() == "1"


async def test_who_allowed_a_program_is_not_asked_about_its_calls(folder: Path, tmp_path: Path) -> None:
    async with office(folder, tape(tmp_path)) as desk:
        session = await begin(desk, mode="ask")
        program = await running(desk, session, Call("program", {"text": "…"}), by="person")
        given = await Calls(program).many([Call("write", {"path": f"{n}", "text": "x"}) for n in range(20)])
        assert [answer.error for answer in given] == [None] * 20
        assert await operations(desk, "approval") == []


@pytest.mark.parametrize("allow", ["once", "no"])
async def test_calls_of_a_program_that_nobody_looked_at_are_asked_about_once(
    folder: Path, tmp_path: Path, allow: str
) -> None:
    async with office(folder, tape(tmp_path)) as desk:
        session = await begin(desk, mode="ask")
        program = await running(desk, session, Call("program", {"text": "…"}), by="policy")
        answering, calls = answers(desk, allow), Calls(program)
        for batch in range(3):
            given = await calls.many([Call("write", {"path": f"{batch}{n}", "text": "x"}) for n in range(5)])
            assert [answer.error is None for answer in given] == [allow == "once"] * 5
        every = f"every write of the program op:{program.operation}"
        assert answering == [("write", {"path": "00", "text": "x", "for": every})]


@needs_sandbox
async def test_a_program_that_waits_for_a_person_can_be_interrupted(folder: Path, tmp_path: Path) -> None:
    (folder / "go").write_text("no\n")
    text = """
import wk
wk.write("a.txt", text="1")
while wk.read("go") == "no\\n":
    pass
wk.write("b.txt", text="2")
"""
    async with office(folder, tape(tmp_path, turn("", ("program", {"text": text})))) as desk:
        session = await begin(desk)
        number = await desk.handle(Prompt(session.name, "Do it."))
        await until((folder / "a.txt").exists)
        await desk.handle(Open(resume=session.name, mode="ask"))
        await desk.write(lambda work: work.write("go", b"yes\n", read=1))
        await until(lambda: bool(desk.approvals.listing()))
        running = session.running
        assert running is not None
        await desk.handle(Interrupt(session.name))
        with pytest.raises(asyncio.CancelledError):
            await running
        assert [approval.outcome for approval in await operations(desk, "approval")] == ["interrupted"]
        assert (await desk.read(lambda history: history.operation(number))).outcome == "interrupted"
        assert desk.approvals.listing() == []
    assert not (folder / "b.txt").exists()
