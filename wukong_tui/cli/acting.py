"""Commands that record or take back: scan, restore, revert, undo, redo."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

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
from workspace.addresses import resolve
from workspace.takeback import Touch

from . import records
from .common import Place, act, columns, emit, json_option, lines_of, listing, note, plural, say, size
from .reading import ACCENT, print_coverage

yes_option = click.option("--yes", "-y", is_flag=True, help="Do it without asking.")
preview_option = click.option("--dry-run", "-n", is_flag=True, help="Only say what it would do.")


@click.command()
@click.option("--include", "named", metavar="PATH", multiple=True,
              help="Record PATH although it is ignored or likely secret; may be repeated.")  # fmt: skip
@click.option("--largest", metavar="MIB", type=click.IntRange(min=1), default=None,
              help="Record files up to this size from now on.  [default: 64]")  # fmt: skip
@click.option("--yes", "-y", is_flag=True, help="Yes, record even my home directory or /.")
@json_option
@click.pass_obj
def scan(place: Place, named: Sequence[str], largest: int | None, yes: bool, as_json: bool) -> None:
    """Record what changed on disk; the first scan begins the history."""
    with place.writing(create=True) as work:
        first = work.cursor == 0
        inside = [_inside(work.root, place.directory, path) for path in named]
        limit = largest * 1024 * 1024 if largest else None
        try:
            scanned = work.scan(act("scan", "scan"), named=inside, largest=limit, consent=yes)
        except NeedsConsent as error:
            if not sys.stdin.isatty() or not click.confirm(f"{error} Record it?", err=True):
                raise
            scanned = work.scan(act("scan", "scan"), named=inside, largest=limit, consent=True)
        if as_json:
            emit(
                {
                    "operation": scanned.operation,
                    "files": scanned.files,
                    "bytes": scanned.bytes,
                    "versions": [
                        {"document": v.path, "version": v.number, "change": v.change} for v in scanned.versions
                    ],
                    "skipped": [records.skipped(skipped) for skipped in scanned.skipped],
                }
            )
            return
        _say_scanned(work, scanned, first)


def _say_scanned(work: Workspace, scanned: Scanned, first: bool) -> None:
    if first:
        say(f"Recorded {plural(scanned.files, 'file')}, {size(scanned.bytes)}, of {work.root}.")
        say(f"The history is in {work.folder}.", dim=True)
        print_coverage(list(scanned.skipped))
    elif not scanned.versions:
        say("Nothing had changed.")
    else:
        for version in scanned.versions[:40]:
            columns(
                (f"  {version.change:7}", ACCENT),
                f"{version.path}@{version.number}  {lines_of(version.added, version.removed)}",
            )
        if len(scanned.versions) > 40:
            say(f"  … and {len(scanned.versions) - 40:,} more")
        say(f"Recorded {plural(len(scanned.versions), 'change')} as op:{scanned.operation}.")
    for conflict in scanned.conflicts:
        note(f"{conflict.path}: {conflict.reason}; what is on disk was kept.")


def _inside(root: Path, directory: Path, path: str) -> str:
    try:
        return (directory / path).absolute().relative_to(root).as_posix()
    except ValueError:
        raise WorkspaceError(f"{path} is not inside {root}.") from None


@click.command()
@click.argument("address")
@click.argument("paths", nargs=-1)
@preview_option
@yes_option
@json_option
@click.pass_obj
def restore(place: Place, address: str, paths: Sequence[str], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Make documents equal to ADDRESS: PATH@12, PATH@{10m ago}, or @{14:03} or op:12 for all or PATHS."""
    with place.writing() as work:
        found = resolve(work, address)
        work.catch_up()
        if found.path is not None and paths:
            raise click.UsageError("PATHS go with an address of the whole workspace, such as @{10m ago}.")
        wanted = [found.path] if found.path is not None else list(paths)
        if found.numbered and found.version is not None:
            plan = takeback.restore_version(work, found.version)
        else:
            plan = takeback.restore(work, found.cursor, wanted)
        touches = takeback.preview(work, plan)
        if not _agreed(touches, plan.conflicts, dry_run, yes, as_json, f"Restore {address}?"):
            return
        made = (
            work.restore(version=found.version, act=act("restore", address))
            if found.numbered
            else work.restore(cursor=found.cursor, paths=wanted, act=act("restore", " ".join([address, *paths])))
        )
        _say_done(made, "Restored", as_json)


@click.command()
@click.argument("operations", nargs=-1, required=True, metavar="OP...")
@preview_option
@yes_option
@json_option
@click.pass_obj
def revert(place: Place, operations: Sequence[str], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Take out what the operations OP (op:12 or 12) did, and keep everything later."""
    with place.writing() as work:
        work.catch_up()
        ids = [_operation(work, text).id for text in operations]
        touches, plan = work.preview_revert(ids)
        if plan.uncertain and not yes:
            note(f"{listing(edit.path for edit in plan.uncertain)} may hold somebody else's work of that time.")
        name = " ".join(f"op:{id_}" for id_ in ids)
        if not _agreed(touches, plan.conflicts, dry_run, yes, as_json, f"Revert {name}?"):
            return
        made = work.revert(ids, act=act("revert", name), consent=yes or sys.stdin.isatty())
        _say_done(made, "Reverted", as_json)


@click.command()
@click.option("--op", "operation", metavar="OP", default=None, help="Undo this one operation instead.")
@click.option("--session", default=None, help="Only acts of this session.")
@preview_option
@json_option
@click.pass_obj
def undo(place: Place, operation: str | None, session: str | None, dry_run: bool, as_json: bool) -> None:
    """Take back the newest act with all it caused; `wukong redo` brings it again."""
    with place.writing() as work:
        work.catch_up()
        target = _operation(work, operation) if operation else takeback.undoable(work, session)
        _undo_or_redo(work, target, "undo", session, dry_run, as_json)


@click.command()
@click.option("--session", default=None, help="Only acts of this session.")
@preview_option
@json_option
@click.pass_obj
def redo(place: Place, session: str | None, dry_run: bool, as_json: bool) -> None:
    """Bring back what the newest undo took."""
    with place.writing() as work:
        work.catch_up()
        _undo_or_redo(work, takeback.redoable(work, session), "redo", session, dry_run, as_json)


def _undo_or_redo(
    work: Workspace, target: Operation, verb: str, session: str | None, dry_run: bool, as_json: bool
) -> None:
    touches, plan = work.preview_revert([target.id])
    what = f"op:{target.id} {target.name or target.kind}"
    if dry_run or plan.conflicts:
        _agreed(touches, plan.conflicts, dry_run, True, as_json, "")
        return
    done = (work.undo if verb == "undo" else work.redo)(session=session, target=target.id, act=act(verb, what))
    if as_json:
        emit({"operation": done.id, "target": target.id, "touched": [records.touch(t) for t in touches]})
        return
    _print_touches(touches)
    back = "`wukong redo` brings it back" if verb == "undo" else "`wukong undo` takes it back"
    say(f"{'Undid' if verb == 'undo' else 'Redid'} {what} as op:{done.id}; {back}.")


def _operation(work: Workspace, text: str) -> Operation:
    digits = text.removeprefix("op:")
    if not digits.isdecimal():
        raise click.UsageError(f"{text} is no operation; write op:12 or 12.")
    return work.operation(int(digits))


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
        say(f"Would touch {plural(len(touches), 'document')}; nothing was written.")
        return False
    return yes or not sys.stdin.isatty() or click.confirm(question, default=True)


def _print_touches(touches: Sequence[Touch]) -> None:
    for touch in touches[:40]:
        to = f" → {touch.to}" if touch.to != touch.path else ""
        columns((f"  {touch.change:7}", ACCENT), f"{touch.path}{to}  {lines_of(touch.added, touch.removed)}")
    if len(touches) > 40:
        say(f"  … and {len(touches) - 40:,} more")


def _say_done(made: Sequence[Version], verb: str, as_json: bool) -> None:
    operation = made[0].operation if made else None
    if as_json:
        versions = [{"document": v.path, "version": v.number, "change": v.change} for v in made]
        emit({"operation": operation, "versions": versions})
    elif operation is not None:
        say(f"{verb} {plural(len(made), 'document')} as op:{operation}; `wukong undo` takes it back.")


COMMANDS = (scan, restore, revert, undo, redo)
