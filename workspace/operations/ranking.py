"""Ranking short texts against a query by BM25, in memory."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workspace.store.engine import memory


def rank(texts: Sequence[tuple[int, str]], query: str) -> dict[int, float]:
    """BM25 ranks (lower is better) of the texts that share a word with ``query``, by their number.

    Source: SQLite FTS5. Meant for hundreds of short texts: the index lives in memory.
    """
    words = re.findall(r"\w+", query)
    if not words or not texts:
        return {}
    index = memory()
    try:
        index.execute("CREATE VIRTUAL TABLE text USING fts5(body, tokenize='porter unicode61')")
        index.executemany("INSERT INTO text (rowid, body) VALUES (?,?)", texts)
        asked = " OR ".join(f'"{word}"' for word in words)
        return dict(index.execute("SELECT rowid, rank FROM text WHERE text MATCH ?", (asked,)).fetchall())
    finally:
        index.close()
