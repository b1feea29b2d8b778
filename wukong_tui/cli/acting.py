"""Commands that record or take back: scan, restore, revert, undo, redo."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from workspace import (
    Conflict,
    Conflicted,
    NeedsConsent,
    Operation,
    Scanned,
    Version,
    Workspace,
    WorkspaceError,
    takeback,
)
from workspace.addresses import operation_of
from workspace.takeback import Touch
from workspace.visible import visible
from workspace.workspace import check_not_too_wide

from . import records
from .common import Place, act, columns, emit, json_option, label, lines_of, listing, note, plural, say, size
from .reading import ACCENT, print_coverage

yes_option = click.option("--yes", "-y", is_flag=True, help="Do it without asking.")
preview_option = click.option("--dry-run", "-n", is_flag=True, help="Only say what it would do.")


@click.command(short_help="Record what changed on disk.")
@click.option("--include", "named", metavar="PATH", multiple=True,
              help="Record PATH although it is ignored or likely secret; may be repeated.")  # fmt: skip
@click.option("--largest", metavar="MIB", type=click.IntRange(min=1), default=None,
              help="Record files up to this size from now on.  [default: 64]")  # fmt: skip
@click.option("--yes", "-y", is_flag=True, help="Yes, record even my whole home directory.")
@json_option
@click.pass_obj
def scan(place: Place, named: Sequence[str], largest: int | None, yes: bool, as_json: bool) -> None:
    """Record what changed on disk; the first scan begins the history."""
    if not yes and not place.has_history():
        try:
            check_not_too_wide(place.new_root())
        except NeedsConsent as error:  # asked before anything is begun there
            if as_json or not sys.stdin.isatty():
                raise
            yes = _confirmed(f"{error} Record it?", default=False)
            if not yes:
                raise WorkspaceError("Nothing was done.") from None
    if not named and not largest and _through_host(place, as_json, "scan", "Recorded"):
        return
    with place.starting() as work:
        first = work.cursor == 0
        inside = [place.path(work, path) for path in named]
        limit = largest * 1024 * 1024 if largest else None
        scanned = work.scan(act("scan", "scan"), named=inside, largest=limit, consent=yes)
        if as_json:
            emit(
                {
                    "operation": scanned.operation,
                    "files": scanned.files,
                    "bytes": scanned.bytes,
                    "versions": records.made(scanned.versions),
                    "skipped": [records.skipped(skipped) for skipped in scanned.skipped],
                }
            )
        else:
            _say_scanned(work, scanned, first)
        for conflict in scanned.conflicts:
            note(f"{conflict.path}: {conflict.reason}; what is on disk was kept.")


def _say_scanned(work: Workspace, scanned: Scanned, first: bool) -> None:
    if first:
        say(f"Recorded {plural(scanned.files, 'file')}, {size(scanned.bytes)}, of {work.root}.")
        say(f"The history is in {work.folder}.", dim=True)
        print_coverage(list(scanned.skipped))
    elif not scanned.versions:
        say("Nothing had changed.")
    else:
        for version in records.by_path(scanned.versions)[:40]:
            columns(
                (f"  {version.change:7}", ACCENT),
                f"{version.path}@{version.number}  {lines_of(version.added, version.removed)}",
            )
        if len(scanned.versions) > 40:
            say(f"  … and {len(scanned.versions) - 40:,} more")
        say(f"Recorded {plural(len(scanned.versions), 'change')} as op:{scanned.operation}.")


@click.command(short_help="Make documents equal to an address.")
@click.argument("address")
@click.argument("paths", nargs=-1)
@preview_option
@yes_option
@json_option
@click.pass_obj
def restore(place: Place, address: str, paths: Sequence[str], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Make documents equal to ADDRESS: PATH@12, PATH@{10m ago}, or @{14:03} or op:12 for all or PATHS."""
    asked = {"address": address, "paths": list(paths), "dry_run": dry_run}
    if _through_host(place, as_json, "restore", "Restored", **asked):
        return
    with place.writing() as work:
        found = place.resolve(work, address)
        if found.path is not None and paths:
            raise click.UsageError("PATHS go with an address of the whole workspace, such as @{10m ago}.")
        if found.branch is not None:
            raise click.UsageError(f"Restore takes a moment or a document; {address}:PATH names one on a branch.")
        wanted = [found.path] if found.path is not None else [place.path(work, path) for path in paths]
        work.catch_up()
        if found.numbered and found.version is not None:
            plan = takeback.restore_version(work, found.version)
        else:
            plan = takeback.restore(work, found.cursor, wanted)
        touches = takeback.preview(work, plan)
        if not _agreed(touches, plan.conflicts, dry_run, yes, as_json, f"Restore {address}?"):
            return
        # The name says for good what was restored: "@-1" and "10m ago" mean something else tomorrow.
        if found.numbered and found.version is not None:
            name = f"{found.path}@{found.version.number}"
            made = work.restore(version=found.version, act=act("restore", name))
        else:
            name = f"{found.path}@{{op:{found.cursor}}}" if found.path else " ".join([f"op:{found.cursor}", *wanted])
            made = work.restore(cursor=found.cursor, paths=wanted, act=act("restore", name))
        _say_done(made, "Restored", as_json)


@click.command(short_help="Take out what operations did.")
@click.argument("operations", nargs=-1, required=True, metavar="OP...")
@preview_option
@yes_option
@json_option
@click.pass_obj
def revert(place: Place, operations: Sequence[str], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Take out what the operations OP (op:12 or 12) did, and keep everything later."""
    if _through_host(place, as_json, "revert", "Reverted", operations=list(operations), consent=yes, dry_run=dry_run):
        return
    with place.writing() as work:
        work.catch_up()
        ids = [operation_of(work, text).id for text in operations]
        touches, plan = work.preview_revert(ids)
        if plan.uncertain and not yes:
            note(f"{listing(edit.path for edit in plan.uncertain)} may hold somebody else's work of that time.")
        name = " ".join(f"op:{id_}" for id_ in ids)
        if not _agreed(touches, plan.conflicts, dry_run, yes, as_json, f"Revert {name}?"):
            return
        asked = sys.stdin.isatty() and not as_json
        made = work.revert(ids, act=act("revert", name), consent=yes or asked)
        _say_done(made, "Reverted", as_json)


@click.command(short_help="Take back the newest act.")
@click.option("--op", "operation", metavar="OP", default=None, help="Undo this one operation instead.")
@click.option("--session", default=None, help="Only acts of this session.")
@preview_option
@json_option
@click.pass_obj
def undo(place: Place, operation: str | None, session: str | None, dry_run: bool, as_json: bool) -> None:
    """Take back the newest act with all it caused; `wukong redo` brings it again."""
    given = operation.removeprefix("op:") if operation else None
    if _through_host(place, as_json, "undo", "Undone", target=given, session=session, dry_run=dry_run):
        return
    with place.writing() as work:
        work.catch_up()
        target = operation_of(work, operation) if operation else takeback.undoable(work, session)
        _undo_or_redo(work, target, "undo", session, dry_run, as_json)


@click.command()
@click.option("--session", default=None, help="Only acts of this session.")
@preview_option
@json_option
@click.pass_obj
def redo(place: Place, session: str | None, dry_run: bool, as_json: bool) -> None:
    """Bring back what the newest undo took."""
    if _through_host(place, as_json, "redo", "Redone", session=session, dry_run=dry_run):
        return
    with place.writing() as work:
        work.catch_up()
        _undo_or_redo(work, takeback.redoable(work, session), "redo", session, dry_run, as_json)


def _through_host(place: Place, as_json: bool, name: str, verb: str, **arguments: Any) -> bool:
    """Let the host that is at work here do it; whether there is one."""
    answer = place.through_host(name, arguments)
    if answer is None:
        return False
    if as_json:
        emit(answer)
        return True
    touches = [Touch(**touch) for touch in answer.get("touched", ())]
    _print_touches(touches)
    if answer.get("operation") is None:
        say("Nothing was written." if arguments.get("dry_run") else "Nothing to do: it is already so.")
    else:
        say(f"{verb} as op:{answer['operation']}, by the host that is at work here.")
    return True


def _undo_or_redo(
    work: Workspace, target: Operation, verb: str, session: str | None, dry_run: bool, as_json: bool
) -> None:
    touches, plan = work.preview_revert([target.id])
    # A redo is named after what it brings back, not after the undo that it takes back.
    what = target.name if verb == "redo" and target.name else f"op:{target.id} {label(target)}"
    if dry_run or plan.conflicts:
        _agreed(touches, plan.conflicts, dry_run, True, as_json, "")
        return
    done = (work.undo if verb == "undo" else work.redo)(session=session, target=target.id, act=act(verb, what))
    if as_json:
        made = work.store.versions.of_operation(done.id)
        emit({"operation": done.id, "target": target.id, "versions": records.made(made)})
        return
    _print_touches(touches)
    back = "`wukong redo` brings it back" if verb == "undo" else "`wukong undo` takes it back"
    say(f"{'Undid' if verb == 'undo' else 'Redid'} {what} as op:{done.id}; {back}.")


def _agreed(
    touches: Sequence[Touch], conflicts: Sequence[Conflict], dry_run: bool, yes: bool, as_json: bool, question: str
) -> bool:
    """Preview an act; whether to go on. Conflicts end it, with status 1."""
    if conflicts:
        for conflict in conflicts:
            where = f", line {conflict.line}" if conflict.line else ""
            note(f"{conflict.path}{where}: {conflict.reason}")
        raise Conflicted(
            f"Nothing was written: {plural(len(conflicts), 'place')} changed since; edit it by hand or use restore.",
            conflicts,
        )
    if as_json:
        if dry_run:
            emit({"touched": [records.touch(touch) for touch in touches]})
        return not dry_run
    if not touches:
        say("Nothing to do: it is already so.")
        return False
    _print_touches(touches)
    if dry_run:
        say(f"That would touch {plural(len(touches), 'document')}; this was only a preview.")
        return False
    if yes or not sys.stdin.isatty() or _confirmed(question, default=True):
        return True
    raise WorkspaceError("Nothing was done.")


def _confirmed(question: str, *, default: bool) -> bool:
    return click.confirm(visible(question), default=default, err=True)


def _print_touches(touches: Sequence[Touch]) -> None:
    for touch in touches[:40]:
        to = f" → {touch.to}" if touch.to != touch.path else ""
        columns((f"  {touch.change:7}", ACCENT), f"{touch.path}{to}  {lines_of(touch.added, touch.removed)}")
    if len(touches) > 40:
        say(f"  … and {len(touches) - 40:,} more")


def _say_done(made: Sequence[Version], verb: str, as_json: bool) -> None:
    operation = made[0].operation if made else None
    if as_json:
        emit({"operation": operation, "versions": records.made(made)})
    elif operation is not None:
        say(f"{verb} {plural(len(made), 'document')} as op:{operation}; `wukong undo` takes it back.")


COMMANDS = (scan, restore, revert, undo, redo)
