"""A command that changes many files on its overlay: what it costs beside the same command bare."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from runtime.execution import bubblewrap
from runtime.host.sessions import Sessions
from runtime.models.scripted import Scripted
from runtime.protocol import Open, Prompt
from tests.runtime.office import turn, write_cassette
from workspace import History

from .lab import Lab
from .measure import Row, Target, duration

EACH = 100
"""Files in a folder."""
ROUNDS = 3
CHANGE = "for f in */*.txt; do echo changed >> $f; done"


def rows(lab: Lab) -> Iterator[Row]:
    trial = bubblewrap.chosen()
    if trial is not None and trial.overlay:
        yield from asyncio.run(_many(lab, lab.scaled(10_000, 2_000)))


async def _many(lab: Lab, count: int) -> list[Row]:
    """The same shell command in two like folders, bare and as an agent's, in alternation."""
    lab.say(f"commands that change {count:,} files")
    theirs, ours = (_filled(lab.folder / f"changes-{name}", count) for name in ("bare", "office"))
    tape = write_cassette(
        lab.folder / "changes.toml",
        [*(turn("", ("run", {"command": CHANGE})) for _ in range(ROUNDS)), turn("Done.")],
    )
    bare: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run(["bash", "-c", CHANGE], cwd=theirs, check=True)
        bare.append(time.perf_counter() - start)
    office = Sessions(ours, choose=lambda _: Scripted(tape))
    await office.start()
    try:
        await office.alone(lambda work: work.scan(consent=True))
        session = office.session(await office.handle(Open(mode="auto")))
        prompt = await office.handle(Prompt(session.name, "go"))
        assert session.running is not None
        waits: list[float] = []
        while not session.running.done():
            start = time.perf_counter()
            await office.write(lambda work: work.write("beside.txt", b"%d" % work.cursor))
            waits.append(time.perf_counter() - start)
            await asyncio.sleep(0.02)

        def look(history: History) -> list[float]:
            family = [history.operation(one) for one in history.store.journal.family(prompt)]
            made = [one for one in family if one.kind == "capability"]
            assert all(len(history.store.versions.of_operation(one.id)) == count for one in made)
            return [((one.ended or 0) - one.started) / 1e6 for one in made]

        whole = await office.read(look)
    finally:
        await office.close()
    ratio = median(whole) / median(bare)
    return [
        Row(f"a command that changes {count:,} files", duration(median(whole)), f"{duration(median(bare))} bare",
            ratio, Target(3)),
        Row("the longest wait of a durable write beside it", duration(max(waits))),
    ]  # fmt: skip


def _filled(folder: Path, count: int) -> Path:
    for number in range(count):
        path = folder / f"{number // EACH}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}\n" * 20)
    return folder
