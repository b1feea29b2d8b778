"""The search index: trigrams of the lines that each version added and removed, filled behind the journal.

A projection in tables of its own. A block stands for consecutive versions: FTS5 has its
trigrams, its row keeps the lines of all but very large changes, checksummed, so that
candidates are verified without reading contents. A version whose lines are not kept has a
block to itself.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import zstandard

from workspace.errors import Damaged
from workspace.store import lines
from workspace.store.store import Store

TABLES = (
    "CREATE VIRTUAL TABLE search_lines USING fts5(text, content='', detail=none, columnsize=0, tokenize='trigram')",
    # One transaction's trigrams stay in memory until it ends: fewer, larger segments.
    "INSERT INTO search_lines (search_lines, rank) VALUES ('hashsize', 16777216)",
    # entry, document, number: up to which version the block reaches.
    "CREATE TABLE search_block (id INTEGER PRIMARY KEY, entry INTEGER NOT NULL, document INTEGER NOT NULL,"
    " number INTEGER NOT NULL, data BLOB NOT NULL) STRICT",
)
"""Made by the first call of ``index``: a history that nobody searches has none of it."""

BLOCK = 32
"""Versions in a block, at most."""
BLOCK_BYTES = 16 << 10
"""Bytes of changed lines in a block of more than one version, at most."""
KEPT = 32 << 10
"""Bytes of changed lines that are kept with a block; larger changes are verified on their contents."""
BUDGET_BYTES = 8 << 20
"""Bytes of changed lines after which one call of ``index`` ends."""

PRINTABLE = re.compile(rb"[ -~]{3,}")
"""What is indexed of a binary version."""
BINARY = "\u2401\u2401\u2401"
"""Stands in a block for a binary version: it may hold what is not printable ASCII."""
LOST = "\u2402\u2402\u2402"
"""Stands in a block for a version whose bytes could not be read: it may hold anything."""


class Position(NamedTuple):
    """A version's place in the order of all versions."""

    entry: int
    document: int
    number: int


START = Position(0, 0, 0)


class LinesOfVersion(NamedTuple):
    """One version in a block's packed bytes: lines removed in ``start:middle``, added in ``middle:end``.

    Each with its line end. Where the lines are not kept, ``start`` is ``end``, and the block has no other.
    """

    document: int
    number: int
    start: int
    middle: int
    end: int


def index(store: Store, *, budget: int = 1000) -> int:
    """Index the next versions, ``budget`` of them at most, in one transaction; how many were done.

    0 when the index is complete. Call it when nothing else is to be done: it holds the
    writer for some hundred microseconds a version.
    """
    if not _waiting(store, reached_by(store), 1):
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


def reached_by(store: Store) -> Position:
    """The last version that the index covers."""
    if not _exists(store):
        return START
    row = store.db.execute("SELECT entry, document, number FROM search_block ORDER BY id DESC LIMIT 1").fetchone()
    return Position(*row) if row else START


def _exists(store: Store) -> bool:
    return store.db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'search_block'").fetchone() is not None


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


def problems(store: Store) -> Iterator[str]:
    """What is wrong with the index: blocks that differ from the versions they stand for, or cannot be found.

    Reads only, in pages. What damaged contents held is not checked.
    """
    at, newest = START, _newest(store)
    lost = _holding(store, LOST) if newest else set()
    blocks: dict[str, array[int]] = {}
    for id_ in range(1, newest + 1):
        row = store.db.execute(
            "SELECT entry, document, number, data FROM search_block WHERE id = ?", (id_,)
        ).fetchone()
        if row is None:
            yield f"Block {id_} of the search index is missing."
            continue
        block, reached = _Block(id_), Position(*row[:3])
        for position, old, new in _between(store, at, reached):
            if old != new:
                block.add(position, _read(store, old, new))
        at = reached
        if not block.agrees(row[3], was_lost=id_ in lost):
            yield f"Block {id_} of the search index differs from what its versions changed."
        elif id_ not in lost:
            for term in block.trigrams():
                blocks.setdefault(term, array("q")).append(id_)
    hidden: set[int] = set()
    for term, ids in blocks.items():
        hidden.update(set(ids) - _holding(store, term))
    for id_ in sorted(hidden):
        yield f"Block {id_} of the search index is not found by all that it holds."


def _holding(store: Store, term: str) -> set[int]:
    """The blocks that a trigram leads to."""
    rows = store.db.execute("SELECT rowid FROM search_lines WHERE search_lines MATCH ?", (quoted(term),))
    return {id_ for (id_,) in rows.fetchall()}


def _between(store: Store, after: Position, upto: Position) -> Iterator[tuple[Position, int | None, int | None]]:
    while page := _waiting(store, after, BLOCK):
        for waiting in page:
            if waiting[0] > upto:
                return
            yield waiting
        after = page[-1][0]


def _fill(store: Store, budget: int) -> int:
    block = _Block.last(store)
    done = size = 0
    for position, old, new in _waiting(store, reached_by(store), budget):
        done += 1
        if old != new:
            changed = _read(store, old, new)
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


def _newest(store: Store) -> int:
    row = store.db.execute("SELECT max(id) FROM search_block").fetchone() if _exists(store) else None
    return row[0] or 0 if row else 0


def _read(store: Store, old: int | None, new: int | None) -> _Lines:
    """What changed between two contents."""
    try:
        return _changed(*(b"" if id_ is None else store.contents.get(id_) for id_ in (old, new)))
    except Damaged:
        return _UNREADABLE


# -- what a version changed


class _Lines(NamedTuple):
    """The lines that a version removed and added, without those that only moved."""

    removed: bytes
    added: bytes
    binary: bool = False
    lost: bool = False

    @property
    def size(self) -> int:
        return len(self.removed) + len(self.added)

    @property
    def are_kept(self) -> bool:
        return self.size <= KEPT and not (self.binary or self.lost)

    def text(self) -> Iterator[str]:
        """What there is to index."""
        for side in (self.removed, self.added):
            parts = PRINTABLE.findall(side) if self.binary else side.split(b"\n")
            yield from (characters(part) for part in parts if len(part) > 2)
        if self.binary:
            yield BINARY
        if self.lost:
            yield LOST


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
    return _Lines(_without(removed, moved), _without(added, moved), binary)


def _without(changed: Sequence[bytes], moved: Counter[bytes]) -> bytes:
    left = moved.copy()
    kept = []
    for line in changed:
        if left[line] > 0:
            left[line] -= 1
        else:
            kept.append(line)
    return b"".join(kept)


def characters(text: bytes) -> str:
    """One character for each byte, whatever the encoding is; NUL would end the text for FTS5."""
    return text.decode("latin-1").replace("\0", "\u2400")


def quoted(term: str) -> str:
    """A trigram in a query of FTS5."""
    return '"' + term.replace('"', '""') + '"'


# -- blocks


class _Block:
    """A block that is being filled."""

    def __init__(self, id_: int, packed: bytes = b"", reached: Position = START) -> None:
        self.id = id_
        self.reached = reached
        self._packed = packed
        self._count = len(parse(packed))
        self._closed = self._count > 0 and not holds_lines(packed)
        self._text: set[str] = set()

    @classmethod
    def last(cls, store: Store) -> _Block:
        """The newest block, to go on with; where it cannot be read, the one after it."""
        row = store.db.execute("SELECT id, data FROM search_block ORDER BY id DESC LIMIT 1").fetchone()
        if row is None:
            return cls(1)
        try:
            return cls(row[0], unpack(row[1]), reached_by(store))
        except Damaged:
            return cls(row[0] + 1, reached=reached_by(store))

    def takes(self, changed: _Lines) -> bool:
        """Whether there is room for one more version."""
        if not self._count:
            return True
        full = self._count >= BLOCK or len(self._packed) + changed.size > BLOCK_BYTES
        return not (full or self._closed) and changed.are_kept

    def add(self, position: Position, changed: _Lines) -> None:
        """Take in what a version changed: a line of numbers, and the lines if they are kept."""
        if changed.are_kept:
            sizes = (position.document, position.number, len(changed.removed), len(changed.added))
            self._packed += b"%d %d %d %d\n" % sizes + changed.removed + changed.added
        else:
            self._packed += b"%d %d\n" % (position.document, position.number)
            self._closed = True
        self._count += 1
        self._text.update(changed.text())

    def agrees(self, data: bytes, *, was_lost: bool) -> bool:
        """Whether the stored block says the same as this one, as far as its bytes could be and can be read."""
        try:
            packed = unpack(data)
        except Damaged:
            return False
        return packed == self._packed or LOST in self._text or (was_lost and not holds_lines(packed))

    def trigrams(self) -> set[str]:
        if LOST in self._text:
            return set()
        return {part[at : at + 3] for part in self._text for at in range(len(part) - 2)}

    def write(self, store: Store) -> None:
        """Put the block where readers find it; what a block already had in FTS5 stays there."""
        if self._text:
            text = "\n".join(sorted(self._text))
            store.db.execute("INSERT INTO search_lines (rowid, text) VALUES (?,?)", (self.id, text))
        store.db.execute(
            "INSERT OR REPLACE INTO search_block (id, entry, document, number, data) VALUES (?,?,?,?,?)",
            (self.id, *self.reached, _pack(self._packed)),
        )


def _pack(packed: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=9, write_checksum=True).compress(packed)


def unpack(data: bytes, decompressor: zstandard.ZstdDecompressor | None = None) -> bytes:
    """A block's changes, packed as ``parse`` reads them; a decompressor can serve many times. Raises Damaged."""
    try:
        return (decompressor or zstandard.ZstdDecompressor()).decompress(data)
    except zstandard.ZstdError as error:
        raise Damaged(f"A block of the search index is damaged: {error}.") from error


def holds_lines(packed: bytes) -> bool:
    """Whether the lines of a block's changes are kept with it; else it stands for a single version."""
    return packed.count(b" ", 0, packed.find(b"\n")) == 3


def parse(packed: bytes) -> list[LinesOfVersion]:
    """The changes of a block, oldest first."""
    out = []
    at, end = 0, len(packed)
    while at < end:
        start = packed.index(b"\n", at) + 1
        document, number, *sizes = map(int, packed[at:start].split())
        removed, added = sizes or (0, 0)
        at = start + removed + added
        out.append(LinesOfVersion(document, number, start, start + removed, at))
    return out
