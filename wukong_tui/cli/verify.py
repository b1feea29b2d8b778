"""``wukong verify``: check every digest of the history."""

from __future__ import annotations

import sys

import click

from workspace import NotFound, WorkspaceError
from workspace.amounts import plural
from workspace.operations.verify import PROBLEMS, Report
from workspace.operations.verify import verify as check
from wukong_tui.cli.common import emit, json_option, say
from wukong_tui.cli.place import Place


@click.command(short_help="Check every digest of the history.")
@json_option
@click.pass_obj
def verify(place: Place, as_json: bool) -> None:
    """Recompute every digest and projection of the history, and compare."""
    report = _verified(place, quiet=as_json or not sys.stderr.isatty())
    if as_json:
        emit(
            {
                "ok": report.ok,
                "entries": report.entries,
                "operations": report.operations,
                "versions": report.versions,
                "contents": report.contents,
                "problems": list(report.problems),
            }
        )
    else:
        for problem in report.problems:
            say(problem, fg="red")
        if len(report.problems) == PROBLEMS:
            say(f"… only the first {PROBLEMS} are listed", dim=True)
        if report.ok:
            say(
                f"Sound: {plural(report.entries, 'entry')}, {plural(report.versions, 'version')},"
                f" {plural(report.contents, 'content')}."
            )
    if not report.ok:
        raise WorkspaceError(
            f"{plural(len(report.problems), 'problem')} found and nothing changed; copy the history away before"
            " you go on."
        )


def _verified(place: Place, *, quiet: bool) -> Report:
    try:
        with (
            place.reading() as history,
            click.progressbar(length=1, label="Contents", file=sys.stderr, hidden=quiet) as bar,
        ):

            def show(done: int, total: int) -> None:
                bar.length = max(total, 1)
                bar.update(done - bar.pos)

            return check(history.store, show)
    except NotFound:
        raise
    except WorkspaceError as error:
        return Report(0, 0, 0, 0, (str(error),))
