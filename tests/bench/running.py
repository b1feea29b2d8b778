"""The runtime: what a turn costs beside a bare call of the model, calls of programs, sessions at once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from runtime.execution import sandbox
from runtime.host.sessions import Sessions
from runtime.models import tokens
from runtime.models.base import TextDelta
from runtime.models.provider import LiteLLM
from runtime.models.scripted import Scripted
from runtime.protocol import Open, Prompt
from runtime.usage import meter
from tests.runtime.office import turn, write_cassette
from tests.runtime.provider import Provider, reply
from workspace import History

from .lab import Lab
from .measure import Row, Target, spread

FLOOR = ("0" * 50 + "\n") * 20
PROGRAM = """\
import wk
rows = wk.read("floor.txt").split("\\n")
for n in range({calls}):
    row, bay = n // 50 % 20, n % 50
    rows[row] = rows[row][:bay] + str((int(rows[row][bay]) + 1) % 10) + rows[row][bay + 1:]
    wk.write("floor.txt", text="\\n".join(rows))
"""


def rows(lab: Lab) -> Iterator[Row]:
    yield asyncio.run(_turns(lab, lab.scaled(30, 8)))
    if sandbox.available() is None:
        yield from asyncio.run(_program(lab, lab.scaled(10_000, 2_000)))
    yield from asyncio.run(_sessions(lab))


async def _turns(lab: Lab, turns: int) -> Row:
    """The same replies over loopback HTTP: asked bare, and as turns of a session, in alternation."""
    lab.say(f"{turns} turns over HTTP")
    replies = [reply(f"Turn {n}.", ("list", {})) for n in range(turns)] + [reply("Done.")]
    bare: list[float] = []
    whole: list[float] = []
    async with Provider(replies) as provider:

        def model(_: str | None = None) -> LiteLLM:
            return LiteLLM("openai/loopback", api_base=provider.url, api_key="sk-loopback")

        asked = model()
        office = Sessions(_folder(lab, "turns"), choose=model)
        await office.start()
        try:
            for _ in range(3):
                messages: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
                for n in range(turns):
                    start = time.perf_counter()
                    async for piece in asked.stream(messages, ()):
                        if not isinstance(piece, TextDelta):
                            break
                    bare.append(time.perf_counter() - start)
                    messages.append({"role": "assistant", "content": f"Turn {n}."})
                session = office.session(await office.handle(Open(mode="auto")))
                start = time.perf_counter()
                await office.handle(Prompt(session.name, "go"))
                assert session.running is not None
                await session.running
                whole.append((time.perf_counter() - start) / (turns + 1))
        finally:
            await office.close()
    over = median(whole) - median(bare)
    return Row(f"a turn with one call, {turns} turns", spread(whole), f"{spread(bare)} bare call",
               median(whole) / median(bare), None, over)  # fmt: skip


async def _program(lab: Lab, calls: int) -> list[Row]:
    """One program of many recorded writes, beside what one tool call for each would cost in tokens."""
    lab.say(f"{calls:,} calls of a program")
    folder = _folder(lab, "program")
    (folder / "floor.txt").write_text(FLOOR)
    tape = write_cassette(
        folder.with_name("program.toml"),
        [turn("", ("program", {"text": PROGRAM.format(calls=calls)})), turn("Done.")],
    )
    office = Sessions(folder, choose=lambda _: Scripted(tape))
    await office.start()
    try:
        await office.alone(lambda work: work.scan())
        session = office.session(await office.handle(Open(mode="auto")))
        start = time.perf_counter()
        prompt = await office.handle(Prompt(session.name, "book"))
        assert session.running is not None
        await session.running
        taken = time.perf_counter() - start

        def look(history: History) -> tuple[int, int, meter.Total]:
            head = history.find("floor.txt")
            assert head is not None
            return head.number - 1, history.cursor, meter.of_family(history, prompt)

        made, _, spent = await office.read(look)
    finally:
        await office.close()
    assert made == calls, made
    call = json.dumps({"path": "floor.txt", "text": FLOOR})
    each = tokens.of_text(call) + tokens.of_text("floor.txt@2: +1 -1 lines")
    rate = calls / taken
    return [
        Row(f"{calls:,} recorded calls of one program, durable", f"{rate:,.0f} a second", "", None,
            Target(1000, at_least=True), rate),
        Row("tokens of those calls", f"0 (the two replies ~{spent.estimated:,})",
            f"~{each * calls:,} as tool calls, not counting what each turn sends again"),
    ]  # fmt: skip


async def _sessions(lab: Lab) -> list[Row]:
    """Scripted sessions at work at the same time: turns a second, and how long a query beside them waits."""
    found = []
    for count in (1, 10, 100) if not lab.quick else (1, 10):
        lab.say(f"{count} sessions at once")
        folder = _folder(lab, f"sessions-{count}")
        turns = [turn("", ("write", {"path": "@.txt", "text": f"{n}\n"})) for n in range(10)]
        tapes = [
            write_cassette(folder.with_name(f"s{count}-{k}.toml"), [*_named(turns, k), turn("Done.")])
            for k in range(count)
        ]
        office = Sessions(folder, choose=lambda _, left=iter(tapes): Scripted(next(left)))
        await office.start()
        try:
            sessions = [office.session(await office.handle(Open(mode="auto"))) for _ in range(count)]
            waits: list[float] = []
            start = time.perf_counter()
            for session in sessions:
                await office.handle(Prompt(session.name, "go"))
            while any(session.busy for session in sessions):
                asked = time.perf_counter()
                await office.read(lambda history: history.cursor)
                waits.append(time.perf_counter() - asked)
                await asyncio.sleep(0.002)
            taken = time.perf_counter() - start
        finally:
            await office.close()
        found.append(
            Row(f"{count} sessions of 11 turns at once", f"{count * 11 / taken:,.0f} turns a second",
                f"a query beside them {spread(waits)}")
        )  # fmt: skip
    return found


def _named(turns: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    return [{**t, "calls": tuple((name, {**a, "path": f"{number}.txt"}) for name, a in t["calls"])} for t in turns]


def _folder(lab: Lab, name: str) -> Path:
    folder = lab.folder / f"running-{name}"
    folder.mkdir()
    return folder
