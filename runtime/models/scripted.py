"""A scripted model: it plays a cassette, for demos, training and tests. No network, no key, no luck."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from runtime.models import cassette, tokens
from runtime.models.base import Message, ModelError, ModelReply, TextDelta, Tool, ToolCall
from workspace import Usage

WINDOW = 10_000_000
"""Tokens of context: a rehearsed part never needs a summary of what came before."""
LONGEST_WRITING = 1.5
"""Seconds that a turn's calls take to write at most, at any pace."""


class Scripted:
    """Plays one cassette. Its replies are the same in every run, and so are the ids of its calls.

    Which turn is played is told by the number of assistant messages in the conversation, so
    a call that is repeated, a session that is resumed and an undo all find their place.
    ``pace`` is in characters per second, 0 at once; None is the cassette's own.
    """

    scripted = True
    window = WINDOW

    def __init__(self, path: Path, *, pace: float | None = None) -> None:
        """Raises BadCassette."""
        self.cassette = cassette.read(path)
        self.name = f"cassette:{path.absolute()}"
        self.pace = self.cassette.pace if pace is None else pace
        self._failed: set[int] = set()

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, limit: int | None = None
    ) -> AsyncIterator[TextDelta | ModelReply]:
        """Play the next turn: deltas, then exactly one ModelReply. Raises ModelError.

        A turn that expects something else than it is told, or a conversation longer than
        the cassette, is an error that names the turn: a demo never runs off its script.
        """
        number = sum(message["role"] == "assistant" for message in messages)
        turn = self._turn(number, messages)
        if turn.error is not None and number not in self._failed:
            self._failed.add(number)
            again = turn.error in (408, 409, 429) or turn.error >= 500
            raise ModelError(f"A rehearsed error {turn.error} in turn {number + 1}.", retry=again, after=turn.after)
        cut = turn.cut and number not in self._failed
        text = turn.text[: len(turn.text) // 2] if cut else turn.text
        for piece in self._pieces(turn.reasoning):
            await self._write(piece)
            yield TextDelta(piece, reasoning=True)
        for piece in self._pieces(text):
            await self._write(piece)
            yield TextDelta(piece)
        if cut:
            self._failed.add(number)
            raise ModelError(f"A rehearsed cut in turn {number + 1}.", retry=True, text=text)
        calls = tuple(
            ToolCall(f"call_{number + 1}_{place}", name, arguments)
            for place, (name, arguments) in enumerate(turn.calls, 1)
        )
        await self._write("".join(call.arguments for call in calls), LONGEST_WRITING)
        usage = turn.usage
        if usage is None:
            usage = await asyncio.to_thread(self._estimate, messages, tools, turn)
        # No message id: nobody else counts this call, and every playing of a turn is a call of its own.
        yield ModelReply(turn.text, calls, usage, None, self.name, "tool_calls" if calls else "stop")

    def count(self, messages: Sequence[Message], tools: Sequence[Tool]) -> int:
        """Input tokens of a call, estimated."""
        return tokens.of_call(messages, tools)

    def cost(self, usage: Usage) -> int | None:
        """None: a rehearsed reply has no price."""
        return usage.cost

    def _turn(self, number: int, messages: Sequence[Message]) -> cassette.Turn:
        name, turns = self.cassette.path.name, self.cassette.turns
        if number >= len(turns):
            raise ModelError(f"The cassette {name} ends with turn {len(turns)}; it has no answer to this.")
        heard = "\n".join(_since_last_reply(messages))
        for expected in turns[number].expect:
            if expected not in heard:
                was = heard if len(heard) <= 80 else f"…{heard[-79:]}"
                raise ModelError(f"Turn {number + 1} of {name} expects {expected!r}, but was told {was!r}.")
        return turns[number]

    def _pieces(self, text: str) -> list[str]:
        return re.findall(r"\S+\s*|\s+", text) if self.pace > 0 else text.splitlines(keepends=True)

    async def _write(self, text: str, longest: float | None = None) -> None:
        seconds = len(text) / self.pace if self.pace > 0 else 0.0
        await asyncio.sleep(seconds if longest is None else min(seconds, longest))

    def _estimate(self, messages: Sequence[Message], tools: Sequence[Tool], turn: cassette.Turn) -> Usage:
        spoken = [turn.text, turn.reasoning, *(part for call in turn.calls for part in call)]
        return Usage(estimated=self.count(messages, tools) + sum(tokens.of_text(part) for part in spoken))


def _since_last_reply(messages: Sequence[Message]) -> list[str]:
    heard: list[str] = []
    for message in reversed(messages):
        if message["role"] == "assistant":
            break
        heard.insert(0, str(message.get("content") or ""))
    return heard
