"""Coverage: what the versions do not hold and why, kept as data at every cursor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from workspace.entries import CaptureEntry, Passed
from workspace.records import to_path
from workspace.store.store import Store
from workspace.working_copy.git_state import repository_of
from workspace.working_copy.ignore import DEFAULT_CACHES, Caches
from workspace.working_copy.outside import BUDGET, DONE, GIT, GIT_OBJECT, Outside
from workspace.working_copy.walk import LARGEST, Skipped


def at(store: Store, branch: int, cursor: int) -> list[Skipped]:
    """The paths that were passed over as of the cursor, in order; sizes in bytes, None for folders."""
    rows = store.db.execute(
        "SELECT p.name, c.reason, c.bytes FROM coverage c JOIN path p ON p.id = c.path"
        " WHERE c.branch = ? AND c.since <= ? AND (c.until IS NULL OR c.until > ?) ORDER BY p.name",
        (branch, cursor, cursor),
    )
    return [Skipped(to_path(name), reason, size) for name, reason, size in rows.fetchall()]


def changes(store: Store, branch: int, skipped: Sequence[Skipped]) -> CaptureEntry:
    """What a scan found passed over that differs from the last one: for its entry's detail."""
    before = {s.path: s for s in at(store, branch, store.journal.last())}
    now = {s.path: s for s in skipped}
    came = [Passed(s.path, s.reason, s.bytes) for path, s in sorted(now.items()) if _other(before.get(path), s)]
    return CaptureEntry(tuple(came), tuple(sorted(before.keys() - now.keys())))


def changes_outside(store: Store, branch: int, rows: Sequence[Outside]) -> CaptureEntry:
    """What is passed over differently once these changes outside of the history are in place."""
    before = {s.path: s for s in at(store, branch, store.journal.last())}
    came: dict[str, Passed] = {}
    gone: list[str] = []
    for row in rows:
        if row.state != DONE or row.reason == GIT_OBJECT:
            continue
        path = repository_of(row.path) if row.reason == GIT else row.path
        if row.change == "deleted" and row.reason != GIT and path in before:
            gone.append(path)
        elif row.change == "created" and path not in before:
            size = row.after.size if row.after is not None and not row.folder and row.reason != GIT else None
            came[path] = Passed(path, row.reason, size)
    return CaptureEntry(tuple(came[path] for path in sorted(came)), tuple(sorted(gone)))


def apply(store: Store, branch: int, entry: int, change: CaptureEntry) -> None:
    """Bring the coverage table up to an entry that says what changed."""
    for path in [*(row.path for row in change.skipped), *change.covered]:
        store.db.execute(
            "UPDATE coverage SET until = ? WHERE branch = ? AND path = ? AND until IS NULL",
            (entry, branch, store.versions.path_id(path)),
        )
    for path, reason, size in change.skipped:
        store.db.execute(
            "INSERT INTO coverage (path, branch, since, reason, bytes) VALUES (?,?,?,?,?)",
            (store.versions.path_id(path), branch, entry, reason, size),
        )


def named(store: Store) -> list[str]:
    """Paths the owner asked to capture although ignored or likely secret."""
    return list(json.loads(_setting(store, "named") or "[]"))


def largest(store: Store) -> int:
    """The size in bytes of the largest file that is captured."""
    return int(_setting(store, "largest") or LARGEST)


def caches(store: Store) -> Caches:
    """Names of what a build makes again, which is neither recorded nor kept."""
    text = _setting(store, "caches")
    return DEFAULT_CACHES if text is None else Caches(json.loads(text))


def set_caches(store: Store, patterns: Iterable[str]) -> None:
    """Take these names for caches from now on."""
    _set(store, "caches", json.dumps(sorted(patterns)))


def budget(store: Store) -> int:
    """Bytes of displaced files outside of the history that are kept, at most."""
    return int(_setting(store, "kept") or BUDGET)


def set_budget(store: Store, size: int) -> None:
    """Keep displaced files up to this many bytes from now on."""
    _set(store, "kept", str(size))


def name(store: Store, paths: Iterable[str]) -> None:
    """Capture these paths from now on."""
    wanted = {*named(store), *paths}
    _set(store, "named", json.dumps(sorted(wanted)))


def set_largest(store: Store, size: int) -> None:
    """Capture files up to this many bytes from now on."""
    _set(store, "largest", str(size))


def _other(before: Skipped | None, now: Skipped) -> bool:
    return before is None or before.reason != now.reason


def _setting(store: Store, key: str) -> str | None:
    row = store.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return row[0] if row else None


def _set(store: Store, key: str, value: str) -> None:
    with store.transaction():
        store.db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?,?)", (key, value))


Row = tuple[int, str, int, int | None, str, int | None]


def replay(store: Store) -> set[Row]:
    """The coverage table as the journal gives it: ``(branch, path, since, until, reason, bytes)``."""
    rows = store.db.execute(
        "SELECT id, branch, detail FROM entry WHERE detail LIKE '%\"skipped\"%' OR detail LIKE '%\"covered\"%'"
        " ORDER BY id"
    ).fetchall()
    out: set[Row] = set()
    open_: dict[tuple[int, str], tuple[int, str, int | None]] = {}
    for entry, branch, packed in rows:
        change = CaptureEntry.read(json.loads(packed))
        for path in [*(row.path for row in change.skipped), *change.covered]:
            if (before := open_.pop((branch, path), None)) is not None:
                out.add((branch, path, before[0], entry, *before[1:]))
        for path, reason, size in change.skipped:
            open_[branch, path] = (entry, reason, size)
    out.update((branch, path, since, None, why, size) for (branch, path), (since, why, size) in open_.items())
    return out
