"""kill -9 of the host at any moment of a run: it resumes or says unknown, and never does anything twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from runtime.execution import sandbox
from runtime.host import connect
from runtime.host.client import Client, HostGone
from runtime.protocol import Advanced, Attach, Open, Prompt, Stop
from tests.runtime.office import turn, write_cassette
from workspace import History, NotFound, Workspace
from workspace.operations.verify import verify

TURNS = 8

pytestmark = pytest.mark.skipif(sandbox.available() is not None, reason="no sandbox works here")


def script(tmp_path: Path) -> Path:
    turns = [
        turn(
            f"Turn {n}.",
            ("run", {"command": f"echo {n} >> ran.txt"}),
            ("write", {"path": f"{n}.txt", "text": f"{n}\n"}),
        )
        for n in range(TURNS)
    ]
    return write_cassette(tmp_path / "tape.toml", [*turns, turn("Done.")])


async def run_and_kill(folder: Path, tape: Path, session: str | None, after: int | None) -> tuple[str, bool]:
    """Work on until the end, or kill the host after that many events; the session, and whether it ended."""
    async with Client.connect(folder) as client:
        await client.call(Attach())
        name = session or await client.call(Open(model=f"cassette:{tape}", mode="auto"))
        prompt = await client.call(Prompt(name, "go on" if session else "begin"))
        pid = (connect.status(folder) or {})["pid"]
        seen = 0
        try:
            async for event in client.events():
                seen += 1
                if after is not None and seen >= after:
                    os.kill(pid, signal.SIGKILL)
                    after = None
                if isinstance(event, Advanced):
                    with History.open(folder) as history:
                        if history.operation(prompt).ended is not None:
                            return name, True
        except HostGone:
            return name, False
    return name, False


async def kill_and_resume(folder: Path, tmp_path: Path, kills: int, seed: int) -> None:
    """One task, its host killed again and again, worked on to its end."""
    chance = random.Random(seed)
    tape = script(tmp_path)
    (folder / "ran.txt").write_text("")
    with Workspace.open(folder) as work:
        work.scan()
    session, ended = None, False
    for _ in range(kills):
        session, ended = await run_and_kill(folder, tape, session, chance.randint(1, 40))
        if ended:
            break
    while not ended:
        session, ended = await run_and_kill(folder, tape, session, None)
    ran = Counter((folder / "ran.txt").read_text().split())
    assert not [n for n, times in ran.items() if times > 1], ran
    with suppress(NotFound):  # the last kill came as it ended
        await asyncio.to_thread(connect.call, folder, Stop(), start=False)
    with Workspace.open(folder) as work:
        assert not work.differences()
        assert not work.unplaced()
        report = verify(work.store)
        assert report.ok, report.problems
        journal = work.store.journal
        assert not journal.unfinished()
        calls = Counter(journal.operation(o).detail.get("call") for o in journal.of_kind("capability"))
        assert max(calls.values()) == 1
        outcomes = Counter(journal.operation(o).outcome for o in journal.of_kind("capability"))
        missing = {str(n) for n in range(TURNS)} - set(ran)
        assert len(missing) <= outcomes["unknown"] + kills  # what did not run was said to be unknown or not begun


@pytest.mark.parametrize("seed", range(2))
async def test_a_killed_host_never_repeats_a_command(folder: Path, tmp_path: Path, seed: int) -> None:
    await kill_and_resume(folder, tmp_path, kills=3, seed=seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 125))
async def test_a_host_killed_a_hundred_times_never_repeats_a_command(folder: Path, tmp_path: Path, seed: int) -> None:
    await kill_and_resume(folder, tmp_path, kills=4, seed=seed)
