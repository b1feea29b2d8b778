"""Verify: recompute every digest and every projection, and compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .contents import digest
from .errors import Damaged
from .journal import GENESIS, chain_fields, link
from .models import BEGUN, CHANGES, INSTANT, to_path
from .store import Store

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
    """Check the hash chain, every content's bytes, every version's parents and every projection.

    ``progress`` gets the contents done and their number. Reads only, in pages.
    """
    problems: list[str] = []
    counts = dict.fromkeys(("entries", "operations", "versions", "contents"), 0)
    checks = (
        _chain(store, counts), _contents(store, counts, progress), _versions(store), _projections(store),
        _coverage(store), _file(store),
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
        page = store.journal.entries(after=at, upto=end, limit=500)
        if not page:
            yield f"Entries after {at} are missing."
            return
        rows = _version_rows(store, page[0].id, page[-1].id)
        details = dict(
            store.db.execute(
                "SELECT id, detail FROM entry WHERE id >= ? AND id <= ?", (page[0].id, page[-1].id)
            ).fetchall()
        )
        for entry in page:
            if entry.id != at + 1:
                yield f"Entry {at + 1} is missing."
            if entry.time < newest:
                yield f"Entry {entry.id} is older than the one before it."
            made = rows.get(entry.id, [])
            payload = store.contents.digest_of(entry.payload) if entry.payload is not None else None
            chain = link(chain, chain_fields(entry), payload, details[entry.id], made)
            if chain != entry.chain:
                yield f"Entry {entry.id} does not match the hash chain."
                chain = entry.chain  # name each damaged entry once, not all that follow
            counts["entries"] += 1
            counts["operations"] += entry.phase in (INSTANT, BEGUN)
            counts["versions"] += len(made)
            at, newest = entry.id, entry.time


def _version_rows(store: Store, first: int, last: int) -> dict[int, list[list[Any]]]:
    rows = store.db.execute(
        "SELECT v.entry, v.document, v.number, v.parent, v.merged, v.change, p.name, v.mode, c.digest,"
        " v.added, v.removed FROM version v JOIN path p ON p.id = v.path LEFT JOIN content c ON c.id = v.content"
        " WHERE v.entry >= ? AND v.entry <= ? ORDER BY v.entry, v.document, v.number",
        (first, last),
    ).fetchall()
    out: dict[int, list[list[Any]]] = {}
    for entry, document, number, parent, merged, change, name, mode, content, added, removed in rows:
        change_name = CHANGES[change] if change in range(len(CHANGES)) else "?"
        row = [document, number, parent, merged, change_name, to_path(name), mode]
        out.setdefault(entry, []).append([*row, content.hex() if content else None, added, removed])
    return out


def _contents(store: Store, counts: dict[str, int], progress: Callable[[int, int], None]) -> Iterator[str]:
    (total,) = store.db.execute("SELECT count(*) FROM content").fetchone()
    counts["contents"], at, done = total, 0, 0
    while True:
        rows = store.db.execute(
            "SELECT id, digest, size, data IS NULL FROM content WHERE id > ? ORDER BY id LIMIT 200", (at,)
        ).fetchall()
        if not rows:
            return
        for id_, name, size, forgotten in rows:
            at = id_
            if not forgotten:
                try:
                    content = store.contents.get(id_)
                except Damaged as error:
                    yield str(error)
                else:
                    if len(content) != size or digest(content) != name:
                        yield f"Content {id_} does not match its digest."
            done += 1
        progress(done, total)


def _versions(store: Store) -> Iterator[str]:
    checks = {
        "has no parent that exists": "parent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM version p"
        " WHERE p.document = v.document AND p.number = v.parent AND p.number < v.number)",
        "merges a version that does not exist": "merged IS NOT NULL AND NOT EXISTS (SELECT 1 FROM version p"
        " WHERE p.document = v.document AND p.number = v.merged AND p.number < v.number)",
        "belongs to no entry": "NOT EXISTS (SELECT 1 FROM entry WHERE id = v.entry)",
        "has no content": "content IS NOT NULL AND NOT EXISTS (SELECT 1 FROM content WHERE id = v.content)",
        "is out of sequence": "number > 1 AND NOT EXISTS (SELECT 1 FROM version p"
        " WHERE p.document = v.document AND p.number = v.number - 1)",
    }
    for what, condition in checks.items():
        for document, number in store.db.execute(
            f"SELECT document, number FROM version v WHERE {condition} LIMIT 50"
        ).fetchall():
            yield f"Version {number} of document {document} {what}."


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
            "SELECT id, name, parent, fork FROM branch WHERE id > 1",
            "SELECT json_extract(detail, '$.branch'), name, json_extract(detail, '$.parent'),"
            " json_extract(detail, '$.fork') FROM entry WHERE kind = (SELECT id FROM term WHERE value = 'branch')",
        ),
    }
    for name, (kept, derived) in same.items():
        (differ,) = store.db.execute(
            f"SELECT (SELECT count(*) FROM ({kept} EXCEPT {derived}))"
            f" + (SELECT count(*) FROM ({derived} EXCEPT {kept}))"
        ).fetchone()
        if differ:
            yield f"The projection of {name} differs from the journal in {differ} rows."


def _coverage(store: Store) -> Iterator[str]:
    from .coverage import replay

    kept = store.db.execute(
        "SELECT branch, p.name, since, until, reason FROM coverage c JOIN path p ON p.id = c.path"
    ).fetchall()
    derived = replay(store)
    if {(b, to_path(n), s, u, r) for b, n, s, u, r in kept} != derived:
        yield "The projection of coverage differs from the journal."


def _file(store: Store) -> Iterator[str]:
    for (line,) in store.db.execute("PRAGMA integrity_check(20)"):  # the quick one takes indexes on trust
        if line != "ok":
            yield f"The database file: {line}."
