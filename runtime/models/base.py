"""What the loop asks of a model: one streaming call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from workspace import Usage, WorkspaceError

Message = Mapping[str, Any]
Sent = dict[str, Any]
"""A message as it is sent, a copy that may be changed."""
"""A chat message in the OpenAI form: ``role``, ``content``, ``tool_calls``, ``tool_call_id``."""

Finish = Literal["stop", "tool_calls", "length"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; ``parameters`` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as the model wrote it: ``arguments`` is its raw JSON text, perhaps malformed."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the reply's text; ``reasoning`` is thought that is not part of it."""

    text: str
    reasoning: bool = False


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A whole reply, the last thing a stream yields.

    ``usage`` is as the provider reported it, with what it did not report as None, never
    0; ``message_id`` is the provider's, under which usage is counted once.
    """

    text: str
    calls: tuple[ToolCall, ...]
    usage: Usage
    message_id: str | None
    model: str
    finish: Finish


class ModelError(WorkspaceError):
    """A call failed. ``retry`` says that it may succeed later, ``after`` how many seconds to wait.

    ``text`` is what had arrived before a stream was cut: nothing in it was executed.
    """

    code = "model"

    def __init__(self, message: str, *, retry: bool = False, after: float | None = None, text: str = "") -> None:
        super().__init__(message)
        self.retry = retry
        self.after = after
        self.text = text


class Model(Protocol):
    """A model that can be asked. ``window`` is its context in tokens; ``scripted`` replies are rehearsed."""

    name: str
    window: int
    scripted: bool

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, limit: int | None = None
    ) -> AsyncIterator[TextDelta | ModelReply]:
        """Ask once: deltas, then exactly one ModelReply. ``limit``: output tokens. Raises ModelError.

        A stream that ends before its reply is whole raises ModelError(retry=True, text=…).
        """
        ...

    def count(self, messages: Sequence[Message], tools: Sequence[Tool]) -> int:
        """Input tokens of a call, estimated."""
        ...

    def cost(self, usage: Usage) -> int | None:
        """What usage costs in 1e-9 USD; None where the price or the usage is not known."""
        ...
