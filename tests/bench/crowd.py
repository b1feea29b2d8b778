"""A crowd: how long a durable write waits while sixteen agents run commands that change many files."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from runtime.execution import sandbox
from runtime.host.launch import SWITCH
from runtime.host.sessions import Sessions
from runtime.models.scripted import Scripted
from runtime.protocol import Open, Prompt
from tests.runtime.office import turn, write_cassette

from .lab import Lab
from .measure import Row, Target, duration, percentile

AGENTS, FILES, EACH = 16, 10_000, 500
P50, P95 = 0.005, 0.025


def rows(lab: Lab) -> Iterator[Row]:
    if sandbox.available() is None:
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH)  # as the host's process does
        try:
            yield from asyncio.run(_crowd(lab, lab.scaled(6, 3)))
        finally:
            sys.setswitchinterval(before)


async def _crowd(lab: Lab, runs: int) -> list[Row]:
    lab.say(f"{AGENTS} agents with {runs} commands each in {FILES:,} files")
    folder = lab.folder / "crowd"
    for n in range(FILES):
        path = folder / f"d{n // EACH}" / f"{n % EACH}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"line {line} of file {n}\n" for line in range(30)))
    tapes = [_tape(folder.with_name(f"crowd-{agent}.toml"), agent, runs) for agent in range(AGENTS)]
    office = Sessions(folder, choose=lambda _, left=iter(tapes): Scripted(next(left)))
    await office.start()
    waits: list[float] = []
    try:
        await office.alone(lambda work: work.scan())
        sessions = [office.session(await office.handle(Open(mode="auto"))) for _ in range(AGENTS)]
        start = time.perf_counter()
        for session in sessions:
            await office.handle(Prompt(session.name, "go"))
        while any(session.busy for session in sessions):
            asked = time.perf_counter()
            text = b"%d\n" % len(waits)
            await office.write(lambda work, text=text: work.write("probe.txt", text))
            waits.append(time.perf_counter() - asked)
            await asyncio.sleep(0.02)
        taken = time.perf_counter() - start
        made = await office.read(
            lambda history: sum(v.number - 1 for v in history.tree().values() if v.path != "probe.txt")
        )
    finally:
        await office.close()
    assert made == AGENTS * runs * EACH, made
    middle, slow = percentile(waits, 50), percentile(waits, 95)
    what = f"a durable write beside {AGENTS} agents"
    return [
        Row(f"{what}, {len(waits):,} writes: p50", duration(middle), "", None, Target(P50, seconds=True), middle),
        Row(f"{what}: p95", duration(slow), f"longest {duration(max(waits))}", None, Target(P95, seconds=True), slow),
        Row(f"their {AGENTS * runs} commands of {EACH} files", duration(taken), f"{made:,} versions"),
    ]  # fmt: skip


def _tape(path: Path, agent: int, runs: int) -> Path:
    command = f"for f in d{agent}/*; do echo again >> $f; done; sleep 0.3"
    return write_cassette(path, [*(turn("", ("run", {"command": command})) for _ in range(runs)), turn("Done.")])
