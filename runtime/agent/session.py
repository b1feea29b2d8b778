"""A session: one conversation, with its model, permissions, budget and place in the plan."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from runtime.dispatch.policy import Policy
from runtime.models.base import Message, Model
from runtime.protocol import Event
from runtime.usage.budget import Budget
from workspace import Act, History, Workspace
from workspace.kinds import Kind

T = TypeVar("T")


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
        """Run what cannot share a transaction: a scan, a revert."""
        ...

    async def read(self, query: Callable[[History], T]) -> T:
        """Run a query beside the writer."""
        ...

    async def approve(self, session: Session, capability: str, arguments: dict[str, Any]) -> tuple[bool, str]:
        """Ask a person; whether it is allowed, and what they said."""
        ...

    def emit(self, event: Event) -> None:
        """Tell whoever watches; returns at once."""
        ...

    def streaming(self, operation: int, text: str | None) -> None:
        """Keep the text in flight of an operation for who attaches; None when it is over."""
        ...


@dataclass(slots=True)
class Session:
    """The live state of a session; all of it can be rebuilt from the journal."""

    name: str
    host: SessionHost
    model: Model
    policy: Policy
    budget: Budget
    inside: str = "/workspace"
    actor: str = "agent"
    messages: list[Message] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    looked: int = 0
    """The newest entry that the model knows of."""
    prompt: int | None = None
    attempt: int | None = None
    step: int | None = None
    try_number: int | None = None
    queue: deque[tuple[int, str]] = field(default_factory=deque)
    running: asyncio.Task[None] | None = None
    gate: asyncio.Event = field(default_factory=lambda: _open())
    """Passed before every model call, call of a reply and group of calls of a program; closed, it holds them."""
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    """How the loop waits before it asks again."""

    def act(self, kind: Kind, name: str | None = None, **more: Any) -> Act:
        """An act of this session, caused by its present attempt or prompt."""
        return Act(
            kind=kind, name=name, actor=more.pop("actor", self.actor), session=self.name,
            parent=more.pop("parent", self.attempt or self.prompt), step=self.step,
            attempt=self.try_number, **more,
        )  # fmt: skip

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
