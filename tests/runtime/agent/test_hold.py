"""A session that is held stops between operations, goes on where it was, and can be interrupted all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.dispatch.session import Session
from runtime.execution import sandbox
from runtime.host.sessions import Sessions
from runtime.protocol import Attach, Hold, Interrupt, Prompt
from tests.runtime.office import begin, office, operations, prompt, turn, write_cassette
from workspace.operations.verify import verify

needs_sandbox = pytest.mark.skipif(sandbox.available() is not None, reason="no sandbox works here")
EDITS = 2_000
PROGRAM = f"""
import wk
for n in range({EDITS}):
    wk.edit("n.txt", old=f"<{{n}}>", new=f"<{{n + 1}}>")
"""


async def rounds(desk: Sessions) -> int:
    """Let everything go on that can; the entry at which it has come to rest."""
    for _ in range(50):
        await desk.write(lambda work: None)
    return await desk.read(lambda history: history.cursor)


def hold_when(desk: Sessions, session: Session, true: Callable[[], bool]) -> None:
    """Hold a session in the very moment at which something has become so, once."""

    def look(_: Any) -> None:
        if true():
            stop()
            session.gate.clear()

    stop = desk.subscribe(look)


async def held(desk: Sessions, session: Session) -> None:
    while session.gate.is_set():
        await desk.write(lambda work: None)


async def test_a_held_session_asks_no_model_until_it_is_let_go(folder: Path, tmp_path: Path) -> None:
    script = write_cassette(tmp_path / "tape.toml", [turn("Done.")])
    async with office(folder, script) as desk:
        session = await begin(desk)
        assert await desk.handle(Hold(session.name, True)) is True
        await desk.handle(Prompt(session.name, "Do it."))
        await rounds(desk)
        assert session.busy
        assert await operations(desk, "model") == []
        (listed,) = (await desk.handle(Attach()))["sessions"]
        assert listed["held"] is True
        assert await desk.handle(Hold(session.name, False)) is False
        assert session.running is not None
        await session.running
        assert [call.outcome for call in await operations(desk, "model")] == ["done"]


async def test_it_is_held_between_two_calls_of_one_reply(folder: Path, tmp_path: Path) -> None:
    both = [("write", {"path": name, "text": "x\n"}) for name in ("a.txt", "b.txt")]
    script = write_cassette(tmp_path / "tape.toml", [turn("", *both), turn("Done.")])
    async with office(folder, script) as desk:
        session = await begin(desk)
        hold_when(desk, session, (folder / "a.txt").exists)
        await desk.handle(Prompt(session.name, "Do it."))
        await held(desk, session)
        await rounds(desk)
        assert (folder / "a.txt").exists()
        assert not (folder / "b.txt").exists()
        await desk.handle(Hold(session.name, False))
        assert session.running is not None
        await session.running
        assert (folder / "b.txt").exists()


@needs_sandbox
async def test_a_program_is_held_between_its_calls_and_loses_none(folder: Path, tmp_path: Path) -> None:
    (folder / "n.txt").write_text("<0>\n")
    script = write_cassette(tmp_path / "tape.toml", [turn("", ("program", {"text": PROGRAM})), turn("Done.")])
    async with office(folder, script) as desk:
        session = await begin(desk)
        hold_when(desk, session, lambda: (folder / "n.txt").read_text() != "<0>\n")
        await desk.handle(Prompt(session.name, "Do it."))
        await held(desk, session)
        rest = await rounds(desk)
        assert rest < EDITS
        assert await rounds(desk) == rest
        await desk.handle(Hold(session.name, False))
        assert session.running is not None
        await session.running
        assert (folder / "n.txt").read_text() == f"<{EDITS}>\n"


@needs_sandbox
async def test_a_program_that_is_held_can_be_interrupted(folder: Path, tmp_path: Path) -> None:
    (folder / "n.txt").write_text("<0>\n")
    turns = [turn("", ("program", {"text": PROGRAM})), turn("I see.")]
    async with office(folder, write_cassette(tmp_path / "tape.toml", turns)) as desk:
        session = await begin(desk)
        hold_when(desk, session, lambda: (folder / "n.txt").read_text() != "<0>\n")
        number = await desk.handle(Prompt(session.name, "Do it."))
        await held(desk, session)
        await rounds(desk)
        stood = (folder / "n.txt").read_text()
        running = session.running
        assert running is not None
        assert await desk.handle(Interrupt(session.name)) is True
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await desk.read(lambda history: history.operation(number))).outcome == "interrupted"
        assert (folder / "n.txt").read_text() == stood, "what had not begun is not carried out"
        assert session.gate.is_set()
        assert (await prompt(desk, session, "And now?")).outcome == "done"
        assert (await desk.read(lambda history: verify(history.store))).ok


async def test_an_office_closes_while_a_session_is_held(folder: Path, tmp_path: Path) -> None:
    async with office(folder, write_cassette(tmp_path / "tape.toml", [turn("Done.")])) as desk:
        session = await begin(desk)
        await desk.handle(Hold(session.name, True))
        await desk.handle(Prompt(session.name, "Do it."))
        await rounds(desk)
    assert not session.busy
