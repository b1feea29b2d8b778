"""The agent loop: ask, decide, execute, record, settle; small enough to read in one sitting."""

from __future__ import annotations

import asyncio

from runtime.agent import conversation
from runtime.agent.model_call import ask
from runtime.agent.session import Session
from runtime.dispatch.calls import execute
from runtime.models.base import Message, ModelError
from runtime.tools import CAPABILITIES
from runtime.usage.budget import LimitReached
from workspace import History, Workspace
from workspace.kinds import Kind, Outcome

FULL = 0.8
"""Share of the model's window from which older messages are summarised."""
KEPT = 8
"""Newest messages that a summary leaves as they are."""
TOOLS = tuple(capability.tool() for capability in CAPABILITIES.values())

SUMMARISE = (
    "Summarise the conversation so far for yourself: what was asked, what was done to which documents, what was"
    " learnt, what is still open. Be exact about names and versions; leave out what no longer matters."
)


async def work_on(session: Session, prompt: int) -> None:
    """Carry out one prompt to its end; its outcome is recorded whatever happens.

    done, failed (the model cannot be asked), limit (a budget is spent) or interrupted.
    """
    host = session.host
    session.prompt, session.attempt, session.step, session.try_number = prompt, None, None, None
    outcome = Outcome.FAILED
    detail: dict[str, str] = {}
    try:
        session.messages = await host.read(lambda history: conversation.messages(history, session.name))
        await _turns(session)
        outcome = Outcome.DONE
    except LimitReached as error:
        outcome, detail = Outcome.LIMIT, {"error": str(error)}
    except ModelError as error:
        detail = {"error": str(error)}
    except asyncio.CancelledError:
        outcome = Outcome.INTERRUPTED
        raise
    except Exception as error:
        detail = {"error": f"{type(error).__name__}: {error}"}
        raise
    finally:
        await asyncio.shield(_close(session, prompt, outcome, detail))


async def _turns(session: Session) -> None:
    host = session.host
    system = await host.read(conversation.system)
    while True:
        await session.gate.wait()
        await _tell_news(session)
        await _make_room(session, system)
        reply = await ask(session, [system, *session.messages], TOOLS)
        session.messages.append(conversation.assistant(reply.text, reply.calls))
        if not reply.calls:
            return
        session.messages += await execute(session, reply.calls)


async def _tell_news(session: Session) -> None:
    """Tell the model what others undid or edited since it last looked."""
    host, looked = session.host, session.looked

    def look(history: History) -> tuple[int, str]:
        return history.cursor, conversation.news(history, session.name, looked)

    session.looked, text = await host.read(look)
    if text and session.messages:
        act = session.act(Kind.NOTE, "what changed meanwhile", actor="wukong")
        await host.write(lambda work: work.record(act, payload=text.encode("utf-8", "replace")))
        session.messages.append({"role": "user", "content": text})


async def _make_room(session: Session, system: Message) -> None:
    """When the window fills, replace older messages by a summary: an operation with its cost."""
    model = session.model
    count = await asyncio.to_thread(model.count, [system, *session.messages], TOOLS)
    if count < FULL * model.window or len(session.messages) <= KEPT:
        return
    cut = len(session.messages) - KEPT
    while cut < len(session.messages) and session.messages[cut]["role"] == "tool":
        cut += 1  # an answer stays with its call
    old, kept = session.messages[:cut], session.messages[cut:]
    if not old or not kept:
        return
    act = session.act(Kind.SUMMARY, "summary of the conversation so far", actor="wukong")
    operation = await session.host.write(lambda work: work.begin(act))
    outer, session.attempt = session.attempt, operation
    try:
        question: Message = {"role": "user", "content": SUMMARISE}
        reply = await ask(session, [system, *_fitting(session, old), question], (), kind=Kind.SUMMARY_CALL)
    finally:
        session.attempt = outer
    text = f"[Summary of the conversation so far]\n{reply.text}"
    detail, payload = {"kept": len(kept)}, text.encode("utf-8", "replace")
    await session.host.write(lambda work: work.end(operation, payload=payload, detail=detail))
    session.messages = [{"role": "user", "content": text}, *kept]


def _fitting(session: Session, messages: list[Message]) -> list[Message]:
    """The newest of these messages that leave the model room to answer."""
    room = int(session.model.window * FULL)
    while len(messages) > 1 and session.model.count(messages, ()) > room:
        messages = messages[max(1, len(messages) // 8) :]
    return conversation.answered(messages)


async def _close(session: Session, prompt: int, outcome: Outcome, detail: dict[str, str]) -> None:
    """End what is still open under the prompt, innermost first, then the prompt itself."""
    host = session.host
    ending = outcome if outcome == Outcome.INTERRUPTED else Outcome.UNFINISHED

    def close(work: Workspace) -> None:
        family = set(work.store.journal.family(prompt)) - {prompt}
        for operation in sorted(family & set(work.store.journal.unfinished()), reverse=True):
            work.end(operation, ending)
        work.end(prompt, outcome, detail=detail)

    session.prompt = session.attempt = session.step = session.try_number = None
    await host.write(close)
