"""The tools of one session: what each is, and what executes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from runtime.models.base import Tool
from runtime.tools.call import Call
from runtime.tools.capability import Arguments, Capability, Refused

Executor = TypeVar("Executor")
Other = TypeVar("Other")


class Registry(Generic[Executor]):
    """Capabilities by name, in their order, with an executor for each that needs one.

    ``aliases`` are names that other agents' recordings use for a capability of ours.
    """

    def __init__(
        self,
        capabilities: Iterable[Capability],
        executors: Mapping[str, Executor] = {},
        aliases: Mapping[str, str] = {},
    ) -> None:
        self._capabilities = {capability.name: capability for capability in capabilities}
        self._executors = dict(executors)
        self._aliases = dict(aliases)
        if strangers := set(self._executors) - set(self._capabilities):
            raise ValueError(f"executors of no capability: {', '.join(sorted(strangers))}")

    def __iter__(self) -> Iterator[Capability]:
        return iter(self._capabilities.values())

    def find(self, name: str) -> Capability:
        """The capability of a name or alias. Raises Refused."""
        found = self._capabilities.get(self._aliases.get(name, name))
        if found is None:
            shown = name[:60].encode("utf-8", "replace").decode()
            raise Refused(f"There is no capability {shown!r}; there are {', '.join(self._capabilities)}.")
        return found

    def executor(self, capability: Capability) -> Executor:
        """What executes a capability. Raises Refused where nothing does here."""
        if capability.name not in self._executors:
            raise Refused(f"{capability.name} cannot be executed here.")
        return self._executors[capability.name]

    def validated(self, call: Call) -> tuple[Capability, Arguments]:
        """The capability that a call names and its arguments, which fit it. Raises Refused."""
        capability = self.find(call.name)
        return capability, capability.check(call.arguments)

    def executed_by(self, executors: Mapping[str, Other]) -> Registry[Other]:
        """The same capabilities, with these executors."""
        return Registry(self, executors, self._aliases)

    def in_programs(self) -> Registry[Executor]:
        """Those of them that a program may call."""
        kept = [capability for capability in self if capability.in_programs]
        executors = {c.name: self._executors[c.name] for c in kept if c.name in self._executors}
        return Registry(kept, executors)

    def tools(self) -> tuple[Tool, ...]:
        """The capabilities as a model is offered them."""
        return tuple(capability.tool() for capability in self)
