"""What the office offers beside documents: commands, programs and the plan, as they are declared."""

from __future__ import annotations

from functools import cache

from runtime.tools.capability import Arguments, Capability, Effects
from runtime.tools.documents import CAPABILITIES
from runtime.tools.registry import Registry

RUN = Capability(
    "run",
    "Run a shell command in the sandbox: the workspace is the current folder, there is no network.",
    {
        "command": {"type": "string", "description": "the command, for bash"},
        "seconds": {"type": "number", "exclusiveMinimum": 0, "description": "time limit, 120 by default"},
    },
    ("command",),
    frozenset({"execute", "write"}),
    in_programs=False,
)
TRY = Capability(
    "try",
    "Try a shell command: run it as `run` does, and be shown what it would change. Nothing of it is kept.",
    RUN.parameters,
    ("command",),
    frozenset({"execute"}),
    in_programs=False,
)
PROGRAM = Capability(
    "program",
    "Run a Python program in the sandbox that uses capabilities through `import wk` (wk.read, wk.edit, wk.write, …;"
    " wk.help() lists them): thousands of calls for the tokens of one.",
    {
        "text": {"type": "string", "description": "the program; or give path"},
        "path": {"type": "string", "description": "a document that is the program"},
        "title": {"type": "string", "description": "what it does, in a few words"},
        "seconds": {"type": "number", "exclusiveMinimum": 0, "description": "time limit, 600 by default"},
    },
    (),
    frozenset({"execute", "write"}),
    in_programs=False,
)


def _of_plan(arguments: Arguments) -> Effects:
    """Finishing a step runs its check, and takes a failed attempt back; the rest is bookkeeping."""
    action = arguments.get("action")
    if action == "show":
        return frozenset({"read"})
    return frozenset({"execute", "write"}) if action == "finish" else frozenset({"journal"})


PLAN = Capability(
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
    frozenset({"read", "journal", "execute", "write"}),
    in_programs=False,
    effects_by=_of_plan,
)


@cache
def declared() -> Registry[None]:
    """Every capability that sessions are given, for who only wants to know of them."""
    return Registry((*CAPABILITIES, RUN, TRY, PROGRAM, PLAN), aliases={"bash": "run", "shell": "run"})
