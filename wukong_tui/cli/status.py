"""``wukong status``: what is recorded, what is not yet, and what never is."""

from __future__ import annotations

import contextlib

import click

from runtime.execution.secret_files import tracked
from runtime.labels import label
from workspace import History, Version, WorkspaceError
from workspace.amounts import date_and_time, plural, size
from workspace.working_copy import waiting
from workspace.working_copy.coverage import budget, caches
from wukong_tui.cli import records
from wukong_tui.cli.common import ACCENT, columns, emit, json_option, say
from wukong_tui.cli.coverage import print_coverage
from wukong_tui.cli.host import how_watched
from wukong_tui.cli.place import Place


@click.command()
@json_option
@click.pass_obj
def status(place: Place, as_json: bool) -> None:
    """What is recorded, what is not yet, and what never is."""
    from runtime.host import connect

    host = connect.status(place.root(), place.store)
    with place.reading() as history:
        differences, coverage = history.look()
        changed = {difference.path for difference in differences}
        unplaced = [version for version in history.unplaced() if version.path not in changed]
        tree = history.tree()
        last = history.operation(history.cursor) if history.cursor else None
        if as_json:
            emit(
                {
                    "root": str(history.root),
                    "branch": history.branch.name,
                    "cursor": history.cursor,
                    "documents": len(tree),
                    "changed": [{"document": d.path, "change": d.change} for d in differences],
                    "unplaced": [version.path for version in unplaced],
                    "skipped": [records.skipped(skipped) for skipped in coverage],
                    "kept": {"bytes": kept(history), "budget": budget(history.store)},
                    "held": [one.upper.operation for one in waiting.held(history.store.folder)]
                    if history.store.folder
                    else [],
                    "watching": host.get("watching") if host else None,
                }
            )
            return
        say(f"{history.root} on {history.branch.name}: {plural(len(tree), 'document')}")
        if last is not None:
            say(f"last operation op:{last.id}, {date_and_time(last.started)}: {label(last)}", dim=True)
        for difference in differences:
            columns((f"  {difference.change:7}", ACCENT), difference.path)
        if differences:
            say(f"{plural(len(differences), 'change')} on disk not recorded yet: `wukong scan` records them.")
        for version in unplaced:
            say(f"  {version.path} is in the history but not on disk: {_why_not(history, version)}.", fg="red")
        print_coverage(coverage)
        if any(skipped.reason == "cache" for skipped in coverage):
            say(
                f"caches: {', '.join(caches(history.store).patterns)} (--cache, --no-cache of `wukong scan`)",
                dim=True,
            )
        seen = tracked(history.root, (skipped.path for skipped in coverage if skipped.reason == "secret"))
        if seen:
            say(f"Commands see these, which likely hold secrets, since git tracks them: {', '.join(sorted(seen))}.")
        if host is not None and host.get("watching") != "live":
            say(how_watched(host), dim=True)
        print_kept(history)
        if not differences and not unplaced:
            say("Everything on disk is recorded.")


def kept(history: History) -> int:
    """Bytes of displaced files that no version holds and that are kept for undo."""
    (total,) = history.store.db.execute("SELECT sum(bytes) FROM outside WHERE state = 1").fetchone()
    return int(total or 0)


def print_kept(history: History) -> None:
    """What is kept of files that no version holds, and what waits for a word."""
    if total := kept(history):
        say(
            f"{size(total)} of {size(budget(history.store))} kept of files that no version holds, for undo.", dim=True
        )
    if history.store.folder is not None and (found := waiting.held(history.store.folder)):
        say(f"{plural(len(found), 'change set')} held: `wukong pending` shows, applies or drops it.", fg="yellow")


def _why_not(history: History, version: Version) -> str:
    """Why a head may not be on disk."""
    with contextlib.suppress(WorkspaceError, OSError):
        if version.exists and history.on_disk(version.path) is None:
            return "nothing is there; `wukong scan` looks into it"
    return "something is in its way"
