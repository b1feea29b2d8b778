"""What a capability is: a typed signature, declared effects, and a function that does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from runtime.models.base import Tool
from runtime.tools.schema import Check, Mismatch, Schema, compiled
from workspace import Act, Conflicted, Workspace, WorkspaceError
from workspace.kinds import Outcome

Effect = Literal["read", "journal", "write", "execute", "network", "send", "spend"]
"""What a call may do: read documents, write the journal alone, change documents, run programs, …"""
Effects = frozenset[Effect]

RESULT_LIMIT = 24_000
"""Characters of a result that a model is given; the whole of a longer one is kept with the operation."""

Arguments = Mapping[str, Any]


class Refused(WorkspaceError):
    """The call is answered with this sentence, and nothing was done."""

    code = "not_allowed"


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gives: text for who called, and how it ended; of a command also its exit status.

    ``whole`` is all of it where the text is only a part. ``error`` says what went wrong in
    the office itself. Operations ``together`` with it may have made some of its changes.
    """

    text: str
    outcome: Outcome = Outcome.DONE
    status: int | None = None
    whole: bytes | None = None
    error: str | None = None
    together: tuple[int, ...] = ()


@dataclass(slots=True)
class Hands:
    """What a file capability works with, in the writer's thread.

    ``act`` is what its versions are recorded with, ``seen`` the version of each document
    that the session has read last, ``inside`` where the workspace appears in the sandbox.
    """

    work: Workspace
    act: Act
    seen: MutableMapping[str, int] = field(default_factory=dict)
    inside: str = "/workspace"
    in_program: bool = False
    """A program is answered with bare text, and replaces what it has not read: it was read by who wrote it."""

    def path(self, text: str) -> str:
        """The workspace path that a model or program means. Raises Refused."""
        return path_in(self.inside, text)


def path_in(inside: str, text: str) -> str:
    """The workspace path that ``text`` means where the workspace appears at ``inside``. Raises Refused."""
    if text == inside:
        return ""
    path = text.removeprefix(inside.rstrip("/") + "/").removeprefix("./").rstrip("/")
    if path.startswith("/") or ".." in path.split("/"):
        raise Refused(f"{text} is outside the workspace, which is {inside}.")
    return "" if path == "." else path


@dataclass(frozen=True)
class Capability:
    """An atomic command for people and agents alike.

    ``parameters`` maps each name to its JSON schema; those in ``required`` must be given.
    ``effects`` are all that a call may have, ``effects_by`` those of a call with certain
    arguments, where that can be less. ``act`` does it in the writer's thread; None for
    those that have an executor of their own.
    """

    name: str
    summary: str
    parameters: Mapping[str, Schema]
    required: tuple[str, ...]
    effects: Effects
    act: Callable[[Hands, Arguments], Result] | None = None
    in_programs: bool = True
    effects_by: Callable[[Arguments], Effects] | None = None

    def tool(self) -> Tool:
        """The capability as a model is offered it."""
        return Tool(self.name, self.summary, self._schema)

    def check(self, arguments: object) -> Arguments:
        """The arguments if they fit the signature. Raises Refused, saying what does not."""
        if not isinstance(arguments, Mapping):
            raise Refused(f"{self.name}: the arguments are not an object.")
        try:
            self._check(arguments, "")
        except Mismatch as error:
            raise Refused(f"{self.name}: {error}.") from None
        return arguments

    def effects_of(self, arguments: Arguments) -> Effects:
        """What a call with these arguments, which have been checked, may do."""
        return self.effects if self.effects_by is None else self.effects_by(arguments)

    @cached_property
    def _schema(self) -> Mapping[str, object]:
        return {
            "type": "object",
            "properties": {name: dict(kind) for name, kind in self.parameters.items()},
            "required": list(self.required),
            "additionalProperties": False,
        }

    @cached_property
    def _check(self) -> Check:
        return compiled(self._schema)

    def label(self, arguments: Arguments) -> str:
        """The call in a few words, for a row."""
        for name in ("path", "command", "title", "text", "pattern", "action"):
            if isinstance(value := arguments.get(name), str):
                first = value.strip().splitlines()[0] if value.strip() else ""
                return f"{self.name} {first[:80]}"
        return self.name

    def help(self) -> str:
        """The signature and what it does, for ``wk help``."""
        names = [n if n in self.required else f"[{n}]" for n in self.parameters]
        lines = [f"{self.name} {' '.join(names)}", f"    {self.summary}"]
        lines += [f"    {n}: {kind.get('description', kind.get('type', ''))}" for n, kind in self.parameters.items()]
        return "\n".join(lines)


def perform(capability: Capability, hands: Hands, arguments: Arguments) -> Result:
    """Carry out a capability on documents; refusals and conflicts are results, not exceptions."""
    assert capability.act is not None
    try:
        return capability.act(hands, arguments)
    except WorkspaceError as error:
        return failed(error)


def failed(error: WorkspaceError) -> Result:
    """What a call gives that ended with an error of ours, which has a sentence."""
    if isinstance(error, Conflicted):
        regions = "".join(
            f"\n--- line {c.line}, theirs\n{c.ours.decode('utf-8', 'replace')}--- yours\n"
            f"{c.theirs.decode('utf-8', 'replace')}"
            for c in error.conflicts[:5]
            if c.line
        )
        return Result(f"{error}{regions}", Outcome.CONFLICT)
    return Result(str(error), Outcome.REFUSED if isinstance(error, Refused) else Outcome.FAILED)


def shorten(text: str, limit: int = RESULT_LIMIT) -> tuple[str, bool]:
    """Text cut in the middle to about ``limit`` characters, and whether it was."""
    if len(text) <= limit:
        return text, False
    head, tail = limit * 2 // 3, limit // 3
    left_out = len(text) - head - tail
    return (
        f"{text[:head]}\n… {left_out:,} characters left out; they are kept with this operation …\n{text[-tail:]}",
        True,
    )
