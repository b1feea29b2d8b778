"""``wukong scan``: record what changed on disk."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from workspace import NeedsConsent, Skipped, WorkspaceError
from workspace.amounts import lines_of, plural, size
from workspace.operations.workspace import check_not_too_wide
from wukong_tui.cli.common import ACCENT, columns, emit, json_option, note, say
from wukong_tui.cli.coverage import print_coverage
from wukong_tui.cli.place import Place
from wukong_tui.cli.preview import SHOWN, confirmed, say_rest

if TYPE_CHECKING:
    from runtime.host.answers import ActAnswer, MadeAnswer


@click.command(short_help="Record what changed on disk.")
@click.option("--include", "named", metavar="PATH", multiple=True,
              help="Record PATH although it is ignored or likely secret; may be repeated.")  # fmt: skip
@click.option("--largest", metavar="MIB", type=click.IntRange(min=1), default=None,
              help="Record files up to this size from now on.  [default: 64]")  # fmt: skip
@click.option("--keep", "kept", metavar="MIB", type=click.IntRange(min=1), default=None,
              help="Keep so much, for undo, of files that no version holds.  [default: 2048]")  # fmt: skip
@click.option("--cache", "caches", metavar="NAME", multiple=True,
              help="Neither record nor keep what has this name, such as build; may be repeated.")  # fmt: skip
@click.option("--no-cache", "no_caches", metavar="NAME", multiple=True,
              help="Record them again, such as dist; `wukong status` lists the names.")  # fmt: skip
@click.option("--yes", "-y", is_flag=True, help="Yes, record even my whole home directory.")
@json_option
@click.pass_obj
def scan(
    place: Place, named: Sequence[str], largest: int | None, kept: int | None, caches: Sequence[str],
    no_caches: Sequence[str], yes: bool, as_json: bool,
) -> None:  # fmt: skip
    """Record what changed on disk; the first scan begins the history.

    What a host has recorded since the last edit of ours, seen live, counts as this scan's: an undo takes back both.
    """
    if not yes and not place.has_history():
        try:
            check_not_too_wide(place.new_root())
        except NeedsConsent as error:  # asked before anything is begun there
            if as_json or not sys.stdin.isatty():
                raise
            yes = confirmed(f"{error} Record it?", default=False)
            if not yes:
                raise WorkspaceError("Nothing was done.") from None
    with place.acting(begin=True) as do:
        found = do(
            "scan", named=named, largest=largest * 1024 * 1024 if largest else None,
            kept=kept * 1024 * 1024 if kept else None, caches=caches, no_caches=no_caches, consent=yes,
        )  # fmt: skip
    if as_json:
        keys = ("operation", "files", "bytes", "versions", "seen", "skipped")
        emit({key: value for key, value in found.items() if key in keys})
    else:
        _say_scanned(found)
    for conflict in found["conflicts"]:
        note(f"{conflict['path']}: {conflict['reason']}; what is on disk was kept.")


def _say_scanned(found: ActAnswer) -> None:
    versions = found["versions"]
    if begun := found["begun"]:
        say(f"Recorded {plural(found['files'], 'file')}, {size(found['bytes'])}, of {begun['root']}.")
        say(f"The history is in {begun['folder']}.", dim=True)
        print_coverage([Skipped(**skipped) for skipped in found["skipped"]])
    elif not versions and not found["seen"]:
        say("Nothing had changed.")
    else:
        if versions:
            _say_versions(versions)
            say(f"Recorded {plural(len(versions), 'change')} as op:{found['operation']}.")
        if seen := found["seen"]:
            _say_versions(seen)
            operations = sorted({version["operation"] for version in seen})
            before = "Recorded before" if versions else "Recorded already"
            say(f"{before}, seen live: {plural(len(seen), 'change')} ({', '.join(f'op:{o}' for o in operations)}).")
            say(f"`wukong undo` takes back all of it, as op:{found['operation']}.", dim=True)


def _say_versions(versions: Sequence[MadeAnswer]) -> None:
    for version in versions[:SHOWN]:
        counts = lines_of(version["added"], version["removed"])
        columns((f"  {version['change']:7}", ACCENT), f"{version['document']}@{version['version']}  {counts}")
    say_rest(versions)
