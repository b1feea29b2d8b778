"""Deciding whether a call may go on, with a person's word where it is needed."""

from __future__ import annotations

from runtime.agent.session import Session
from runtime.dispatch.policy import Request
from runtime.tools import Arguments, Capability, Refused


async def authorize(session: Session, capability: Capability, arguments: Arguments) -> str:
    """Whether a call may go on, asking a person if need be; the decision. Raises Refused."""
    decision = session.policy.decide(Request(capability.name, capability.effects, arguments))
    if decision.verdict == "deny":
        raise Refused(f"Refused: {decision.reason}")
    if decision.verdict == "ask":
        allowed, said = await session.host.approve(session, capability.name, dict(arguments))
        if not allowed:
            raise Refused(f"Refused by a person{': ' + said if said else '.'}")
        return f"allowed: {said}" if said else "allowed by a person"
    return f"allowed: {decision.reason}"
