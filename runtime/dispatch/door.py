"""The one door for every act of a session: validate, authorize, begin, execute, record, end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from runtime.dispatch.authorize import authorize, recorded
from runtime.dispatch.cause import Cause
from runtime.dispatch.policy import Decision
from runtime.dispatch.session import Session
from runtime.log import logger, where
from runtime.tools.call import Call
from runtime.tools.capability import (
    Arguments,
    Capability,
    Effects,
    Hands,
    Result,
    failed,
    perform,
    shorten,
)
from runtime.tools.registry import Registry
from runtime.waiting import to_the_end
from workspace import Act, Conflicted, Workspace, WorkspaceError
from workspace.entries import Attribution, CapabilityEntry
from workspace.kinds import Kind, Outcome

_log = logger("dispatch")


@dataclass(frozen=True, slots=True)
class Intent:
    """What a call would do: its effects, and what a person is shown of it."""

    effects: Effects
    shown: Arguments


@dataclass(slots=True)
class Invocation:
    """One call on its way through the door, valid and allowed: what its executor works with."""

    dispatch: Dispatch
    call: Call
    capability: Capability
    arguments: Arguments
    origin: Cause
    """What the call comes from."""
    effects: Effects
    decision: Decision
    act: Act
    """What its operation is recorded with."""
    operation: int = 0
    """Its operation, once begun; 0 before."""
    result: Result | None = None
    """What was recorded at its end, once it has one."""

    @property
    def session(self) -> Session:
        return self.dispatch.session

    @property
    def cause(self) -> Cause:
        """The cause of all that it does."""
        return self.origin.under(self.operation)

    @property
    def part(self) -> Act:
        """What a part of its operation is recorded with."""
        return replace(self.act, operation=self.operation, detail={})

    async def begin(self) -> None:
        """Record that it begins."""
        payload = self.call.payload()

        async def write() -> None:
            self.operation = await self.session.host.write(lambda work: work.begin(self.act, payload=payload))

        await to_the_end(write())

    async def end(self, record: Callable[[Workspace], Result], *, alone: bool = True) -> Result:
        """End it in one transaction with what ``record`` records of it; what was told.

        ``alone`` is for what cannot share a transaction, such as a scan.
        """
        host = self.session.host

        async def write() -> Result:
            act = host.alone if alone else host.write
            self.result = await act(lambda work: end(work, self.part, record(work)))
            return self.result

        return await to_the_end(write())


class Executor(Protocol):
    """What carries out the calls of one capability."""

    async def intend(self, session: Session, capability: Capability, arguments: Arguments) -> Intent:
        """What a call would do, before anybody is asked. Raises Refused where it makes no sense."""
        ...

    async def prepare(self, invocation: Invocation) -> None:
        """What has to be done before it begins; it may change ``invocation.act``. Raises Refused."""
        ...

    async def execute(self, invocation: Invocation) -> Result:
        """Do it. What it has not ended itself, with ``invocation.end``, is ended with this result."""
        ...


class Plain:
    """An executor that does what its capability declares, and needs no preparation."""

    async def intend(self, session: Session, capability: Capability, arguments: Arguments) -> Intent:
        return Intent(capability.effects_of(arguments), arguments)

    async def prepare(self, invocation: Invocation) -> None:
        pass


class Dispatch:
    """The door of one session, with the tools that the session has."""

    def __init__(self, session: Session, registry: Registry[Executor]) -> None:
        self.session = session
        self.registry = registry

    async def invoke(self, cause: Cause, call: Call, *, decision: Decision | None = None) -> Result:
        """Carry out a call; what came of it, whatever that is. It is one operation, recorded from begin to end.

        ``decision`` is a person's word on exactly this call, where it was given with another
        one. Only a database that takes nothing any more, and being cancelled, are raised.
        """
        session = self.session
        await session.gate.wait()
        capability: Capability | None = None
        try:
            capability, arguments = self.registry.validated(call)
            executor = None if capability.act is not None else self.registry.executor(capability)
            intent = (
                Intent(capability.effects_of(arguments), arguments)
                if executor is None
                else await executor.intend(session, capability, arguments)
            )
            if decision is None:
                decision = await authorize(session, cause, capability, intent.effects, intent.shown)
        except WorkspaceError as error:
            return await self.refuse(cause, call, str(error), capability)
        except Exception as error:  # noqa: BLE001 - an error in a decision is a denial
            _log.error("session %s: deciding on %s failed%s", session.name, call.name[:60], where(error))
            why = f"Refused: it could not be decided ({type(error).__name__}: {error})."
            return await self.refuse(cause, call, why, capability)
        act = cause.act(
            Kind.CAPABILITY, call.label or capability.label(arguments), decision=recorded(decision),
            detail=CapabilityEntry(call.id, capability.name).detail(),
        )  # fmt: skip
        invocation = Invocation(self, call, capability, arguments, cause, intent.effects, decision, act)
        if executor is None:
            return await self._on_documents(invocation)
        return await self._execute(invocation, executor)

    async def refuse(self, cause: Cause, call: Call, why: str, capability: Capability | None = None) -> Result:
        """Record that a call was not let in, and why."""
        name = capability.name if capability else call.name[:60].encode("utf-8", "replace").decode()
        act = cause.act(Kind.CAPABILITY, f"{name} refused", detail=CapabilityEntry(call.id).detail())
        result = Result(why, Outcome.REFUSED)

        def record(work: Workspace) -> None:
            operation = work.begin(act, payload=call.payload())
            end(work, replace(act, operation=operation, detail={}), result)

        await self.session.host.write(record)
        return result

    async def _on_documents(self, invocation: Invocation) -> Result:
        """A call on documents: begun, carried out and ended in one transaction of the writer."""
        session, capability, arguments = self.session, invocation.capability, invocation.arguments
        payload = invocation.call.payload()

        def carry_out(work: Workspace) -> Result:
            invocation.operation = work.begin(invocation.act, payload=payload)
            hands = Hands(work, invocation.part, session.conversation.seen, session.inside)
            return end(work, invocation.part, perform(capability, hands, arguments))

        try:
            return await session.host.write(carry_out)
        except Conflicted as error:  # somebody saved the file while ours was being put in place
            result = Result(str(error), Outcome.CONFLICT)
            return await self._close(invocation, result)
        except WorkspaceError:
            raise
        except Exception as error:  # noqa: BLE001 - told, recorded and logged
            invocation.operation = 0  # it was begun in the transaction that has failed
            return await self._close(invocation, self._defect(invocation, error))

    async def _execute(self, invocation: Invocation, executor: Executor) -> Result:
        try:
            await executor.prepare(invocation)
            await invocation.begin()
            result = await executor.execute(invocation)
        except asyncio.CancelledError:
            await asyncio.shield(self._close(invocation, Result("Interrupted by a person.", Outcome.INTERRUPTED)))
            raise
        except WorkspaceError as error:
            result = failed(error)
        except Exception as error:  # noqa: BLE001 - told, recorded and logged
            result = self._defect(invocation, error)
        return await self._close(invocation, result)

    async def _close(self, invocation: Invocation, result: Result) -> Result:
        """End an invocation that has not ended yet, beginning it first if need be."""
        if invocation.result is not None:
            return invocation.result
        if not invocation.operation:
            await invocation.begin()
        return await invocation.end(lambda work: result, alone=False)

    def _defect(self, invocation: Invocation, error: Exception) -> Result:
        """Log a defect of ours; what is told and recorded of it."""
        name, operation = invocation.capability.name, invocation.operation
        _log.error("session %s, op:%d %s failed%s", self.session.name, operation, name, where(error))
        what = f"{type(error).__name__}: {error}"
        return Result(f"{name} failed by a defect of the office ({what}).", Outcome.FAILED, error=what)


def end(work: Workspace, part: Act, result: Result) -> Result:
    """End a begun operation with its result, cut to what is told; the whole of it is kept beside. What is told."""
    assert part.operation is not None
    told = result
    if result.whole is None:
        text, cut = shorten(result.text)
        if cut:
            told = replace(result, text=text, whole=result.text.encode("utf-8", "replace"))
    if told.whole is not None:
        work.record(replace(part, detail=CapabilityEntry(whole=True).detail()), payload=told.whole)
    sure: Attribution = "joint" if result.together else "certain"
    detail = CapabilityEntry(error=result.error or "", attribution=sure, together=result.together).detail()
    work.end(part.operation, told.outcome, payload=told.text.encode("utf-8", "replace"), detail=detail)
    return replace(told, whole=None)
