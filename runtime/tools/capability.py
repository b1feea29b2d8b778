"""What a capability is: a typed signature, declared effects, and a function that does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from runtime.dispatch.policy import Effect
from runtime.models.base import Tool
from workspace import Act, Conflicted, Workspace, WorkspaceError
from workspace.kinds import Outcome

RESULT_LIMIT = 24_000
"""Characters of a result that a model is given; the whole of a longer one is kept with the operation."""

Arguments = Mapping[str, Any]
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "boolean": bool, "array": list, "object": dict, "number": (int, float),
}  # fmt: skip


class Refused(WorkspaceError):
    """The call is answered with this sentence, and nothing was done."""

    code = "not_allowed"


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gives: text for who called, and how it ended."""

    text: str
    outcome: Outcome = Outcome.DONE


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


@dataclass(frozen=True, slots=True)
class Capability:
    """An atomic command for people and agents alike.

    ``parameters`` maps each name to its JSON schema; those in ``required`` must be given.
    ``act`` does it in the writer's thread; None for those that the loop itself carries out.
    """

    name: str
    summary: str
    parameters: Mapping[str, Mapping[str, Any]]
    required: tuple[str, ...]
    effects: frozenset[Effect]
    act: Callable[[Hands, Arguments], Result] | None = None
    in_programs: bool = True

    def tool(self) -> Tool:
        """The capability as a model is offered it."""
        schema = {
            "type": "object",
            "properties": {name: dict(kind) for name, kind in self.parameters.items()},
            "required": list(self.required),
            "additionalProperties": False,
        }
        return Tool(self.name, self.summary, schema)

    def check(self, arguments: Any) -> Arguments:
        """The arguments if they fit the signature. Raises Refused, saying what does not."""
        if not isinstance(arguments, Mapping):
            raise Refused(f"{self.name}: the arguments are not an object.")
        if missing := [name for name in self.required if name not in arguments]:
            are = "are" if len(missing) > 1 else "is"
            raise Refused(f"{self.name}: {', '.join(missing)} {are} missing.")
        for name, value in arguments.items():
            if name not in self.parameters:
                known = ", ".join(self.parameters)
                raise Refused(f"{self.name}: there is no {name}; it takes {known}.")
            kind = str(self.parameters[name].get("type"))
            if kind in _TYPES and (
                not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind in ("integer", "number"))
            ):
                raise Refused(f"{self.name}: {name} is no {kind}.")
            if isinstance(value, str) and not _is_text(value):
                raise Refused(f"{self.name}: {name} holds half a character (a lone surrogate).")
        return arguments

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


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def perform(capability: Capability, hands: Hands, arguments: Arguments) -> Result:
    """Carry out a capability on documents; refusals and conflicts are results, not exceptions."""
    assert capability.act is not None
    try:
        return capability.act(hands, arguments)
    except Refused as error:
        return Result(str(error), Outcome.REFUSED)
    except Conflicted as error:
        regions = "".join(
            f"\n--- line {c.line}, theirs\n{c.ours.decode('utf-8', 'replace')}--- yours\n"
            f"{c.theirs.decode('utf-8', 'replace')}"
            for c in error.conflicts[:5]
            if c.line
        )
        return Result(f"{error}{regions}", Outcome.CONFLICT)
    except WorkspaceError as error:
        return Result(str(error), Outcome.FAILED)


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
