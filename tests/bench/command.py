"""A command of a session in a large workspace, against the same command bare."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from statistics import median

from runtime.dispatch.door import Dispatch
from runtime.execution import bubblewrap
from runtime.host.sessions import Sessions
from runtime.host.toolset import toolset
from runtime.models.scripted import Scripted
from runtime.protocol import Open
from runtime.tools.call import Call
from tests.runtime.office import turn, write_cassette
from workspace.kinds import Kind

from .lab import Lab, names
from .measure import Row, Target, spread

MORE = 0.015


def rows(lab: Lab) -> Iterator[Row]:
    trial = bubblewrap.chosen()
    if trial is not None and trial.overlay:
        yield asyncio.run(_commands(lab, lab.scaled(60_000, 6_000), lab.scaled(40, 15)))


async def _commands(lab: Lab, files: int, rounds: int) -> Row:
    """A command that edits one file, through the door of a session and bare, in turns."""
    folder = lab.folder / f"command-{files}"
    lab.say(f"writing {files:,} files, and running a command among them")
    for path in names(files):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"# {path}\n")
    tape = write_cassette(lab.folder / "command.toml", [turn("Done.")])
    office = Sessions(folder, choose=lambda _: Scripted(tape))
    await office.start()
    ours: list[float] = []
    bare: list[float] = []
    try:
        await office.alone(lambda work: work.scan())
        session = office.session(await office.handle(Open(mode="auto")))
        door = Dispatch(session, toolset(office.workplace(session)))
        prompt = await office.write(lambda work: work.begin(session.cause.act(Kind.PROMPT, "go")))
        cause = session.cause.answering(prompt, "agent")
        for number in range(rounds + 2):
            command = f"echo {number} > made.txt"
            start = time.perf_counter()
            result = await door.invoke(cause, Call("run", {"command": command}))
            taken = time.perf_counter() - start
            assert result.outcome.well, result.text
            start = time.perf_counter()
            subprocess.run(["bash", "-c", command], cwd=lab.folder, check=True)
            if number > 1:  # the first tries whether overlays work, and looks for secrets everywhere
                ours.append(taken)
                bare.append(time.perf_counter() - start)
    finally:
        await office.close()
    over = median(ours) - median(bare)
    return Row(f"a command that edits one of {files:,} files, recorded and durable", spread(ours),
               f"{spread(bare)} bare", median(ours) / median(bare), Target(MORE, seconds=True), over)  # fmt: skip
