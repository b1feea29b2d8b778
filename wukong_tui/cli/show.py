"""``wukong show``: a version's exact bytes, or an operation."""

from __future__ import annotations

import sys

import click

from runtime.labels import label
from workspace import History, Operation
from workspace.amounts import date_and_time, plural
from workspace.entries import ImportEntry
from workspace.visible import visible
from workspace.working_copy.outside import UNKEPT, named_in_parts, outside_of
from wukong_tui.cli import records
from wukong_tui.cli.addressed import existing
from wukong_tui.cli.common import ACCENT, columns, emit, json_option, listing, say
from wukong_tui.cli.diffs import pairs_of_operation, print_pair
from wukong_tui.cli.place import Place


@click.command(short_help="A version's exact bytes, or an operation.")
@click.argument("address")
@click.option("--raw", is_flag=True, help="Exact bytes even onto a terminal.")
@json_option
@click.pass_obj
def show(place: Place, address: str, raw: bool, as_json: bool) -> None:
    """Write a version's exact bytes (onto a terminal: made visible), or describe an operation."""
    with place.reading() as history:
        found = place.resolve(history, address)
        if found.operation is not None:
            _show_operation(history, history.operation(found.operation), as_json)
            return
        version = existing(history, address, found)
        content = history.content(version)
        if as_json:
            row = records.version(version, history.operation(version.operation))
            emit({**row, "content": content.decode("utf-8", "surrogateescape")})
        elif raw or not sys.stdout.isatty():
            left = memoryview(content)
            while left:  # with PYTHONUNBUFFERED a write may take a part only
                left = left[sys.stdout.buffer.write(left) :]
        else:
            click.echo(visible(content, lines=True, tab="    "), nl=not content.endswith(b"\n"))


def _show_operation(history: History, operation: Operation, as_json: bool) -> None:
    versions = history.store.versions.of_operation(operation.id)
    if as_json:
        emit(records.operation(history, operation, versions))
        return
    say(f"op:{operation.id}  {label(operation)}", **ACCENT)
    cause = f", caused by op:{operation.parent}" if operation.parent else ""
    outcome = operation.outcome or "not ended"
    say(f"by {operation.actor or 'unknown'}, {date_and_time(operation.started)}{cause}, {outcome}", dim=True)
    if why := records.reason(history, operation):
        say(why, lines=True)
    if message := ImportEntry.of(operation).message:
        say(message.rstrip("\n"), lines=True)
    for pair in pairs_of_operation(history, operation.id):
        print_pair(pair)
    print_outside(history, operation)


def print_outside(history: History, operation: Operation, most: int = 40) -> None:
    """What an operation changed that no version holds, and whether an undo brings it back."""
    rows = [row for row in outside_of(history.store, [operation.id]) if row.reason not in UNKEPT]
    if rows:
        say(f"Outside of the history, {plural(len(rows), 'change')}:", dim=True)
    for row in rows[:most]:
        columns((f"  {row.change:8}", ACCENT), f"{row.path}  {row.reason}, {row.standing}")
    if len(rows) > most:
        say(f"  and {len(rows) - most:,} more", dim=True)
    caches, refused = named_in_parts(history.store, operation.id)
    for names, title in ((caches, "Caches, neither recorded nor kept"), (refused, "Did not go in")):
        if names:
            say(f"{title}: {listing(names, 10)}.", dim=True)
