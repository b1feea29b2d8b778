"""One call of a model: budget reserved, text streamed and journalled, usage settled, failures retried."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from runtime.agent import conversation
from runtime.dispatch.cause import Cause
from runtime.dispatch.session import Session
from runtime.models.base import Message, Model, ModelError, ModelReply, TextDelta, Tool, ToolCall
from runtime.protocol import Delta
from runtime.usage.budget import LimitReached
from workspace import Usage
from workspace.entries import ModelEntry
from workspace.kinds import Kind, Outcome

RETRIES = 6
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds between tries: doubled each time, with jitter, unless the provider names a time."""
OUTPUT = 16_384
"""Output tokens that a call may take where a limit has to be kept."""
PARTIAL_SECONDS = 1.0
"""How often text in flight is journalled, so that a crash or a replay has it."""


async def ask(
    session: Session,
    model: Model,
    cause: Cause,
    messages: Sequence[Message],
    tools: Sequence[Tool],
    kind: Kind = Kind.MODEL,
) -> AsyncGenerator[Delta | ModelReply, None]:
    """Ask a model until it replies, giving the text as it comes and the reply last; each try is an operation.

    Calls in the reply have ids of ours, unique in the journal. Raises LimitReached before
    anything is asked, ModelError when trying again is of no use.
    """
    wait = FIRST_WAIT
    for attempt in range(RETRIES + 1):
        try:
            async with aclosing(_ask_once(session, model, cause, messages, tools, kind)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        except ModelError as error:
            if not error.retry or attempt == RETRIES:
                raise
            pause = error.after if error.after is not None else wait * random.uniform(0.75, 1.25)
            wait = min(wait * 2, LONGEST_WAIT)
            await session.wait(pause)
    raise AssertionError("unreachable")


async def _ask_once(
    session: Session, model: Model, cause: Cause, messages: Sequence[Message], tools: Sequence[Tool], kind: Kind
) -> AsyncGenerator[Delta | ModelReply, None]:
    host = session.host
    asked = await asyncio.to_thread(model.count, messages, tools)
    limited = session.budget.max_tokens is not None or session.budget.max_cost is not None
    limit = _room(session, asked) if limited else None
    most = model.cost(Usage(input=asked, output=limit)) if limited else None
    reservation = session.budget.reserve(asked + (limit or 0), most)
    act = cause.act(kind, model.name, model=model.name, detail=ModelEntry(asked, limit or 0).detail())
    operation = await host.write(lambda work: work.begin(act))
    text, shown, journalled, came = "", 0, time.monotonic(), False
    reply: ModelReply | None = None
    stream = model.stream(messages, tools, limit=limit)
    host.streaming(operation, "")
    try:
        async for piece in stream:
            came = True
            if isinstance(piece, ModelReply):
                reply = piece
                break
            if isinstance(piece, TextDelta) and not piece.reasoning:
                text += piece.text
                host.streaming(operation, text)
                yield Delta(operation, shown, piece.text)
                shown = len(text)
                if time.monotonic() - journalled > PARTIAL_SECONDS:
                    journalled = time.monotonic()
                    partial, part = text.encode("utf-8", "replace"), replace(act, operation=operation)
                    await host.write(lambda work, p=partial, a=part: work.record(a, payload=p))  # type: ignore[misc]
        if reply is None:
            raise ModelError(f"{model.name} ended without a reply.", retry=True, text=text)
    except Exception as error:  # a ModelError, or a defect, which is logged where the prompt ends
        why = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
        failure = ModelEntry(error=why).detail()
        await host.write(lambda work: work.end(operation, Outcome.FAILED, detail=failure))
        if not came:
            session.budget.release(reservation)  # nothing came back: nothing was spent
        raise
    except asyncio.CancelledError:
        kept = json.dumps(conversation.assistant(text, ())).encode() if text else None
        await asyncio.shield(host.write(lambda work: work.end(operation, Outcome.INTERRUPTED, payload=kept)))
        raise
    finally:
        host.streaming(operation, None)
        await stream.aclose()  # type: ignore[attr-defined]
    cost = model.cost(reply.usage)
    session.budget.settle(reservation, reply.usage, cost)
    usage = replace(reply.usage, cost=cost)
    reply = replace(reply, usage=usage, calls=_renamed(operation, reply.calls))
    payload = json.dumps(conversation.assistant(reply.text, reply.calls)).encode()
    ref = reply.message_id.encode("utf-8", "replace") if reply.message_id else None
    ended = ModelEntry(finish=reply.finish).detail()
    await host.write(lambda work: work.end(operation, usage=usage, payload=payload, ref=ref, detail=ended))
    yield reply


def _room(session: Session, asked: int) -> int:
    """Output tokens to allow: what the token limit leaves. Raises LimitReached where that is nothing."""
    budget = session.budget
    if budget.max_tokens is None:
        return OUTPUT
    room = budget.max_tokens - budget.tokens - asked
    if room < 1:
        raise LimitReached(
            f"The limit of {budget.max_tokens:,} tokens is reached: {budget.tokens:,} are spent or under way"
            f" and the next call would send about {asked:,}."
        )
    return min(room, OUTPUT)


def _renamed(operation: int, calls: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
    """Calls with ids that no other reply uses; a call that repeats another of its reply says so."""
    seen: set[tuple[str, str, str]] = set()
    ids: set[str] = set()
    out = []
    for number, call in enumerate(calls):
        same = (call.id, call.name, call.arguments)
        repeated = same in seen or (bool(call.id) and call.id in ids)
        seen.add(same)
        ids.add(call.id)
        out.append(ToolCall(f"c{operation}x{number}{'d' if repeated else ''}", call.name, call.arguments))
    return tuple(out)


def is_repeated(call: ToolCall) -> bool:
    """Whether a call repeats another of the same reply: it is answered, never executed."""
    return call.id.endswith("d")
