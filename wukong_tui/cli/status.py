"""``wukong status``: what is recorded, what is not yet, and what never is."""

from __future__ import annotations

import contextlib

import click

from runtime.host.acts import label
from workspace import History, Version, WorkspaceError
from workspace.amounts import date_and_time, plural
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
        differences, coverage = history.differences(), history.coverage()
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
        if host is not None and host.get("watching") != "live":
            say(how_watched(host), dim=True)
        if not differences and not unplaced:
            say("Everything on disk is recorded.")


def _why_not(history: History, version: Version) -> str:
    """Why a head may not be on disk."""
    with contextlib.suppress(WorkspaceError, OSError):
        if version.exists and history.on_disk(version.path) is None:
            return "nothing is there; `wukong scan` looks into it"
    return "something stands in its way"
