"""kill -9 of a writer at random moments: whatever it acknowledged is there, and opening is quick."""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from tests.workspace.model import leftovers, snapshot
from workspace import Workspace
from workspace.operations.verify import verify

REPOSITORY = Path(__file__).parents[3]
LIMIT = 5.0
"""Seconds that opening may take on any machine; it should take a fraction of one."""

EDITOR = ".wukong-tmp-editor"


@dataclass
class Promises:
    """What the writers said: versions by document and number, and edits made outside."""

    versions: dict[tuple[int, int], tuple[str, int | None, str | None]] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)
    """What an editor last left at a path."""
    unscanned: set[str] = field(default_factory=set)

    def take(self, line: str) -> None:
        words = json.loads(line)
        if "editing" in words:
            self.unscanned.add(words["editing"])
            self.outside.pop(words["editing"], None)
        if "edited" in words:
            self.outside[words["edited"]] = words["digest"]
        for document, number, path, mode, digest in words.get("versions", ()):
            self.versions[document, number] = (path, mode, digest)
        if words.get("done") in ("scan", "restore"):
            self.unscanned.clear()


def _write_until_killed(root: Path, store: Path, chance: Random, promises: Promises) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.workspace.writer", str(root), str(store), str(chance.getrandbits(32))],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdout is not None
    with writer.stdout as said:
        first = said.readline()
        with suppress(subprocess.TimeoutExpired):
            writer.wait(timeout=chance.uniform(0, 0.4))
        assert writer.poll() is None, "the writer ended by itself"
        writer.kill()
        lines = [first, *said]
    writer.wait()
    for line in lines:
        if line.endswith("\n"):  # the last one may be cut short, and is no promise then
            promises.take(line)


def _check(root: Path, store: Path, promises: Promises) -> float:
    """Open what a killed writer left and hold it against its promises; the seconds that opening took."""
    started = time.perf_counter()
    work = Workspace.open(root, store=store)
    seconds = time.perf_counter() - started
    with work:
        for (document, number), promised in promises.versions.items():
            version = work.store.versions.get(document, number)
            digest = hashlib.sha256(work.content(version)).hexdigest() if version.exists else None
            assert (version.path, version.mode, digest) == promised
        assert not work.unplaced()
        assert [path for path in leftovers(root) if not path.endswith(EDITOR)] == []
        assert _differing(work) <= promises.unscanned
        work.scan()
        promises.unscanned.clear()
        assert _differing(work) == set()
        assert work.differences() == []
        held = {row[0].hex() for row in work.store.db.execute("SELECT digest FROM content")}
        assert set(promises.outside.values()) <= held
        assert verify(work.store).problems == ()
    return seconds


def _differing(work: Workspace) -> set[str]:
    disk = snapshot(work.root)
    tree = {path: (version.mode, work.content(version)) for path, version in work.tree().items()}
    return {path for path in disk.keys() | tree.keys() if disk.get(path) != tree.get(path)}


def _kill(folder: Path, store: Path, times: int) -> None:
    chance, promises, opening = Random(times), Promises(), []
    for _ in range(times):
        _write_until_killed(folder, store, chance, promises)
        opening.append(_check(folder, store, promises))
    print(
        f"{times} kills, {len(promises.versions):,} acknowledged versions, none lost; opening again took"
        f" {statistics.median(opening) * 1000:.1f} ms (median), {max(opening) * 1000:.1f} ms (worst)"
    )
    assert max(opening) < LIMIT


def test_killed_writers_lose_nothing_they_acknowledged(folder: Path, tmp_path: Path) -> None:
    _kill(folder, tmp_path / "store", 20)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_killed_writers_lose_nothing_they_acknowledged(folder: Path, tmp_path: Path) -> None:
    _kill(folder, tmp_path / "store", 200)
