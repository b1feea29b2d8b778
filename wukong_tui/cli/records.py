"""The records of ``--json``: a contract, described in docs/json.md and held by tests."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.host.acts import made_by
from workspace import History, Operation, Skipped, Version
from workspace.entries import CapabilityEntry, said
from workspace.kinds import Kind
from workspace.working_copy.outside import outside_of
from wukong_tui.cli.common import stamp


def reason(history: History, operation: Operation) -> str | None:
    """Why an operation did not end well, as far as anybody said; of a command its output is no reason."""
    if not operation.failed:
        return None
    if text := said(operation):
        return text
    if operation.kind != Kind.CAPABILITY or CapabilityEntry.of(operation).capability in ("run", "program"):
        return None
    payload = history.store.journal.entry(operation.last).payload
    if payload is None or operation.last == operation.id:
        return None
    return history.store.contents.get(payload).decode("utf-8", "replace").strip() or None


def unwell(history: History, operation: Operation, label: str) -> str:
    """What stands after the label of an operation that was refused or has a reason: `` refused: why``."""
    why = (reason(history, operation) or "").partition("\n")[0]
    why = why.removeprefix(f"{(operation.name or '').partition(' ')[0]}: ")
    refused = " refused" if operation.refused and not label.endswith(" refused") else ""
    return refused + (f": {why}" if why else "")


def operation(history: History, operation: Operation, versions: Sequence[Version]) -> dict[str, object]:
    """One operation of ``log --json``."""
    use = operation.usage
    return {
        "operation": operation.id,
        "parent": operation.parent,
        "session": operation.session,
        "actor": operation.actor,
        "kind": operation.kind,
        "name": operation.name,
        "started": stamp(operation.started),
        "ended": stamp(operation.ended),
        "outcome": operation.outcome,
        "reason": reason(history, operation),
        "step": operation.step,
        "attempt": operation.attempt,
        "model": operation.model,
        "tokens": {
            "input": use.input,
            "output": use.output,
            "cached": use.cached,
            "reasoning": use.reasoning,
            "estimated": use.estimated,
        },
        "cost_usd": None if use.cost is None else use.cost / 1e9,
        "versions": made_by(versions),
        "outside": [
            {"path": row.path, "change": row.change, "reason": row.reason, "held": row.held}
            for row in outside_of(history.store, [operation.id])
        ],
    }


def version(version: Version, operation: Operation) -> dict[str, object]:
    """One version of ``log PATH --json``."""
    return {
        "document": version.path,
        "version": version.number,
        "operation": version.operation,
        "time": stamp(operation.started),
        "actor": operation.actor,
        "change": version.change,
        "added": version.added,
        "removed": version.removed,
        "bytes": version.size,
    }


def blamed(line: int, text: str, there: int, made: Version, operation: Operation) -> dict[str, object]:
    """One line of ``blame --json``; ``there`` is its number in the version that made it."""
    return {
        "document": made.path,
        "line": line,
        "version": made.number,
        "version_line": there,
        "operation": operation.id,
        "time": stamp(operation.started),
        "actor": operation.actor,
        "text": text,
    }


def skipped(skipped: Skipped) -> dict[str, object]:
    """One path that is not captured."""
    return {"path": skipped.path, "reason": skipped.reason, "bytes": skipped.bytes}
