"""What lies outside of the history: put in place by name, what it displaces kept, and brought back on undo.

Ignored files, likely secrets, what is too large, git's state: no version holds them. A change to one is a row in the
table ``outside``, committed before anything moves, and then three renames: what comes in gets a temporary name beside
its target, the two are exchanged, and what was displaced moves to the folder of kept files under the row's number.
Each step can be told from the inodes, so that opening finishes what a crash cut short.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from workspace.entries import OutsideEntry
from workspace.records import to_path
from workspace.store.engine import SqlRow
from workspace.store.store import Store
from workspace.working_copy import transfer
from workspace.working_copy.changeset import Change
from workspace.working_copy.files import TEMPORARY, Blocked, Files, Stamp, rename_new
from workspace.working_copy.git_state import index_digest, repository_of

BUDGET = 2 << 30
"""Bytes of displaced files that are kept, at most, unless the owner says otherwise."""
KEPT = "kept"
"""The folder of the store with the displaced files, each named by the number of its row."""
INTENDED, DONE, EVICTED, RETURNED, REFUSED = range(5)
"""States of a row: about to happen; happened; what it displaced was let go; was brought back; did not go in."""
GIT = "version control"
GIT_OBJECT = "git object"
UNKEPT = ("cache", GIT_OBJECT)
"""Reasons of what is put in place, and neither kept when it is displaced nor taken back."""
CREATED, EDITED, DELETED = range(3)
_KINDS = {"created": CREATED, "edited": EDITED, "deleted": DELETED}
_NAMES = ("created", "edited", "deleted")
_COLUMNS = (
    "o.id, o.operation, p.name, o.change, o.reason, o.source, o.copied, o.before, o.bytes, o.size, o.mtime, o.ctime,"
    " o.inode, o.entries, o.reverses, o.at, o.state"
)
_SELECT = f"SELECT {_COLUMNS} FROM outside o JOIN path p ON p.id = o.path"


@dataclass(frozen=True, slots=True)
class Outside:
    """One change to what no version holds. ``size`` is that of what is kept of it in bytes, ``at`` a time in ns.

    ``source`` is where what comes in lies below the store; ``before`` the inode that it displaces; ``after`` the
    stamp of what was put in place.
    """

    id: int
    operation: int
    path: str
    change: str
    reason: str
    source: str | None
    copied: bool
    before: int | None
    size: int
    after: Stamp | None
    entries: bytes | None
    reverses: int | None
    at: int
    state: int
    folder: bool = False
    """Whether a folder was put in place; known only just after it was."""

    @property
    def held(self) -> bool:
        """Whether what it displaced can be brought back, or nothing had to be kept."""
        return self.state == DONE

    @property
    def standing(self) -> str:
        """What became of it, in words."""
        return ("not finished", "held for undo", "no longer held", "taken back", "did not go in")[self.state]


def outside_of(store: Store, operations: Iterable[int]) -> list[Outside]:
    """What operations changed outside of the history, oldest first."""
    wanted = sorted(set(operations))
    found: list[Outside] = []
    for at in range(0, len(wanted), 500):
        part = wanted[at : at + 500]
        marks = ",".join("?" * len(part))
        query = f"{_SELECT} WHERE o.operation IN ({marks}) AND o.state <> 0 ORDER BY o.id"
        found += map(_row, store.db.execute(query, part).fetchall())
    return found


class OutsideFiles:
    """The table and folder of kept files of one store, for one working copy."""

    def __init__(self, store: Store, root: Path, branch: int, step: Callable[[str], None] = lambda _: None) -> None:
        """``root`` is the folder of the working copy; tests crash where ``step`` is called."""
        assert store.folder is not None
        self._store = store
        self._branch = branch
        self._files = Files(root)
        self._step = step
        self._folder = store.folder
        self._mark = TEMPORARY + b"outside-%d"

    def close(self) -> None:
        """Let go of the folder."""
        self._files.close()

    # -- reading

    def of(self, operations: Iterable[int]) -> list[Outside]:
        """What operations changed outside of the history, oldest first."""
        return outside_of(self._store, operations)

    def kept(self) -> int:
        """Bytes of displaced files that are kept now."""
        (total,) = self._store.db.execute("SELECT sum(bytes) FROM outside WHERE state IN (1, 4)").fetchone()
        return int(total or 0)

    # -- putting in place

    def intend(self, operation: int, changes: Sequence[Change], source: str, *, copied: bool) -> list[Outside]:
        """In the open transaction: these changes are about to be put in place from below ``source``; their rows."""
        ids = []
        for change in changes:
            incoming = None if change.kind == "deleted" else f"{source}/{change.path}"
            before = change.lower.inode if change.lower is not None else None
            ids.append(
                self._insert(
                    operation, change.path, _KINDS[change.kind], str(change.reason), incoming, copied, before
                )
            )
        return [self._get(id_) for id_ in ids]

    def put(self, rows: Sequence[Outside]) -> list[Outside]:
        """Carry out intended rows; their state after it. What a cache displaces is let go.

        It needs no database, so that no transaction waits for it: what became of each row is saved with the next one.
        """
        (self._folder / KEPT).mkdir(mode=0o700, exist_ok=True)
        kept = Files(self._folder)
        try:
            done = [self._put(row, kept) for row in rows]
        finally:
            kept.close()
        for row in done:  # a folder that git has made empty may be one that it needs
            if row.reverses is not None and row.change == "deleted" and row.held and row.reason != GIT:
                self._files.prune(row.path)
        return done

    def recover(self) -> list[Outside]:
        """Finish what a crash cut short; the rows that were finished."""
        found = self._store.db.execute(
            f"{_SELECT} JOIN entry e ON e.id = o.operation WHERE o.state = ? AND e.branch = ? ORDER BY o.id",
            (INTENDED, self._branch),
        ).fetchall()
        done = []
        for row in map(_row, found):
            with suppress(OSError, Blocked, RecursionError):  # it is tried again, and what is there stays
                done += self.put([row])
        with self._store.transaction():
            self.save(done)
        return done

    def save(self, rows: Sequence[Outside]) -> None:
        """In the open transaction: remember what became of rows."""
        for row in rows:
            stamp = row.after or (None,) * 4
            size, mtime, ctime, inode = stamp
            self._store.db.execute(
                "UPDATE outside SET bytes = ?, size = ?, mtime = ?, ctime = ?, inode = ?, entries = ?,"
                " at = ?, state = ? WHERE id = ?",
                (row.size, size, mtime, ctime, inode, row.entries, row.at, row.state, row.id),
            )

    # -- taking back

    def plan_back(self, operations: Iterable[int]) -> tuple[list[Outside], list[tuple[Outside, str]]]:
        """What of operations can be taken back, newest first, and what cannot and why; git's state as a whole."""
        ready: list[Outside] = []
        stuck: list[tuple[Outside, str]] = []
        shown: set[str] = set()
        for first in reversed(self.of(operations)):
            row = self._now(first)
            if row is None or row.reason in UNKEPT:
                continue
            reason = None if row.path in shown else self._changed_since(row)
            if row.state == EVICTED and row.change != "created":
                reason = "what was there before is no longer held"
            if reason is None:
                shown.add(row.path)
                ready.append(row)
            else:
                stuck.append((row, reason))
        torn = {repository_of(row.path) for row, _ in stuck if row.reason == GIT}
        late = [row for row in ready if row.reason == GIT and repository_of(row.path) in torn]
        stuck += [(row, "the repository has moved on") for row in late]
        return [row for row in ready if row not in late], stuck

    def _now(self, row: Outside) -> Outside | None:
        """The row that counts now: this one, or what brought it again; None where it is taken back."""
        while row.state == RETURNED:
            back = self._reversing(row)
            again = self._reversing(back) if back is not None and back.state == RETURNED else None
            if again is None:
                return None
            row = again
        return row if row.state in (DONE, EVICTED) else None

    def _reversing(self, row: Outside) -> Outside | None:
        found = self._store.db.execute(
            f"{_SELECT} WHERE o.reverses = ? ORDER BY o.id DESC LIMIT 1", (row.id,)
        ).fetchone()
        return _row(found) if found else None

    def intend_back(self, operation: int, rows: Sequence[Outside]) -> list[Outside]:
        """In the open transaction: the opposite of these rows is about to happen, as work of ``operation``."""
        ids = []
        shown: set[str] = set()
        for row in rows:
            change = {CREATED: DELETED, EDITED: EDITED, DELETED: CREATED}[_KINDS[row.change]]
            source = None if change == DELETED else f"{KEPT}/{row.id}"
            before = row.after.inode if row.after is not None else None
            if row.path not in shown and (there := transfer.status(self._files, row.path)) is not None:
                before = there.st_ino  # an index that git has refreshed is another file by now
            shown.add(row.path)
            ids.append(self._insert(operation, row.path, change, row.reason, source, False, before, row.id))
            self._store.db.execute("UPDATE outside SET state = ? WHERE id = ?", (RETURNED, row.id))
        return [self._get(id_) for id_ in ids]

    # -- the budget

    def evict(self, budget: int = BUDGET) -> list[Outside]:
        """In the open transaction: let go of the oldest kept files until the rest fits; what was let go.

        Their bytes are removed by ``drop`` once the transaction is durable.
        """
        over, gone = self.kept() - budget, []
        if over <= 0:
            return []
        for row in map(
            _row, self._store.db.execute(f"{_SELECT} WHERE o.state = 1 AND o.bytes > 0 ORDER BY o.id").fetchall()
        ):
            if over <= 0:
                break
            over -= row.size
            gone.append(row)
            self._store.db.execute("UPDATE outside SET state = ? WHERE id = ?", (EVICTED, row.id))
        return gone

    def drop(self, rows: Sequence[Outside]) -> None:
        """Remove the kept bytes of rows that were let go."""
        kept = Files(self._folder)
        try:
            for row in rows:
                with suppress(OSError), kept.folder_of(f"{KEPT}/{row.id}") as (parent, name):
                    transfer.remove(parent, name)
        finally:
            kept.close()

    # -- inside

    def _insert(
        self, operation: int, path: str, change: int, reason: str, source: str | None, copied: bool,
        before: int | None, reverses: int | None = None,
    ) -> int:  # fmt: skip
        cursor = self._store.db.execute(
            "INSERT INTO outside"
            " (operation, path, change, reason, source, copied, before, reverses, at, bytes, state)"
            " VALUES (?,?,?,?,?,?,?,?,?,0,0) RETURNING id",
            (
                operation, self._store.versions.path_id(path), change, reason,
                None if source is None else os.fsencode(source), copied, before, reverses, time.time_ns(),
            ),
        )  # fmt: skip
        return int(cursor.fetchone()[0])

    def _get(self, id_: int) -> Outside:
        return _row(self._store.db.execute(f"{_SELECT} WHERE o.id = ?", (id_,)).fetchone())

    def _put(self, row: Outside, store: Files) -> Outside:
        name = self._mark % row.id
        try:
            self._bring(row, store, name)
            self._swap(row, name)
        except (OSError, Blocked, RecursionError):
            with suppress(OSError, Blocked, RecursionError):  # what was on its way is kept, and what is there stays
                self._set_aside(row, store, name)
            return _became(row, REFUSED)
        return self._keep(row, store, name)

    def _keep(self, row: Outside, store: Files, name: bytes) -> Outside:
        """Put away what was displaced, and remember what is in place."""
        size = 0
        if transfer.status(self._files, row.path, name) is not None:
            if row.reason not in UNKEPT:
                with suppress(OSError, RecursionError):
                    size = transfer.measure(self._files, row.path, name)[0]
                with suppress(FileExistsError):
                    transfer.move(self._files, transfer.beside(row.path, name), store, f"{KEPT}/{row.id}")
            with self._files.folder_of(row.path) as (parent, _):
                transfer.remove(parent, name)
            self._step("kept")
        elif transfer.status(store, f"{KEPT}/{row.id}") is not None:  # a crash came just after
            size = transfer.measure(store, f"{KEPT}/{row.id}")[0]
        there = transfer.status(self._files, row.path)
        after = Stamp.of(there) if there is not None and row.change != "deleted" else None
        is_folder = there is not None and stat.S_ISDIR(there.st_mode)
        return replace(_became(row, DONE, size, after), entries=self._entries(row), folder=is_folder)

    def _bring(self, row: Outside, store: Files, name: bytes) -> None:
        """Give what comes in the temporary name beside its target, unless it has it or is in place already."""
        if row.source is None or transfer.status(self._files, row.path, name) is not None:
            return
        incoming = transfer.status(store, row.source)
        if incoming is None:
            return
        if row.copied and row.change == "created" and transfer.status(self._files, row.path) is not None:
            return
        transfer.move(store, row.source, self._files, row.path, name, copy=row.copied)
        with self._files.folder_of(row.path) as (parent, _):
            transfer.clear_set_id(parent, name)
        self._step("brought")

    def _swap(self, row: Outside, name: bytes) -> None:
        """Put what came in where it belongs; what was there has the temporary name after it."""
        waiting = transfer.status(self._files, row.path, name)
        if row.change == "created":
            if waiting is not None:
                with self._files.folder_of(row.path) as (parent, target):
                    rename_new(parent, name, parent, target)
                self._step("created")
        elif row.change == "deleted":
            there = transfer.status(self._files, row.path)
            if waiting is None and there is not None and there.st_ino == row.before:
                with self._files.folder_of(row.path) as (parent, target):
                    rename_new(parent, target, parent, name)
                self._step("displaced")
        elif waiting is not None and waiting.st_ino != row.before:
            transfer.exchange(self._files, row.path, name)
            self._step("exchanged")
            displaced = transfer.status(self._files, row.path, name)
            if displaced is None or displaced.st_ino != row.before:  # somebody replaced it just now: theirs goes back
                transfer.exchange(self._files, row.path, name)
                raise FileExistsError(row.path)

    def _set_aside(self, row: Outside, store: Files, name: bytes) -> None:
        """Keep what could not be put in place; never drop it, for it may be what somebody put there meanwhile."""
        if transfer.status(self._files, row.path, name) is not None:
            transfer.move(self._files, transfer.beside(row.path, name), store, f"{KEPT}/{row.id}")

    def _changed_since(self, row: Outside) -> str | None:
        """Why what a row put in place cannot be taken back; None where it is as it was left."""
        there = transfer.status(self._files, row.path)
        if row.change == "deleted":
            return "something is there again" if there is not None else None
        if there is None:
            return "it is gone"
        if row.after is None or there.st_ino != row.after.inode:
            return None if self._is_refreshed(row) else "it was replaced meanwhile"
        if stat.S_ISDIR(there.st_mode):
            later = transfer.measure(self._files, row.path)[1] > row.at
            return "something in it was changed meanwhile" if later else None
        same = (there.st_size, there.st_mtime_ns) == (row.after.size, row.after.mtime)
        return None if same or self._is_refreshed(row) else "it was changed meanwhile"

    def _entries(self, row: Outside) -> bytes | None:
        """What a git index lists, so that one which git has only refreshed is known again."""
        if row.reason != GIT or not row.path.endswith("/.git/index".lstrip("/")) or row.change == "deleted":
            return None
        with suppress(OSError, Blocked):
            found = self._files.read(row.path)
            return index_digest(found.data) if found is not None else None
        return None

    def _is_refreshed(self, row: Outside) -> bool:
        return row.entries is not None and self._entries(row) == row.entries


def unkeepable(files: Files, changes: Sequence[Change], budget: int = BUDGET) -> list[tuple[str, int]]:
    """The paths, with their bytes, that changes would displace, where all of them are more than may be kept."""
    found = [
        (change.path, transfer.measure(files, change.path)[0] if change.folder else change.lower.size)
        for change in changes
        if change.treatment in ("outside", "git") and change.lower is not None and change.reason not in UNKEPT
    ]
    return sorted(found, key=lambda row: -row[1]) if sum(size for _, size in found) > budget else []


def _became(row: Outside, state: int, size: int = 0, after: Stamp | None = None) -> Outside:
    return replace(row, size=size, after=after, at=time.time_ns(), state=state)


def _row(row: SqlRow) -> Outside:
    id_, operation, path, change, reason, source, copied, before, size, *stamp, entries, reverses, at, state = row
    after = None if stamp[3] is None else Stamp(*stamp)
    incoming = None if source is None else os.fsdecode(source)
    return Outside(
        id_,
        operation,
        to_path(path),
        _NAMES[change],
        reason,
        incoming,
        bool(copied),
        before,
        size,
        after,
        entries,
        reverses,
        at,
        state,
    )


def noted(
    rows: Sequence[Outside], caches: Sequence[str] = (), refused: Sequence[str] = (), most: int = 200
) -> OutsideEntry:
    """What an operation changed outside of the history, at most so many of each, for its entry."""
    shown = [(row.path, row.change, row.reason) for row in rows if row.reason not in UNKEPT]
    counts = (len(shown), len(caches), len(refused))
    cut = counts if max(counts) > most else None
    return OutsideEntry(tuple(shown[:most]), tuple(caches[:most]), tuple(refused[:most]), cut)


def named_in_parts(store: Store, operation: int) -> tuple[list[str], list[str]]:
    """The paths of caches, and those that never go in, that the parts of an operation name."""
    parts = [OutsideEntry.of(entry) for entry in store.journal.parts(operation)]
    return [path for part in parts for path in part.caches], [path for part in parts for path in part.refused]
