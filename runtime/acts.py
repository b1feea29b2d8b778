"""Acts of people on the workspace, by name: the same whether a command does them or a host is asked to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from workspace import Act, Version, Workspace, WorkspaceError, takeback
from workspace.addresses import resolve


def perform(work: Workspace, name: str, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
    """Carry out ``scan``, ``restore``, ``revert``, ``undo`` or ``redo``; a JSON record of what it did.

    Arguments: ``address`` and ``paths`` for restore; ``operations`` and ``consent`` for
    revert; ``target`` and ``session`` for undo and redo; for all of these ``dry_run`` only
    previews. ``label`` names the operation, ``as`` the session it belongs to. Raises
    WorkspaceError; Conflicted with the conflicts.
    """
    act = Act(
        kind=name, name=str(arguments.get("label") or name), actor=actor, session=str(arguments.get("as", "cli"))
    )
    if name == "scan":
        scanned = work.scan(act)
        return {"operation": scanned.operation, "versions": _versions(scanned.versions)}
    work.catch_up()
    dry, target = bool(arguments.get("dry_run")), None
    if name == "restore":
        found = resolve(work, str(arguments["address"]))
        one = found.version if found.numbered else None
        paths: Sequence[str] = arguments.get("paths") or ([found.path] if found.path is not None else [])
        plan = takeback.restore_version(work, one) if one else takeback.restore(work, found.cursor, paths)
        touches = takeback.preview(work, plan)
        made = [] if dry else work.restore(version=one, cursor=found.cursor, paths=paths, act=act)
    elif name == "revert":
        ids = [int(str(o).removeprefix("op:")) for o in arguments["operations"]]
        touches, _ = work.preview_revert(ids)
        made = [] if dry else work.revert(ids, act=act, consent=bool(arguments.get("consent")))
    elif name in ("undo", "redo"):
        only, target = arguments.get("session"), arguments.get("target")
        find = takeback.undoable if name == "undo" else takeback.redoable
        target = int(target) if target is not None else find(work, only).id
        touches, _ = work.preview_revert([target])
        made = []
        if not dry:
            done = (work.undo if name == "undo" else work.redo)(session=only, target=target, act=act)
            return {"operation": done.id, "target": target, "touched": [asdict(t) for t in touches]}
    else:
        raise WorkspaceError(f"There is no act {name!r}.")
    return {
        "operation": made[0].operation if made else None,
        "target": target,
        "touched": [asdict(touch) for touch in touches],
        "versions": _versions(made),
    }


def _versions(versions: Sequence[Version]) -> list[dict[str, Any]]:
    return [{"document": v.path, "version": v.number, "change": v.change} for v in versions]
