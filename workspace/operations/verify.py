"""Verify: recompute every digest and every projection, and compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workspace.errors import Damaged
from workspace.kinds import Kind
from workspace.records import BEGUN, CHANGES, INSTANT, Entry, to_path
from workspace.store import schema, search_index
from workspace.store.contents import Contents
from workspace.store.engine import SqlRow, memory
from workspace.store.journal import GENESIS, chain_fields, link
from workspace.store.store import Store
from workspace.store.versions import seal_of
from workspace.working_copy import coverage

PROBLEMS = 200
"""Problems listed at most; the counts go on."""


@dataclass(frozen=True, slots=True)
class Report:
    """Counts of what was checked, and sentences about what is wrong (none in a sound history)."""

    entries: int
    operations: int
    versions: int
    contents: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def verify(store: Store, progress: Callable[[int, int], None] = lambda done, total: None) -> Report:
    """Check the hash chain, every content's bytes, every version's record and every projection.

    ``progress`` gets the contents done and their number. Reads only, in pages. That the very
    newest entries are missing altogether cannot be told from the rest.
    """
    problems: list[str] = []
    counts = dict.fromkeys(("entries", "operations", "versions", "contents"), 0)
    checks = (
        _chain(store, counts), _contents(store, counts, progress), _versions(store), _projections(store),
        _coverage(store), search_index.problems(store), _schema(store), _file(store),
    )  # fmt: skip
    for check in checks:
        try:
            for problem in check:
                if len(problems) < PROBLEMS:
                    problems.append(problem)
        except Exception as error:  # noqa: BLE001 - damage can be anywhere, and is what this is to tell
            problems.append(f"A check could not be finished: {error}")
    return Report(counts["entries"], counts["operations"], counts["versions"], counts["contents"], tuple(problems))


def _chain(store: Store, counts: dict[str, int]) -> Iterator[str]:
    chain, newest, at = GENESIS, 0, 0
    end = store.journal.last()
    while at < end:
        ids = [
            id_
            for (id_,) in store.db.execute(
                "SELECT id FROM entry WHERE id > ? ORDER BY id LIMIT 500", (at,)
            ).fetchall()
        ]
        rows = _version_rows(store, ids[0], ids[-1])
        details = dict(
            store.db.execute("SELECT id, detail FROM entry WHERE id >= ? AND id <= ?", (ids[0], ids[-1])).fetchall()
        )
        for id_, entry in zip(ids, _entries(store, ids), strict=True):
            if id_ != at + 1:
                yield f"Entry {at + 1} is missing."
            at = id_
            counts["entries"] += 1
            made = rows.get(id_, [])
            counts["versions"] += len(made)
            if isinstance(entry, Damaged):
                yield str(entry)
                (chain,) = store.db.execute("SELECT chain FROM entry WHERE id = ?", (id_,)).fetchone()
                continue
            if entry.time < newest:
                yield f"Entry {id_} is older than the one before it."
            try:
                payload = store.contents.digest_of(entry.payload) if entry.payload is not None else None
            except Damaged as error:
                yield str(error)
                payload = None
            chain = link(chain, chain_fields(entry), payload, details[id_], made)
            if chain != entry.chain:
                yield f"Entry {id_} does not match the hash chain."
                chain = entry.chain  # name each damaged entry once, not all that follow
            counts["operations"] += entry.phase in (INSTANT, BEGUN)
            newest = entry.time


def _entries(store: Store, ids: list[int]) -> Iterator[Entry | Damaged]:
    """A page of entries; where one of them cannot be read, what is wrong with it."""
    try:
        yield from store.journal.entries(after=ids[0] - 1, upto=ids[-1], limit=len(ids))
    except Damaged:
        for id_ in ids:
            try:
                yield store.journal.entry(id_)
            except Damaged as error:
                yield error


def _version_rows(store: Store, first: int, last: int) -> dict[int, list[SqlRow]]:
    rows = store.db.execute(
        "SELECT v.entry, v.document, v.number, v.parent, v.merged, v.change, p.name, v.mode, c.digest,"
        " v.added, v.removed FROM version v JOIN path p ON p.id = v.path LEFT JOIN content c ON c.id = v.content"
        " WHERE v.entry >= ? AND v.entry <= ? ORDER BY v.entry, v.document, v.number",
        (first, last),
    ).fetchall()
    out: dict[int, list[SqlRow]] = {}
    for entry, document, number, parent, merged, change, name, mode, content, added, removed in rows:
        change_name = CHANGES[change] if change in range(len(CHANGES)) else "?"
        row = [document, number, parent, merged, change_name, to_path(name), mode]
        out.setdefault(entry, []).append([*row, content.hex() if content else None, added, removed])
    return out


def _contents(store: Store, counts: dict[str, int], progress: Callable[[int, int], None]) -> Iterator[str]:
    stored = Contents(store.db)  # what is in memory already says nothing about the disk
    (total,) = store.db.execute("SELECT count(*) FROM content").fetchone()
    counts["contents"], at, done = total, 0, 0
    while True:
        rows = store.db.execute("SELECT id, size FROM content WHERE id > ? ORDER BY id LIMIT 200", (at,)).fetchall()
        if not rows:
            return
        for at, size in rows:
            try:
                if len(stored.get(at)) != size:
                    yield f"Content {at} has another size than was recorded."
            except Damaged as error:
                yield str(error)
            done += 1
        progress(done, total)


def _versions(store: Store) -> Iterator[str]:
    checks = {
        "has no parent that exists": "parent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM version p"
        " WHERE p.document = v.document AND p.number = v.parent AND p.number < v.number)",
        "merges a version that does not exist": "merged IS NOT NULL AND NOT EXISTS (SELECT 1 FROM version p"
        " WHERE p.document = v.document AND p.number = v.merged AND p.number < v.number)",
        "belongs to no entry": "NOT EXISTS (SELECT 1 FROM entry WHERE id = v.entry)",
        "is on another branch than its entry": "EXISTS (SELECT 1 FROM entry"
        " WHERE id = v.entry AND branch <> v.branch)",
        "has no content": "content IS NOT NULL AND NOT EXISTS (SELECT 1 FROM content WHERE id = v.content)",
        "has no path": "NOT EXISTS (SELECT 1 FROM path WHERE id = v.path)",
        "is out of sequence": "number > 1 AND NOT EXISTS (SELECT 1 FROM version p"
        " WHERE p.document = v.document AND p.number = v.number - 1)",
    }
    for what, condition in checks.items():
        for document, number in store.db.execute(
            f"SELECT document, number FROM version v WHERE {condition} LIMIT 50"
        ).fetchall():
            yield f"Version {number} of document {document} {what}."
    last = (0, 0)
    while page := store.db.execute(
        "SELECT v.document, v.number, v.branch, v.parent, v.merged, v.entry, v.change, p.name, v.mode, v.added,"
        " v.removed, c.digest, v.seal FROM version v JOIN path p ON p.id = v.path"
        " LEFT JOIN content c ON c.id = v.content WHERE (v.document, v.number) > (?, ?)"
        " ORDER BY v.document, v.number LIMIT 1000",
        last,
    ).fetchall():
        for *row, seal in page:
            if seal != seal_of(*row):
                yield f"Version {row[1]} of document {row[0]} does not match its seal."
        last = (page[-1][0], page[-1][1])


def _projections(store: Store) -> Iterator[str]:
    same = {
        "document numbers": (
            "SELECT id, numbers FROM document",
            "SELECT document, max(number) FROM version GROUP BY document",
        ),
        "places": (
            "SELECT path, document FROM place",
            "SELECT DISTINCT path, document FROM version WHERE change IN (0, 2)",
        ),
        "branches": (
            "SELECT id, name, parent, fork FROM branch",
            "SELECT 1, 'main', NULL, NULL UNION"
            " SELECT json_extract(detail, '$.branch'), name, json_extract(detail, '$.parent'),"
            " json_extract(detail, '$.fork') FROM entry"
            f" WHERE kind = (SELECT id FROM term WHERE value = '{Kind.BRANCH}')",
        ),
    }
    for name, (kept, derived) in same.items():
        (differ,) = store.db.execute(
            f"WITH kept AS ({kept}), derived AS ({derived})"
            " SELECT (SELECT count(*) FROM (SELECT * FROM kept EXCEPT SELECT * FROM derived))"
            " + (SELECT count(*) FROM (SELECT * FROM derived EXCEPT SELECT * FROM kept))"
        ).fetchone()
        if differ:
            yield f"The projection of {name} differs from the journal in {differ} rows."


def _coverage(store: Store) -> Iterator[str]:
    kept = store.db.execute(
        "SELECT branch, p.name, since, until, reason, bytes FROM coverage c LEFT JOIN path p ON p.id = c.path"
    ).fetchall()
    if {(branch, to_path(name or b""), *rest) for branch, name, *rest in kept} != coverage.replay(store):
        yield "The projection of coverage differs from the journal."


def _schema(store: Store) -> Iterator[str]:
    """Whether every table and index is there as the migrations make it."""
    select = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
    fresh = memory()
    try:
        schema.migrate(fresh)
        expected = dict(fresh.execute(select).fetchall())
    finally:
        fresh.close()
    found = dict(store.db.execute(select).fetchall())
    for name, sql in expected.items():
        if found.get(name) != sql:
            yield f"The database lacks {name}, or has another of that name."


def _file(store: Store) -> Iterator[str]:
    for (line,) in store.db.execute("PRAGMA integrity_check(20)"):  # the quick one takes indexes on trust
        if line != "ok":
            yield f"The database file: {line}."
