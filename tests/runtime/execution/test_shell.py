"""Commands of a session, where they cannot be executed or leave odd things behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.execution import sandbox
from runtime.host.sessions import Sessions
from runtime.models.scripted import Scripted
from tests.runtime.office import Call, begin, office, operations, prompt, told, turn, write_cassette
from workspace import History
from workspace.operations.verify import verify

needs_sandbox = pytest.mark.skipif(sandbox.available() is not None, reason="no sandbox works here")


@needs_sandbox
async def test_a_command_that_the_sandbox_refuses_is_ended_and_the_model_told(folder: Path, tmp_path: Path) -> None:
    long = "true " + "x" * (1 << 18)  # more than one argument of a program can hold
    script = write_cassette(tmp_path / "tape.toml", [turn("", ("run", {"command": long})), turn("Done.")])
    async with office(folder, script) as desk:
        session = await begin(desk)
        assert (await prompt(desk, session)).outcome == "done"
        assert [call.outcome for call in await operations(desk, "capability")] == ["refused"]
        assert "cannot be started" in told(desk, session)[-2]["content"]


@needs_sandbox
async def test_a_command_that_leaves_a_bottomless_folder_in_tmp_is_ended_as_any(folder: Path, tmp_path: Path) -> None:
    dig = 'cd /tmp; python3 -c \'import os\nfor n in range(3000): os.mkdir("d"); os.chdir("d")\'; cd - && touch dug'
    script = write_cassette(tmp_path / "tape.toml", [turn("", ("run", {"command": dig})), turn("Done.")])
    async with office(folder, script) as desk:
        session = await begin(desk)
        assert (await prompt(desk, session)).outcome == "done"
        assert [call.outcome for call in await operations(desk, "capability")] == ["done"]

        def made(history: History) -> bool:
            return history.find("dug") is not None

        assert await desk.read(made)


@needs_sandbox
@pytest.mark.parametrize(
    "call",
    [
        ("run", {"command": "cat .history/*; rm -rf .history"}),
        ("program", {"text": "import shutil; shutil.rmtree('.history')"}),
    ],
)
async def test_a_history_inside_the_workspace_is_out_of_reach(folder: Path, tmp_path: Path, call: Call) -> None:
    script = write_cassette(tmp_path / "tape.toml", [turn("", call), turn("Done.")])
    desk = Sessions(folder, folder / ".history", choose=lambda _: Scripted(script))
    await desk.start()
    try:
        session = await begin(desk)
        assert (await prompt(desk, session)).outcome == "done"
        assert [made.outcome for made in await operations(desk, "capability")] == ["refused"]
        assert "--store" in told(desk, session)[-2]["content"]
    finally:
        await desk.close()
    with History.open(folder, store=folder / ".history") as history:
        assert verify(history.store).ok
