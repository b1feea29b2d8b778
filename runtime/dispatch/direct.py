"""The door for who holds the workspace itself: a command without a host, or a host's writer for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from runtime.dispatch.cause import Cause
from runtime.dispatch.policy import Policy, Request
from runtime.tools.call import Call
from runtime.tools.capability import Arguments, Refused
from runtime.tools.registry import Registry
from workspace import Act, Workspace
from workspace.kinds import Kind

T = TypeVar("T")
Direct = Callable[[Workspace, Arguments, Act], T]
"""Does an act and records it as one operation, in the writer's thread; raises WorkspaceError."""


def invoke(work: Workspace, cause: Cause, call: Call, registry: Registry[Direct[T]], policy: Policy) -> T:
    """Validate, authorize and carry out one act, whose operation is of the kind that its name says.

    There is nobody to ask: what the policy does not allow is refused. Raises Refused, and
    what the act raises.
    """
    capability, arguments = registry.validated(call)
    effects = capability.effects_of(arguments)
    decision = policy.decide(Request(capability.name, effects, arguments, cause.scope))
    if decision.verdict != "allow":
        raise Refused(f"Refused: {decision.reason}")
    return registry.executor(capability)(work, arguments, cause.act(Kind(capability.name), capability.name))
