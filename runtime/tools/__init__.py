"""Capabilities: atomic commands with a typed signature, declared effects and a permission."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.tools.capability import Arguments, Capability, Hands, Refused, Result, perform, shorten
from runtime.tools.documents import CAPABILITIES as _DOCUMENTS

_RUN = Capability(
    "run",
    "Run a shell command in the sandbox: the workspace is the current folder, there is no network.",
    {
        "command": {"type": "string", "description": "the command, for bash"},
        "seconds": {"type": "number", "description": "time limit, 120 by default"},
    },
    ("command",),
    frozenset({"execute", "write"}),
    in_programs=False,
)
_PROGRAM = Capability(
    "program",
    "Run a Python program in the sandbox that uses capabilities through `import wk` (wk.read, wk.edit, wk.write, …;"
    " wk.help() lists them): thousands of calls for the tokens of one.",
    {
        "text": {"type": "string", "description": "the program; or give path"},
        "path": {"type": "string", "description": "a document that is the program"},
        "title": {"type": "string", "description": "what it does, in a few words"},
        "seconds": {"type": "number", "description": "time limit, 600 by default"},
    },
    (),
    frozenset({"execute", "write"}),
    in_programs=False,
)
_PLAN = Capability(
    "plan",
    "Keep the plan: set its steps, start an attempt at a step, finish it (its check is run; a failed attempt is"
    " taken back and remembered).",
    {
        "action": {"type": "string", "enum": ["set", "start", "finish", "show"], "description": "what to do"},
        "steps": {
            "type": "array",
            "description": "for set: [{title, check?: {command} or {document, contains|lacks|matches|forbids|exists,"
            " says?}, attempts?}]; forbids is a pattern that must not match, says the sentence told on failure",
            "items": {"type": "object"},
        },
        "step": {"type": "integer", "description": "for start: its number; by default the next open one"},
        "note": {"type": "string", "description": "for finish: what was done, or why it failed"},
    },
    ("action",),
    frozenset({"read"}),
    in_programs=False,
)

CAPABILITIES: Mapping[str, Capability] = {c.name: c for c in (*_DOCUMENTS, _RUN, _PROGRAM, _PLAN)}
ALIASES: Mapping[str, str] = {"bash": "run", "shell": "run"}
"""Names that other agents' recordings use for a capability of ours."""


def find(name: str) -> Capability:
    """The capability of a name or alias. Raises Refused."""
    found = CAPABILITIES.get(ALIASES.get(name, name))
    if found is None:
        raise Refused(f"There is no capability {name!r}; there are {', '.join(CAPABILITIES)}.")
    return found


__all__ = [
    "ALIASES",
    "CAPABILITIES",
    "Arguments",
    "Capability",
    "Hands",
    "Refused",
    "Result",
    "find",
    "perform",
    "shorten",
]
