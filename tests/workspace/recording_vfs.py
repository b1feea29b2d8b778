"""SQLite on files that are watched: every change is logged, and any of them can be made to fail.

``Watched`` is a SQLite file system (VFS) over the ordinary one. ``connect`` opens a database
through it and returns what ``workspace.store.Store`` needs of a connection. ``Disk`` answers
what a disk may hold if the power fails in the middle of such a log.

Python cannot offer SQLite shared memory, so the connection holds the database exclusively and
keeps the index of the WAL on its heap. The ``-shm`` file never matters to durability: SQLite
builds it anew from the WAL.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

import apsw

from workspace.errors import Failed
from workspace.store import engine

SECTOR = 512


FOLDER = "."
"""The name under which the log holds syncs of the folder itself, which make deletions certain."""


class Change(NamedTuple):
    """One thing that SQLite asked of the disk. ``offset``: where a write begins, or a truncation cuts."""

    kind: Literal["write", "truncate", "sync", "delete"]
    file: str
    offset: int = 0
    data: bytes = b""


class Watched(apsw.VFS):
    """The ordinary file system, with a log of all changes and a say in each.

    ``before`` is called with every change that is about to happen; what it raises
    (``FULL``, ``BROKEN``, ``READ_ONLY``) becomes the engine's own error, and nothing happens.
    """

    _numbers = itertools.count()

    def __init__(self, before: Callable[[Change], None] = lambda change: None) -> None:
        self.name = f"watched-{next(self._numbers)}"
        self.log: list[Change] = []
        self.before = before
        super().__init__(self.name, "unix")

    def note(self, change: Change) -> None:
        self.before(change)
        self.log.append(change)

    def xOpen(self, name: Any, flags: list[int]) -> _File:
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.note(Change("delete", Path(filename).name))
        super().xDelete(filename, syncdir)
        if syncdir:
            self.log.append(Change("sync", FOLDER))

    def excepthook(self, *_: Any) -> None:
        """Errors that SQLite has nobody to report to are not printed either."""


class _File(apsw.VFSFile):
    def __init__(self, owner: Watched, name: Any, flags: list[int]) -> None:
        self._owner = owner
        self._name = Path(name if isinstance(name, str) else name.filename()).name
        # The layer below syncs the folder along with the first sync of a journal or WAL it opened.
        self._folder_too = bool(flags[0] & (apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL))
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._owner.note(Change("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._owner.note(Change("truncate", self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._owner.note(Change("sync", self._name))  # the log is all that a simulated power cut needs
        if self._folder_too:
            self._owner.log.append(Change("sync", FOLDER))
            self._folder_too = False

    def excepthook(self, *_: Any) -> None:
        pass


def full() -> apsw.Error:
    """The error of a disk without room."""
    return apsw.FullError("no space left on the device")


def broken() -> apsw.Error:
    """The error of a disk that refuses a write."""
    error = apsw.IOError("input/output error")
    error.extendedresult = apsw.SQLITE_IOERR_WRITE
    return error


class Connection:
    """An apsw connection with the manners of the engine's own: what a Store asks of one, no more."""

    def __init__(self, path: Path, vfs: Watched) -> None:
        try:
            self._db = apsw.Connection(str(path), vfs=vfs.name)
            self.execute("PRAGMA locking_mode=EXCLUSIVE")
        except apsw.Error as error:
            raise engine.failure(error) from error

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        try:
            return Rows(self._db.execute(sql, tuple(values)))
        except apsw.Error as error:
            raise engine.failure(error) from error

    def executemany(self, sql: str, many: Iterable[Sequence[Any]]) -> None:
        for values in many:
            self.execute(sql, values)

    def close(self) -> None:
        with suppress(apsw.Error):  # SQLite closes whatever happens, and says nothing of a failed last write
            self._db.close()


class Rows:
    """The rows of one statement, all read at once so that no statement stays open."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows = iter(list(rows))

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)


def connect(path: Path, vfs: Watched) -> Connection:
    """A connection to a watched database, with every pragma that the program's own have."""
    connection = Connection(path, vfs)
    try:
        engine.prepare(connection)  # type: ignore[arg-type]
    except Failed:
        connection.close()
        raise
    return connection


class Disk:
    """What a disk is sure to hold after a log of changes, and what it was merely asked to hold.

    A sync of a file makes all earlier changes of that file certain, a sync of the folder all
    earlier deletions; neither says anything of other files. Of what came after it anything may
    have reached the disk, whatever its order: some writes and not others, and of one write
    some sectors and not others.
    """

    def __init__(self) -> None:
        self._certain: dict[str, bytearray | None] = {}
        self._asked: dict[str, list[Change]] = {}

    def take(self, change: Change) -> None:
        """The next change of the log happened."""
        if change == Change("sync", FOLDER):
            for name, asked in self._asked.items():
                for index, earlier in reversed(list(enumerate(asked))):
                    if earlier.kind == "delete":
                        self._certain[name], self._asked[name] = None, asked[index + 1 :]
                        break
            return
        asked = self._asked.setdefault(change.file, [])
        if change.kind == "sync":
            self._certain[change.file] = _apply(self._certain.get(change.file), asked)
            asked.clear()
        else:
            asked.append(change)

    def after_power_cut(self, random: Random) -> dict[str, bytes]:
        """The files as the next start may find them, by name: one of the many possibilities."""
        found = {}
        survival = random.choice((0.0, 0.5, 0.9, 1.0, random.random()))
        for name, asked in self._asked.items():
            certain = self._certain.get(name)
            start = None if certain is None else bytearray(certain)
            content = _apply(start, _survivors(asked, survival, random))
            if content is not None:
                found[name] = bytes(content)
        return found


def _apply(content: bytearray | None, changes: Iterable[Change]) -> bytearray | None:
    """A file (None: it does not exist) after some changes."""
    for change in changes:
        if change.kind == "delete":
            content = None
            continue
        content = bytearray() if content is None else content
        end = change.offset + len(change.data)
        if change.kind == "truncate":
            del content[change.offset :]
        else:
            content.extend(bytes(max(0, end - len(content))))  # a hole reads as zeros
            content[change.offset : end] = change.data
    return content


def _survivors(asked: Sequence[Change], survival: float, random: Random) -> Iterator[Change]:
    """The changes of an unsynced tail that reached the disk.

    Each is kept or not whatever happened to those before it, which is all that reordering can
    show: no disk puts older bytes over newer ones in one place. A deletion that was lost leaves
    the old file under its name, and then what was written to its successor is out of reach.
    """
    for change in asked:
        kept = random.random() < survival
        if change.kind == "delete" and not kept:
            return
        if change.kind == "write" and random.random() < 0.25:
            yield from (sector for sector in _sectors(change) if random.random() < max(survival, 0.1))
        elif kept:
            yield change


def _sectors(write: Change) -> Iterator[Change]:
    """A write cut where the sectors of the disk begin."""
    at = write.offset
    end = write.offset + len(write.data)
    while at < end:
        stop = min(end, (at // SECTOR + 1) * SECTOR)
        yield Change("write", write.file, at, write.data[at - write.offset : stop - write.offset])
        at = stop
