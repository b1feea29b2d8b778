"""``wukong log``: operations, or the versions of a document."""

from __future__ import annotations

from collections.abc import Iterator

import click

from runtime.host.acts import by_path
from runtime.labels import label
from workspace import History, NotFound, Operation, Version, WorkspaceError
from workspace.amounts import date_and_time, lines_of
from wukong_tui.cli import records
from wukong_tui.cli.common import ACCENT, cell, columns, emit, json_option, listing, say
from wukong_tui.cli.place import Place


@click.command(short_help="Operations, or the versions of a document.")
@click.argument("path", required=False)
@click.option(
    "-n", "most", type=click.IntRange(min=0), default=None, help="How many; 0 is all.  [default: 40; --json: all]"
)
@json_option
@click.pass_obj
def log(place: Place, path: str | None, most: int | None, as_json: bool) -> None:
    """Operations, or with PATH the versions of one document, newest first (--json: oldest first)."""
    with place.reading() as history:
        if as_json:
            if path is None:
                for operation, versions in _operations_json(history, most or 0):
                    emit(records.operation(history, operation, versions))
            else:
                for version in _versions_json(history, _document(history, place, path)[0], most or 0):
                    emit(records.version(version, history.operation(version.operation)))
        elif path is None:
            _print_operations(history, 40 if most is None else most)
        else:
            _print_versions(history, *_document(history, place, path), 40 if most is None else most)


def _operations_json(history: History, most: int) -> Iterator[tuple[Operation, list[Version]]]:
    journal, cursor = history.store.journal, history.cursor
    after = 0
    if most:
        newest = journal.operations(cursor=cursor, limit=most)
        after = newest[-1].id - 1 if newest else 0
    while page := journal.operations(cursor=cursor, after=after, newest_first=False, limit=500):
        versions = _versions_by_operation(history, page)
        for operation in page:
            yield operation, versions.get(operation.id, [])
        after = page[-1].id


def _versions_by_operation(history: History, page: list[Operation]) -> dict[int, list[Version]]:
    ids = {operation.id for operation in page}
    found: dict[int, list[Version]] = {}
    first, last = min(ids), max(operation.last for operation in page)
    if last - first <= 4 * len(page):
        for version in history.store.versions.of_entries(first, last):
            if version.operation in ids:
                found.setdefault(version.operation, []).append(version)
        return found
    return {id_: history.store.versions.of_operation(id_) for id_ in ids}


def _versions_json(history: History, document: int, most: int) -> Iterator[Version]:
    versions, after = history.store.versions, 0
    if most:
        newest = versions.history(document, limit=most)
        after = newest[-1].number - 1 if newest else 0
    while page := versions.history(document, after=after, newest_first=False):
        yield from page
        after = page[-1].number


def _print_operations(history: History, most: int) -> None:
    shown, before = 0, None
    while not most or shown < most:
        page = history.store.journal.operations(before=before, limit=min(200, most - shown) if most else 200)
        if not page:
            break
        versions = _versions_by_operation(history, page)
        for operation in page:
            _print_operation(history, operation, versions.get(operation.id, []))
        shown, before = shown + len(page), page[-1].id
    if before is not None and before > 1:
        say("… older ones: -n 0 shows all", dim=True)


def _print_operation(history: History, operation: Operation, versions: list[Version]) -> None:
    added = [v.added for v in versions if v.added is not None]
    removed = [v.removed for v in versions if v.removed is not None]
    counts = lines_of(sum(added), sum(removed)) if added else ("binary" if versions else "")
    where = listing((f"{v.path}@{v.number}" for v in by_path(versions)), 2)
    outcome = operation.outcome or "not ended"
    columns(
        (f"op:{operation.id:<7}", ACCENT),
        f"{date_and_time(operation.started)}  {cell(operation.actor or '', 8)}  {counts:>12}  ",
        (f"{outcome}: " if not operation.well and not operation.refused else "", {"fg": "red"}),
        f"{label(operation)}{records.unwell(history, operation, label(operation))}  {where}",
        cut=True,
    )


def _print_versions(history: History, document: int, path: str, most: int) -> None:
    shown, before = 0, None
    while not most or shown < most:
        limit = min(200, most - shown) if most else 200
        page = history.store.versions.history(document, before=before, limit=limit)
        if not page:
            break
        for version in page:
            operation = history.operation(version.operation)
            columns(
                (f"@{version.number:<6}", ACCENT),
                f"{date_and_time(operation.started)}  {cell(operation.actor or '', 8)}"
                f"  {lines_of(version.added, version.removed):>12}  {version.change:6}"
                + (f"  {version.path}" if version.path != path else "")
                + f"  op:{version.operation} {label(operation)}",
                cut=True,
            )
            path = version.path
        shown, before = shown + len(page), page[-1].number
    if before is not None and before > 1:
        say("… older ones: -n 0 shows all", dim=True)


def _document(history: History, place: Place, text: str) -> tuple[int, str]:
    """The document that an address names, and the path by which it does."""
    found = place.resolve(history, text)
    if found.path is None:
        raise WorkspaceError(f"{text} names no document; write a path, such as notes.txt.")
    if found.version is not None:
        return found.version.document, found.path
    if not history.store.versions.ever_at(found.path):
        raise NotFound(f"{found.path} is a folder; name a document in it.")
    return history.document(found.path), found.path
