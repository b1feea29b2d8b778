"""Commands that look after the history: verify, import, doctor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from workspace import NotFound, WorkspaceError
from workspace.operations.verify import PROBLEMS, Report
from workspace.operations.verify import verify as check
from workspace.store.location import existing_folder
from wukong_tui.cli import records
from wukong_tui.cli.common import columns, emit, json_option, note, plural, say
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
    from workspace.operations.git_objects import Repository

    with Repository(place.directory / repository) as source:
        source.resolve(ref)  # what is not there must not begin a history here
    quiet = as_json or not sys.stderr.isatty()
    place.host_at_work()  # one that only waits makes room
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
        note(f"{path}: your own edits stand where both changed the same lines.")
    for skipped in result.skipped:
        note(f"{skipped.path}: not imported, {skipped.reason}.")


@click.command()
@json_option
@click.pass_obj
def doctor(place: Place, as_json: bool) -> None:
    """What works on this machine and what does not."""
    from wukong_tui.doctor import examine

    findings = examine(existing_folder(place.directory), place.store)
    if as_json:
        for finding in findings:
            emit({"check": finding.check, "ok": finding.ok, "found": finding.found, "advice": finding.advice})
    else:
        width = max(len(finding.check) for finding in findings)
        marks: dict[bool | None, tuple[str, dict[str, Any]]] = {
            True: ("ok  ", {"fg": "green"}),
            False: ("no  ", {"fg": "red"}),
            None: ("–   ", {"dim": True}),
        }
        for finding in findings:
            columns(marks[finding.ok], f"{finding.check:{width}}  {finding.found}")
            if finding.advice:
                say(f"      {finding.advice}", dim=True)
    if any(finding.ok is False and finding.vital for finding in findings):
        raise WorkspaceError("This machine lacks something that the history needs; see above.")


COMMANDS = (verify, import_, doctor)
