"""Snapshots: what changed on disk since we last looked, as edits about to be recorded."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from workspace.entries import CaptureEntry
from workspace.errors import WorkspaceError
from workspace.records import Change, Edit, State
from workspace.store import lines as lines_of
from workspace.store.contents import digest
from workspace.store.store import Store
from workspace.working_copy import coverage
from workspace.working_copy.files import Files, Found, Stamp
from workspace.working_copy.stat_table import Placed, StatTable
from workspace.working_copy.walk import Skipped, Walk


@dataclass(frozen=True, slots=True)
class Seen:
    """An edit found on disk, and what was known of its path: what has to hold still when it is recorded.

    ``basis`` is ``placed`` where the edit goes on from the version placed at its path, ``head``
    where its path is the head's but nothing was placed, ``moved`` where the version was placed
    at ``origin``, ``fresh`` where nothing was known of the path, or a deleted document.
    """

    edit: Edit
    stamp: Stamp | None
    basis: Literal["placed", "head", "moved", "fresh"]
    origin: str | None = None


@dataclass(slots=True)
class Snapshot:
    """Edits found on disk, and rows to refresh or drop; sizes in bytes, ``checked`` in ns since 1970."""

    edits: list[Seen] = field(default_factory=list)
    vacated: list[Placed] = field(default_factory=list)
    refreshed: list[Placed] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    coverage: CaptureEntry = field(default_factory=CaptureEntry)
    """What is passed over now and was not before, and the other way round."""
    folders: tuple[str, ...] = ()
    """The folders whose entries were all looked at; ``""`` is the root."""
    checked: int = 0
    files: int = 0
    bytes: int = 0


class Walked(Protocol):
    """The folder of a branch and what is known of it: a Folder."""

    store: Store
    branch: int
    files: Files
    table: StatTable

    def walk(self, within: Collection[str] | None = None) -> Walk: ...


class Keep(Protocol):
    """Keeps a file's bytes, best as a delta against content ``base``; what stands for them in a State."""

    def __call__(self, data: bytes, base: int | None, /) -> int: ...


def look(store: Store, disk: StatTable, files: Files, path: str) -> Found | Placed | None:
    """What stands at one path: the Placed row where it is untouched, else what was found (None: nothing)."""
    placed = disk.get(path)
    status = files.status(path)
    if status is None:
        return None
    if placed and placed.same(Stamp.of(status)):
        return placed
    checked = time.time_ns()
    found = files.read(path)
    if found and placed and same_content(store, placed, found):
        refreshed = Placed(path, placed.document, placed.number, found.stamp, checked)
        disk.put(refreshed)
        return refreshed
    return found


def same_content(store: Store, placed: Placed, found: Found) -> bool:
    """Whether a file holds the mode and bytes of the version that was placed there."""
    state = store.versions.get(placed.document, placed.number).state
    return state is not None and holds(store, state, found)


def holds(store: Store, state: State, found: Found) -> bool:
    """Whether a file has the mode and bytes of a state."""
    return state.mode == found.mode and store.contents.holds(state.content, found.data)


def take(folder: Walked, keep: Keep, *, within: Collection[str] | None = None, counted: bool = False) -> Snapshot:
    """Walk the folder and compare it with what was placed; contents are kept as changed files are read.

    ``within``: only at and below these paths; what is left out is told of the whole folder alone.

    A path that vanished while another appeared with the same content, both uniquely, is a
    rename. ``counted``: the lines of each edit are counted now, not when it is recorded.
    Raises Blocked where the folder is another one than was opened.
    """
    checked = time.time_ns()
    seen = folder.walk(within)
    found = _compare(folder, seen, keep, checked, counted)
    if within is None:
        found.coverage = coverage.changes(folder.store, folder.branch, found.skipped)
    found.folders = tuple(seen.folders)
    found.files = len(seen.present)
    found.bytes = sum(stamp.size for _, stamp in seen.present.values())
    return found


def _compare(folder: Walked, seen: Walk, keep: Keep, checked: int, counted: bool) -> Snapshot:
    store, files, branch = folder.store, folder.files, folder.branch
    known = folder.table.all() if seen.within is None else folder.table.within(seen.within)
    out = Snapshot(skipped=list(seen.skipped), checked=checked)
    fresh: list[tuple[Edit, Stamp]] = []
    for path, (_, stamp) in seen.present.items():
        placed = known.get(path)
        if placed and placed.same(stamp):
            continue
        try:
            found = files.read(path)
        except (OSError, WorkspaceError):
            out.skipped.append(Skipped(path, "unreadable", stamp.size))
            continue
        if found is None:
            continue  # it came and went during the walk: the next one will know
        row, basis = placed, "placed"
        if placed is None:
            live = store.versions.find(path, branch, store.journal.last())
            if live is not None:  # its head could not be put here; this file was there first
                row, basis = Placed(path, live.document, live.number, found.stamp, checked), "head"
        if row is None:
            lines = _count(b"", found) if counted else None
            state = State(path, found.mode, keep(found.data, _before(store, path, branch)))
            fresh.append((Edit(None, path, state, lines=lines), found.stamp))
        elif same_content(store, row, found):
            out.refreshed.append(Placed(path, row.document, row.number, found.stamp, checked))
        else:
            old = store.versions.get(row.document, row.number)
            lines = _count(store.versions.bytes_of(old), found) if counted else None
            edit = Edit(row.document, path, State(path, found.mode, keep(found.data, old.content)), row.number)
            out.edits.append(Seen(replace(edit, lines=lines), found.stamp, "placed" if basis == "placed" else "head"))
    gone = [p for path, p in known.items() if path not in seen.present and not seen.hides(path)]
    fresh.sort(key=lambda item: item[0].path)  # documents are numbered in an order that can be told
    _pair_renames(store, out, fresh, gone, branch)
    return out


def _count(old: bytes, found: Found) -> tuple[int | None, int | None]:
    return lines_of.count(old, found.data) or (None, None)


def _pair_renames(
    store: Store, out: Snapshot, fresh: Sequence[tuple[Edit, Stamp]], gone: Sequence[Placed], branch: int
) -> None:
    left: dict[tuple[bool, int], list[Placed]] = defaultdict(list)
    came: dict[tuple[bool, int], int] = defaultdict(int)
    if fresh:
        for placed in gone:
            state = store.versions.get(placed.document, placed.number).state
            if state:
                left[state.is_link, state.content].append(placed)
        for edit, _ in fresh:
            came[_kind(edit)] += 1
    moved: set[str] = set()
    taken: set[int] = set()
    for edit, stamp in fresh:
        key = _kind(edit)
        if came[key] == 1 and len(left[key]) == 1:
            (placed,) = left[key]
            moved.add(placed.path)
            out.vacated.append(placed)
            edit = replace(edit, document=placed.document, parent=placed.number, lines=None)
            out.edits.append(Seen(edit, stamp, "moved", placed.path))
            continue
        document, parent = continued(store, edit.path, branch)
        if document in taken:
            document, parent = None, None
        elif document is not None:
            taken.add(document)
        out.edits.append(Seen(replace(edit, document=document, parent=parent), stamp, "fresh"))
    for placed in gone:
        if placed.path in moved:
            continue
        out.vacated.append(placed)
        head = store.versions.at(placed.document, branch, store.journal.last())
        if head is not None and head.exists and head.path == placed.path:  # else it was to leave anyway
            edit = Edit(placed.document, placed.path, None, placed.number)
            out.edits.append(Seen(edit, None, "placed"))


def _kind(edit: Edit) -> tuple[bool, int]:
    assert edit.state is not None
    return edit.state.is_link, edit.state.content


def continued(store: Store, path: str, branch: int) -> tuple[int | None, int | None]:
    """The deleted document that a new file at ``path`` continues, and its last version: both or none."""
    cursor = store.journal.last()
    for document in store.versions.ever_at(path):
        version = store.versions.at(document, branch, cursor)
        if version is not None and version.path == path and not version.exists:
            return document, version.number
    return None, None


def _before(store: Store, path: str, branch: int) -> int | None:
    """The content that a new file at a path most likely resembles."""
    document, _ = continued(store, path, branch)
    if document is None:
        return None
    for version in store.versions.history(document, limit=8):
        if version.content is not None:
            return version.content
    return None


@dataclass(frozen=True, slots=True)
class Difference:
    """A path whose file is not what was last put or seen there."""

    path: str
    change: Change


def differences(store: Store, disk: StatTable, files: Files, seen: Walk, branch: int) -> list[Difference]:
    """Compare a walk with what was placed, storing nothing; by path.

    What is known of the disk reaches readers with the writer's next transaction: where it
    seems to have changed, a file that equals its head is believed.
    """
    known, cursor = disk.all(), store.journal.last()
    out = []
    for path, (_, stamp) in seen.present.items():
        placed = known.get(path)
        if placed and placed.same(stamp):
            continue
        head = store.versions.find(path, branch, cursor)
        if placed is None and head is None:
            out.append(Difference(path, "create"))
            continue
        try:
            found = files.read(path)
        except (OSError, WorkspaceError):
            continue
        last = store.versions.get(placed.document, placed.number) if placed else None
        expected = [version.state for version in (head, last) if version and version.state]
        if found is None or any(holds(store, state, found) for state in expected):
            continue
        same_bytes = digest(found.data) in [store.contents.digest_of(state.content) for state in expected]
        out.append(Difference(path, "mode" if same_bytes else "edit"))
    for path, placed in known.items():
        if path not in seen.present and not seen.hides(path):
            head = store.versions.at(placed.document, branch, cursor)
            if head is not None and head.exists and head.path == path:  # else it was to leave anyway
                out.append(Difference(path, "delete"))
    return sorted(out, key=lambda difference: difference.path)
