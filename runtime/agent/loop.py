"""The native agent: ask, decide, execute, record, settle; small enough to read in one sitting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from runtime.agent import calls, conversation
from runtime.agent.model_call import ask
from runtime.dispatch.cause import Cause
from runtime.dispatch.door import Dispatch
from runtime.models.base import Message, Model, ModelReply, Tool
from runtime.protocol import Event
from workspace import History
from workspace.entries import SummaryEntry
from workspace.kinds import Kind

FULL = 0.8
"""Share of the model's window from which older messages are summarised."""
KEPT = 8
"""Newest messages that a summary leaves as they are."""
OFFICE = "wukong"
"""Who tells the model what others did, and has it summarise."""

SUMMARISE = (
    "Summarise the conversation so far for yourself: what was asked, what was done to which documents, what was"
    " learnt, what is still open. Be exact about names and versions; leave out what no longer matters."
)


class NativeAgent:
    """An agent that is our own loop around a model; its tools are those of its session's door."""

    def __init__(self, dispatch: Dispatch, model: Model) -> None:
        self.model = model
        self._dispatch = dispatch
        self._session = dispatch.session
        self._tools = dispatch.registry.tools()
        self.messages: list[Message] = []
        self._reply: ModelReply | None = None

    @property
    def name(self) -> str:
        return self.model.name

    async def work_on(self, cause: Cause, text: str) -> AsyncGenerator[Event, None]:
        """Carry out a prompt, which is in the journal; see runtime.agent.agent."""
        host, name = self._session.host, self._session.name
        self.messages = await host.read(lambda history: conversation.messages(history, name))
        system = await host.read(conversation.system)
        while True:
            await self._session.gate.wait()
            await self._tell_news()
            async with aclosing(self._make_room(system)) as events:
                async for event in events:
                    yield event
            cause = self._session.conversation.cause()
            async with aclosing(self._ask(cause, [system, *self.messages], self._tools)) as events:
                async for event in events:
                    yield event
            reply = self._taken()
            self.messages.append(conversation.assistant(reply.text, reply.calls))
            if not reply.calls:
                return
            self.messages += await calls.answer(self._dispatch, reply.calls)

    async def _ask(
        self, cause: Cause, messages: Sequence[Message], tools: Sequence[Tool], kind: Kind = Kind.MODEL
    ) -> AsyncGenerator[Event, None]:
        """Ask the model; its reply is taken with ``_taken``."""
        async with aclosing(ask(self._session, self.model, cause, messages, tools, kind)) as pieces:
            async for piece in pieces:
                if isinstance(piece, ModelReply):
                    self._reply = piece
                else:
                    yield piece

    def _taken(self) -> ModelReply:
        reply, self._reply = self._reply, None
        assert reply is not None
        return reply

    async def _tell_news(self) -> None:
        """Tell the model what others undid or edited since it last looked."""
        session, looked = self._session, self._session.conversation.looked

        def look(history: History) -> tuple[int, str]:
            return history.cursor, conversation.news(history, session.name, looked)

        session.conversation.looked, text = await session.host.read(look)
        if text and self.messages:
            act = session.conversation.cause().by(OFFICE).act(Kind.NOTE, "what changed meanwhile")
            await session.host.write(lambda work: work.record(act, payload=text.encode("utf-8", "replace")))
            self.messages.append({"role": "user", "content": text})

    async def _make_room(self, system: Message) -> AsyncGenerator[Event, None]:
        """When the window fills, replace older messages by a summary: an operation with its cost."""
        session, messages = self._session, self.messages
        count = await asyncio.to_thread(self.model.count, [system, *messages], self._tools)
        if count < FULL * self.model.window or len(messages) <= KEPT:
            return
        cut = len(messages) - KEPT
        while cut < len(messages) and messages[cut]["role"] == "tool":
            cut += 1  # an answer stays with its call
        old, kept = messages[:cut], messages[cut:]
        if not old or not kept:
            return
        cause = session.conversation.cause()
        act = cause.by(OFFICE).act(Kind.SUMMARY, "summary of the conversation so far")
        operation = await session.host.write(lambda work: work.begin(act))
        question: Message = {"role": "user", "content": SUMMARISE}
        asked = [system, *self._fitting(old), question]
        async with aclosing(self._ask(cause.under(operation), asked, (), Kind.SUMMARY_CALL)) as events:
            async for event in events:
                yield event
        text = f"[Summary of the conversation so far]\n{self._taken().text}"
        detail, payload = SummaryEntry(len(kept)).detail(), text.encode("utf-8", "replace")
        await session.host.write(lambda work: work.end(operation, payload=payload, detail=detail))
        self.messages = [{"role": "user", "content": text}, *kept]

    def _fitting(self, messages: list[Message]) -> list[Message]:
        """The newest of these messages that leave the model room to answer."""
        room = int(self.model.window * FULL)
        while len(messages) > 1 and self.model.count(messages, ()) > room:
            messages = messages[max(1, len(messages) // 8) :]
        return conversation.answered(messages)
