"""A small real office: it journals prompts in a real workspace and types numbers as its reply, piece by piece.

A prompt is a list of words: ``say:5`` types five pieces, ``wait:NAME`` waits until somebody
opens the gate NAME with the act ``redo``, ``write:PATH`` writes what was typed to a document,
``flood:N`` types N large pieces or more, until somebody opens ``dry``, ``defect`` fails as no
command should.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime import protocol
from runtime.protocol import Advanced, Command, Delta, Event
from workspace import Act, NotFound
from workspace.operations.aio import Writer

LARGE = 500
"""Characters in a large piece."""
BOOK = 1_000
"""Large pieces in one operation of a flood."""


def typed(pieces: int) -> str:
    """What a reply of so many pieces says."""
    return "".join(f"{number} " for number in range(pieces))


class Typist:
    """Types; see the module. Everything it is asked to do is in its journal, as real as the office's."""

    def __init__(self, root: Path, store: Path | None = None) -> None:
        self._writer = Writer(root, store=store)
        self._listeners: list[Callable[[Event], None]] = []
        self._texts: dict[int, list[str]] = {}
        self._length: dict[int, int] = defaultdict(int)
        self._running: dict[int, asyncio.Task[None]] = {}
        self._gates: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._sessions = itertools.count(1)
        self._entry = 0
        self.typed = 0

    async def start(self) -> None:
        await self._writer.__aenter__()
        self._entry = await self._writer.act(lambda work: work.cursor)

    async def close(self) -> None:
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._writer.__aexit__(None, None, None)

    async def handle(self, command: Command) -> Any:
        match command:
            case protocol.Attach():
                entry = self._entry
                await asyncio.sleep(0)  # room for events between this and the reply
                return {"entry": entry, "sessions": [], "approvals": []}
            case protocol.Open():
                return f"s{next(self._sessions)}"
            case protocol.Prompt(session=session, text=text):
                if text.startswith("defect"):
                    raise RuntimeError(text)
                act = Act(kind="prompt", name="prompt", actor="person", session=session)
                operation = await self._act(lambda work: work.begin(act, payload=text.encode()))
                self._running[operation] = asyncio.create_task(self._work(operation, text.split()))
                return operation
            case protocol.Perform(name="redo", arguments=arguments):
                self._gates[arguments["name"]].set()
                return {"typed": self.typed, "running": list(self._running)}
            case protocol.Perform(name="scan"):
                await self._gates["scan"].wait()
                return await self._act(lambda work: work.record(Act(kind="scan")))
            case protocol.Perform(name="undo", arguments=arguments):
                return "x" * arguments["characters"]
            case protocol.Status():
                return {"running": [f"op:{operation}" for operation in self._running]}
            case protocol.Stop():
                return "stopping"
        raise NotFound(f"The typist has no {type(command).__name__}.")

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def texts(self) -> list[tuple[int, str]]:
        return [(operation, "".join(pieces)) for operation, pieces in self._texts.items()]

    @property
    def busy(self) -> bool:
        return bool(self._running)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    async def _act(self, act: Callable[[Any], Any]) -> Any:
        value, entry = await self._writer.act(lambda work: (act(work), work.cursor))
        self._entry = max(self._entry, entry)
        self._emit(Advanced(self._entry))
        return value

    def _emit(self, event: Event) -> None:
        for listener in list(self._listeners):
            listener(event)

    async def _work(self, operation: int, words: list[str]) -> None:
        outcome = "interrupted"
        self._texts[operation] = []
        try:
            for word in words:
                await self._do(operation, *word.split(":"))
            outcome = "done"
        finally:
            text = "".join(self._texts.pop(operation))
            await self._act(lambda work: work.end(operation, outcome, payload=text.encode()))
            del self._running[operation]

    async def _do(self, operation: int, verb: str, what: str) -> None:
        if verb == "say":
            for _ in range(int(what)):
                self._type(operation, f"{len(self._texts[operation])} ")
                await asyncio.sleep(0)
        elif verb == "wait":
            await self._gates[what].wait()
        elif verb == "write":
            data = "".join(self._texts[operation]).encode()
            await self._act(lambda work: work.write(what, data, act=Act(parent=operation)))
        elif verb == "flood":
            while self.typed < int(what) or not self._gates["dry"].is_set():
                book = await self._act(lambda work: work.begin(Act(kind="call", parent=operation)))
                self._texts[book] = []
                for number in range(BOOK):
                    self._type(book, f"{number:0{LARGE}}")
                    if number % 10 == 0:
                        await asyncio.sleep(0)
                del self._texts[book]
                await self._act(lambda work, book=book: work.end(book))

    def _type(self, operation: int, piece: str) -> None:
        pieces = self._texts[operation]
        offset = self._length[operation]
        pieces.append(piece)
        self._length[operation] += len(piece)
        self.typed += 1
        self._emit(Delta(operation, offset, piece))
