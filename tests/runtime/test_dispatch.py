"""The one door: what is decided, recorded, told and logged of every act."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from runtime.host.sessions import Sessions
from runtime.models.base import Message, ModelReply, TextDelta, Tool
from runtime.protocol import Answer, Prompt
from workspace import Usage

from .office import begin, office, operations, prompt, turn, until, write_cassette


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
        await until(lambda: bool(desk._asked()))
        await desk.handle(Answer(desk._asked()[0]["approval"], "yes"))  # type: ignore[arg-type]
        assert session.running is not None
        await session.running
        assert (await desk.read(lambda history: history.operation(number))).outcome == "done"
        assert [approval.outcome for approval in await operations(desk, "approval")] == ["refused"]
    assert not (folder / "a.txt").exists()
