"""The calls of a reply: each goes through the session's door and is answered, exactly once and in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from runtime.agent.model_call import is_repeated
from runtime.dispatch.door import Dispatch
from runtime.models.base import Message, ToolCall
from runtime.tools.call import Call
from runtime.tools.capability import Refused


async def answer(dispatch: Dispatch, calls: Sequence[ToolCall]) -> list[Message]:
    """Answer every call of a reply, in order; those that only read run at the same time."""
    results: list[Message] = []
    at = 0
    while at < len(calls):
        together = at + 1
        while together < len(calls) and all(_only_reads(dispatch, call) for call in calls[at : together + 1]):
            together += 1
        answers = await asyncio.gather(*(_one(dispatch, call) for call in calls[at:together]))
        results += [
            {"role": "tool", "tool_call_id": call.id, "content": answer}
            for call, answer in zip(calls[at:together], answers, strict=True)
        ]
        at = together
    return results


def _only_reads(dispatch: Dispatch, call: ToolCall) -> bool:
    try:
        capability = dispatch.registry.find(call.name)
    except Refused:
        return False
    return capability.act is not None and capability.effects <= {"read"}


async def _one(dispatch: Dispatch, call: ToolCall) -> str:
    """The answer to one call, which comes from the attempt that is open by now, else from the prompt."""
    asked = Call(call.name, None, id=call.id, written=call.arguments)
    cause = dispatch.session.conversation.cause()
    if is_repeated(call):
        why = "This repeats another call of the same reply; it was not executed twice."
        return (await dispatch.refuse(cause, asked, why)).text
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        why = f"The arguments are no JSON ({error}); nothing was executed."
        return (await dispatch.refuse(cause, asked, why)).text
    asked = Call(call.name, arguments, id=call.id, written=call.arguments)
    return (await dispatch.invoke(cause, asked)).text
