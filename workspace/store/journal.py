"""The append-only journal: entries with a hash chain, operations put together from them."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress

from workspace.entries import dated
from workspace.errors import Damaged, NotFound
from workspace.kinds import Kind, Outcome
from workspace.records import BEGUN, ENDED, INSTANT, Act, Entry, Operation, Usage
from workspace.store.engine import Connection, SqlRow

GENESIS = bytes(32)
"""The chain value before the first entry."""

_COLUMNS = (
    "id, operation, phase, time, kind, name, actor, session, parent, branch, step, attempt,"
    " decision, outcome, model, tokens_input, tokens_output, tokens_cached, tokens_reasoning,"
    " tokens_estimated, cost, ref, payload, detail, chain"
)
_INSERT = f"INSERT INTO entry ({_COLUMNS}) VALUES ({','.join('?' * 25)})"
_SELECT = f"SELECT {_COLUMNS} FROM entry"
_FIRST = "phase < 2 AND ref IS NULL"
"""What the index by kind holds: how operations begin, without the thousands that an import brings."""


class Journal:
    """Appends entries inside the caller's transaction and reads them back."""

    def __init__(self, connection: Connection, *, writing: bool = False) -> None:
        """``writing``: nobody else writes, so that what is remembered stays true."""
        self._db = connection
        self._writing = writing
        self._terms: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self._kinds: dict[int, Kind] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._tail: tuple[int, int, bytes] | None = None

    # -- reading

    def last(self) -> int:
        """The newest entry's number: where the cursor stands when live. 0 in an empty journal."""
        if self._writing:
            return self._read_tail()[0]
        (last,) = self._db.execute("SELECT max(id) FROM entry").fetchone()
        return last or 0

    def entry(self, id_: int) -> Entry:
        row = self._db.execute(f"{_SELECT} WHERE id = ?", (id_,)).fetchone()
        if row is None:
            raise NotFound(f"There is no entry {id_}; the newest is {self.last()}.")
        return self._entry(row)

    def entries(self, after: int = 0, upto: int | None = None, limit: int = 1000) -> list[Entry]:
        """A page of entries in order: those with ``after < id <= upto``."""
        upto = self.last() if upto is None else upto
        rows = self._db.execute(
            f"{_SELECT} WHERE id > ? AND id <= ? ORDER BY id LIMIT ?", (after, upto, limit)
        ).fetchall()
        return [self._entry(row) for row in rows]

    def operation(self, id_: int, cursor: int | None = None) -> Operation:
        """The operation that entry ``id_`` belongs to, as it stood at the cursor."""
        first = self.entry(id_)
        if first.operation != id_:
            first = self.entry(first.operation)
        return self._operation(first, cursor)

    def operations(
        self,
        *,
        cursor: int | None = None,
        before: int | None = None,
        after: int = 0,
        newest_first: bool = True,
        limit: int = 500,
    ) -> list[Operation]:
        """A page of operations that began at or before the cursor, in the order asked for."""
        upto = min(n for n in (cursor, (before or 0) - 1 if before else None, self.last()) if n is not None)
        order = "DESC" if newest_first else "ASC"
        rows = self._db.execute(
            f"{_SELECT} WHERE id > ? AND id <= ? AND phase < 2 ORDER BY id {order} LIMIT ?",
            (after, upto, limit),
        ).fetchall()
        return [self._operation(self._entry(row), cursor) for row in rows]

    def children(self, operation: int) -> list[int]:
        """Ids of the operations that this one caused directly."""
        return [
            id_
            for (id_,) in self._db.execute(
                "SELECT id FROM entry WHERE parent = ? AND phase < 2 ORDER BY id", (operation,)
            )
        ]

    def family(self, operation: int) -> list[int]:
        """An operation and all that descends from it, ascending."""
        return [
            id_
            for (id_,) in self._db.execute(
                "WITH RECURSIVE line(id) AS (VALUES (?) UNION SELECT entry.id FROM entry"
                " JOIN line ON entry.parent = line.id WHERE entry.phase < 2)"
                " SELECT id FROM line ORDER BY id",
                (operation,),
            )
        ]

    def model_calls(self, upto: int) -> list[int]:
        """Operations up to an entry that asked a model, oldest first."""
        rows = self._db.execute(
            "SELECT id FROM entry WHERE model IS NOT NULL AND phase < 2 AND id <= ? ORDER BY id", (upto,)
        )
        return [id_ for (id_,) in rows.fetchall()]

    def of_kind(self, kind: Kind, upto: int | None = None, *, session: str | None = None) -> list[int]:
        """Operations of a kind (of a session) up to an entry, oldest first."""
        where, values = f"kind = (SELECT id FROM term WHERE value = ?) AND {_first(kind)}", [kind, upto or 1 << 62]
        if session is not None:
            where += " AND session = (SELECT id FROM term WHERE value = ?)"
            values = [kind, session, upto or 1 << 62]
        rows = self._db.execute(f"SELECT id FROM entry WHERE {where} AND id <= ? ORDER BY id", values)
        return [id_ for (id_,) in rows.fetchall()]

    def nearest(self, kinds: Sequence[Kind], cursor: int, *, forward: bool) -> int | None:
        """The first operation of these kinds after the cursor, or the last one before it."""
        order, sign = ("min", ">") if forward else ("max", "<")
        found = [
            self._db.execute(
                f"SELECT {order}(id) FROM entry WHERE kind = (SELECT id FROM term WHERE value = ?)"
                f" AND {_first(kind)} AND id {sign} ?",
                (kind, cursor),
            ).fetchone()[0]
            for kind in kinds
        ]
        known = [id_ for id_ in found if id_ is not None]
        return (min if forward else max)(known, default=None)

    def moment(self, cursor: int, steps: int) -> int:
        """The entry ``steps`` whole acts after the cursor (before it, where negative), as far as there are any.

        An act counts where it is over, a prompt where it begins.
        """
        order, sign = ("ASC", ">") if steps > 0 else ("DESC", "<")
        rows = self._db.execute(
            f"SELECT id FROM entry WHERE id {sign} ? AND (phase IN (0, 2) OR phase = 1 AND kind ="
            f" (SELECT id FROM term WHERE value = '{Kind.PROMPT}')) ORDER BY id {order} LIMIT ?",
            (cursor, abs(steps)),
        ).fetchall()
        return int(rows[-1][0]) if rows else cursor

    def of_session(
        self, session: str, *, after: int = 0, upto: int | None = None, limit: int = -1, newest_first: bool = False
    ) -> list[Entry]:
        """A session's entries, oldest first unless asked otherwise; ``limit`` of them, or all."""
        rows = self._db.execute(
            f"{_SELECT} WHERE session = (SELECT id FROM term WHERE value = ?) AND id > ? AND id <= ?"
            f" ORDER BY id {'DESC' if newest_first else 'ASC'} LIMIT ?",
            (session, after, upto or 1 << 62, limit),
        ).fetchall()
        return [self._entry(row) for row in rows]

    def of_kinds(self, kinds: Collection[Kind], *, after: int, upto: int, session: str | None = None) -> list[Entry]:
        """First entries of operations of these kinds (of a session) among ``after < id <= upto``, oldest first."""
        where, values = "", [*kinds, after, upto]
        if session is not None:
            where, values = " AND session = (SELECT id FROM term WHERE value = ?)", [*values, session]
        rows = self._db.execute(
            f"{_SELECT} INDEXED BY entry_kind WHERE kind IN (SELECT id FROM term WHERE value IN"
            f" ({','.join('?' * len(kinds))})) AND {_FIRST} AND id > ? AND id <= ?{where} ORDER BY id",
            values,
        ).fetchall()
        return [self._entry(row) for row in rows]

    def standing(self, operation: int, cursor: int) -> Entry | None:
        """The newest end of an operation at the cursor, or its newest part while it has no end."""
        row = self._db.execute(
            f"{_SELECT} WHERE operation = ? AND phase >= 2 AND id <= ? ORDER BY phase = 2 DESC, id DESC LIMIT 1",
            (operation, cursor),
        ).fetchone()
        return self._entry(row) if row else None

    def parts(self, operation: int) -> list[Entry]:
        """The parts of a long operation, oldest first."""
        rows = self._db.execute(
            f"{_SELECT} WHERE operation = ? AND phase >= 2 AND phase = 3 ORDER BY id", (operation,)
        ).fetchall()
        return [self._entry(row) for row in rows]

    def newest_child(self, operation: int, cursor: int) -> int | None:
        """The newest entry at the cursor of the operations that this one caused directly."""
        (newest,) = self._db.execute(
            "SELECT max(id) FROM entry WHERE parent = ? AND id <= ?", (operation, cursor)
        ).fetchone()
        return int(newest) if newest is not None else None

    def of_others(self, session: str, *, after: int, limit: int = 2000) -> list[Entry]:
        """What others than a session edited after an entry, and what was undone in it, oldest first."""
        rows = self._db.execute(
            f"{_SELECT} WHERE id > ? AND phase <> 1 AND (kind IN"
            f" (SELECT id FROM term WHERE value IN ('{Kind.UNDO}', '{Kind.REDO}'))"
            " OR session IS NOT (SELECT id FROM term WHERE value = ?)"
            " AND EXISTS (SELECT 1 FROM version WHERE version.entry = entry.id)) ORDER BY id LIMIT ?",
            (after, session, limit),
        ).fetchall()
        return [self._entry(row) for row in rows]

    def landmarks(self, kinds: Collection[Kind], *, after: int, upto: int, limit: int) -> list[Entry]:
        """Entries of long operations, of model calls and of these kinds, whatever their phase, oldest first."""
        rows = self._db.execute(
            f"{_SELECT} WHERE id > ? AND id <= ? AND (phase > 0 OR model IS NOT NULL OR kind IN"
            f" (SELECT id FROM term WHERE value IN ({','.join('?' * len(kinds))}))) ORDER BY id LIMIT ?",
            (after, upto, *kinds, limit),
        ).fetchall()
        return [self._entry(row) for row in rows]

    def caused(self, operation: int, *, after: int, upto: int) -> int:
        """How many operations this one caused directly, among the entries ``after < id <= upto``."""
        row = self._db.execute(
            "SELECT count(*) FROM entry WHERE parent = ? AND phase < 2 AND id > ? AND id <= ?",
            (operation, after, upto),
        ).fetchone()
        return int(row[0])

    def unfinished(self) -> list[int]:
        """Operations that began and have no end."""
        return [
            id_
            for (id_,) in self._db.execute(
                "SELECT id FROM entry AS b WHERE phase = 1 AND NOT EXISTS"
                " (SELECT 1 FROM entry WHERE operation = b.id AND phase >= 2 AND phase = 2)"
            )
        ]

    def at_time(self, moment: int) -> int:
        """The newest entry at or before ``moment`` (microseconds since 1970); 0 before the first."""
        low, high = 0, self.last()
        while low < high:
            middle = (low + high + 1) // 2
            (then,) = self._db.execute("SELECT time FROM entry WHERE id = ?", (middle,)).fetchone()
            if then <= moment:
                low = middle
            else:
                high = middle - 1
        return low

    # -- writing

    def next_id(self) -> int:
        """The number that the next entry will have."""
        return self._read_tail()[0] + 1

    def append(
        self,
        act: Act,
        *,
        branch: int,
        phase: int = INSTANT,
        operation: int | None = None,
        outcome: Outcome | None = None,
        usage: Usage | None = None,
        payload: int | None = None,
        payload_digest: bytes | None = None,
        versions: Sequence[SqlRow] = (),
    ) -> int:
        """Append one entry in the open transaction; its number.

        ``versions`` are the rows (plain JSON values) of the versions it makes: the chain
        covers them, and the payload through its digest.
        """
        last, newest, chain = self._read_tail()
        id_ = last + 1
        now = clock()
        moment = max(newest, now if act.at is None else min(act.at, now))
        detail = dict(act.detail)
        if act.at is not None and act.at != moment:
            detail["dated"] = act.at
        use = usage or Usage()
        numbers = (use.input, use.output, use.cached, use.reasoning, use.estimated, use.cost)
        packed = json.dumps(detail, separators=(",", ":"), sort_keys=True) if detail else None
        words = (act.kind, act.actor, act.session, act.decision, outcome, act.model)
        kind, actor, session, decision, outcome_, model = (_scrub(word) for word in words)
        name = _scrub(act.name)
        fields = (
            id_, operation or id_, phase, moment, kind, name, actor, session, act.parent, branch,
            act.step, act.attempt, decision, outcome_, model, *numbers,
            act.ref.hex() if act.ref else None,
        )  # fmt: skip
        chain = link(chain, fields, payload_digest, packed, versions)
        term = self._term
        self._db.execute(
            _INSERT,
            (
                id_, operation or id_, phase, moment, term(kind), name, term(actor), term(session),
                act.parent, branch, act.step, act.attempt, term(decision), term(outcome_),
                term(model), *numbers, act.ref, payload, packed, chain,
            ),
        )  # fmt: skip
        self._tail = (id_, moment, chain)
        return id_

    def forget_caches(self) -> None:
        """Drop what was read or interned in a transaction that was rolled back."""
        self._tail = None
        self._terms.clear()
        self._texts.clear()
        self._kinds.clear()
        self._outcomes.clear()

    # -- inside

    def _read_tail(self) -> tuple[int, int, bytes]:
        if self._tail is None:
            row = self._db.execute("SELECT id, time, chain FROM entry ORDER BY id DESC LIMIT 1").fetchone()
            self._tail = tuple(row) if row else (0, 0, GENESIS)
        return self._tail

    def _term(self, value: str | None) -> int | None:
        if value is None:
            return None
        if (known := self._terms.get(value)) is not None:
            return known
        row = self._db.execute("SELECT id FROM term WHERE value = ?", (value,)).fetchone()
        if row is None:
            row = self._db.execute("INSERT INTO term (value) VALUES (?) RETURNING id", (value,)).fetchone()
        self._terms[value] = row[0]
        return int(row[0])

    def _text(self, id_: int | None) -> str | None:
        if id_ is None:
            return None
        if (known := self._texts.get(id_)) is None:
            row = self._db.execute("SELECT value FROM term WHERE id = ?", (id_,)).fetchone()
            known = self._texts[id_] = row[0] if row else "?"
        return known

    def _kind(self, id_: int) -> Kind:
        if (known := self._kinds.get(id_)) is None:
            known = self._kinds[id_] = Kind(self._text(id_) or "?")
        return known

    def _outcome(self, id_: int | None) -> Outcome | None:
        if id_ is None:
            return None
        if (known := self._outcomes.get(id_)) is None:
            known = self._outcomes[id_] = Outcome(self._text(id_) or "?")
        return known

    def _entry(self, row: SqlRow) -> Entry:
        text = self._text
        return Entry(
            id=row[0], operation=row[1], phase=row[2], time=row[3], kind=self._kind(row[4]),
            name=row[5], actor=text(row[6]), session=text(row[7]), parent=row[8], branch=row[9],
            step=row[10], attempt=row[11], decision=text(row[12]), outcome=self._outcome(row[13]),
            model=text(row[14]), usage=Usage(*row[15:21]), ref=row[21], payload=row[22],
            detail=_unpacked(row[0], row[23]), chain=row[24],
        )  # fmt: skip

    def _operation(self, first: Entry, cursor: int | None) -> Operation:
        last = first
        if first.phase == BEGUN:
            row = self._db.execute(
                f"{_SELECT} WHERE operation = ? AND phase >= 2 AND id <= ? ORDER BY phase = 2 DESC, id DESC LIMIT 1",
                (first.id, self.last() if cursor is None else cursor),
            ).fetchone()
            last = self._entry(row) if row else first
        ended = first.phase == INSTANT or last.phase == ENDED
        detail = {**first.detail, **last.detail}
        happened = dated(first)
        started = first.time if happened is None else happened
        return Operation(
            id=first.id, last=last.id, kind=first.kind, name=first.name, actor=first.actor,
            session=first.session, parent=first.parent, branch=first.branch, step=first.step,
            attempt=first.attempt, decision=last.decision or first.decision,
            outcome=last.outcome or (Outcome.DONE if ended else None),
            model=last.model or first.model, usage=last.usage, started=started, ref=last.ref or first.ref,
            ended=(started if first.phase == INSTANT else last.time) if ended else None,
            detail=detail,
        )  # fmt: skip


def clock() -> int:
    """The time of an entry written now: this machine's clock, in microseconds since 1970."""
    return time.time_ns() // 1000


def _first(kind: Kind) -> str:
    """What tells the first entries of operations of a kind: through the index, but for imports."""
    return "phase < 2" if kind == Kind.IMPORT else _FIRST


def link(
    before: bytes,
    fields: Sequence[object],
    payload_digest: bytes | None,
    detail: str | None,
    versions: Iterable[SqlRow],
) -> bytes:
    """The next value of the hash chain: SHA-256 over the last one and the entry as canonical JSON."""
    body = json.dumps(
        [*fields, payload_digest.hex() if payload_digest else None, detail, list(versions)],
        separators=(",", ":"),
    )
    return hashlib.sha256(before + body.encode("ascii")).digest()


def chain_fields(entry: Entry) -> tuple[object, ...]:
    """The fields of a stored entry in the order in which the chain covers them."""
    use = entry.usage
    return (
        entry.id, entry.operation, entry.phase, entry.time, entry.kind, entry.name, entry.actor,
        entry.session, entry.parent, entry.branch, entry.step, entry.attempt, entry.decision,
        entry.outcome, entry.model, use.input, use.output, use.cached, use.reasoning,
        use.estimated, use.cost, entry.ref.hex() if entry.ref else None,
    )  # fmt: skip


def pages(journal: Journal, size: int = 1000) -> Iterator[Entry]:
    """All entries in order, read a page at a time so that no transaction stays open."""
    at, end = 0, journal.last()
    while at < end:
        for entry in journal.entries(after=at, upto=end, limit=size):
            at = entry.id
            yield entry


def _unpacked(entry: int, packed: str | None) -> dict[str, object]:
    """An entry's detail. Raises Damaged where it is not the JSON object that was written."""
    if not packed:
        return {}
    with suppress(ValueError):
        if isinstance(detail := json.loads(packed), dict):
            return detail
    raise Damaged(f"Entry {entry} is damaged; run `wukong verify`.")


def _scrub(text: str | None) -> str | None:
    """Text that SQLite can bind: lone surrogates become replacement characters."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")
