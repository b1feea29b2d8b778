"""The one place that knows the SQLite driver: which engine, how a connection is set up."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from sqlite3 import Connection as Connection
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

from workspace.errors import Failed, WorkspaceError

try:  # bundles a current engine; systems often carry one with a WAL corruption bug
    import pysqlite3 as driver
except ImportError:  # pragma: no cover - platforms without the wheel
    driver = sqlite3

SAFE_VERSION = (3, 51, 3)
"""The first SQLite without the WAL-reset corruption bug."""

BUSY_MS = 5_000

SqlRow = Sequence[Any]
"""A row as the database gives it, or takes it."""

P = ParamSpec("P")
R = TypeVar("R")


def version() -> tuple[int, int, int]:
    """The version of the engine in use, e.g. ``(3, 53, 4)``."""
    major, minor, patch = (int(part) for part in driver.sqlite_version.split("."))
    return major, minor, patch


def connect(path: Path, *, read_only: bool = False) -> Connection:
    """A connection to the database at ``path``, in autocommit mode with explicit transactions.

    Writers get WAL and ``synchronous=FULL``: a commit that returned is on the disk.
    Raises WorkspaceError when the engine is too old, Failed when the file cannot be opened.
    """
    if version() < SAFE_VERSION:
        raise WorkspaceError(
            f"SQLite {driver.sqlite_version} can corrupt a database in WAL mode; "
            "install the pysqlite3 wheel, which brings a safe one."
        )
    mode = "ro" if read_only else "rwc"
    if read_only and not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists():
        mode += "&immutable=1"  # readers of a WAL database make a file beside it, and here nobody can
    try:
        connection: Connection = driver.connect(
            f"file:{quote(os.fsencode(path))}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=_Connection,
        )
    except driver.Error as error:
        raise Failed(f"The history at {path} cannot be opened: {error}.") from error
    try:
        prepare(connection, read_only=read_only)
    except Failed as error:
        connection.close()
        raise Failed(f"The history at {path} cannot be opened: {error.__cause__}.") from error
    return connection


def memory() -> Connection:
    """A database in memory, gone when it is closed."""
    connection: Connection = driver.connect(":memory:", isolation_level=None)
    return connection


def prepare(connection: Connection, *, read_only: bool = False) -> None:
    """Set the pragmas that every connection of ours has."""
    execute = connection.execute
    execute(f"PRAGMA busy_timeout={BUSY_MS}")
    execute("PRAGMA trusted_schema=OFF")
    execute("PRAGMA cell_size_check=ON")
    execute(f"PRAGMA cache_size=-{4096 if read_only else 16384}")  # KiB; the kernel keeps what a reader drops
    execute("PRAGMA mmap_size=0")  # as fast, less memory, and a failing disk is an error instead of a signal
    if read_only:
        execute("PRAGMA query_only=ON")
    else:
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        execute("PRAGMA wal_autocheckpoint=4000")


def failure(error: Exception) -> Failed:
    """What to raise for an error of the engine: damage, a full disk, a read-only file and the like."""
    return Failed(f"The history cannot be used: {error}.")


def _told(method: Callable[P, R]) -> Callable[P, R]:
    """The same method of the driver, whose errors are ours."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except (driver.DatabaseError, UnicodeDecodeError) as error:  # damage may be in a text of its own
            raise failure(error) from error

    return call


class _Cursor(driver.Cursor):  # type: ignore[misc]
    execute = _told(driver.Cursor.execute)
    executemany = _told(driver.Cursor.executemany)
    fetchone = _told(driver.Cursor.fetchone)
    fetchmany = _told(driver.Cursor.fetchmany)
    fetchall = _told(driver.Cursor.fetchall)
    __next__ = _told(driver.Cursor.__next__)


class _Connection(driver.Connection):  # type: ignore[misc]
    """The driver's connection, raising Failed: a damaged or full disk is an everyday error to say well."""

    def cursor(self, factory: type[_Cursor] = _Cursor) -> _Cursor:
        cursor: _Cursor = super().cursor(factory)
        return cursor

    def execute(self, sql: str, values: SqlRow = ()) -> _Cursor:
        cursor: _Cursor = self.cursor().execute(sql, values)
        return cursor

    def executemany(self, sql: str, values: Iterable[SqlRow]) -> _Cursor:
        cursor: _Cursor = self.cursor().executemany(sql, values)
        return cursor


NAME: str = driver.__name__
"""The driver in use, for a person."""
