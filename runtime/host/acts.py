"""Acts of people on the workspace, by name: the same whether a command does them or a host is asked to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

from runtime.dispatch.cause import Cause
from runtime.dispatch.direct import Direct, invoke
from runtime.dispatch.policy import Policy
from runtime.execution import scratch
from runtime.host import branch_acts
from runtime.labels import label, title
from runtime.tools.call import Call
from runtime.tools.capability import Arguments, Capability, Effects
from runtime.tools.registry import Registry
from runtime.tools.schema import Schema
from workspace import Act, NotFound, Operation, Version, Workspace, WorkspaceError
from workspace.entries import UndoEntry
from workspace.kinds import Kind, Outcome
from workspace.operations import undo
from workspace.operations.addresses import Address, operation_of, resolve, workspace_path
from workspace.operations.lay_in import lay_in
from workspace.operations.undo import Touch, UndoPlan
from workspace.records import ENDED, INSTANT
from workspace.working_copy import waiting
from workspace.working_copy.git_moves import BranchMove
from workspace.working_copy.git_state import repository_of
from workspace.working_copy.outside import GIT, UNKEPT, Outside

AGAIN: Mapping[Kind, str] = {
    Kind.UNDO: "is an undo; `wukong redo` brings again what it took",
    Kind.REDO: "is a redo; `wukong undo` takes back what it brought",
}
"""Of what takes no revert: what it is, and what takes it back."""


def perform(work: Workspace, name: str, arguments: Arguments, actor: str) -> dict[str, object]:
    """Carry out an act that is declared below for a person; a JSON record of what it did.

    ``as`` is the session that the operation belongs to, ``root`` the working copy that is
    meant, ``here`` the folder from which paths and addresses start. With ``dry_run`` all but scan
    only tell what they would do, and their conflicts are part of that; else Conflicted is
    raised. ``expect``, as a dry run answered it, has them do exactly that; else Changed is
    raised. Raises WorkspaceError.
    """
    arguments = dict(arguments)
    root = arguments.pop("root", None)
    if root is not None and Path(str(root)) != work.root:  # another working copy of the same history
        with work.at(Path(str(root))) as other:
            return perform(other, name, arguments, actor)
    session = arguments.get("as", "cli")
    cause = Cause(actor, session if isinstance(session, str) else "cli")
    return invoke(work, cause, Call(name, dict(arguments)), registry(), Policy("auto"))


def _scan(work: Workspace, arguments: Arguments, act: Act) -> dict[str, object]:
    first = work.cursor == 0
    here = Path(arguments.get("here") or work.root)
    named = [workspace_path(work.root, here, path) for path in arguments.get("named", ())]
    work.configure(
        kept=arguments.get("kept"), caches=arguments.get("caches", ()), no_caches=arguments.get("no_caches", ())
    )  # fmt: skip
    scanned = work.scan(
        act, named=named, largest=arguments.get("largest"), consent=bool(arguments.get("consent"))
    )  # fmt: skip
    return {
        "operation": scanned.operation,
        "files": scanned.files,
        "bytes": scanned.bytes,
        "versions": made_by(scanned.versions),
        "seen": [{"operation": v.operation, **made_by([v])[0]} for v in by_path(scanned.claimed)],
        "skipped": [asdict(skipped) for skipped in scanned.skipped],
        "conflicts": [{"path": c.path, "line": c.line, "reason": c.reason} for c in scanned.conflicts],
        "begun": {"root": str(work.root), "folder": str(work.folder)} if first else None,
    }


def _restore(work: Workspace, arguments: Arguments, act: Act) -> dict[str, object]:
    here = Path(arguments.get("here") or work.root)
    cursor = arguments.get("cursor")
    if cursor is None and "address" not in arguments:
        raise WorkspaceError("Restore takes an address, or the number of an entry.")
    address = "" if cursor is not None else str(arguments["address"])
    found = _at(work, cursor) if cursor is not None else resolve(work, address, here=here)
    paths = [workspace_path(work.root, here, path) for path in arguments.get("paths", ())]
    if found.path is not None and paths:
        raise WorkspaceError("Paths go with an address of the whole workspace, such as @{10m ago}.")
    if found.branch is not None:
        raise WorkspaceError(f"Restore takes a moment or a document; {address}:PATH names one on a branch.")
    work.catch_up()
    # The name says for good what was restored: "@-1" and "10m ago" mean something else tomorrow.
    if found.numbered and found.version is not None:
        act = _named(act, f"{found.path}@{found.version.number}")
        plan = undo.restore_version(work, found.version)
    else:
        at = _moment(work, found.cursor)
        act = _named(act, f"{found.path}@{{{at}}}" if found.path else " ".join([at, *paths]))
        plan = undo.restore(work, found.cursor, [found.path] if found.path is not None else paths)
    if arguments.get("dry_run"):
        shown = _preview(undo.preview(work, plan), plan, undo.token(work, plan))
        note = "Nothing to change." if plan.empty else ""
        return {**shown, "name": act.name, "note": note}
    expect = arguments.get("expect")
    if found.numbered:
        made = work.restore(version=found.version, act=act, expect=expect)
    else:
        within = [found.path] if found.path is not None else paths
        made = work.restore(cursor=found.cursor, paths=within, act=act, expect=expect)
    return {"operation": made[0].operation if made else None, "versions": made_by(made)}


def _revert(work: Workspace, arguments: Arguments, act: Act) -> dict[str, object]:
    work.catch_up()
    named = [operation_of(work, str(text)) for text in arguments["operations"]]
    for operation in named:
        if operation.kind in AGAIN:
            raise WorkspaceError(f"op:{operation.id} {AGAIN[operation.kind]}.")
    ids = [operation.id for operation in named]
    _check_ended(work, ids)
    if arguments.get("dry_run"):
        touches, plan, token = work.preview_revert(ids)
        note = _covered(work, named) if plan.empty else ""
        return {**_preview(touches, plan, token), "about": [_about(operation) for operation in named], "note": note}
    act = _named(act, " ".join(f"op:{id_}" for id_ in ids))
    made = work.revert(ids, act=act, consent=bool(arguments.get("consent")), expect=arguments.get("expect"))
    return {"operation": made[0].operation if made else None, "versions": made_by(made)}


def _undo_or_redo(work: Workspace, arguments: Arguments, act: Act) -> dict[str, object]:
    work.catch_up()
    session, given = arguments.get("session"), arguments.get("target")
    target = _target(work, Kind(act.kind), arguments)
    # A redo is named after what it brings back, not after the undo that it takes back.
    meant = work.operation(UndoEntry.of(target).target or target.id) if act.kind == Kind.REDO else target
    name = target.name if act.kind == Kind.REDO and target.name else title(target)
    _check_ended(work, [target.id])
    if given is not None and (meant.id in undo.undone(work, work.cursor)) != (act.kind == Kind.REDO):
        raise WorkspaceError(f"op:{meant.id} is {'undone already' if act.kind == Kind.UNDO else 'not undone'}.")
    if arguments.get("dry_run"):
        touches, plan, token = work.preview_revert([target.id])
        return {**_preview(touches, plan, token), "target": target.id, "name": name, "about": [_about(meant)],
                "note": _unseen(act.kind, meant) if plan.empty else ""}  # fmt: skip
    take = work.undo if act.kind == Kind.UNDO else work.redo
    done = take(session=session, target=target.id, act=_named(act, name), expect=arguments.get("expect"))
    made = work.store.versions.of_operation(done.id)
    outside = outside_rows([row for row in work.outside_of([done.id]) if row.held])
    return {
        "operation": done.id, "target": target.id, "name": name, "versions": made_by(made), "outside": outside,
    }  # fmt: skip


def _apply(work: Workspace, arguments: Arguments, act: Act) -> dict[str, object]:
    """Lay in what was held: a person lets it destroy what cannot be kept."""
    target = operation_of(work, str(arguments["operation"]))
    (one,) = waiting.held(work.folder, target.id)
    act = replace(_named(act, title(target)), parent=target.id)
    operation = work.begin(act)
    laid = lay_in(work, one.upper, replace(act, operation=operation))
    outcome = Outcome.CONFLICT if laid.conflicts else Outcome.DONE
    work.end(operation, outcome)
    waiting.forget(one.upper)
    scratch.remove(one.upper.folder)
    return {
        "operation": operation, "versions": made_by(laid.versions), "outside": outside_rows(laid.outside),
        "conflicts": [{"path": c.path, "line": c.line, "reason": c.reason} for c in laid.conflicts],
    }  # fmt: skip


def _drop(work: Workspace, arguments: Arguments, act: Act) -> dict[str, object]:
    """Drop what was held: nothing of it was ever in the folder."""
    target = operation_of(work, str(arguments["operation"]))
    (one,) = waiting.held(work.folder, target.id)
    operation = work.record(replace(_named(act, title(target)), parent=target.id))
    waiting.forget(one.upper)
    scratch.remove(one.upper.folder)
    return {"operation": operation}


def _merge(work: Workspace, arguments: Arguments, act: Act) -> dict[str, object]:
    done = branch_acts.merge(work, arguments, act)
    return done if isinstance(done, dict) else {"operation": done[0] and done[0].id, "versions": made_by(done[1])}


def check_ended(work: Workspace, name: str, arguments: Arguments) -> None:
    """Refuse to take back what still works, before anything is looked at. Raises WorkspaceError."""
    with suppress(NotFound, KeyError):  # what is wrong with it is said when it is carried out
        if name == Kind.REVERT:
            _check_ended(work, [operation_of(work, str(text)).id for text in arguments["operations"]])
        elif name in (Kind.UNDO, Kind.REDO):
            _check_ended(work, [_target(work, Kind(name), arguments).id])


def _target(work: Workspace, kind: Kind, arguments: Arguments) -> Operation:
    """What an undo or redo takes back."""
    given = arguments.get("target")
    find = undo.undoable if kind == Kind.UNDO else undo.redoable
    return find(work, arguments.get("session")) if given is None else operation_of(work, str(given))


def _at(work: Workspace, cursor: object) -> Address:
    """The whole workspace at an entry."""
    if type(cursor) is not int or not 1 <= cursor <= work.cursor:
        raise NotFound(f"There is no entry {cursor}; the newest is {work.cursor}.")
    return Address(None, cursor)


def _moment(work: Workspace, cursor: int) -> str:
    """What names an entry for good: ``op:12`` where that is the same, else ``entry 12``."""
    if cursor == 0:
        return "entry 0"
    entry = work.store.journal.entry(cursor)
    return f"op:{cursor}" if entry.phase in (INSTANT, ENDED) else f"entry {cursor}"


def _covered(work: Workspace, operations: Sequence[Operation]) -> str:
    """Why there is nothing to take out of the documents, in one sentence."""
    family = [member for operation in operations for member in undo.family(work, operation)]
    names = " and ".join(f"op:{operation.id} {label(operation)}" for operation in operations)
    if not undo.edited(work, family):
        return f"{names} changed no document."
    return f"Nothing to take out: later edits cover all that {names} changed."


def _unseen(kind: Kind, operation: Operation) -> str:
    """What an undo or redo does where it changes no document."""
    if operation.kind == Kind.PROMPT:
        where = "is taken out of" if kind == Kind.UNDO else "comes back into"
        return f"No document changes; the prompt {where} the conversation."
    counted = "undone" if kind == Kind.UNDO else "done"
    return f"No document changes, all are so already; op:{operation.id} counts as {counted}."


def _about(operation: Operation) -> dict[str, object]:
    return {"operation": operation.id, "label": label(operation), "actor": operation.actor}


def _check_ended(work: Workspace, operations: Sequence[int]) -> None:
    """Refuse to take back what still works: it would go on, and half of it would stay."""
    running = set(work.store.journal.unfinished())
    for operation in operations:
        if running & set(work.store.journal.family(operation)):
            raise WorkspaceError(f"op:{operation} is still at work; wait for it or interrupt it, then take it back.")


def _named(act: Act, name: str) -> Act:
    return replace(act, name=name)


def _preview(touches: Sequence[Touch], plan: UndoPlan, token: str) -> dict[str, object]:
    return {
        "expect": token,
        "touched": [asdict(touch) for touch in touches],
        "conflicts": [{"path": c.path, "line": c.line, "reason": c.reason} for c in plan.conflicts],
        "uncertain": [edit.path for edit in plan.uncertain],
        "outside": taken_back(plan),
        "stuck": [{"path": row.path, "reason": reason} for row, reason in plan.stuck],
    }


TAKEN_BACK: Mapping[str, str] = {"created": "delete", "edited": "edit", "deleted": "create"}
"""Of a change outside of the history: the change that takes it back."""


def taken_back(plan: UndoPlan) -> list[dict[str, str]]:
    """What a plan does to what no version holds, by path, for JSON."""
    return [{**row, "change": TAKEN_BACK[row["change"]]} for row in outside_rows(plan.outside, plan.moves)]


def outside_rows(rows: Sequence[Outside], moves: Sequence[BranchMove] = ()) -> list[dict[str, str]]:
    """What no version holds, by path, for JSON; caches are left out, and git's state is a row for each repository."""
    shown = [(row.path, row.change, row.reason) for row in rows if row.reason not in (*UNKEPT, GIT)]
    for repository in sorted({repository_of(row.path) for row in rows if row.reason == GIT}):
        told = [move.back() for move in moves if move.repository == repository]
        shown.append((repository, "edited", "; ".join(told) or GIT))
    return [{"path": path, "change": change, "reason": reason} for path, change, reason in sorted(shown)]


def by_path(versions: Sequence[Version]) -> list[Version]:
    """The versions of one operation in the order in which a person looks for them."""
    return sorted(versions, key=lambda version: (version.path, version.number))


def made_by(versions: Sequence[Version]) -> list[dict[str, object]]:
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


_TEXT = {"type": "string"}
_SWITCH = {"type": "boolean"}
_NAME = {"type": ["string", "integer"]}
_MAYBE = {"type": ["string", "null"]}
_COMMON: Mapping[str, Schema] = {"here": _TEXT, "as": _TEXT}
_PLANNED: Mapping[str, Schema] = {**_COMMON, "dry_run": _SWITCH, "expect": _MAYBE, "consent": _SWITCH}


def _effects(arguments: Arguments) -> Effects:
    return frozenset({"read"}) if arguments.get("dry_run") else frozenset({"write"})


def _of(kind: Kind, summary: str, parameters: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Capability:
    effects: Effects = frozenset({"read", "write"})
    return Capability(kind.value, summary, parameters, required, effects, in_programs=False, effects_by=_effects)


@cache
def registry() -> Registry[Direct[dict[str, object]]]:
    """What people do to the workspace as a whole, with what does it."""
    paths = {"type": "array", "items": _TEXT}
    back = {**_PLANNED, "target": {"type": ["string", "integer", "null"]}, "session": _MAYBE}
    largest = {"type": ["integer", "null"], "minimum": 1}
    declared = [
        _of(Kind.SCAN, "Record what changed on disk.",
            {**_COMMON, "named": paths, "largest": largest, "kept": largest, "caches": paths, "no_caches": paths,
             "consent": _SWITCH}),
        _of(Kind.RESTORE, "Make documents equal to an address, or to the entry of a number.",
            {**_PLANNED, "address": _TEXT, "cursor": {}, "paths": paths}),
        _of(Kind.REVERT, "Take out what operations did, and keep everything later.",
            {**_PLANNED, "operations": {"type": "array", "items": _NAME}}, ("operations",)),
        _of(Kind.UNDO, "Take back an act with all it caused.", back),
        _of(Kind.REDO, "Bring back what an undo took.", back),
        _of(Kind.APPLY, "Lay in changes that were held.", {**_COMMON, "operation": _NAME}, ("operation",)),
        _of(Kind.BRANCH, "Fork a branch.", {**_COMMON, "branch": _TEXT, "address": _MAYBE}, ("branch",)),
        _of(Kind.CHECKOUT, "Lay out a branch, or a moment as a new one, in a folder.",
            {**_COMMON, "address": _TEXT, "folder": _TEXT, "branch": _MAYBE}, ("address", "folder")),
        _of(Kind.MERGE, "Merge a branch into this one.", {**_PLANNED, "branch": _TEXT}, ("branch",)),
        _of(Kind.DROP, "Drop changes that were held.", {**_COMMON, "operation": _NAME}, ("operation",)),
    ]  # fmt: skip
    executors = {
        "scan": _scan, "restore": _restore, "revert": _revert, "undo": _undo_or_redo, "redo": _undo_or_redo,
        "apply": _apply, "drop": _drop, "branch": branch_acts.fork, "checkout": branch_acts.checkout, "merge": _merge,
    }  # fmt: skip
    return Registry(declared, executors)
