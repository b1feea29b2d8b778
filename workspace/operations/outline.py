"""The history as an outline: acts and what they caused, in pages; where much happened, and what.

Every query goes through an index and is bounded by a range of entries or by a number of rows,
so that its cost follows what is asked for, not the length of the history.
"""

from __future__ import annotations

from collections.abc import Sequence

from workspace.kinds import Kind, Outcome
from workspace.records import Usage
from workspace.store.store import Store

END = 1 << 62


def siblings(
    store: Store,
    parent: int | None,
    *,
    after: int = 0,
    before: int = END,
    newest_first: bool = False,
    limit: int = 100,
) -> list[int]:
    """Operations that ``parent`` caused directly (None: top-level acts) with ``after < id < before``, a page."""
    order = "DESC" if newest_first else "ASC"
    bounds = f"phase < 2 AND id > ? AND id < ? ORDER BY id {order} LIMIT ?"
    if parent is None:
        rows = store.db.execute(f"SELECT id FROM entry WHERE parent IS NULL AND {bounds}", (after, before, limit))
    else:
        rows = store.db.execute(
            f"SELECT id FROM entry INDEXED BY entry_parent WHERE parent = ? AND {bounds}",
            (parent, after, before, limit),
        )
    return [id_ for (id_,) in rows.fetchall()]


def caused(store: Store, operation: int, after: int, upto: int) -> int:
    """How many operations one caused directly with entries in ``after < id <= upto``.

    Entries are counted in an index; those that only continue a long operation are taken off again.
    """
    (entries,) = store.db.execute(
        "SELECT count(*) FROM entry INDEXED BY entry_parent WHERE parent = ? AND id > ? AND id <= ?",
        (operation, after, upto),
    ).fetchone()
    if not entries:
        return 0
    (more,) = store.db.execute(
        "SELECT count(*) FROM entry b INDEXED BY entry_running JOIN entry e INDEXED BY entry_operation"
        " ON e.operation = b.id AND e.phase >= 2 AND e.id > ? AND e.id <= ?"
        " WHERE b.phase = 1 AND b.id > ? AND b.id <= ? AND b.parent = ? AND e.parent = ?",
        (after, upto, operation, upto, operation, operation),
    ).fetchone()
    return int(entries - more)


def parent_of(store: Store, operation: int) -> int | None:
    """What caused an operation; None for a top-level act and for what does not exist."""
    row = store.db.execute("SELECT parent FROM entry WHERE id = ?", (operation,)).fetchone()
    return row[0] if row else None


def edits(store: Store, after: int, upto: int) -> list[tuple[int, int, int | None, int | None]]:
    """``(owner, document, lines added, removed)`` of the versions made in ``after < entry <= upto``.

    The owner is the operation, or where an instant one was caused by another that other one, so
    that the calls of a loop are one row per document.
    """
    return store.db.execute(
        "SELECT iif(e.phase = 0, coalesce(e.parent, e.id), e.operation), v.document, sum(v.added), sum(v.removed)"
        " FROM version v INDEXED BY version_entry JOIN entry e ON e.id = v.entry"
        " WHERE v.entry > ? AND v.entry <= ? GROUP BY 1, 2",
        (after, upto),
    ).fetchall()


def model_calls(store: Store, after: int, upto: int) -> list[tuple[int, str | None, bytes | None, Usage]]:
    """``(operation, outcome, provider's message id, usage)`` of the model calls that began in ``after < id <= upto``.

    Only those that have ended; of several ends the newest counts.
    """
    rows = store.db.execute(
        "SELECT b.id, t.value, e.ref, e.tokens_input, e.tokens_output, e.tokens_cached, e.tokens_reasoning,"
        " e.tokens_estimated, e.cost, max(e.id) FROM entry b INDEXED BY entry_model"
        " JOIN entry e INDEXED BY entry_operation ON e.operation = b.id AND e.phase >= 2 AND e.phase = 2"
        " LEFT JOIN term t ON t.id = e.outcome"
        " WHERE b.model IS NOT NULL AND b.phase = 1 AND b.id > ? AND b.id <= ? GROUP BY b.id",
        (after, upto),
    ).fetchall()
    return [(row[0], row[1], row[2], Usage(*row[3:9])) for row in rows]


def ended_calls(store: Store, after: int, upto: int) -> list[tuple[int, str | None, bytes | None, Usage]]:
    """What ``model_calls`` gives, of the model calls that ended in ``after < entry <= upto``, once for every end."""
    rows = store.db.execute(
        "SELECT b.id, t.value, e.ref, e.tokens_input, e.tokens_output, e.tokens_cached, e.tokens_reasoning,"
        " e.tokens_estimated, e.cost FROM entry e JOIN entry b ON b.id = e.operation"
        " LEFT JOIN term t ON t.id = e.outcome"
        " WHERE e.id > ? AND e.id <= ? AND e.phase = 2 AND b.model IS NOT NULL ORDER BY e.id",
        (after, upto),
    ).fetchall()
    return [(row[0], row[1], row[2], Usage(*row[3:9])) for row in rows]


def begun(store: Store, after: int, upto: int) -> dict[int, int]:
    """How many operations began in ``after < id <= upto``, by what caused them directly."""
    rows = store.db.execute(
        "SELECT parent, count(*) FROM entry WHERE id > ? AND id <= ? AND phase < 2 AND parent IS NOT NULL"
        " GROUP BY parent",
        (after, upto),
    ).fetchall()
    return dict(rows)


def density(store: Store, after: int, upto: int, size: int) -> list[tuple[int, int]]:
    """``(bucket, versions)`` of ``after < entry <= upto``; a bucket is ``size`` entries, the first begins at 0."""
    return store.db.execute(
        "SELECT entry / ?, count(*) FROM version INDEXED BY version_entry WHERE entry > ? AND entry <= ? GROUP BY 1",
        (size, after, upto),
    ).fetchall()


def firsts(store: Store, kinds: Sequence[Kind], after: int, upto: int, size: int) -> list[int]:
    """The first operation of each kind in each bucket of ``size`` entries, in ``after < id <= upto``."""
    found: list[int] = []
    for kind in kinds:
        rows = store.db.execute(
            "SELECT min(id) FROM entry INDEXED BY entry_kind WHERE kind = (SELECT id FROM term WHERE value = ?)"
            " AND phase < 2 AND ref IS NULL AND id > ? AND id <= ? GROUP BY id / ?",
            (kind, after, upto, size),
        )
        found += [id_ for (id_,) in rows.fetchall()]
    return found


def endings(store: Store, kind: Kind, after: int, upto: int) -> list[tuple[int, int | None, Outcome | None]]:
    """``(operation, entry of its newest end or None, outcome)`` of a kind, begun in ``after < id <= upto``."""
    rows = store.db.execute(
        "SELECT b.id, max(e.id), t.value FROM entry b INDEXED BY entry_kind"
        " LEFT JOIN entry e INDEXED BY entry_operation ON e.operation = b.id AND e.phase >= 2 AND e.phase = 2"
        " LEFT JOIN term t ON t.id = e.outcome"
        " WHERE b.kind = (SELECT id FROM term WHERE value = ?) AND b.phase < 2"
        " AND b.ref IS NULL AND b.id > ? AND b.id <= ?"
        " GROUP BY b.id",
        (kind, after, upto),
    )
    return [(id_, end, outcome and Outcome(outcome)) for id_, end, outcome in rows.fetchall()]


def matching(store: Store, text: str, after: int, upto: int) -> list[tuple[int, int]]:
    """``(operation, how many)`` in ``after < entry <= upto`` whose name, kind, actor or document holds ``text``.

    Letters count without case where they are ASCII. What a capability caused counts under it: a loop is one.
    """
    like = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    rows = store.db.execute(
        "WITH word AS MATERIALIZED (SELECT id FROM term WHERE value LIKE :like ESCAPE '\\'),"
        " place AS MATERIALIZED (SELECT id FROM path WHERE CAST(name AS TEXT) LIKE :like ESCAPE '\\'),"
        " found AS (SELECT id FROM entry WHERE id > :after AND id <= :upto AND phase < 2"
        " AND (name LIKE :like ESCAPE '\\' OR kind IN word OR actor IN word)"
        " UNION SELECT e.operation FROM version v INDEXED BY version_entry JOIN entry e ON e.id = v.entry"
        " WHERE v.entry > :after AND v.entry <= :upto AND v.path IN place)"
        f" SELECT iif(p.kind = (SELECT id FROM term WHERE value = '{Kind.CAPABILITY}'), p.id, e.id) AS shown,"
        " count(*)"
        " FROM found JOIN entry e ON e.id = found.id LEFT JOIN entry p ON p.id = e.parent"
        " GROUP BY shown ORDER BY shown",
        {"like": like, "after": after, "upto": upto},
    )
    return [(row[0], row[1]) for row in rows.fetchall()]
