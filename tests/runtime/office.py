"""An office in process with rehearsed models, for tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from runtime.agent.loop import NativeAgent
from runtime.dispatch.session import Session
from runtime.host.sessions import Sessions
from runtime.models.base import Message
from runtime.models.scripted import Scripted
from runtime.protocol import Answer, Open, Prompt
from workspace import History, Operation

Call = tuple[str, dict[str, Any] | str]


def turn(text: str = "", *calls: Call, **keys: Any) -> dict[str, Any]:
    """A turn of a cassette."""
    return {"text": text, "calls": calls, "keys": keys}


def write_cassette(path: Path, turns: Sequence[dict[str, Any]]) -> Path:
    """A cassette file of these turns."""
    rows = []
    for record in turns:
        rows.append("[[turn]]")
        rows.append(f"text = {json.dumps(record['text'])}")
        rows += [f"{key} = {_toml(value)}" for key, value in record["keys"].items()]
        for name, arguments in record["calls"]:
            raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
            rows += ["[[turn.call]]", f"name = {json.dumps(name)}", f"arguments = {json.dumps(raw)}"]
    path.write_text("\n".join(rows), "utf-8")
    return path


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


@asynccontextmanager
async def office(folder: Path, *cassettes: Path) -> AsyncIterator[Sessions]:
    """An office whose sessions get these cassettes, one each in order, the last one again and again."""
    left = list(cassettes)

    def choose(_: str | None) -> Scripted:
        return Scripted(left.pop(0) if len(left) > 1 else left[0])

    desk = Sessions(folder, choose=choose, principal="ann")
    await desk.start()
    try:
        await desk.alone(lambda work: work.scan())
        yield desk
    finally:
        await desk.close()


async def begin(desk: Sessions, mode: Any = "auto", **more: Any) -> Session:
    """A new session."""
    session = desk.session(await desk.handle(Open(mode=mode, **more)))
    session.wait = _at_once
    return session


def told(desk: Sessions, session: Session) -> list[Message]:
    """The conversation as the session's agent has it."""
    agent = desk._agents[session.name]
    assert isinstance(agent, NativeAgent)
    return agent.messages


async def until(true: Callable[[], bool]) -> None:
    """Let others work until something is so; the test's time-out is the limit."""
    while not true():
        await asyncio.sleep(0.005)


async def _at_once(_: float) -> None:
    return None


async def prompt(desk: Sessions, session: Session, text: str = "Do it.") -> Operation:
    """Give a prompt and wait for its end."""
    operation: int = await desk.handle(Prompt(session.name, text))
    assert session.running is not None
    await session.running
    return await desk.read(lambda history: history.operation(operation))


async def operations(desk: Sessions, kind: str | None = None) -> list[Operation]:
    """Operations (of a kind), oldest first."""

    def look(history: History) -> list[Operation]:
        found = history.store.journal.operations(newest_first=False, limit=100_000)
        return [operation for operation in found if kind in (None, operation.kind)]

    return await desk.read(look)


def answers(desk: Sessions, allow: Any) -> list[tuple[str, dict[str, Any]]]:
    """Answer every approval with this; what was asked, as it comes."""
    seen: list[tuple[str, dict[str, Any]]] = []
    known: set[int] = set()
    kept: list[asyncio.Future[Any]] = []

    def person(_: Any) -> None:
        for approval in desk.approvals.listing():
            if approval["approval"] not in known:
                known.add(approval["approval"])
                seen.append((approval["capability"], dict(approval["arguments"])))
                kept.append(asyncio.ensure_future(desk.handle(Answer(approval["approval"], allow))))

    desk.subscribe(person)
    return seen
