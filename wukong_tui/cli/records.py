"""The records of ``--json``: a contract, described in docs/json.md and held by tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runtime.acts import made_by
from workspace import Operation, Skipped, Version

from .common import stamp


def operation(operation: Operation, versions: Sequence[Version]) -> dict[str, Any]:
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
    }


def version(version: Version, operation: Operation) -> dict[str, Any]:
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


def blamed(line: int, text: str, there: int, made: Version, operation: Operation) -> dict[str, Any]:
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


def skipped(skipped: Skipped) -> dict[str, Any]:
    """One path that is not captured."""
    return {"path": skipped.path, "reason": skipped.reason, "bytes": skipped.bytes}
