"""A session as its acts know it: where it works, what it may do, and how far its conversation is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from runtime.dispatch.cause import Cause
from runtime.dispatch.policy import Policy
from runtime.protocol import Event
from runtime.tools.capability import Arguments, Effects
from runtime.usage.budget import Budget
from workspace import Act, History, Scanned, Workspace
from workspace.working_copy.checkout import OUTSIDE

T = TypeVar("T")

Allowed = Literal["once", "session", "no"]


class SessionHost(Protocol):
    """Where sessions work: the one writer, a reader, approvals by people, events to whoever watches."""

    root: Path

    @property
    def store(self) -> Path:
        """The folder of the history, which nothing that is executed may reach."""
        ...

    async def write(self, act: Callable[[Workspace], T]) -> T:
        """Run an act in the writer's thread, grouped with others; its result once it is durable."""
        ...

    async def alone(self, act: Callable[[Workspace], T]) -> T:
        """Run what cannot share a transaction: a restore, a revert."""
        ...

    async def patiently(self, act: Callable[[Workspace], T]) -> T:
        """Run one of many pieces of a large act, in turns with what others wait for."""
        ...

    async def snapshot(self, act: Act = OUTSIDE) -> Scanned:
        """Record all that changed in the folder until now, while others go on writing; by default nobody's act."""
        ...

    async def read(self, query: Callable[[History], T]) -> T:
        """Run a query beside the writer."""
        ...

    def still(self) -> AbstractAsyncContextManager[None]:
        """Inside, what changes in the folder is not recorded as seen from outside: who changes it says so."""
        ...

    async def approve(
        self, cause: Cause, capability: str, effects: Effects, arguments: Arguments
    ) -> tuple[Allowed, str]:
        """Ask a person; what is allowed, and what they said."""
        ...

    def emit(self, event: Event) -> None:
        """Tell whoever watches; returns at once."""
        ...

    def streaming(self, operation: int, text: str | None) -> None:
        """Keep the text in flight of an operation for who attaches; None when it is over."""
        ...


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """The try at a step of the plan that is under way: its operation, its step, and which try it is."""

    operation: int
    step: int
    number: int


@dataclass(slots=True)
class Conversation:
    """All that changes while a session works. It can be rebuilt from the journal."""

    prompt: Cause | None = None
    """The cause of all that the prompt brings about that is being worked on."""
    attempt: OpenAttempt | None = None
    seen: dict[str, int] = field(default_factory=dict)
    """The version of each document that was read last."""
    looked: int = 0
    """The newest entry that the agent knows of."""

    def cause(self) -> Cause:
        """The cause of what the agent does next: the open attempt, else the prompt. Raises RuntimeError."""
        if self.prompt is None:
            raise RuntimeError("nothing has been asked")
        if self.attempt is None:
            return self.prompt
        attempt = self.attempt
        return replace(self.prompt, parent=attempt.operation, step=attempt.step, attempt=attempt.number)


@dataclass(slots=True)
class Session:
    """One conversation: on whose behalf and where it takes place, what it may do and spend, and what runs."""

    name: str
    host: SessionHost
    cause: Cause
    """The cause of what its principal does in it; with an agent and a prompt, of all else."""
    policy: Policy
    budget: Budget
    inside: str = "/workspace"
    conversation: Conversation = field(default_factory=Conversation)
    queue: deque[tuple[int, str]] = field(default_factory=deque)
    running: asyncio.Task[None] | None = None
    gate: asyncio.Event = field(default_factory=lambda: _open())
    """Passed before every model call, call of a reply and group of calls of a program; closed, it holds them."""
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    """How an agent waits before it asks again."""
    on_overlay: bool = True
    """Whether commands run on an overlay of the workspace, where that works; else in the workspace itself."""
    secrets: bool = False
    """Whether commands on an overlay see files that likely hold secrets."""

    @property
    def busy(self) -> bool:
        return self.running is not None and not self.running.done()

    @property
    def stopping(self) -> bool:
        """Whether a person has interrupted what runs."""
        return self.running is not None and self.running.cancelling() > 0


def _open() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate
