"""``wukong import git``: import the history of a git repository."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from workspace.amounts import plural
from wukong_tui.cli import records
from wukong_tui.cli.common import emit, json_option, note, say
from wukong_tui.cli.place import Place


@click.group(name="import")
def import_() -> None:
    """Bring in history from elsewhere."""


@import_.command(short_help="Import the history of a git repository.")
@click.argument("repository", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--ref", default=None, help="Import this branch or commit instead of HEAD.")
@json_option
@click.pass_obj
def git(place: Place, repository: Path, ref: str | None, as_json: bool) -> None:
    """Import the first-parent history of a git repository; again: only what is new.

    Where there is no history yet, it begins one.
    """
    from workspace.operations.git_import import import_git
    from workspace.operations.git_objects import GitRepository

    with GitRepository(place.directory / repository) as source:
        source.resolve(ref)  # what is not there must not begin a history here
    quiet = as_json or not sys.stderr.isatty()
    place.host_at_work(alone=True)  # one that only waits makes room
    begins = not place.has_history()
    with (
        place.starting() as work,
        click.progressbar(length=1, label="Commits", file=sys.stderr, hidden=quiet, show_pos=True) as bar,
    ):
        if begins and not as_json:
            say(f"This begins a history of {work.root}, in {work.folder}.")

        def show(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        result = import_git(work, place.directory / repository, ref=ref, progress=show)
    if as_json:
        emit(
            {
                "commits": result.commits,
                "versions": result.versions,
                "skipped": [records.skipped(skipped) for skipped in result.skipped],
                "kept": list(result.kept),
            }
        )
        return
    if not result.commits:
        say("Nothing new to import.")
    else:
        say(f"Imported {plural(result.commits, 'commit')}, {plural(result.versions, 'version')}.")
    for path in result.kept:
        note(f"{path}: your own edits are kept where both changed the same lines.")
    for skipped in result.skipped:
        note(f"{skipped.path}: not imported, {skipped.reason}.")
