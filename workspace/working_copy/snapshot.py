"""Capture: what changed on disk since we last looked, as edits about to be recorded."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from workspace.errors import WorkspaceError
from workspace.records import Change, Edit, State
from workspace.store.contents import digest
from workspace.store.store import Store
from workspace.working_copy.files import Files, Found, Stamp
from workspace.working_copy.stat_table import Placed, StatTable
from workspace.working_copy.walk import Skipped, Walk


@dataclass(slots=True)
class Snapshot:
    """Edits found on disk, each with the stamp of its file, and rows to refresh or drop."""

    edits: list[tuple[Edit, Stamp | None]] = field(default_factory=list)
    vacated: list[str] = field(default_factory=list)
    refreshed: list[Placed] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    checked: int = 0
    bytes: int = 0


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


def compare(store: Store, disk: StatTable, files: Files, seen: Walk, branch: int, checked: int) -> Snapshot:
    """Compare a walk with what was placed; contents of changed files are stored as they are read.

    Call it inside the transaction that records the edits. ``checked``: when the walk
    began, in ns since 1970. A path that vanished while another appeared with the same
    content, both uniquely, is a rename.
    """
    known = disk.all() if seen.within is None else disk.within(seen.within)
    out = Snapshot(skipped=list(seen.skipped), checked=checked)
    fresh: list[tuple[str, State, Stamp]] = []
    unread: set[str] = set()
    for path, (_, stamp) in seen.present.items():
        placed = known.get(path)
        if placed and placed.same(stamp):
            continue
        try:
            found = files.read(path)
        except (OSError, WorkspaceError):
            unread.add(path)
            out.skipped.append(Skipped(path, "unreadable", stamp.size))
            continue
        if found is None:
            unread.add(path)  # it came and went during the scan: the next one will know
            continue
        out.bytes += len(found.data)
        if placed is None:
            live = store.versions.find(path, branch, store.journal.last())
            if live is not None:  # its head could not be put here; this file was there first
                row = Placed(path, live.document, live.number, found.stamp, checked)
                if same_content(store, row, found):
                    out.refreshed.append(row)
                else:
                    state = _store(store, path, found, live.content)
                    out.edits.append((Edit(live.document, path, state, live.number), found.stamp))
                continue
            fresh.append((path, _store(store, path, found, _before(store, path, branch)), found.stamp))
        elif same_content(store, placed, found):
            out.refreshed.append(Placed(path, placed.document, placed.number, found.stamp, checked))
        else:
            old = store.versions.get(placed.document, placed.number).content
            edit = Edit(placed.document, path, _store(store, path, found, old), placed.number)
            out.edits.append((edit, found.stamp))
    gone = [p for path, p in known.items() if path not in seen.present and not seen.hides(path)]
    fresh.sort(key=lambda item: item[0])  # documents are numbered in an order that can be told
    _pair_renames(store, out, fresh, gone, branch)
    return out


def _pair_renames(
    store: Store, out: Snapshot, fresh: Sequence[tuple[str, State, Stamp]], gone: Sequence[Placed], branch: int
) -> None:
    left: dict[tuple[bool, int], list[Placed]] = defaultdict(list)
    came: dict[tuple[bool, int], int] = defaultdict(int)
    if fresh:
        for placed in gone:
            state = store.versions.get(placed.document, placed.number).state
            if state:
                left[state.is_link, state.content].append(placed)
        for _, state, _ in fresh:
            came[state.is_link, state.content] += 1
    moved: set[str] = set()
    taken: set[int] = set()
    for path, state, stamp in fresh:
        key = (state.is_link, state.content)
        if came[key] == 1 and len(left[key]) == 1:
            (placed,) = left[key]
            moved.add(placed.path)
            out.vacated.append(placed.path)
            out.edits.append((Edit(placed.document, path, state, placed.number), stamp))
            continue
        document, parent = continued(store, path, branch)
        if document in taken:
            document, parent = None, None
        elif document is not None:
            taken.add(document)
        out.edits.append((Edit(document, path, state, parent), stamp))
    for placed in gone:
        if placed.path in moved:
            continue
        out.vacated.append(placed.path)
        head = store.versions.at(placed.document, branch, store.journal.last())
        if head is not None and head.exists and head.path == placed.path:  # else it was to leave anyway
            out.edits.append((Edit(placed.document, placed.path, None, placed.number), None))


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


def _store(store: Store, path: str, found: Found, base: int | None) -> State:
    return State(path, found.mode, store.contents.put(found.data, base))


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
