"""Search: the versions in which the number of occurrences of a string changed, newest first.

The index is a projection that is filled behind the journal, in blocks of consecutive
versions. A block's trigrams (FTS5) are those of the lines that its versions added and
removed; its row keeps the lines of small changes, checksummed, so that most candidates are
verified without reading their contents. What the index does not cover yet is read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import zstandard

from . import lines
from .errors import Damaged, Failed, WorkspaceError
from .history import History
from .models import Version, to_bytes
from .store import Store

TABLES = (
    "CREATE VIRTUAL TABLE search_lines USING fts5(text, content='', detail=none, columnsize=0, tokenize='trigram')",
    # One transaction's trigrams stay in memory until it ends: fewer, larger segments.
    "INSERT INTO search_lines (search_lines, rank) VALUES ('hashsize', 16777216)",
    # Up to which version the block reaches; data as _pack makes it.
    "CREATE TABLE search_block (id INTEGER PRIMARY KEY, entry INTEGER NOT NULL, document INTEGER NOT NULL,"
    " number INTEGER NOT NULL, data BLOB NOT NULL) STRICT",
)
"""Made by the first call of ``index``: a history that nobody searches has none of it."""

BLOCK = 16
"""Versions in a block, at most."""
BLOCK_BYTES = 8 << 10
"""Bytes of changed lines after which a block is full."""
KEPT = 32 << 10
"""Bytes of changed lines that are kept with a block; larger changes are verified on their contents."""
KEPT_WHOLE = 512
"""The same for a document that appears or goes: its lines are its content, which is quick to read."""
BUDGET_BYTES = 8 << 20
"""Bytes of changed lines after which one call of ``index`` ends."""
PAGE = 16
"""Versions or blocks read at a time."""
AHEAD = 16 << 20
"""Bytes of contents that are read in the order in which they are stored, before they are asked for."""

TERMS = 32
"""Trigrams asked for, about; each of them narrows the candidates, and costs."""

_TEXT = re.compile(rb"[ -~]{3,}")
_BINARY = "\u2401\u2401\u2401"
"""Stands in a block for a binary version: only its runs of printable ASCII are indexed."""
_LOST = "\u2402\u2402\u2402"
"""Stands in a block for a version whose bytes could not be read: it may be found when they can be again."""


class Position(NamedTuple):
    """A version's place in the order of all versions."""

    entry: int
    document: int
    number: int


_START = Position(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Hit:
    """A version that changed how often a string occurs: in its first parent ``before``, in it ``after``."""

    version: Version
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class _Change:
    """The lines that one version removed and added, each with its line end; None where they are not kept."""

    document: int
    number: int
    removed: bytes | None
    added: bytes | None


# -- filling


def index(store: Store, *, budget: int = 1000) -> int:
    """Index the next versions, ``budget`` of them at most, in one transaction; how many were done.

    0 when the index is complete. Call it when nothing else is to be done: it holds the
    writer for some hundred microseconds a version.
    """
    if not _waiting(store, _reached(store), 1):
        return 0
    with store.transaction():
        if not _exists(store):
            for statement in TABLES:
                store.db.execute(statement)
        return _fill(store, budget)


def clear(store: Store) -> None:
    """Drop the index; the next call of ``index`` begins anew."""
    with store.transaction():
        for table in ("search_lines", "search_block"):
            store.db.execute(f"DROP TABLE IF EXISTS {table}")


def _fill(store: Store, budget: int) -> int:
    block = _Block.last(store)
    done = size = 0
    for position, old, new in _waiting(store, _reached(store), budget):
        done += 1
        if old != new:
            try:
                changed = _changed(_content(store, old), _content(store, new))
            except Damaged:
                changed = _UNREADABLE
            if not block.takes(changed):
                block.write(store)
                block = _Block(block.id + 1)
            block.add(position, changed)
            size += changed.size
        block.reached = position
        if size > BUDGET_BYTES:
            break
    block.write(store)
    return done


def _waiting(store: Store, after: Position, limit: int) -> list[tuple[Position, int | None, int | None]]:
    """The next versions after a position, each with the contents of its first parent and its own."""
    rows = store.db.execute(
        "SELECT v.entry, v.document, v.number, p.content, v.content FROM version v INDEXED BY version_entry"
        " LEFT JOIN version p ON p.document = v.document AND p.number = v.parent"
        " WHERE v.entry >= ? AND (v.entry, v.document, v.number) > (?,?,?)"
        " ORDER BY v.entry, v.document, v.number LIMIT ?",
        (after.entry, *after, limit),
    ).fetchall()
    return [(Position(*row[:3]), row[3], row[4]) for row in rows]


def _exists(store: Store) -> bool:
    row = store.db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'search_block'").fetchone()
    return row is not None


def _reached(store: Store) -> Position:
    """The last version that the index covers."""
    if not _exists(store):
        return _START
    row = store.db.execute("SELECT entry, document, number FROM search_block ORDER BY id DESC LIMIT 1").fetchone()
    return Position(*row) if row else _START


def _content(store: Store, id_: int | None) -> bytes:
    return b"" if id_ is None else store.contents.get(id_)


class _Lines(NamedTuple):
    """The lines that a version removed and added, without those that only moved."""

    removed: bytes
    added: bytes
    whole: bool = False
    binary: bool = False
    lost: bool = False

    @property
    def size(self) -> int:
        return len(self.removed) + len(self.added)

    @property
    def are_kept(self) -> bool:
        return self.size <= (KEPT_WHOLE if self.whole else KEPT) and not (self.binary or self.lost)

    def text(self) -> Iterator[str]:
        """What there is to index."""
        for side in (self.removed, self.added):
            parts = _TEXT.findall(side) if self.binary else side.split(b"\n")
            yield from (_characters(part) for part in parts if len(part) > 2)
        if self.binary:
            yield _BINARY
        if self.lost:
            yield _LOST


_UNREADABLE = _Lines(b"", b"", lost=True)


def _changed(old: bytes, new: bytes) -> _Lines:
    old_lines, new_lines = lines.split(old), lines.split(new)
    removed: list[bytes] = []
    added: list[bytes] = []
    for hunk in lines.hunks(old, new):
        removed += old_lines[hunk.old_start : hunk.old_end]
        added += new_lines[hunk.new_start : hunk.new_end]
    moved = Counter(removed) & Counter(added)
    binary = lines.is_binary(old) or lines.is_binary(new)
    return _Lines(_without(removed, moved), _without(added, moved), not old or not new, binary)


def _without(changed: Sequence[bytes], moved: Counter[bytes]) -> bytes:
    left = moved.copy()
    kept = []
    for line in changed:
        if left[line] > 0:
            left[line] -= 1
        else:
            kept.append(line)
    return b"".join(kept)


class _Block:
    """Consecutive versions that share one row of the index; one whose lines are not kept has a row to itself."""

    def __init__(self, id_: int, changes: Iterable[_Change] = (), reached: Position = _START) -> None:
        self.id = id_
        self.reached = reached
        self._changes = list(changes)
        self._text: set[str] = set()
        self._size = sum(len(c.removed or b"") + len(c.added or b"") for c in self._changes)

    @classmethod
    def last(cls, store: Store) -> _Block:
        """The newest block, to go on with; where it cannot be read, the one after it."""
        row = store.db.execute("SELECT id, data FROM search_block ORDER BY id DESC LIMIT 1").fetchone()
        if row is None:
            return cls(1)
        try:
            return cls(row[0], _parse(_unpack(row[1])), _reached(store))
        except Damaged:
            return cls(row[0] + 1, reached=_reached(store))

    def takes(self, changed: _Lines) -> bool:
        """Whether there is room for one more version."""
        if not self._changes:
            return True
        full = len(self._changes) >= BLOCK or self._size + changed.size > BLOCK_BYTES
        return not full and changed.are_kept and self._changes[-1].removed is not None

    def add(self, position: Position, changed: _Lines) -> None:
        sides = (changed.removed, changed.added) if changed.are_kept else (None, None)
        self._changes.append(_Change(position.document, position.number, *sides))
        self._text.update(changed.text())
        self._size += changed.size

    def write(self, store: Store) -> None:
        """Put the block where readers find it: more of a block that was there adds to its trigrams."""
        if self._text:
            text = "\n".join(sorted(self._text))
            store.db.execute("INSERT INTO search_lines (rowid, text) VALUES (?,?)", (self.id, text))
        store.db.execute(
            "INSERT OR REPLACE INTO search_block (id, entry, document, number, data) VALUES (?,?,?,?,?)",
            (self.id, *self.reached, _pack(self._changes)),
        )


def _characters(text: bytes) -> str:
    """One character for each byte, whatever its encoding; NUL would end the text."""
    return text.decode("latin-1").replace("\0", "\u2400")


def _pack(changes: Iterable[_Change]) -> bytes:
    """A block's changes, oldest first: each a line of numbers and its bytes, compressed with a checksum."""
    out = []
    for change in changes:
        removed, added = change.removed, change.added
        if removed is None or added is None:
            out.append(b"%d %d\n" % (change.document, change.number))
        else:
            sizes = (change.document, change.number, len(removed), len(added))
            out += (b"%d %d %d %d\n" % sizes, removed, added)
    return zstandard.ZstdCompressor(level=9, write_checksum=True).compress(b"".join(out))


def _unpack(data: bytes) -> bytes:
    """A block's data as they were packed. Raises Damaged."""
    try:
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise Damaged(f"A block of the search index is damaged: {error}.") from error


def _holds_lines(packed: bytes) -> bool:
    """Whether the changed lines of a block are kept with it; else it stands for a single version."""
    return packed.count(b" ", 0, packed.find(b"\n")) == 3


def _parse(packed: bytes) -> list[_Change]:
    """The changes of a block, oldest first."""
    out = []
    at = 0
    while at < len(packed):
        end = packed.index(b"\n", at)
        document, number, *sizes = map(int, packed[at:end].split())
        at = end + 1
        removed = added = None
        if sizes:
            removed, added = packed[at : at + sizes[0]], packed[at + sizes[0] : at + sum(sizes)]
            at += sum(sizes)
        out.append(_Change(document, number, removed, added))
    return out


# -- searching


def search(history: History, text: str, *, path: str | None = None, cursor: int | None = None) -> Iterator[Hit]:
    """The versions up to the cursor, on all branches, that changed how often ``text`` occurs; newest first.

    Exact bytes, upper and lower case apart, occurrences that do not overlap; in the document
    at ``path``, or in all. Versions whose bytes are lost are passed over. The work is done
    as hits are taken. Raises WorkspaceError for an empty text, NotFound for a path.
    """
    if not text:
        raise WorkspaceError("Searching takes at least one character.")
    upto = history.cursor if cursor is None else cursor
    document = None
    if path is not None:
        there = history.find(path, cursor=upto)
        document = there.document if there else history.document(path)
    return _Search(history.store, to_bytes(text), upto, document).hits()


class _Search:
    def __init__(self, store: Store, needle: bytes, upto: int, document: int | None) -> None:
        self._store = store
        self._needle = needle
        self._upto = upto
        self._document = document
        self._counted: dict[int, int] = {}
        self._lowest: dict[int, tuple[int | None, int]] = {}
        """By document: the parent of the oldest hit so far, and the occurrences in it."""

    def hits(self) -> Iterator[Hit]:
        reached = _reached(self._store)
        if b"\n" in self._needle[:-1]:
            reached = _START  # it may come and go with lines that do not hold any part of it
        for position in self._positions(Position(self._upto + 1, 0, 0), reached):
            yield from self._read(position.document, position.number)
        if reached == _START:
            return
        for id_, data in self._blocks():
            try:
                packed = _unpack(data)
            except Damaged:
                for position in self._positions(*self._bounds(id_)):
                    yield from self._read(position.document, position.number, reached)
                continue
            if _holds_lines(packed) and self._needle not in packed:
                continue
            for change in reversed(_parse(packed)):
                if self._document in (None, change.document):
                    yield from self._look(change, reached)

    # -- candidates

    def _positions(self, before: Position, after: Position) -> Iterator[Position]:
        """All versions between two positions, newest first, in pages so that no read stays open."""
        while True:
            rows = self._store.db.execute(
                "SELECT v.entry, v.document, v.number, v.content, c.size FROM version v INDEXED BY version_entry"
                " LEFT JOIN content c ON c.id = v.content"
                " WHERE v.entry <= ? AND v.entry >= ? AND v.entry <= ?"
                " AND (v.entry, v.document, v.number) < (?,?,?) AND (v.entry, v.document, v.number) > (?,?,?)"
                " ORDER BY v.entry DESC, v.document DESC, v.number DESC LIMIT ?",
                (before.entry, after.entry, self._upto, *before, *after, PAGE),
            ).fetchall()
            if not rows:
                return
            before = Position(*rows[-1][:3])
            wanted = [row for row in rows if self._document in (None, row[1])]
            if sum(row[4] or 0 for row in wanted) < AHEAD:
                for content in sorted(row[3] for row in wanted if row[3] is not None):
                    with suppress(Damaged):
                        self._count(content)
            yield from (Position(*row[:3]) for row in wanted)

    def _blocks(self) -> Iterator[tuple[int, bytes]]:
        """The blocks that may hold hits, newest first."""
        ids = self._candidates()
        while page := list(islice(ids, PAGE)):
            yield from self._store.db.execute(
                f"SELECT id, data FROM search_block WHERE id IN ({','.join('?' * len(page))}) ORDER BY id DESC", page
            ).fetchall()

    def _candidates(self) -> Iterator[int]:
        """The numbers of those blocks: all where the text is shorter than a trigram or the index is damaged."""
        at, query, limit = self._newest_block() + 1, self._query(), PAGE
        while query:
            try:
                rows = self._store.db.execute(
                    "SELECT rowid FROM search_lines WHERE search_lines MATCH ? AND rowid < ?"
                    " ORDER BY rowid DESC LIMIT ?",
                    (query, at, limit),
                ).fetchall()
            except Failed:
                break
            if not rows:
                return
            yield from (id_ for (id_,) in rows)
            at, limit = rows[-1][0], limit * 4
        yield from range(at - 1, 0, -1)

    def _query(self) -> str:
        """What finds the blocks that hold every trigram of the text; empty for a text shorter than one."""
        needle = self._needle.removesuffix(b"\n")
        text = _characters(needle)
        step = max(1, (len(text) - 2) // TERMS)
        terms = dict.fromkeys(text[at : at + 3] for at in range(0, len(text) - 2, step))
        if not terms:
            return ""
        query = " AND ".join('"' + term.replace('"', '""') + '"' for term in terms)
        marks = [_LOST] if _TEXT.fullmatch(needle) else [_LOST, _BINARY]
        return f"({query}) OR " + " OR ".join(f'"{mark}"' for mark in marks)

    def _newest_block(self) -> int:
        """The block that the search begins with: the newest, or the first that reaches past the cursor."""
        (newest,) = self._store.db.execute("SELECT max(id) FROM search_block").fetchone()
        low, high = 1, newest or 0
        while low < high:
            middle = (low + high) // 2
            row = self._store.db.execute("SELECT entry FROM search_block WHERE id = ?", (middle,)).fetchone()
            if row is None or row[0] > self._upto:
                high = middle
            else:
                low = middle + 1
        return high

    def _bounds(self, block: int) -> tuple[Position, Position]:
        """Positions around the versions of a block."""
        rows = self._store.db.execute(
            "SELECT entry, document, number FROM search_block WHERE id <= ? ORDER BY id DESC LIMIT 2", (block,)
        ).fetchall()
        end = Position(*rows[0])
        return end._replace(number=end.number + 1), Position(*rows[1]) if len(rows) > 1 else _START

    # -- verifying

    def _look(self, change: _Change, reached: Position) -> Iterator[Hit]:
        """Verify a version on its changed lines, or on its contents where those are not kept."""
        if change.removed is None or change.added is None:
            yield from self._read(change.document, change.number, reached)
            return
        more = change.added.count(self._needle) - change.removed.count(self._needle)
        if more == 0:
            return
        try:
            version = self._store.versions.get(change.document, change.number)
            if not self._is_in_reach(version, reached):
                return
            after = more if version.change == "create" else self._after(version)
        except Damaged:
            self._lowest.pop(change.document, None)
            return
        yield self._hit(version, after - more, after)

    def _read(self, document: int, number: int, reached: Position | None = None) -> Iterator[Hit]:
        """Verify a version on its contents."""
        try:
            version = self._store.versions.get(document, number)
            if not self._is_in_reach(version, reached):
                return
            parent = self._store.versions.get(document, version.parent) if version.parent is not None else None
            old = parent.content if parent else None
            if old == version.content:
                return
            before, after = self._count(old), self._count(version.content)
        except Damaged:
            self._lowest.pop(document, None)
            return
        if before != after:
            yield self._hit(version, before, after)

    def _is_in_reach(self, version: Version, reached: Position | None) -> bool:
        """Whether a version is at or before the cursor, and not among those that were read before."""
        if version.entry > self._upto:
            return False
        return reached is None or Position(version.entry, version.document, version.number) <= reached

    def _hit(self, version: Version, before: int, after: int) -> Hit:
        self._lowest[version.document] = (version.parent, before)
        return Hit(version, before, after)

    def _after(self, version: Version) -> int:
        """How often the text occurs in a version: as in the parent of the hit after it, along a straight line."""
        number, count = self._lowest.get(version.document, (None, 0))
        if number is not None and number >= version.number:
            bend = self._store.db.execute(
                "SELECT 1 FROM version WHERE document = ? AND number > ? AND number <= ?"
                " AND parent IS NOT number - 1 LIMIT 1",
                (version.document, version.number, number),
            ).fetchone()
            if bend is None:
                return count
        return self._count(version.content)

    def _count(self, content: int | None) -> int:
        if content is None:
            return 0
        if (known := self._counted.get(content)) is None:
            known = self._counted[content] = self._store.contents.get(content).count(self._needle)
        return known
