"""Deciding whether a call may go on, with a person's word where it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from runtime.dispatch.cause import Cause
from runtime.dispatch.policy import Decision, Request
from runtime.dispatch.session import Session
from runtime.tools.capability import Arguments, Capability, Effects, Refused


async def authorize(
    session: Session, cause: Cause, capability: Capability, effects: Effects, shown: Arguments
) -> Decision:
    """Let a call go on, asking a person if need be, who is shown exactly these arguments. Raises Refused."""
    decision = decide(session, cause, capability, effects, shown)
    if decision.verdict == "allow":
        return decision
    allowed, said = await session.host.approve(cause, capability.name, effects, shown)
    if allowed == "no":
        raise Refused(f"Refused by a person{': ' + said if said else '.'}")
    if allowed == "session":
        session.policy.grant(capability.name)
    return Decision("allow", said, by="person")


def decide(
    session: Session, cause: Cause, capability: Capability, effects: Effects, arguments: Arguments
) -> Decision:
    """What the policy says of a call without a person: allow, or ask one. Raises Refused where it denies."""
    decision = session.policy.decide(Request(capability.name, effects, arguments, cause.scope))
    if decision.verdict == "deny":
        raise Refused(f"Refused: {decision.reason}")
    return decision


def recorded(decision: Decision) -> str:
    """A decision that allows, as it is recorded with its operation."""
    return f"allowed: {decision.reason}" if decision.reason else "allowed by a person"


class Delegated:
    """Decides the calls of a program that was allowed itself: once for each capability and its effects in a batch.

    The policy looks at no arguments, so that the first call of a kind stands for all of them.
    Where it wants a person, one who has allowed the program has allowed what it says
    it does; anything beyond that, and the calls of a program that no person has looked at, are
    asked about once for each capability and its effects.
    """

    def __init__(self, session: Session, cause: Cause, effects: Effects, decision: Decision) -> None:
        """``effects`` and ``decision`` are those of the program, ``cause`` that of its calls."""
        self._session, self._cause = session, cause
        self._effects, self._decision = effects, decision
        self._said: dict[tuple[str, Effects], asyncio.Task[Decision]] = {}

    async def decide(
        self, calls: Iterable[tuple[Capability, Arguments]]
    ) -> dict[tuple[str, Effects], Decision | Refused]:
        """The decision, or the refusal, for each capability and its effects among some calls."""
        found: dict[tuple[str, Effects], Decision | Refused] = {}
        for capability, arguments in calls:
            effects = capability.effects_of(arguments)
            key = (capability.name, effects)
            if key not in found:
                try:
                    found[key] = await self._one(capability, effects, arguments)
                except Refused as refusal:
                    found[key] = refusal
        return found

    def stop(self) -> None:
        """Withdraw what is still asked: the program is over."""
        for asking in self._said.values():
            asking.cancel()

    async def _one(self, capability: Capability, effects: Effects, arguments: Arguments) -> Decision:
        decision = decide(self._session, self._cause, capability, effects, arguments)
        if decision.verdict == "allow":
            return decision
        if self._decision.by != "policy" and effects <= self._effects:
            return Decision("allow", "with its program", by=self._decision.by)
        key = (capability.name, effects)
        if key not in self._said:  # calls that come meanwhile wait for the same answer
            every = f"every {capability.name} of the program op:{self._cause.parent}"
            shown = {**arguments, "for": every}
            asking = authorize(self._session, self._cause, capability, effects, shown)
            self._said[key] = asyncio.create_task(asking)
        asked = self._said[key]
        await asyncio.wait({asked})
        if asked.cancelled():
            raise Refused("The program was over before anybody answered.")
        return asked.result()
