"""The demo without a terminal: the same replies, the same work, and what came of it as one record."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TypedDict

from runtime import protocol
from runtime.host.client import Client
from runtime.usage import meter
from workspace import History, WorkspaceError
from workspace.entries import CapabilityEntry
from workspace.kinds import Kind, Outcome
from workspace.records import BEGUN, ENDED, INSTANT
from wukong_tui.demo import floor
from wukong_tui.demo.estimate import one_by_one
from wukong_tui.demo.place import PROMPT, Demo

BOTTLES = 10_000
_PAGE = 2_000


async def play(demo: Demo) -> int:
    """Give the prompt to the demo's agent and wait for its end; the prompt's operation. Raises WorkspaceError.

    The work is done by a host of its own, which has left when this returns. Cancelled, the
    agent is interrupted and what it did stands.
    """
    async with Client.connect(demo.root, store=demo.store) as client:
        try:
            await client.call(protocol.Attach())
            session = await client.call(demo.opening())
            prompt = int(await client.call(protocol.Prompt(session, demo.prompt)))
            with History.open(demo.root, store=demo.store) as history:
                async for _ in client.events():
                    if history.operation(prompt).ended is not None:
                        return prompt
            raise WorkspaceError("The host has left before the demo was over.")
        finally:
            with suppress(WorkspaceError):
                await asyncio.shield(client.call(protocol.Stop()))


class DemoResult(TypedDict):
    """What a demo has come to; see docs/json.md."""

    workspace: str
    store: str
    session: str
    prompt: int
    outcome: str
    bottles: int
    fire_lane: int
    operations: int
    versions: int
    documents: int
    failed_attempts: int
    lessons: int
    tokens: dict[str, int | float]
    effective: dict[str, int | float]
    wasted: dict[str, int | float]
    unjudged: dict[str, int | float]
    one_call_each: int
    sandbox: bool


def result(demo: Demo) -> DemoResult:
    """What a demo has come to, as `wukong demo --headless --json` writes it; see docs/json.md."""
    with History.open(demo.root, store=demo.store) as history:
        session = demo.session(history)
        if session is None:
            raise WorkspaceError(f"Nothing was asked in {demo.root} yet.")
        journal = history.store.journal
        prompt = history.operation(journal.of_kind(Kind.PROMPT, session=session)[0])
        attempts = [history.operation(id_) for id_ in journal.of_kind(Kind.ATTEMPT, session=session)]
        effect = meter.effect(history, session=session)
        operations, versions, bare = _counted(history)
        bottles = floor_of(history)
        return {
            "workspace": str(demo.root),
            "store": str(demo.store),
            "session": session,
            "prompt": prompt.id,
            "outcome": prompt.outcome or Outcome.UNKNOWN,
            "bottles": sum(bottles.values()),
            "fire_lane": bottles[floor.FIRE_LANE],
            "operations": operations,
            "versions": versions,
            "documents": len(history.tree()),
            "failed_attempts": sum(attempt.outcome == Outcome.FAILED for attempt in attempts),
            "lessons": len(journal.of_kind(Kind.LESSON, session=session)),
            "tokens": meter.total(meter.calls(history, session=session)).record(),
            "effective": effect.effective.record(),
            "wasted": effect.wasted.record(),
            "unjudged": effect.unjudged.record(),
            "one_call_each": one_by_one(BOTTLES, PROMPT),
            "sandbox": not bare,
        }


def succeeded(record: DemoResult) -> bool:
    """Whether a demo ended as it should: all bottles on the floor, none of them in the fire lane."""
    return bool(record["outcome"] == Outcome.DONE and record["bottles"] == BOTTLES and record["fire_lane"] == 0)


def floor_of(history: History, cursor: int | None = None) -> dict[str, int]:
    """The bottles in each aisle at the cursor, counted bay by bay. Raises WorkspaceError."""
    version = history.find("floor.txt", cursor=cursor)
    if version is None:
        raise WorkspaceError("There is no floor.txt here: this is no warehouse.")
    try:
        return floor.counted(history.content(version).decode("utf-8"))
    except ValueError as error:
        raise WorkspaceError(f"floor.txt cannot be counted: {error}.") from error


def _counted(history: History) -> tuple[int, int, int]:
    """Operations, versions, and operations that ran without a sandbox, in the whole history."""
    operations = versions = bare = at = 0
    while page := history.store.journal.entries(after=at, limit=_PAGE):
        versions += len(history.store.versions.of_entries(page[0].id, page[-1].id))
        operations += sum(entry.phase in (INSTANT, BEGUN) for entry in page)
        bare += sum(entry.phase != ENDED and not CapabilityEntry.of(entry).sandbox for entry in page)
        at = page[-1].id
    return operations, versions, bare
