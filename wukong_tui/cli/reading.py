"""Commands that only look: status, log, show, blame, diff."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterator
from typing import Any

import click

from runtime.host.acts import by_path, label
from workspace import History, NotFound, Operation, Skipped, Version, WorkspaceError
from workspace.operations.addresses import Address
from workspace.operations.blame import Blame
from workspace.store.lines import split
from workspace.visible import visible
from wukong_tui.cli import records
from wukong_tui.cli.common import cell, clock, columns, emit, json_option, lines_of, listing, plural, say
from wukong_tui.cli.diffs import Pair, pairs_between, pairs_of_operation, pairs_on_disk, print_pair, record
from wukong_tui.cli.place import Place

ACCENT: dict[str, Any] = {"fg": "cyan"}
FAILURES = frozenset({"failed", "conflict", "unknown", "interrupted"})


@click.command()
@json_option
@click.pass_obj
def status(place: Place, as_json: bool) -> None:
    """What is recorded, what is not yet, and what never is."""
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
                }
            )
            return
        say(f"{history.root} on {history.branch.name}: {plural(len(tree), 'document')}")
        if last is not None:
            say(f"last operation op:{last.id}, {clock(last.started)}: {label(last)}", dim=True)
        for difference in differences:
            columns((f"  {difference.change:7}", ACCENT), difference.path)
        if differences:
            say(f"{plural(len(differences), 'change')} on disk not recorded yet: `wukong scan` records them.")
        for version in unplaced:
            say(f"  {version.path} is in the history but not on disk: {_why_not(history, version)}.", fg="red")
        print_coverage(coverage)
        if not differences and not unplaced:
            say("Everything on disk is recorded.")


def _why_not(history: History, version: Version) -> str:
    """Why a head may not be on disk."""
    with contextlib.suppress(WorkspaceError, OSError):
        if version.exists and history.on_disk(version.path) is None:
            return "nothing is there; `wukong scan` looks into it"
    return "something stands in its way"


def print_coverage(coverage: list[Skipped]) -> None:
    """What is not captured, by reason."""
    for reason, group in itertools.groupby(sorted(coverage, key=lambda s: (s.reason, s.path)), lambda s: s.reason):
        found = list(group)
        hint = " (--include PATH records it)" if reason == "secret" else ""
        names = listing(s.path + ("" if s.bytes is not None else "/") for s in found)
        say(f"not captured, {reason}{hint}: {names}", dim=True)


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
        f"{clock(operation.started)}  {cell(operation.actor or '', 8)}  {counts:>12}  ",
        (f"{outcome}: " if outcome in FAILURES or operation.outcome is None else "", {"fg": "red"}),
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
                f"{clock(operation.started)}  {cell(operation.actor or '', 8)}"
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
        version = _existing(history, address, found)
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


def _existing(history: History, address: str, found: Address) -> Version:
    """The version that an address names. Raises NotFound where there is nothing."""
    version = found.version
    if version is None or not version.exists or not (found.numbered or version.path == found.path):
        raise NotFound(_nothing_there(history, address, found))
    return version


def _nothing_there(history: History, address: str, found: Address) -> str:
    path, version = found.path, found.version
    if path is None:
        return f"{address or 'That'} is the whole workspace; name a document in it, such as notes.txt@{{10m ago}}."
    if not history.store.versions.ever_at(path):
        return f"{path} is a folder; name a document in it."
    if version is None:
        return f"{path} did not exist then; `wukong log {path}` shows when it did."
    if version.exists:
        return f"{path} is {version.path} there: it was renamed."
    return f"{path} does not exist there: version {version.number} deletes it."


def _show_operation(history: History, operation: Operation, as_json: bool) -> None:
    versions = history.store.versions.of_operation(operation.id)
    if as_json:
        emit(records.operation(history, operation, versions))
        return
    say(f"op:{operation.id}  {label(operation)}", **ACCENT)
    cause = f", caused by op:{operation.parent}" if operation.parent else ""
    outcome = operation.outcome or "not ended"
    say(f"by {operation.actor or 'nobody named'}, {clock(operation.started)}{cause}, {outcome}", dim=True)
    if why := records.reason(history, operation):
        say(why, lines=True)
    if isinstance(message := operation.detail.get("message"), str):
        say(message.rstrip("\n"), lines=True)
    for pair in pairs_of_operation(history, operation.id):
        print_pair(pair)


@click.command(short_help="Which version made each line of a document.")
@click.argument("address")
@json_option
@click.pass_obj
def blame(place: Place, address: str, as_json: bool) -> None:
    """Who made each line of a version, in which version and when."""
    with place.reading() as history:
        version = _existing(history, address, place.resolve(history, address))
        found = Blame(history.store.versions, version)
        if found.binary:
            raise WorkspaceError(f"{version.path} is binary: it has no lines.")
        found.advance()
        origins = [origin for origin in found.origins() if origin is not None]
        texts = split(history.content(version))
        makers: dict[int, tuple[Version, Operation]] = {}
        for number in {origin.version for origin in origins}:
            made = history.store.versions.get(version.document, number)
            makers[number] = made, history.operation(made.operation)
        wide = max((len(str(number)) for number in makers), default=0) + 1
        digits = len(str(len(origins)))
        for line, (origin, text) in enumerate(zip(origins, texts, strict=True), 1):
            made, operation = makers[origin.version]
            shown = text.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
            if as_json:
                emit(records.blamed(line, shown, origin.line + 1, made, operation))
            else:
                columns(
                    (f"@{origin.version:<{wide - 1}}", ACCENT),
                    f"  {clock(operation.started)}  {cell(operation.actor or '', 8)}  {line:>{digits}}  ",
                    shown,
                )


@click.command(short_help="What changed between two addresses.")
@click.argument("a", required=False)
@click.argument("b", required=False)
@json_option
@click.pass_obj
def diff(place: Place, a: str | None, b: str | None, as_json: bool) -> None:
    """What changed from A to B (by default now); op:N alone: what it did; nothing: what is unrecorded."""
    with place.reading() as history:
        pairs: Iterator[Pair]
        if a is None:
            pairs = pairs_on_disk(history)
        elif b is None and a.startswith("op:") and not a.endswith("^"):
            pairs = pairs_of_operation(history, place.resolve(history, a).operation or 0)
        else:
            first = place.resolve(history, a)
            pairs = pairs_between(history, first, place.resolve(history, b) if b is not None else None)
        for pair in pairs:
            if as_json:
                emit(record(pair))
            else:
                print_pair(pair)


COMMANDS = (status, log, show, blame, diff)
