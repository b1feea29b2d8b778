"""What operations and who made them are called, in commands, panes and the names of acts alike."""

from __future__ import annotations

from runtime.models.names import spoken
from workspace import Operation
from workspace.kinds import Kind

LONGEST = 400
"""Characters of a name that a row takes, at most."""


def label(operation: Operation) -> str:
    """What an operation is: its kind, and its name where that says more."""
    return _named(operation, operation.name or "")


def short_label(operation: Operation) -> str:
    """The same in fewer words: a call of a capability by its name alone."""
    if operation.kind == Kind.CAPABILITY and operation.name:
        return operation.name
    return label(operation)


def row_label(operation: Operation) -> str:
    """What an act is called in a row of its own: prompts and calls by their words; how it ended where not well."""
    kind, name = operation.kind, (operation.name or "")[:LONGEST]
    if kind in (Kind.PROMPT, Kind.CAPABILITY):
        text = name or str(kind)
    elif kind in (Kind.SESSION, Kind.SETTINGS):
        text = f"{kind} {spoken(name)}".rstrip()
    elif kind == Kind.ATTEMPT:
        text = f"attempt {operation.attempt or '?'}: {name}"
    else:
        text = _named(operation, name)
    return f"{text} · {operation.outcome}" if operation.failed else text


def call_label(operation: Operation, number: int | None) -> str:
    """What an operation is called where its cost is shown: a model call by its number in the session."""
    if operation.model is not None:
        return f"model call {number}" if operation.kind == Kind.MODEL else f"{operation.kind} {number}"
    return short_label(operation)


def title(operation: Operation) -> str:
    """What an operation is called in the name of an act on it: ``op:12 scan``, ``restore of op:9``."""
    if operation.kind in (Kind.RESTORE, Kind.REVERT) and operation.name and operation.name != operation.kind:
        return f"{operation.kind} of {operation.name}"
    return f"op:{operation.id} {label(operation)}"


def short_name(actor: str | None) -> str:
    """A name without the address that git puts behind it."""
    return (actor or "").partition(" <")[0].strip()


def _named(operation: Operation, name: str) -> str:
    if operation.kind == Kind.OUTSIDE:
        return name if name not in ("", "outside edit") else "edited outside"
    if operation.model is not None:
        name = spoken(name)
    return str(operation.kind) if not name or name == operation.kind else f"{operation.kind} {name}"
