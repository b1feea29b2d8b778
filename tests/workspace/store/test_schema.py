"""Migrations: in order, each whole; what a newer or another program wrote is refused and left as it is."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from workspace.errors import Failed, WorkspaceError
from workspace.store import engine
from workspace.store.engine import Connection, connect
from workspace.store.schema import APPLICATION_ID, MIGRATIONS, migrate
from workspace.store.store import FILE, Store

STEPS = (
    "CREATE TABLE one (a INTEGER) STRICT; INSERT INTO one VALUES (1);",
    "-- a comment; with a semicolon\nALTER TABLE one ADD COLUMN b TEXT; -- and another\nUPDATE one SET b = 'two';",
    "CREATE TABLE three (c BLOB) STRICT;\nINSERT INTO three SELECT a FROM one WHERE 0;\nCREATE INDEX i ON three (c);",
)


@contextmanager
def opened(path: Path) -> Iterator[Connection]:
    connection = connect(path)
    try:
        yield connection
    finally:
        connection.close()


def _schema(connection: Connection) -> list[tuple[str, ...]]:
    return connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()


@pytest.mark.parametrize("have", range(len(STEPS) + 1))
def test_a_database_of_any_older_version_is_brought_up_to_date(tmp_path: Path, have: int) -> None:
    with opened(tmp_path / "old.db") as old, opened(tmp_path / "new.db") as new:
        assert migrate(old, STEPS[:have]) == have
        assert migrate(old, STEPS) == len(STEPS) - have
        assert migrate(old, STEPS) == 0
        migrate(new, STEPS)
        assert _schema(old) == _schema(new)
        assert old.execute("SELECT * FROM one").fetchall() == [(1, "two")]
        assert old.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
        assert old.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


@pytest.mark.parametrize("fails_at", range(len(STEPS)))
def test_a_migration_that_fails_leaves_the_version_before_it(tmp_path: Path, fails_at: int) -> None:
    broken = [*STEPS[:fails_at], STEPS[fails_at] + "\nINSERT INTO nowhere VALUES (1);"]
    with opened(tmp_path / "a.db") as connection, opened(tmp_path / "b.db") as expected:
        with pytest.raises(Failed):
            migrate(connection, broken)
        migrate(expected, STEPS[:fails_at])
        assert _schema(connection) == _schema(expected)
        assert connection.execute("PRAGMA user_version").fetchone() == (fails_at,)
        assert not connection.in_transaction
        assert migrate(connection, STEPS) == len(STEPS) - fails_at


def test_every_released_schema_reaches_the_newest(tmp_path: Path) -> None:
    with opened(tmp_path / "new.db") as new:
        migrate(new)
        for have in range(1, len(MIGRATIONS)):
            with opened(tmp_path / f"{have}.db") as old:
                migrate(old, MIGRATIONS[:have])
                migrate(old)
                assert _schema(old) == _schema(new)


def _refused_and_untouched(path: Path, sentence: str) -> None:
    before = hashlib.sha256(path.read_bytes()).digest()
    with opened(path) as connection, pytest.raises(WorkspaceError, match=sentence):
        migrate(connection, STEPS)
    assert hashlib.sha256(path.read_bytes()).digest() == before


def test_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    with opened(path) as connection:
        migrate(connection, [*STEPS, "CREATE TABLE four (d) ;"])
    _refused_and_untouched(path, "newer version")


@pytest.mark.parametrize(
    "owner",
    ["PRAGMA application_id=7", "PRAGMA user_version=1", "PRAGMA application_id=7; PRAGMA user_version=1", ""],
)
def test_the_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path, owner: str) -> None:
    path = tmp_path / "foreign.db"
    with opened(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
        for statement in owner.split(";"):
            connection.execute(statement)
    _refused_and_untouched(path, "another program")


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(b"not a database, but somebody's notes\n" * 100)
    for read_only in (True, False):
        with pytest.raises(WorkspaceError):
            Store.open(tmp_path, read_only=read_only)
    assert path.read_bytes() == b"not a database, but somebody's notes\n" * 100


def test_a_reader_refuses_another_schema(tmp_path: Path) -> None:
    with opened(tmp_path / FILE) as connection:
        migrate(connection, STEPS[:1])
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    with pytest.raises(WorkspaceError, match="schema"):
        Store.open(tmp_path, read_only=True)


def test_two_programs_that_open_a_new_store_at_once_agree(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as first, opened(tmp_path / "a.db") as second:
        first.execute("BEGIN IMMEDIATE")
        second.execute("PRAGMA busy_timeout=0")
        with pytest.raises(Failed, match="locked"):
            migrate(second, STEPS)
        first.execute("ROLLBACK")
        assert migrate(first, STEPS) == len(STEPS)
        assert migrate(second, STEPS) == 0


def test_the_engine_is_one_without_the_corruption_bug() -> None:
    assert engine.version() >= engine.SAFE_VERSION


def test_writers_sync_every_commit(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize("journal", ["delete", "wal", "wal, not folded in"])
@pytest.mark.parametrize("marked", [True, False])
def test_a_store_that_another_program_wrote_keeps_every_byte(tmp_path: Path, journal: str, marked: bool) -> None:
    path = tmp_path / FILE
    theirs = engine.driver.connect(path, isolation_level=None)
    theirs.execute(f"PRAGMA journal_mode={journal.partition(',')[0]}")
    if marked:
        theirs.execute("PRAGMA application_id=7")
    theirs.execute("CREATE TABLE theirs (a)")
    theirs.execute("INSERT INTO theirs VALUES (1)")
    if "," not in journal:
        theirs.close()
    before = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(WorkspaceError, match="another program"):
            Store.open(tmp_path, read_only=read_only)
    assert path.read_bytes() == before
    theirs.close()
    with closing(engine.driver.connect(path)) as again:
        assert again.execute("SELECT a FROM theirs").fetchall() == [(1,)]


def test_a_foreign_store_in_the_middle_of_a_transaction_is_left_to_its_program(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with closing(engine.driver.connect(path, isolation_level=None)) as theirs:
        theirs.execute("CREATE TABLE theirs (a)")
        theirs.executemany("INSERT INTO theirs VALUES (?)", [(b"x" * 1000,)] * 100)
    code = f"""
import os, sqlite3
db = sqlite3.connect({str(path)!r}, isolation_level=None)
db.execute("PRAGMA cache_size=1")
db.execute("BEGIN")
db.execute("UPDATE theirs SET a = zeroblob(1000)")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert f"{FILE}-journal" in before
    with pytest.raises(WorkspaceError, match="cannot be opened"):
        Store.open(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_store_whose_birth_was_cut_short_is_still_ours(tmp_path: Path) -> None:
    connect(tmp_path / FILE).close()  # an empty database in WAL mode, no schema yet
    Store.open(tmp_path).close()
    (tmp_path / "second").mkdir()
    code = f"""
import os
from pathlib import Path
from workspace.store.store import Store
store = Store.open(Path({str(tmp_path / "second")!r}))
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    born = tmp_path / "second" / FILE
    assert born.read_bytes()[68:72] != APPLICATION_ID.to_bytes(4, "big")  # all of it is in the log
    with closing(Store.open(tmp_path / "second")) as store:
        assert store.journal.last() == 0
