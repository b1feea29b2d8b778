"""The tables, as ordered migrations. A migration that has been released is never edited."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from workspace.errors import Failed, WorkspaceError
from workspace.store.engine import Connection, connect

APPLICATION_ID = 0x574B_4E47  # "WKNG"

FIRST = """
-- Repeated words (actors, kinds, sessions, models) and path names, each stored once.
CREATE TABLE term (id INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE path (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

-- Truth: the journal. `operation` is the entry that began the operation.
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    operation INTEGER NOT NULL,
    phase INTEGER NOT NULL,            -- 0 instant, 1 begun, 2 ended, 3 part
    time INTEGER NOT NULL,             -- microseconds since 1970, never decreasing
    kind INTEGER NOT NULL REFERENCES term,
    name TEXT,
    actor INTEGER REFERENCES term,
    session INTEGER REFERENCES term,
    parent INTEGER,                    -- the operation that caused this one
    branch INTEGER NOT NULL,
    step INTEGER,
    attempt INTEGER,
    decision INTEGER REFERENCES term,
    outcome INTEGER REFERENCES term,
    model INTEGER REFERENCES term,
    tokens_input INTEGER,
    tokens_output INTEGER,
    tokens_cached INTEGER,
    tokens_reasoning INTEGER,
    tokens_estimated INTEGER,
    cost INTEGER,                      -- 1e-9 USD
    ref BLOB,                          -- what it is elsewhere: a git commit, a provider's message
    payload INTEGER REFERENCES content,
    detail TEXT,                       -- JSON object
    chain BLOB NOT NULL                -- SHA-256 over the previous chain, this entry and its versions
) STRICT;
CREATE INDEX entry_operation ON entry (operation) WHERE phase >= 2;
CREATE INDEX entry_parent ON entry (parent) WHERE parent IS NOT NULL;
CREATE INDEX entry_session ON entry (session, id) WHERE session IS NOT NULL;
CREATE INDEX entry_model ON entry (id) WHERE model IS NOT NULL;
CREATE INDEX entry_running ON entry (id) WHERE phase = 1;

-- Truth: one row for every state a document ever had.
CREATE TABLE version (
    document INTEGER NOT NULL,
    number INTEGER NOT NULL,
    branch INTEGER NOT NULL,
    parent INTEGER,
    merged INTEGER,                    -- second parent of a merge
    entry INTEGER NOT NULL REFERENCES entry,
    change INTEGER NOT NULL,
    path INTEGER NOT NULL REFERENCES path,
    mode INTEGER,                      -- st_mode: type and permissions; NULL where deleted
    content INTEGER REFERENCES content,
    added INTEGER,                     -- lines; NULL for binary
    removed INTEGER,
    seal INTEGER NOT NULL,             -- CRC-32 over this row, its path's name and its content's digest
    PRIMARY KEY (document, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX version_entry ON version (entry);
CREATE INDEX version_branch ON version (branch, document, entry);

-- Truth: bytes, each distinct content once, most as a delta against another.
CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,              -- SHA-256 of the whole content
    size INTEGER NOT NULL,
    base INTEGER,                      -- NULL: stored by itself
    keyframe INTEGER NOT NULL,
    depth INTEGER NOT NULL,
    cost INTEGER NOT NULL,             -- bytes decoded along the chain
    data BLOB                          -- NULL once forgotten
) STRICT;
CREATE INDEX content_digest ON content (substr(digest, 1, 5));

-- Projections of the journal: rebuilt and compared by verify.
CREATE TABLE branch (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, parent INTEGER, fork INTEGER
) STRICT;
CREATE TABLE document (id INTEGER PRIMARY KEY, numbers INTEGER NOT NULL) STRICT;
CREATE TABLE place (
    path INTEGER NOT NULL, document INTEGER NOT NULL, PRIMARY KEY (path, document)
) STRICT, WITHOUT ROWID;
CREATE TABLE coverage (
    path INTEGER NOT NULL, branch INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER,
    reason TEXT NOT NULL, bytes INTEGER,
    PRIMARY KEY (branch, path, since)
) STRICT, WITHOUT ROWID;

-- Knowledge about the working directory: what we last put or saw at each path.
CREATE TABLE disk (
    branch INTEGER NOT NULL, path INTEGER NOT NULL, document INTEGER NOT NULL,
    number INTEGER NOT NULL, size INTEGER, mtime INTEGER, ctime INTEGER, inode INTEGER,
    checked INTEGER,
    PRIMARY KEY (branch, path)
) STRICT, WITHOUT ROWID;
-- Documents whose file may not yet equal their head on a synced disk.
CREATE TABLE pending (
    branch INTEGER NOT NULL, document INTEGER NOT NULL, PRIMARY KEY (branch, document)
) STRICT, WITHOUT ROWID;

INSERT INTO branch (id, name) VALUES (1, 'main');
"""

KINDS = """
-- The prompts, plans, attempts of a long history without reading all of it; imports have a ref and are left out.
CREATE INDEX entry_kind ON entry (kind, id) WHERE phase < 2 AND ref IS NULL;
"""

COPIES = """
-- Knowledge about the machine: in which folder a branch is checked out, each in one at most.
CREATE TABLE working_copy (
    branch INTEGER PRIMARY KEY,
    root BLOB NOT NULL,
    inode INTEGER,                     -- of the folder: how it is known again once it has moved
    power_failed INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO working_copy (branch, root) SELECT 1, CAST(value AS BLOB) FROM meta WHERE key = 'root';
DELETE FROM meta WHERE key = 'root';
"""

OUTSIDE = """
-- What operations changed outside of the history (ignored, secret, too large, git's state), and what is kept of it.
CREATE TABLE outside (
    id INTEGER PRIMARY KEY,            -- names the kept file
    operation INTEGER NOT NULL,
    path INTEGER NOT NULL REFERENCES path,
    change INTEGER NOT NULL,           -- 0 created, 1 edited, 2 deleted
    reason TEXT NOT NULL,
    source BLOB,                       -- where what comes in lies, below the store
    copied INTEGER NOT NULL,
    before INTEGER,                    -- inode of what is displaced
    bytes INTEGER NOT NULL,            -- of what is kept
    size INTEGER, mtime INTEGER, ctime INTEGER, inode INTEGER, -- of what was put in place
    entries BLOB,                      -- of a git index put in place: a digest of what it lists
    reverses INTEGER,                  -- the row that this one takes back
    at INTEGER NOT NULL,               -- ns since 1970
    state INTEGER NOT NULL             -- 0 intended, 1 done, 2 evicted, 3 returned, 4 refused
) STRICT;
CREATE INDEX outside_operation ON outside (operation);
CREATE INDEX outside_state ON outside (state, id);
CREATE INDEX outside_reverses ON outside (reverses) WHERE reverses IS NOT NULL;
"""

PLACES = """
-- Where one document's file is, without reading where all of them are.
CREATE INDEX disk_document ON disk (branch, document);
"""

MIGRATIONS: Sequence[str] = (FIRST, KINDS, COPIES, OUTSIDE, PLACES)


def migrate(connection: Connection, migrations: Sequence[str] = MIGRATIONS) -> int:
    """Bring the database to the newest schema, each step in a transaction of its own.

    Returns the number of migrations applied. Raises WorkspaceError for a database
    that a newer or another program wrote, and leaves it untouched.
    """
    applied = 0
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            (have,) = connection.execute("PRAGMA user_version").fetchone()
            check_ours(connection)
            if have > len(migrations):
                raise WorkspaceError(
                    f"This history was written by a newer version (schema {have}); update this program."
                )
            if have == len(migrations):
                return applied
            for statement in _statements(migrations[have]):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={have + 1}")
            connection.execute("COMMIT")
            applied += 1
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def check_owner(path: Path) -> None:
    """Refuse a file that another program wrote, without changing a byte of it. Raises WorkspaceError.

    Opening a database for writing switches its journal, or finishes what its program left
    half done. So a reader looks first; opening the file by ourselves would end the locks
    that this process has on it.
    """
    try:
        size = path.stat().st_size
    except OSError:
        return  # there is none yet, or connecting says what is wrong
    if size == 0:
        return
    try:
        with closing(connect(path, read_only=True)) as connection:
            check_ours(connection)
    except Failed:
        if size > _PAGE:
            raise


def check_ours(connection: Connection) -> None:
    """Raise WorkspaceError where another program made this database."""
    (have,) = connection.execute("PRAGMA user_version").fetchone()
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    if mark != APPLICATION_ID and (have or mark or _has_tables(connection)):
        raise WorkspaceError("This database belongs to another program; nothing was changed.")


_PAGE = 4096
"""Bytes of a database with nothing in it: it may be ours, killed while it was being made."""


def _has_tables(connection: Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is not None


def _statements(script: str) -> list[str]:
    """The single statements of a script, without what only people read: the database keeps their text.

    None of ours holds a semicolon or white space that matters inside a literal.
    """
    bare = "\n".join(line.partition("--")[0] for line in script.splitlines())
    return [statement for part in bare.split(";") if (statement := " ".join(part.split()))]
