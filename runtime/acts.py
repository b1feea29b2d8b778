"""Acts of people on the workspace, by name: the same whether a command does them or a host is asked to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from runtime.models.names import spoken
from workspace import Act, Operation, Version, Workspace, WorkspaceError, takeback
from workspace.addresses import operation_of, resolve, workspace_path
from workspace.takeback import Plan, Touch


def perform(work: Workspace, name: str, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
    """Carry out ``scan``, ``restore``, ``revert``, ``undo`` or ``redo``; a JSON record of what it did.

    Arguments: ``named``, ``largest`` (bytes) and ``consent`` for scan; ``address`` and
    ``paths``, from the folder ``here`` on, for restore; ``operations`` and ``consent`` for
    revert; ``target`` and ``session`` for undo and redo. ``as`` is the session that the
    operation belongs to. With ``dry_run`` all but scan only tell what they would do, and
    their conflicts are part of that; else Conflicted is raised. Raises WorkspaceError.
    """
    acts: Mapping[str, Callable[..., dict[str, Any]]] = {
        "scan": _scan, "restore": _restore, "revert": _revert, "undo": _undo_or_redo, "redo": _undo_or_redo
    }  # fmt: skip
    if name not in acts:
        raise WorkspaceError(f"There is no act {name!r}.")
    return acts[name](
        work, arguments, Act(kind=name, name=name, actor=actor, session=str(arguments.get("as", "cli")))
    )


def _scan(work: Workspace, arguments: Mapping[str, Any], act: Act) -> dict[str, Any]:
    first = work.cursor == 0
    here = Path(arguments.get("here") or work.root)
    named = [workspace_path(work.root, here, path) for path in arguments.get("named", ())]
    scanned = work.scan(
        act, named=named, largest=arguments.get("largest"), consent=bool(arguments.get("consent"))
    )  # fmt: skip
    return {
        "operation": scanned.operation,
        "files": scanned.files,
        "bytes": scanned.bytes,
        "versions": made_by(scanned.versions),
        "skipped": [asdict(skipped) for skipped in scanned.skipped],
        "conflicts": [{"path": c.path, "line": c.line, "reason": c.reason} for c in scanned.conflicts],
        "begun": {"root": str(work.root), "folder": str(work.folder)} if first else None,
    }


def _restore(work: Workspace, arguments: Mapping[str, Any], act: Act) -> dict[str, Any]:
    here = Path(arguments.get("here") or work.root)
    address = str(arguments["address"])
    found = resolve(work, address, here=here)
    paths = [workspace_path(work.root, here, path) for path in arguments.get("paths", ())]
    if found.path is not None and paths:
        raise WorkspaceError("Paths go with an address of the whole workspace, such as @{10m ago}.")
    if found.branch is not None:
        raise WorkspaceError(f"Restore takes a moment or a document; {address}:PATH names one on a branch.")
    work.catch_up()
    # The name says for good what was restored: "@-1" and "10m ago" mean something else tomorrow.
    if found.numbered and found.version is not None:
        act = _named(act, f"{found.path}@{found.version.number}")
        plan = takeback.restore_version(work, found.version)
    else:
        at = f"op:{found.cursor}"
        act = _named(act, f"{found.path}@{{{at}}}" if found.path else " ".join([at, *paths]))
        plan = takeback.restore(work, found.cursor, [found.path] if found.path is not None else paths)
    if arguments.get("dry_run"):
        return _preview(takeback.preview(work, plan), plan)
    if found.numbered:
        made = work.restore(version=found.version, act=act)
    else:
        made = work.restore(cursor=found.cursor, paths=[found.path] if found.path is not None else paths, act=act)
    return {"operation": made[0].operation if made else None, "versions": made_by(made)}


def _revert(work: Workspace, arguments: Mapping[str, Any], act: Act) -> dict[str, Any]:
    work.catch_up()
    ids = [operation_of(work, str(text)).id for text in arguments["operations"]]
    if arguments.get("dry_run"):
        return _preview(*work.preview_revert(ids))
    _check_ended(work, ids)
    act = _named(act, " ".join(f"op:{id_}" for id_ in ids))
    made = work.revert(ids, act=act, consent=bool(arguments.get("consent")))
    return {"operation": made[0].operation if made else None, "versions": made_by(made)}


def _undo_or_redo(work: Workspace, arguments: Mapping[str, Any], act: Act) -> dict[str, Any]:
    work.catch_up()
    session, given = arguments.get("session"), arguments.get("target")
    find = takeback.undoable if act.kind == "undo" else takeback.redoable
    target = find(work, session) if given is None else operation_of(work, str(given))
    # A redo is named after what it brings back, not after the undo that it takes back.
    name = target.name if act.kind == "redo" and target.name else f"op:{target.id} {label(target)}"
    if arguments.get("dry_run"):
        return {**_preview(*work.preview_revert([target.id])), "target": target.id, "name": name}
    _check_ended(work, [target.id])
    take = work.undo if act.kind == "undo" else work.redo
    done = take(session=session, target=target.id, act=_named(act, name))
    made = work.store.versions.of_operation(done.id)
    return {"operation": done.id, "target": target.id, "name": name, "versions": made_by(made)}


def _check_ended(work: Workspace, operations: Sequence[int]) -> None:
    """Refuse to take back what still works: it would go on, and half of it would stay."""
    running = set(work.store.journal.unfinished())
    for operation in operations:
        if running & set(work.store.journal.family(operation)):
            raise WorkspaceError(f"op:{operation} is still at work; wait for it or interrupt it, then take it back.")


def _named(act: Act, name: str) -> Act:
    return Act(kind=act.kind, name=name, actor=act.actor, session=act.session)


def _preview(touches: Sequence[Touch], plan: Plan) -> dict[str, Any]:
    return {
        "touched": [asdict(touch) for touch in touches],
        "conflicts": [{"path": c.path, "line": c.line, "reason": c.reason} for c in plan.conflicts],
        "uncertain": [edit.path for edit in plan.uncertain],
    }


def label(operation: Operation) -> str:
    """What an operation is for a person: its kind, and its name where that says more."""
    name = operation.name
    if name is not None and operation.model is not None:
        name = spoken(name)
    return operation.kind if not name or name == operation.kind else f"{operation.kind} {name}"


def by_path(versions: Sequence[Version]) -> list[Version]:
    """The versions of one operation in the order in which a person looks for them."""
    return sorted(versions, key=lambda version: (version.path, version.number))


def made_by(versions: Sequence[Version]) -> list[dict[str, Any]]:
    """The versions that one operation made, for JSON."""
    return [
        {
            "document": version.path,
            "version": version.number,
            "change": version.change,
            "added": version.added,
            "removed": version.removed,
        }
        for version in by_path(versions)
    ]
