"""Acts of people on branches: fork one, lay one out in a folder, merge one into another."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from runtime.tools.capability import Arguments
from workspace import Act, Operation, Version, Workspace, WorkspaceError
from workspace.operations.addresses import Address, resolve
from workspace.records import Branch


def fork(work: Workspace, arguments: Arguments, act: Act) -> dict[str, object]:
    """Fork a branch of a name, at an address or now."""
    at = _moment(work, arguments)
    branch = work.fork(str(arguments["branch"]), at=at.cursor if at else None, act=act)
    return tell(work, branch)


def checkout(work: Workspace, arguments: Arguments, act: Act) -> dict[str, object]:
    """Lay a branch out in a folder, or a moment as a new branch."""
    at = _moment(work, arguments, whole=True)
    assert at is not None
    name = _text(arguments, "branch")
    if at.branch is not None:
        if name is not None:
            raise WorkspaceError("A branch keeps its name; leave out --branch, or name a moment.")
        name = work.store.versions.branch_number(at.branch).name
        with work.checkout(Path(str(arguments["folder"])), name) as other:
            return tell(work, other.branch)
    with work.checkout(
        Path(str(arguments["folder"])), str(name or f"at-{at.cursor}"), at=at.cursor, act=act
    ) as other:
        return tell(work, other.branch)


def merge(
    work: Workspace, arguments: Arguments, act: Act
) -> dict[str, object] | tuple[Operation | None, list[Version]]:
    """Merge a branch into that of the folder, once what others changed in either folder is recorded.

    With ``dry_run`` a preview; else the merge, None where all was there, and its versions.
    """
    name = str(arguments["branch"])
    with work.on(name) as other:
        work.catch_up()
        other.catch_up()
        if arguments.get("dry_run"):
            touches, plan, token = work.preview_merge(name)
            return {
                "expect": token,
                "touched": [asdict(touch) for touch in touches],
                "conflicts": [{"path": c.path, "line": c.line, "reason": c.reason} for c in plan.conflicts],
                "note": f"All that {name} holds is on {work.branch.name} already.",
            }
        act = Act(kind=act.kind, name=f"{name} into {work.branch.name}", actor=act.actor, session=act.session)
        done = work.merge(name, act=act, expect=_text(arguments, "expect"))
        return done, work.store.versions.of_operation(done.id) if done is not None else []


def tell(work: Workspace, branch: Branch) -> dict[str, object]:
    """A branch for JSON; its folder is None where it has none."""
    parent = work.store.versions.branch_number(branch.parent).name if branch.parent is not None else None
    return {
        "branch": branch.name, "parent": parent, "fork": branch.fork, "folder": work.repository.folder_of(branch.id),
    }  # fmt: skip


def _text(arguments: Arguments, key: str) -> str | None:
    value = arguments.get(key)
    return value if isinstance(value, str) else None


def _moment(work: Workspace, arguments: Arguments, *, whole: bool = False) -> Address | None:
    text = arguments.get("address")
    if text is None:
        return None
    found = resolve(work, str(text), here=Path(_text(arguments, "here") or work.root))
    if found.path is not None or (found.branch is not None and not whole):
        raise WorkspaceError("Name a moment of the whole workspace, such as op:12 or @{10m ago}.")
    return found
