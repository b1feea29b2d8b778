"""What a session's agent is: it takes a prompt and gives events. What becomes of the prompt is recorded here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from runtime.dispatch.cause import Cause
from runtime.dispatch.session import Session
from runtime.log import logger, where
from runtime.models.base import ModelError
from runtime.protocol import Event
from runtime.usage.budget import LimitReached
from workspace import Workspace
from workspace.entries import PromptEntry
from workspace.kinds import Outcome

_log = logger("sessions")


class Agent(Protocol):
    """Works for a session: the native loop is one, another program that speaks a protocol of agents can be one.

    What it does it does through the session's door, so that it is decided and recorded.
    """

    @property
    def name(self) -> str:
        """What it is called where sessions are listed: its model."""
        ...

    def work_on(self, cause: Cause, text: str) -> AsyncGenerator[Event, None]:
        """Carry out a prompt, giving events, to its end; ``cause`` is that of all it does because of it.

        Raises LimitReached where a budget is spent, ModelError where its model cannot be asked.
        """
        ...


async def carry_out(session: Session, agent: Agent, prompt: int, text: str) -> None:
    """Have an agent carry out a begun prompt; its outcome is recorded whatever happens.

    done, failed (the model cannot be asked, or a defect, which is logged), limit (a budget is
    spent) or interrupted: then CancelledError is raised again.
    """
    outcome = Outcome.FAILED
    ended = PromptEntry()
    cause = session.cause.answering(prompt, "agent")
    session.conversation.prompt, session.conversation.attempt = cause, None
    try:
        async with aclosing(agent.work_on(cause, text)) as events:
            async for event in events:
                session.host.emit(event)
        outcome = Outcome.DONE
    except LimitReached as error:
        outcome, ended = Outcome.LIMIT, PromptEntry(str(error))
    except ModelError as error:
        ended = PromptEntry(str(error))
    except asyncio.CancelledError:
        outcome = Outcome.INTERRUPTED
        raise
    except Exception as error:  # noqa: BLE001 - logged and recorded; the next prompt goes on
        _log.error("session %s, op:%d failed%s", session.name, prompt, where(error))
        ended = PromptEntry(f"{type(error).__name__}: {error}")
    finally:
        await asyncio.shield(_close(session, prompt, outcome, ended))


async def _close(session: Session, prompt: int, outcome: Outcome, ended: PromptEntry) -> None:
    """End what is still open under the prompt, innermost first, then the prompt itself."""
    ending = outcome if outcome == Outcome.INTERRUPTED else Outcome.UNFINISHED

    def close(work: Workspace) -> None:
        family = set(work.store.journal.family(prompt)) - {prompt}
        for operation in sorted(family & set(work.store.journal.unfinished()), reverse=True):
            work.end(operation, ending)
        work.end(prompt, outcome, detail=ended.detail())

    session.conversation.prompt = session.conversation.attempt = None
    await session.host.write(close)
