"""Search: the versions in which the number of occurrences of a string changed, newest first.

What the index covers is looked up there and verified, on the lines that a version changed
or on its contents; what it does not cover yet is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

import zstandard

from workspace.errors import Damaged, Failed, WorkspaceError
from workspace.operations.history import History
from workspace.records import Version, to_bytes
from workspace.store.search_index import (
    BINARY,
    LOST,
    PRINTABLE,
    START,
    Position,
    characters,
    holds_lines,
    parse,
    quoted,
    reached_by,
    unpack,
)
from workspace.store.search_index import clear as clear
from workspace.store.search_index import index as index
from workspace.store.store import Store

PAGE = 16
"""Versions or blocks read at a time."""
FEW = 100
"""Hits up to which all are found before the first is given out: their changes add up to the occurrences."""
AHEAD = 16 << 20
"""Bytes of contents that are read in the order in which they are stored, before they are asked for."""
TERMS = 32
"""Trigrams asked for, about: each of them narrows the candidates, and costs."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A version that changed how often a string occurs: in its first parent ``before``, in it ``after``."""

    version: Version
    before: int
    after: int


def search(history: History, text: str, *, path: str | None = None, cursor: int | None = None) -> Iterator[Hit]:
    """The versions up to the cursor, on all branches, that changed how often ``text`` occurs; newest first.

    Exact bytes, upper and lower case apart, occurrences that do not overlap; in the document
    at ``path``, or in all. Versions whose bytes are lost are passed over. The work is done
    as hits are taken. Raises WorkspaceError for an empty text, NotFound for a path.
    """
    if not text:
        raise WorkspaceError("A search takes at least one character.")
    upto = history.cursor if cursor is None else cursor
    document = None
    if path is not None:
        there = history.find(path, cursor=upto)
        document = there.document if there else history.document(path)
    return _Search(history.store, to_bytes(text), upto, document).hits()


class _Found(NamedTuple):
    """A version that may be a hit: by how much its changed lines say so, None where only its contents can."""

    document: int
    number: int
    more: int | None


class _Search:
    def __init__(self, store: Store, needle: bytes, upto: int, document: int | None) -> None:
        self._store = store
        self._needle = needle
        self._upto = upto
        self._document = document
        self._reached = reached_by(store)
        if b"\n" in needle[:-1]:
            self._reached = START  # it may come and go between lines that hold no part of it
        self._counted: dict[int, int] = {}
        self._totals: dict[tuple[int, int], int] = {}
        self._lowest: dict[int, tuple[int | None, int]] = {}
        """By document: the parent of the oldest hit so far, and the occurrences in it."""

    def hits(self) -> Iterator[Hit]:
        for position in self._positions(Position(self._upto + 1, 0, 0), self._reached):
            yield from self._read(position.document, position.number, None)
        if self._reached == START:
            return
        found = self._found(self._candidates())
        first = list(islice(found, FEW + 1))
        if len(first) <= FEW:
            self._totals = self._add_up(first)
        for document, number, more in chain(first, found):
            if more is None:
                yield from self._read(document, number, self._reached)
            else:
                yield from self._look(document, number, more)

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

    def _found(self, ids: Iterator[int]) -> Iterator[_Found]:
        """What the candidate blocks hold that may be a hit, newest first."""
        decompressor = zstandard.ZstdDecompressor()
        while page := list(islice(ids, PAGE)):
            rows = self._store.db.execute(
                f"SELECT id, data FROM search_block WHERE id IN ({','.join('?' * len(page))}) ORDER BY id DESC", page
            ).fetchall()
            for id_, data in rows:
                try:
                    packed = unpack(data, decompressor)
                except Damaged:
                    for position in self._positions(*self._bounds(id_)):
                        yield _Found(position.document, position.number, None)
                    continue
                yield from self._within(packed)

    def _within(self, packed: bytes) -> Iterator[_Found]:
        """What one block holds that may be a hit, newest first."""
        needle, count, kept = self._needle, packed.count, holds_lines(packed)
        if kept and needle not in packed:
            return
        for document, number, start, middle, end in reversed(parse(packed)):
            more = count(needle, middle, end) - count(needle, start, middle) if kept else None
            if more != 0 and self._document in (None, document):
                yield _Found(document, number, more)

    def _candidates(self) -> Iterator[int]:
        """Blocks that may hold hits, newest first: all where the text has no trigram or the index is damaged."""
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
            at, limit = rows[-1][0], limit * 8
        yield from range(at - 1, 0, -1)

    def _query(self) -> str:
        """What finds the blocks that hold every trigram of the text; empty for a text shorter than one."""
        needle = self._needle.removesuffix(b"\n")
        text = characters(needle)
        step = max(1, (len(text) - 2) // TERMS)
        terms = dict.fromkeys(text[at : at + 3] for at in range(0, len(text) - 2, step))
        if not terms:
            return ""
        query = " AND ".join(map(quoted, terms))
        marks = [LOST] if PRINTABLE.fullmatch(needle) else [LOST, BINARY]
        return f"({query}) OR " + " OR ".join(map(quoted, marks))

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
        return end._replace(number=end.number + 1), Position(*rows[1]) if len(rows) > 1 else START

    # -- verifying

    def _look(self, document: int, number: int, more: int) -> Iterator[Hit]:
        """A hit by its changed lines; the occurrences in all of it."""
        try:
            version = self._store.versions.get(document, number)
            if not self._is_in_reach(version, self._reached):
                return
            after = more if version.change == "create" else self._after(version)
        except Damaged:
            self._lowest.pop(document, None)
            return
        yield self._hit(version, after - more, after)

    def _read(self, document: int, number: int, reached: Position | None) -> Iterator[Hit]:
        """A hit by the contents of a version and its parent."""
        try:
            version = self._store.versions.get(document, number)
            if not self._is_in_reach(version, reached):
                return
            before, after = self._sides(version)
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

    # -- counting

    def _add_up(self, found: Iterable[_Found]) -> dict[tuple[int, int], int]:
        """The occurrences in every version found, where its document's versions follow each other in one line.

        Each is the sum of all changes up to it, beginning with none; no content is read for it.
        """
        lines: dict[int, list[_Found]] = defaultdict(list)
        for one in found:
            lines[one.document].append(one)
        totals: dict[tuple[int, int], int] = {}
        for document, line in lines.items():
            bends = self._store.db.execute(
                "SELECT count(*) FROM version WHERE document = ? AND parent IS NOT number - 1", (document,)
            ).fetchone()
            if bends != (1,):  # the first version alone has no parent
                continue
            total = 0
            with suppress(Damaged):
                for _, number, more in reversed(line):
                    if more is None:
                        before, after = self._sides(self._store.versions.get(document, number))
                        if before != total:
                            break
                        more = after - before
                    total += more
                    if total < 0:
                        break
                    totals[document, number] = total
        return totals

    def _after(self, version: Version) -> int:
        """How often the text occurs in a version, on which a hit is already certain."""
        if not version.exists:
            return 0
        if (total := self._totals.get((version.document, version.number))) is not None:
            return total
        number, count = self._lowest.get(version.document, (None, 0))
        if number is not None and number >= version.number:
            bend = self._store.db.execute(
                "SELECT 1 FROM version WHERE document = ? AND number > ? AND number <= ?"
                " AND parent IS NOT number - 1 LIMIT 1",
                (version.document, version.number, number),
            ).fetchone()
            if bend is None:
                return count  # as often as in the parent of the hit after it
        return self._count(version.content)

    def _sides(self, version: Version) -> tuple[int, int]:
        """How often the text occurs in a version's parent and in it. Raises Damaged."""
        parent = self._store.versions.get(version.document, version.parent) if version.parent is not None else None
        old = parent.content if parent else None
        if old == version.content:
            return 0, 0
        return self._count(old), self._count(version.content)

    def _count(self, content: int | None) -> int:
        if content is None:
            return 0
        if (known := self._counted.get(content)) is None:
            known = self._counted[content] = self._store.contents.get(content).count(self._needle)
        return known
