"""Carrying out the calls of a reply: decided, recorded, executed, answered; each exactly once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from runtime.agent.model_call import is_repeated
from runtime.agent.session import Session
from runtime.dispatch.authorize import authorize
from runtime.execution import command
from runtime.models.base import Message, ToolCall
from runtime.planning import attempts
from runtime.tools import Arguments, Capability, Hands, Refused, find, perform, shorten
from workspace import Conflicted, Workspace
from workspace.kinds import Kind, Outcome


async def execute(session: Session, calls: Sequence[ToolCall]) -> list[Message]:
    """Answer every call of a reply, in order; those that only read run at the same time."""
    results: list[Message] = []
    at = 0
    while at < len(calls):
        together = at + 1
        while together < len(calls) and all(_only_reads(call) for call in calls[at : together + 1]):
            together += 1
        answers = await asyncio.gather(*(_answer(session, call) for call in calls[at:together]))
        results += [
            {"role": "tool", "tool_call_id": call.id, "content": answer}
            for call, answer in zip(calls[at:together], answers, strict=True)
        ]
        at = together
    return results


def _only_reads(call: ToolCall) -> bool:
    try:
        capability = find(call.name)
    except Refused:
        return False
    return capability.act is not None and capability.effects <= {"read"}


async def _answer(session: Session, call: ToolCall) -> str:
    """Check, decide, execute and record one call; its answer to the model."""
    await session.gate.wait()
    arguments: Any = None
    capability: Capability | None = None
    try:
        if is_repeated(call):
            raise Refused("This repeats another call of the same reply; it was not executed twice.")
        capability = find(call.name)
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError as error:
            raise Refused(f"The arguments are no JSON ({error}); nothing was executed.") from None
        arguments = capability.check(arguments)
        decision = await authorize(session, capability, arguments)
    except Refused as error:
        text = str(error)
        name = capability.name if capability else call.name
        act = session.act(Kind.CAPABILITY, f"{name[:60]} refused", detail={"call": call.id})
        payload = text.encode("utf-8", "replace")
        await session.host.write(lambda work: _refuse(work, act, call, payload))
        return text
    if capability.act is not None:
        return await _on_documents(session, capability, call, arguments, decision)
    act = session.act(
        Kind.CAPABILITY, capability.label(arguments), decision=decision,
        detail={"call": call.id, "capability": capability.name}
        | ({"attribution": "probable"} if capability.name == "run" else {}),
    )  # fmt: skip
    payload = call.arguments.encode("utf-8", "replace")
    if capability.name == "plan":
        return await attempts.carry_out(session, act, arguments, payload)
    return await command.carry_out(session, capability.name, act, arguments, payload)


async def _on_documents(
    session: Session, capability: Capability, call: ToolCall, arguments: Arguments, decision: str
) -> str:
    """A call on documents: begun, carried out and ended in one transaction of the writer."""
    act = session.act(
        Kind.CAPABILITY, capability.label(arguments), decision=decision,
        detail={"call": call.id, "capability": capability.name},
    )  # fmt: skip
    request = call.arguments.encode("utf-8", "replace")

    def carry_out(work: Workspace) -> tuple[int, str]:
        operation = work.begin(act, payload=request)
        hands = Hands(work, replace(act, operation=operation, detail={}), session.seen, session.inside)
        result = perform(capability, hands, arguments)
        text, cut = shorten(result.text)
        if cut:
            whole = result.text.encode("utf-8", "replace")
            work.record(replace(act, operation=operation, detail={"whole": True}), payload=whole)
        work.end(operation, result.outcome, payload=text.encode("utf-8", "replace"))
        begun.append(operation)
        return operation, text

    begun: list[int] = []
    try:
        _, text = await session.host.write(carry_out)
    except Conflicted as error:  # somebody saved the file while ours was being put in place
        text = str(error)
        if begun:
            payload = text.encode("utf-8", "replace")
            await session.host.write(lambda work: work.end(begun[0], Outcome.CONFLICT, payload=payload))
    return text


def _refuse(work: Workspace, act: Any, call: ToolCall, payload: bytes) -> None:
    operation = work.begin(act, payload=call.arguments.encode("utf-8", "replace"))
    work.end(operation, Outcome.REFUSED, payload=payload)
