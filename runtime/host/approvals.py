"""Approvals: what waits for a person's word, and what becomes of the word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from runtime.dispatch.cause import Cause
from runtime.dispatch.session import Allowed
from runtime.protocol import Answer
from runtime.tools.capability import Arguments, Effects
from workspace import NotFound, Workspace
from workspace.entries import ApprovalEntry
from workspace.kinds import Kind, Outcome

T = TypeVar("T")


class Write(Protocol):
    """Runs an act in the writer's thread; its result once it is durable."""

    def __call__(self, act: Callable[[Workspace], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    session: str | None
    capability: str
    arguments: Arguments
    answer: asyncio.Future[tuple[str, str]]


class Approvals:
    """The questions that are open, each an operation until it is answered."""

    def __init__(self, write: Write, changed: Callable[[], None]) -> None:
        """``changed`` is called when there is a new question to look at."""
        self._write = write
        self._changed = changed
        self._open: dict[int, _Waiting] = {}

    async def ask(self, cause: Cause, capability: str, effects: Effects, arguments: Arguments) -> tuple[Allowed, str]:
        """Ask the principal; what is allowed, and what they said.

        Whatever is answered beside what can be answered is no. Cancelled, the question is withdrawn.
        """
        payload = json.dumps(arguments, sort_keys=True).encode()
        act = cause.by(None).act(
            Kind.APPROVAL, capability, detail=ApprovalEntry(effects=tuple(sorted(effects))).detail()
        )
        operation = await self._write(lambda work: work.begin(act, payload=payload))
        answer: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
        self._open[operation] = _Waiting(cause.session, capability, arguments, answer)
        self._changed()
        try:
            said, reason = await answer
        except asyncio.CancelledError:
            await asyncio.shield(self._write(lambda work: work.end(operation, Outcome.INTERRUPTED)))
            raise
        finally:
            del self._open[operation]
        allowed: Allowed = "session" if said == "session" else "once" if said == "once" else "no"
        outcome = Outcome.REFUSED if allowed == "no" else Outcome.DONE
        detail = ApprovalEntry(said, reason).detail()
        await self._write(lambda work: work.end(operation, outcome, detail=detail))
        return allowed, reason

    def answer(self, command: Answer) -> bool:
        """Take a person's answer. Raises NotFound where nothing waits for it."""
        waiting = self._open.get(command.approval)
        if waiting is None or waiting.answer.done():
            raise NotFound(f"Nothing waits for an answer as op:{command.approval}.")
        waiting.answer.set_result((command.allow, command.reason))
        return True

    def listing(self) -> list[Mapping[str, object]]:
        """What waits, oldest first, as JSON values."""
        return [
            {"approval": id_, "session": w.session, "capability": w.capability, "arguments": w.arguments}
            for id_, w in self._open.items()
        ]
