"""Before anything is taken back: show what would happen, and ask."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from workspace import WorkspaceError
from workspace.amounts import lines_of, plural
from workspace.visible import visible
from wukong_tui.cli.common import ACCENT, columns, emit, note, say

if TYPE_CHECKING:
    from runtime.host.answers import ActAnswer, TouchAnswer

yes_option = click.option("--yes", "-y", is_flag=True, help="Do it without asking.")
preview_option = click.option("--dry-run", "-n", is_flag=True, help="Only say what it would do.")

SHOWN = 40
"""Documents listed at most, where an act touches very many."""


def agreed(preview: ActAnswer, dry_run: bool, yes: bool, as_json: bool, question: str) -> bool:
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
            touched = [{"document": touch["path"], **_without_path(touch)} for touch in touches]
            emit({"touched": touched, "outside": preview.get("outside", []), "stuck": preview.get("stuck", [])})
        return not dry_run
    if not touches and not preview.get("outside"):
        say(preview["note"] or "Nothing to change.")
        return False
    print_touches(preview)
    print_outside(preview)
    if dry_run:
        say(f"That would touch {plural(len(touches), 'document')}; this was only a preview.")
        return False
    if yes or not sys.stdin.isatty() or confirmed(question, default=True):
        return True
    raise WorkspaceError("Nothing was done.")


def _without_path(touch: TouchAnswer) -> dict[str, object]:
    return {key: value for key, value in touch.items() if key in ("to", "change", "added", "removed")}


def confirmed(question: str, *, default: bool) -> bool:
    return click.confirm(visible(question), default=default, err=True)


def print_outside(preview: ActAnswer) -> None:
    """What no version holds and comes back from the kept files, and what of it does not."""
    for row in preview.get("outside", ())[:SHOWN]:
        columns((f"  {row['change']:7}", ACCENT), f"{row['path']}  ({row['reason']})")
    for stuck in preview.get("stuck", ())[:SHOWN]:
        say(f"  {stuck['path']}  not taken back: {stuck['reason']}", fg="yellow")


def print_touches(preview: ActAnswer) -> None:
    for touch in preview["touched"][:SHOWN]:
        to = f" → {touch['to']}" if touch["to"] != touch["path"] else ""
        counts = lines_of(touch["added"], touch["removed"])
        columns((f"  {touch['change']:7}", ACCENT), f"{touch['path']}{to}  {counts}")
    say_rest(preview["touched"])


def say_rest(rows: Sequence[object]) -> None:
    if len(rows) > SHOWN:
        say(f"  … and {len(rows) - SHOWN:,} more")


def say_done(done: ActAnswer, verb: str, as_json: bool) -> None:
    if as_json:
        emit({"operation": done["operation"], "versions": done["versions"]})
    elif done["operation"] is not None:
        count = plural(len(done["versions"]), "document")
        say(f"{verb} {count} as op:{done['operation']}; `wukong undo` takes it back.")
