"""The tools that the office gives a session, each with what executes it."""

from __future__ import annotations

from runtime.dispatch.door import Executor
from runtime.execution.command import RunCommand
from runtime.execution.programs import RunProgram
from runtime.planning.attempts import KeepPlan
from runtime.tools.declared import declared
from runtime.tools.registry import Registry


def toolset() -> Registry[Executor]:
    """A registry for one session: capabilities on documents, commands, programs and the plan."""
    return declared().executed_by({"run": RunCommand(), "program": RunProgram(), "plan": KeepPlan()})
