"""Reading a random version of any document, against dulwich and ``git cat-file --batch`` on the packed repository.

All start cold, may keep as many bytes of decoded objects, and read the same sequence in turns.
Ours finds the version by document and number; the others are given the object's name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from random import Random

from dulwich.repo import Repo

from workspace.store.store import Store

from .git import Batch
from .lab import Lab, Past
from .measure import Row, Target, alternate, percentile, spread


def rows(lab: Lab) -> Iterator[Row]:
    for past in lab.histories():
        yield from _reads(lab, past)


def _reads(lab: Lab, past: Past) -> Iterator[Row]:
    picks = _picks(past, lab.scaled(2_000, 500))
    lab.say(f"reading {len(picks):,} random versions of the {past.name} history")
    store = Store.open(past.store, read_only=True)
    repository = Repo(str(past.git.folder))
    batch = Batch(past.git)
    versions, objects = store.versions, repository.object_store
    try:
        ours, dulwich, git = alternate(
            len(picks),
            lambda n: lambda: versions.bytes_of(versions.get(*picks[n][0])),
            lambda n: lambda: objects.get_raw(picks[n][1]),
            lambda n: lambda: batch.read(picks[n][1]),
        )
    finally:
        store.close()
        repository.close()
        batch.close()
    for name, theirs, target in (("dulwich", dulwich, Target(1.0)), ("git cat-file --batch", git, None)):
        ratio = percentile(ours, 99) / percentile(theirs, 99)
        yield Row(f"read any version, {past.name}, p99 and {name}'s", spread(ours), spread(theirs), ratio, target)


def _picks(past: Past, count: int) -> list[tuple[tuple[int, int], bytes]]:
    """Random versions: document and number, and the name that git gives to the same bytes."""
    store = Store.open(past.store, read_only=True)
    rows = store.db.execute(
        "SELECT document, number FROM version WHERE content IS NOT NULL ORDER BY document, number"
    ).fetchall()
    out = []
    for document, number in Random(12).choices(rows, k=count):
        data = store.versions.bytes_of(store.versions.get(document, number))
        name = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        out.append(((document, number), name.encode()))
    store.close()
    return out
