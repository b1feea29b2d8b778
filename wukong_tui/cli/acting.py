"""Commands that record or take back: scan, restore, revert, undo, redo."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from workspace import NeedsConsent, Skipped, WorkspaceError
from workspace.operations.workspace import check_not_too_wide
from workspace.visible import visible
from wukong_tui.cli.common import columns, emit, json_option, lines_of, listing, note, plural, say, size
from wukong_tui.cli.place import Place
from wukong_tui.cli.reading import ACCENT, print_coverage

yes_option = click.option("--yes", "-y", is_flag=True, help="Do it without asking.")
preview_option = click.option("--dry-run", "-n", is_flag=True, help="Only say what it would do.")

Record = Mapping[str, Any]
SHOWN = 40
"""Documents listed at most, where an act touches very many."""


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
    with place.acting(begin=True) as do:
        found = do("scan", named=named, largest=largest * 1024 * 1024 if largest else None, consent=yes)
    if as_json:
        emit({key: found[key] for key in ("operation", "files", "bytes", "versions", "skipped")})
    else:
        _say_scanned(found)
    for conflict in found["conflicts"]:
        note(f"{conflict['path']}: {conflict['reason']}; what is on disk was kept.")


def _say_scanned(found: Record) -> None:
    versions = found["versions"]
    if begun := found["begun"]:
        say(f"Recorded {plural(found['files'], 'file')}, {size(found['bytes'])}, of {begun['root']}.")
        say(f"The history is in {begun['folder']}.", dim=True)
        print_coverage([Skipped(**skipped) for skipped in found["skipped"]])
    elif not versions:
        say("Nothing had changed.")
    else:
        for version in versions[:SHOWN]:
            counts = lines_of(version["added"], version["removed"])
            columns((f"  {version['change']:7}", ACCENT), f"{version['document']}@{version['version']}  {counts}")
        _say_rest(versions)
        say(f"Recorded {plural(len(versions), 'change')} as op:{found['operation']}.")


@click.command(short_help="Make documents equal to an address.")
@click.argument("address")
@click.argument("paths", nargs=-1)
@preview_option
@yes_option
@json_option
@click.pass_obj
def restore(place: Place, address: str, paths: Sequence[str], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Make documents equal to ADDRESS: PATH@12, PATH@{10m ago}, or @{14:03} or op:12 for all or PATHS."""
    with place.acting() as do:
        preview = do("restore", address=address, paths=paths, dry_run=True)
        if preview["conflicts"]:
            reasons = "; ".join(f"{conflict['path']}: {conflict['reason']}" for conflict in preview["conflicts"])
            raise WorkspaceError(f"Nothing was restored: {reasons}.")
        if _agreed(preview, dry_run, yes, as_json, f"Restore {address}?"):
            _say_done(do("restore", address=address, paths=paths), "Restored", as_json)


@click.command(short_help="Take out what operations did.")
@click.argument("operations", nargs=-1, required=True, metavar="OP...")
@preview_option
@yes_option
@json_option
@click.pass_obj
def revert(place: Place, operations: Sequence[str], dry_run: bool, yes: bool, as_json: bool) -> None:
    """Take out what the operations OP (op:12 or 12) did, and keep everything later."""
    with place.acting() as do:
        preview = do("revert", operations=operations, dry_run=True)
        if preview["uncertain"] and not yes:
            note(f"{listing(preview['uncertain'])} may hold somebody else's work of that time.")
        if _agreed(preview, dry_run, yes, as_json, f"Revert {' '.join(operations)}?"):
            asked = sys.stdin.isatty() and not as_json
            _say_done(do("revert", operations=operations, consent=yes or asked), "Reverted", as_json)


@click.command(short_help="Take back the newest act.")
@click.option("--op", "operation", metavar="OP", default=None, help="Undo this one operation instead.")
@click.option("--session", default=None, help="Only acts of this session.")
@preview_option
@json_option
@click.pass_obj
def undo(place: Place, operation: str | None, session: str | None, dry_run: bool, as_json: bool) -> None:
    """Take back the newest act with all it caused; `wukong redo` brings it again."""
    with place.acting() as do:
        _undo_or_redo(do, "undo", operation, session, dry_run, as_json)


@click.command()
@click.option("--session", default=None, help="Only acts of this session.")
@preview_option
@json_option
@click.pass_obj
def redo(place: Place, session: str | None, dry_run: bool, as_json: bool) -> None:
    """Bring back what the newest undo took."""
    with place.acting() as do:
        _undo_or_redo(do, "redo", None, session, dry_run, as_json)


def _undo_or_redo(
    do: Callable[..., Record], verb: str, target: str | None, session: str | None, dry_run: bool, as_json: bool
) -> None:
    preview = do(verb, target=target, session=session, dry_run=True)
    if dry_run or preview["conflicts"]:
        _agreed(preview, dry_run, True, as_json, "")
        return
    done = do(verb, target=preview["target"], session=session)
    if as_json:
        emit({key: done[key] for key in ("operation", "target", "versions")})
        return
    _print_touches(preview)
    back = "`wukong redo` brings it back" if verb == "undo" else "`wukong undo` takes it back"
    say(f"{'Undid' if verb == 'undo' else 'Redid'} {done['name']} as op:{done['operation']}; {back}.")


def _agreed(preview: Record, dry_run: bool, yes: bool, as_json: bool, question: str) -> bool:
    """Show a preview; whether to go on. Conflicts end it, with status 1."""
    touches, conflicts = preview["touched"], preview["conflicts"]
    if conflicts:
        for conflict in conflicts:
            where = f", line {conflict['line']}" if conflict["line"] else ""
            note(f"{conflict['path']}{where}: {conflict['reason']}")
        raise WorkspaceError(
            f"Nothing was written: {plural(len(conflicts), 'place')} changed since; edit it by hand or use restore."
        )
    if as_json:
        if dry_run:
            emit({"touched": [{"document": touch["path"], **_without_path(touch)} for touch in touches]})
        return not dry_run
    if not touches:
        say(preview["note"] or "Nothing to do: it is already so.")
        return False
    _print_touches(preview)
    if dry_run:
        say(f"That would touch {plural(len(touches), 'document')}; this was only a preview.")
        return False
    if yes or not sys.stdin.isatty() or _confirmed(question, default=True):
        return True
    raise WorkspaceError("Nothing was done.")


def _without_path(touch: Record) -> Record:
    return {key: touch[key] for key in ("to", "change", "added", "removed")}


def _confirmed(question: str, *, default: bool) -> bool:
    return click.confirm(visible(question), default=default, err=True)


def _print_touches(preview: Record) -> None:
    for touch in preview["touched"][:SHOWN]:
        to = f" → {touch['to']}" if touch["to"] != touch["path"] else ""
        counts = lines_of(touch["added"], touch["removed"])
        columns((f"  {touch['change']:7}", ACCENT), f"{touch['path']}{to}  {counts}")
    _say_rest(preview["touched"])


def _say_rest(rows: Sequence[Any]) -> None:
    if len(rows) > SHOWN:
        say(f"  … and {len(rows) - SHOWN:,} more")


def _say_done(done: Record, verb: str, as_json: bool) -> None:
    if as_json:
        emit({key: done[key] for key in ("operation", "versions")})
    elif done["operation"] is not None:
        count = plural(len(done["versions"]), "document")
        say(f"{verb} {count} as op:{done['operation']}; `wukong undo` takes it back.")


COMMANDS = (scan, restore, revert, undo, redo)
