"""What a history takes on the disk, never repacked, against the pack of ``git gc --aggressive``."""

from __future__ import annotations

from collections.abc import Iterator

from workspace.store.store import FILE, Store

from .lab import Lab, Past
from .measure import Row, Target, size

SEARCH = "search"
"""What the names of the tables that only serve the search begin with."""


def rows(lab: Lab) -> Iterator[Row]:
    for past in lab.histories():
        contents, searching, whole = measure(past)
        what, pack = f"{past.name}, {past.versions:,} versions", size(past.pack)
        yield Row(f"contents of {what}", size(contents), pack, contents / past.pack, Target(0.9))
        rest = whole - searching
        yield Row("  everything but the search tables", size(rest), pack, rest / past.pack, Target(1.6))
        if searching:
            yield Row("  the search tables", size(searching), pack, searching / past.pack)


def measure(past: Past) -> tuple[int, int, int]:
    """Bytes of the contents, of the tables for searching, and of the whole database file."""
    import apsw

    store = Store.open(past.store, read_only=True)
    (contents,) = store.db.execute("SELECT sum(length(data)) FROM content").fetchone()
    store.close()
    file = past.store / FILE
    database = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    (searching,) = next(
        database.execute(
            "SELECT total(pgsize) FROM dbstat WHERE name IN"
            " (SELECT name FROM sqlite_schema WHERE tbl_name LIKE ? || '%')",
            (SEARCH,),
        )
    )
    database.close()
    return contents, int(searching), file.stat().st_size
