"""Contents: bytes by digest, each distinct one stored once, most as a delta in a bounded chain."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from workspace.errors import Damaged
from workspace.store import delta
from workspace.store.engine import Connection

DEPTH = 40
"""Deltas in a chain, at most."""
KEYFRAMES = 24
"""Keyframes that are themselves deltas against the previous keyframe, in a row at most."""
DECODED = 16 << 20
"""Bytes decoded to read any content, beside the first of its chain, at most."""
STRIDE = 8
"""Deltas of a chain after which a content on the way is remembered too."""
CACHE = 64 << 20
_COLUMNS = "c.id, c.base, c.data, c.digest, c.size, c.keyframe"
_CHAIN = (
    f"WITH RECURSIVE chain (id, base, data, digest, size, keyframe) AS (SELECT {_COLUMNS} FROM content c"
    f" WHERE id = ? UNION ALL SELECT {_COLUMNS} FROM chain JOIN content c ON c.id = chain.base)"
    " SELECT * FROM chain LIMIT ?"
)
"""A content and all that it is a delta against, nearest first."""


class _Row(NamedTuple):
    id: int
    keyframe: int
    depth: int
    cost: int


class Prepared(NamedTuple):
    """A content as it will be stored. ``keyframe`` is None where it is one itself."""

    digest: bytes
    size: int
    base: int | None
    keyframe: int | None
    depth: int
    cost: int
    data: bytes


def digest(content: bytes) -> bytes:
    """The SHA-256 that names a content: 32 bytes."""
    return hashlib.sha256(content).digest()


class Contents:
    """The content table behind a byte-capped cache of decoded contents."""

    def __init__(self, connection: Connection, cache: int = CACHE) -> None:
        self._db = connection
        self._cache: OrderedDict[int, bytes] = OrderedDict()
        self._unproven: set[int] = set()
        """Contents in the cache that were not compared with their digest yet: only to decode others from."""
        self._cached = 0
        self._cap = cache

    def put(self, content: bytes, base: int | None = None) -> int:
        """Store ``content``, as a delta against content ``base`` where that is smaller; its id.

        A content that is already stored is found by its digest. What is about to be
        written is decoded and compared first; Damaged if it differs.
        """
        name = digest(content)
        if (known := self.find(name)) is not None:
            return known
        new = self.insert(self.prepare(content, base, name))
        self._remember(new, content)
        return new

    def prepare(self, content: bytes, base: int | None = None, name: bytes | None = None) -> Prepared:
        """Encode ``content`` for ``insert``, writing nothing; decoded and compared already. Raises Damaged."""
        parent, encoded, row = self._encode(content, base)
        try:
            sound = delta.decode(self.get(parent) if parent else b"", [encoded.data]) == content
        except delta.Malformed:
            sound = False
        if not sound:
            raise Damaged("A delta did not decode to its content; nothing was saved, please try again.")
        return Prepared(
            name or digest(content), len(content), parent, row.keyframe or None, row.depth, row.cost, encoded.data
        )

    def insert(self, prepared: Prepared) -> int:
        """Store what was encoded, perhaps by another process; its id. One that is stored already is found."""
        if (known := self.find(prepared.digest)) is not None:
            return known
        (last,) = self._db.execute("SELECT max(id) FROM content").fetchone()
        new = int(last or 0) + 1
        self._db.execute(
            "INSERT INTO content (id, digest, size, base, keyframe, depth, cost, data) VALUES (?,?,?,?,?,?,?,?)",
            (
                new, prepared.digest, prepared.size, prepared.base, prepared.keyframe or new, prepared.depth,
                prepared.cost, prepared.data,
            ),
        )  # fmt: skip
        return new

    def find(self, name: bytes) -> int | None:
        """The id of the content with this digest, if its bytes are stored."""
        for id_, full in self._db.execute(
            "SELECT id, digest FROM content WHERE substr(digest, 1, 5) = ? AND data IS NOT NULL",
            (name[:5],),
        ):
            if full == name:
                return int(id_)
        return None

    def get(self, id_: int) -> bytes:
        """The bytes of a content, checked against its digest. Raises Damaged if they differ."""
        if id_ in self._cache and id_ not in self._unproven:
            self._cache.move_to_end(id_)
            return self._cache[id_]
        content, name = b"", b""
        links: list[tuple[bytes, int, bool, int]] = []
        for at, base, data, digest_, size, keyframe in self._db.execute(_CHAIN, (id_, DEPTH + 1)):
            if not isinstance(data, bytes):
                raise Damaged(f"Content {id_} is no longer stored; run `wukong verify`.")
            links.append((data, at, at == keyframe, size))
            name = name or digest_
            if base in self._cache:
                self._cache.move_to_end(base)
                content = self._cache[base]
                break
            if base is None:
                break
        else:
            raise Damaged(f"Content {id_} is missing or its chain is broken; run `wukong verify`.")
        try:
            content = self._decode(content, links)
        except delta.Malformed as error:
            self.clear_cache()
            raise Damaged(f"Content {id_} cannot be decoded ({error}); run `wukong verify`.") from error
        if digest(content) != name:
            self.clear_cache()
            raise Damaged(f"Content {id_} does not match its digest; run `wukong verify`.")
        self._remember(id_, content)
        return content

    def _decode(self, content: bytes, links: Sequence[tuple[bytes, int, bool, int]]) -> bytes:
        """Apply a chain, nearest first, remembering places on the way where other chains may begin."""
        deltas = []
        for data, at, keyframe, size in reversed(links):
            deltas.append(data)
            if size <= delta.FLAT and (keyframe or len(deltas) == STRIDE):
                content, deltas = delta.decode(content, deltas), []
                self._remember(at, content, proven=False)
        return delta.decode(content, deltas)

    def digest_of(self, id_: int) -> bytes:
        """The digest of a stored or forgotten content."""
        row = self._db.execute("SELECT digest FROM content WHERE id = ?", (id_,)).fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise Damaged(f"Content {id_} is missing; run `wukong verify`.")
        return row[0]

    def holds(self, id_: int, data: bytes) -> bool:
        """Whether ``data`` is what this content is, or was before it was forgotten."""
        if id_ in self._cache and id_ not in self._unproven:
            return self._cache[id_] == data
        return self.digest_of(id_) == digest(data)

    def clear_cache(self) -> None:
        """Forget decoded contents, as after a rollback that frees their ids."""
        self._cache.clear()
        self._unproven.clear()
        self._cached = 0

    def _encode(self, content: bytes, base: int | None) -> tuple[int | None, delta.Encoded, _Row]:
        """Choose what ``content`` is stored against: its base, else the base's keyframe, else nothing.

        In the row 0 stands for the id that the content will have.
        """
        if base is not None:
            for candidate, keyframe in self._candidates(base):
                limit = KEYFRAMES if keyframe else DEPTH
                if candidate.depth >= limit:
                    continue
                try:
                    encoded = delta.encode(self.get(candidate.id), content)
                except Damaged:
                    continue  # what is lost already must not stop what comes after it
                cost = candidate.cost + encoded.cost
                if cost > DECODED:
                    continue
                if len(encoded.data) > 64 + len(content) // 4:
                    alone = delta.encode(b"", content)
                    if len(alone.data) <= len(encoded.data):
                        return None, alone, _Row(0, 0, 0, 0)
                mine = _Row(0, 0 if keyframe else candidate.keyframe, candidate.depth + 1, cost)
                return candidate.id, encoded, mine
        return None, delta.encode(b"", content), _Row(0, 0, 0, 0)

    def _candidates(self, base: int) -> Iterator[tuple[_Row, bool]]:
        near = self._row(base)
        yield near, False
        if near.id != near.keyframe:
            yield self._row(near.keyframe), True

    def _row(self, id_: int) -> _Row:
        row = self._db.execute("SELECT id, keyframe, depth, cost FROM content WHERE id = ?", (id_,)).fetchone()
        if row is None:
            raise Damaged(f"Content {id_} is missing; run `wukong verify`.")
        return _Row(*row)

    def _remember(self, id_: int, content: bytes, *, proven: bool = True) -> None:
        if len(content) > self._cap // 4:
            return
        self._cached += len(content) - len(self._cache.pop(id_, b""))
        self._cache[id_] = content
        (self._unproven.discard if proven else self._unproven.add)(id_)
        while self._cached > self._cap:
            gone, old = self._cache.popitem(last=False)
            self._unproven.discard(gone)
            self._cached -= len(old)
