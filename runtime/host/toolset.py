"""What the office gives a session: its tools, each with what executes it, and its agent."""

from __future__ import annotations

from runtime.agent.agent import Agent
from runtime.agent.loop import NativeAgent
from runtime.dispatch.door import Dispatch, Executor
from runtime.dispatch.session import Session
from runtime.execution.command import RunCommand
from runtime.execution.dry_run import TryCommand
from runtime.execution.programs import RunProgram
from runtime.execution.workplace import Workplace
from runtime.models.base import Model
from runtime.planning.attempts import KeepPlan
from runtime.tools.declared import declared
from runtime.tools.registry import Registry


def toolset(workplace: Workplace) -> Registry[Executor]:
    """A registry for one session: capabilities on documents, commands, programs and the plan."""
    return declared().executed_by(
        {
            "run": RunCommand(workplace),
            "try": TryCommand(workplace),
            "program": RunProgram(workplace),
            "plan": KeepPlan(),
        }
    )


def native(session: Session, model: Model, workplace: Workplace) -> Agent:
    """Our own loop around a model, behind the session's door."""
    return NativeAgent(Dispatch(session, toolset(workplace)), model)
