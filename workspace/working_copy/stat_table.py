"""What we know of a working directory: the version last put or seen at each path, and its stamp."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from workspace.records import to_bytes, to_path
from workspace.store.engine import Connection
from workspace.store.versions import Versions
from workspace.working_copy.files import Stamp

FEW = 64
"""Rows that were learnt and are not saved yet, up to which the others are asked for one by one."""
GRAIN = 20_000_000
"""Nanoseconds: a file changed this shortly before it was looked at may change again unseen."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The materialised version at a path. ``checked``: when its stamp was taken, in ns since 1970."""

    path: str
    document: int
    number: int
    stamp: Stamp | None
    checked: int

    def same(self, stamp: Stamp) -> bool:
        """Whether a file with this stamp is surely the one that was looked at."""
        return self.stamp == stamp and self.checked - max(stamp.mtime, stamp.ctime) > GRAIN


_NOTHING = Placed("", 0, 0, None, 0)


class StatTable:
    """The disk and pending tables of one branch's directory.

    Rows are kept in memory until the next transaction takes them along: losing them costs
    a second look at a file, never a version.
    """

    def __init__(self, connection: Connection, versions: Versions, branch: int, *, writing: bool = False) -> None:
        """``writing``: nobody else writes, so that what is remembered stays true."""
        self._db = connection
        self._writing = writing
        self._versions = versions
        self._branch = branch
        self._unsaved: dict[str, Placed | None] = {}
        self._cleared: set[int] = set()
        self._due: dict[int, None] = {}
        self._replaced: list[tuple[str, Placed | None]] = []
        self._known: dict[str, Placed] | None = None
        """Every placed path, once it was asked for."""
        self._paths: dict[int, tuple[str, ...]] = {}
        """By document, with what is known: where it is placed, and perhaps was."""
        self._state: int | None = None

    def get(self, path: str) -> Placed | None:
        if path in self._unsaved:
            return self._unsaved[path]
        if self._known is not None:
            return self._all().get(path)
        row = self._db.execute(
            f"{_SELECT} AND d.path = ?", (self._branch, self._versions.known_path(path))
        ).fetchone()
        return _placed(row) if row else None

    def of_document(self, document: int) -> list[Placed]:
        """Where a document's file is or was put; more than one path only after a crash."""
        if self._is_little:
            rows = [*self._select("AND d.document = ?", document).values(), *self._unsaved.values()]
            return [row for row in rows if row is not None and row.document == document]
        known = self._all()
        found = [known.get(path) for path in self._paths.get(document, ())]
        return [placed for placed in found if placed is not None and placed.document == document]

    def all(self) -> dict[str, Placed]:
        """Every placed path."""
        return dict(self._all())

    def within(self, paths: Collection[str]) -> dict[str, Placed]:
        """Every placed path that is one of these or below one."""
        here = {path: row for path in paths if (row := self.get(path)) is not None}
        above = tuple(f"{path}/" for path in paths if path not in here)  # nothing is below a file
        if not above:
            return here
        if not self._is_little:
            return here | {path: row for path, row in self._all().items() if path.startswith(above)}
        for start in above:
            below = to_bytes(start)
            here |= self._select("AND p.name >= ? AND p.name < ?", below, below[:-1] + b"0")  # "0" follows "/"
        return here | {path: row for path, row in self._unsaved.items() if row and path.startswith(above)}

    def put(self, placed: Placed) -> None:
        self._learn(placed.path, placed)

    def remove(self, path: str) -> None:
        self._learn(path, None)

    def mark(self) -> tuple[int, int]:
        """What is unsaved and due now, to go back to when a transaction is rolled back."""
        return len(self._replaced), len(self._due)

    def back_to(self, mark: tuple[int, int]) -> None:
        """Forget what a rolled back transaction had learnt."""
        self._known = None
        while len(self._replaced) > mark[0]:
            path, before = self._replaced.pop()
            if before is _NOTHING:
                del self._unsaved[path]
            else:
                self._unsaved[path] = before
        while len(self._due) > mark[1]:
            self._due.popitem()

    def pend(self, document: int) -> None:
        """In the open transaction: this document's file is about to change."""
        self._db.execute("INSERT OR IGNORE INTO pending (branch, document) VALUES (?,?)", (self._branch, document))
        self._cleared.discard(document)
        self._due[document] = None

    def is_due(self, document: int) -> bool:
        """Whether the document's file waits for the open transaction to end."""
        return document in self._due

    @property
    def due_count(self) -> int:
        return len(self._due)

    def due_since(self, count: int) -> set[int]:
        return set(list(self._due)[count:])

    def take_due(self) -> list[int]:
        """The documents that were pended since this was last asked."""
        due, self._due = list(self._due), {}
        return due

    def pending(self) -> list[int]:
        rows = self._db.execute("SELECT document FROM pending WHERE branch = ?", (self._branch,)).fetchall()
        return [document for (document,) in rows]

    def clear(self, documents: list[int]) -> None:
        """After a sync: these files are known to be on the disk."""
        self._cleared.update(documents)

    @property
    def dirty(self) -> bool:
        return bool(self._unsaved or self._cleared)

    def save(self) -> None:
        """Write what was learnt, in the open transaction."""
        for path, placed in self._unsaved.items():
            path_id = self._versions.path_id(path)
            if placed is None:
                self._db.execute("DELETE FROM disk WHERE branch = ? AND path = ?", (self._branch, path_id))
                continue
            s = placed.stamp
            stamp = (s.size, s.mtime, s.ctime, s.inode) if s else (None,) * 4
            self._db.execute(
                "INSERT OR REPLACE INTO disk (branch, path, document, number, size, mtime, ctime, inode, checked)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                (self._branch, path_id, placed.document, placed.number, *stamp, placed.checked),
            )
        for document in self._cleared:
            self._db.execute("DELETE FROM pending WHERE branch = ? AND document = ?", (self._branch, document))

    def saved(self) -> None:
        """The transaction that took the rows along is durable."""
        self._unsaved.clear()
        self._replaced.clear()
        self._cleared.clear()

    @property
    def _is_little(self) -> bool:
        """Whether asking the database for what is wanted is quicker than to know all of it."""
        return self._known is None and len(self._unsaved) <= FEW

    def _select(self, where: str, *values: int | bytes) -> dict[str, Placed]:
        """The rows that a condition finds, by path, without those that are known to be gone or another's by now."""
        rows = map(_placed, self._db.execute(f"{_SELECT} {where}", (self._branch, *values)).fetchall())
        return {row.path: row for row in rows if row.path not in self._unsaved}

    def _all(self) -> dict[str, Placed]:
        # Other connections' commits change the number; what they learnt is read anew.
        (state,) = (0,) if self._writing else self._db.execute("PRAGMA data_version").fetchone()
        if self._known is None or state != self._state:
            self._known, self._paths, self._state = {}, {}, state
            for placed in map(_placed, self._db.execute(_SELECT, (self._branch,)).fetchall()):
                self._add(placed.path, placed)
            for path, unsaved in self._unsaved.items():
                self._add(path, unsaved)
        return self._known

    def _add(self, path: str, placed: Placed | None) -> None:
        assert self._known is not None
        if placed is None:
            self._known.pop(path, None)
            return
        self._known[path] = placed
        before = self._paths.get(placed.document, ())
        if path not in before:
            self._paths[placed.document] = (*before, path)

    def _learn(self, path: str, placed: Placed | None) -> None:
        if self._known is not None:
            self._add(path, placed)
        self._replaced.append((path, self._unsaved.get(path, _NOTHING)))
        self._unsaved[path] = placed


_SELECT = (
    "SELECT p.name, d.document, d.number, d.size, d.mtime, d.ctime, d.inode, d.checked"
    " FROM disk d JOIN path p ON p.id = d.path WHERE d.branch = ?"
)


def _placed(row: tuple[bytes, int, int, int | None, int, int, int, int]) -> Placed:
    stamp = None if row[3] is None else Stamp(row[3], row[4], row[5], row[6])
    return Placed(to_path(row[0]), row[1], row[2], stamp, row[7])
