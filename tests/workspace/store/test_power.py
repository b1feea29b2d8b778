"""Power cuts: what was acknowledged is there after any of them, whole, and nothing is there by halves.

kill -9 does not test this, because the kernel keeps what a killed program wrote. So a store
works on watched files, and the files are then put together as a disk may hold them when the
power fails at any moment of that work (see recording_vfs).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from tests.workspace.recording_vfs import Change, Disk, Watched, connect
from tests.workspace.surroundings import memory as memory
from workspace.operations.verify import verify
from workspace.records import Act, Edit, State, Version
from workspace.store import schema
from workspace.store.store import FILE, Store

CUTS = 100
COMMITS = 40
"""Transactions between one opening of the store and its closing."""
DOCUMENTS = 12


@dataclass(frozen=True)
class Commit:
    """One acknowledged transaction: how long the log was when it returned, and what it promised."""

    position: int
    last_entry: int
    versions: dict[tuple[int, int], bytes | None]


class Work(NamedTuple):
    """A store's whole life as the disk saw it, and what its user was told."""

    log: list[Change]
    commits: list[Commit]


def test_power_cuts_lose_nothing_that_was_acknowledged(memory: Path) -> None:
    assert sum(_lost_in_cuts(memory, CUTS, seed=1)) == 0


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_power_cuts_lose_nothing_that_was_acknowledged(memory: Path, seed: int) -> None:
    assert sum(_lost_in_cuts(memory, CUTS, seed)) == 0


def test_the_same_cuts_without_full_syncing_lose_acknowledged_versions(memory: Path) -> None:
    """The proof that these tests can fail: SQLite's usual setting for WAL is not durable."""
    losses = list(_lost_in_cuts(memory, CUTS // 2, seed=1, synchronous="NORMAL"))
    assert sum(1 for lost in losses if lost) > CUTS // 8


def _lost_in_cuts(folder: Path, cuts: int, seed: int, synchronous: str | None = None) -> Iterator[int]:
    """Cut the power at random moments of one store's life; how many acknowledged versions each cut lost."""
    random = Random(seed)
    work = _work(folder, random, synchronous)
    disk, positions = Disk(), set(random.sample(range(1, len(work.log) + 1), cuts))
    for position, change in enumerate(work.log, 1):
        disk.take(change)
        if position in positions:
            found = folder / f"cut-{position}"
            found.mkdir()
            for name, content in disk.after_power_cut(random).items():
                (found / name).write_bytes(content)
            yield _check(found, work, position)


def _check(folder: Path, work: Work, position: int) -> int:
    """Open what a cut left: all there is must be whole and true. Returns the acknowledged versions lost."""
    store = Store.open(folder)
    try:
        assert store.db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        last = store.journal.last()
        there = [commit for commit in work.commits if commit.last_entry <= last]
        assert last == (there[-1].last_entry if there else 0), "a transaction is there by halves"
        expected = {key: content for commit in there for key, content in commit.versions.items()}
        numbers = store.db.execute("SELECT document, number FROM version").fetchall()
        versions = [store.versions.get(document, number) for document, number in numbers]
        assert {(v.document, v.number): _content(store, v) for v in versions} == expected
        assert verify(store).problems == ()
        new = store.contents.put(b"life goes on")
        _, (made,) = store.record(Act(), [Edit(None, "after", State("after", 0o100644, new))], branch=1)
        assert store.versions.bytes_of(made) == b"life goes on"
    finally:
        store.close()
    acknowledged = [commit for commit in work.commits if commit.position <= position]
    return sum(len(commit.versions) for commit in acknowledged if commit.last_entry > last)


def _content(store: Store, version: Version) -> bytes | None:
    return store.versions.bytes_of(version) if version.exists else None


def _work(folder: Path, random: Random, synchronous: str | None) -> Work:
    """Commit versions of every kind through watched files, closing and opening the store now and then."""
    vfs = Watched()
    original = folder / "original"
    original.mkdir()
    heads: dict[int, Version] = {}
    commits: list[Commit] = []
    for _ in range(3):
        connection = connect(original / FILE, vfs)
        connection.execute("PRAGMA wal_autocheckpoint=80")  # low, so that many cuts meet a checkpoint
        if synchronous:
            connection.execute(f"PRAGMA synchronous={synchronous}")
        schema.migrate(connection)  # type: ignore[arg-type]
        store = Store(connection)  # type: ignore[arg-type]
        for _ in range(COMMITS):
            versions: dict[tuple[int, int], bytes | None] = {}
            last = 0
            with store.transaction():
                for _ in range(random.choice((1, 1, 1, 5))):
                    chosen = random.sample(range(DOCUMENTS), random.choice((1, 1, 4)))
                    edits = [_edit(store, random, slot, heads.get(slot)) for slot in chosen]
                    last, made = store.record(Act(actor="tester"), edits, branch=1)
                    heads.update(zip(chosen, made, strict=True))
                    versions |= {(v.document, v.number): _content(store, v) for v in made}
            commits.append(Commit(len(vfs.log), last, versions))
        store.close()
    vfs.unregister()
    return Work(vfs.log, commits)


def _edit(store: Store, random: Random, slot: int, head: Version | None) -> Edit:
    """A random act on a document: a new text, a small edit, a large one, a rename, a deletion."""
    path = f"folder/document-{slot}"
    if head is None or head.state is None:
        content = store.contents.put(random.randbytes(random.choice((0, 300, 20_000))))
        return Edit(head and head.document, path, State(path, 0o100644, content), head and head.number)
    kind = random.choice(("edit", "edit", "edit", "large", "rename", "delete"))
    if kind == "delete":
        return Edit(head.document, head.path, None, head.number)
    if kind == "rename":
        path = f"{path}-{random.randrange(1000)}"
        return Edit(head.document, path, State(path, 0o100644, head.state.content), head.number)
    text = store.versions.bytes_of(head)
    at = random.randrange(len(text) + 1)
    more = random.randbytes(60_000 if kind == "large" else 40)
    content = store.contents.put(text[:at] + more + text[at + random.randrange(50) :], head.content)
    return Edit(head.document, head.path, State(head.path, 0o100644, content), head.number)
