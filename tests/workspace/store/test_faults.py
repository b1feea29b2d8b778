"""Disks that are full, read-only or failing: nothing is shown as saved that is not, and work goes on after."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import apsw
import pytest

from tests.workspace.recording_vfs import Change, Watched, broken, connect, full
from tests.workspace.surroundings import memory as memory
from tests.workspace.surroundings import permissions_bind
from workspace import Act, Conflicted, Edit, History, State, Version, Workspace, WorkspaceError
from workspace.operations.verify import verify
from workspace.store import schema
from workspace.store.store import FILE, Store

Fault = Callable[[Change], None]
Kept = dict[tuple[int, int], bytes]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")


class Failing:
    """Raises an error at change ``first``, and at every later one too unless ``once``."""

    def __init__(self, first: int, error: Callable[[], apsw.Error], *, once: bool) -> None:
        self.first, self.error, self.once = first, error, once
        self.seen = 0
        self.struck = False

    def __call__(self, change: Change) -> None:
        self.seen += 1
        if self.seen == self.first or (self.seen > self.first and not self.once and change.kind == "write"):
            self.struck = True
            raise self.error()


KINDS = [pytest.param(full, False, id="disk full"), pytest.param(broken, True, id="input/output error")]


# -- the store, at every single write


@pytest.mark.parametrize(("error", "once"), KINDS)
def test_a_store_whose_disk_fails_at_any_write_keeps_exactly_what_it_acknowledged(
    memory: Path, error: Callable[[], apsw.Error], once: bool
) -> None:
    for first in itertools.count(1):
        fault = Failing(first, error, once=once)
        if not _store_survives(memory / str(first), fault):
            break
    assert first > 100, "the faults met less than the whole life of a store"


def _store_survives(folder: Path, fault: Failing) -> bool:
    """Live through one fault and check; False once the fault lies beyond the end of this life."""
    folder.mkdir()
    vfs = Watched(fault)
    kept: Kept = {}
    said: list[str] = []
    store: Store | None = None
    try:
        try:
            connection = connect(folder / FILE, vfs)
            schema.migrate(connection)  # type: ignore[arg-type]
            store = Store(connection)  # type: ignore[arg-type]
            heads: dict[int, Version] = {}
            for number in range(6):
                try:
                    kept |= _transaction(store, number, heads)
                except WorkspaceError as error:
                    said.append(str(error))
                _assert_holds(store, kept)
        except WorkspaceError as error:
            said.append(str(error))
        vfs.before = lambda change: None
        if store is not None:
            kept |= _transaction(store, 6, heads)  # the disk is well again, and so is the store
            _assert_holds(store, kept)
            vfs.before = fault
            store.close()
    finally:
        vfs.unregister()
    again = Store.open(folder)
    _assert_holds(again, kept)
    assert verify(again).problems == ()
    again.close()
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in said)
    return fault.struck


def _transaction(store: Store, number: int, heads: dict[int, Version]) -> Kept:
    """Two acts in one transaction: new texts and edits, large and small."""
    random = Random(number)
    new: dict[int, Version] = {}
    with store.transaction():
        for slot in (number % 3, 3):
            head = new.get(slot) or heads.get(slot)
            text = random.randbytes(9000 if number == 4 else 200) + (store.versions.bytes_of(head) if head else b"")
            content = store.contents.put(text, head.content if head else None)
            path = f"folder/{slot}"
            document, parent = (head.document, head.number) if head else (None, None)
            edit = Edit(document, path, State(path, 0o100644, content), parent)
            _, (new[slot],) = store.record(Act(actor="tester"), [edit], branch=1)
    heads |= new
    return {(v.document, v.number): store.versions.bytes_of(v) for v in new.values()}


def _assert_holds(store: Store, kept: Kept) -> None:
    rows = store.db.execute("SELECT document, number FROM version").fetchall()
    store.contents.clear_cache()
    assert {(d, n): store.versions.bytes_of(store.versions.get(d, n)) for d, n in rows} == kept


def test_acts_after_one_that_ended_their_transaction_are_not_saved_by_themselves(memory: Path) -> None:
    vfs = Watched()
    connection = connect(memory / FILE, vfs)
    schema.migrate(connection)  # type: ignore[arg-type]
    connection.execute("PRAGMA cache_size=1")  # so that a large act is written before the commit
    store = Store(connection)  # type: ignore[arg-type]
    refused = []

    def group() -> None:
        with store.transaction():
            for number, size in enumerate((10, 200_000, 10)):
                vfs.before = Failing(1, broken, once=True) if number == 1 else lambda change: None
                try:
                    with store.transaction():
                        content = store.contents.put(Random(number).randbytes(size))
                        edit = Edit(None, f"{number}", State(f"{number}", 0o100644, content))
                        store.record(Act(), [edit], branch=1)
                except WorkspaceError:
                    refused.append(number)

    with pytest.raises(WorkspaceError, match="Nothing was saved"):
        group()
    assert refused == [1, 2]
    assert store.journal.last() == 0
    kept = _transaction(store, 0, {})
    _assert_holds(store, kept)
    store.close()
    vfs.unregister()


# -- a whole workspace, at any write of its store


@pytest.mark.parametrize(("error", "once"), KINDS)
def test_a_workspace_whose_store_fails_loses_nobodys_bytes(
    memory: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[[], apsw.Error], once: bool
) -> None:
    struck, first = True, 0
    while struck:
        first += 7  # every write is met by the long form of this test
        struck = _workspace_survives(memory / str(first), Failing(first, error, once=once), monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize(("error", "once"), KINDS)
def test_a_workspace_survives_a_fault_at_every_write(
    memory: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[[], apsw.Error], once: bool
) -> None:
    for first in itertools.count(1):
        if not _workspace_survives(memory / str(first), Failing(first, error, once=once), monkeypatch):
            return


def _workspace_survives(folder: Path, fault: Failing, monkeypatch: pytest.MonkeyPatch) -> bool:
    root = folder / "work"
    root.mkdir(parents=True)
    vfs = Watched(fault)
    told: Kept = {}
    theirs: set[bytes] = set()
    with monkeypatch.context() as patch:
        patch.setattr("workspace.store.store.connect", lambda path, read_only=False: connect(path, vfs))
        try:
            work = Workspace.open(root, store=folder / "store")
        except WorkspaceError:
            vfs.before = lambda change: None
            work = Workspace.open(root, store=folder / "store")
        for act in ACTS:
            for path, data in act.outside.items():
                if (root / path).exists():  # who overwrites his own bytes has lost them himself
                    theirs.discard((root / path).read_bytes())
                (root / path).write_bytes(data)
                theirs.add(data)
            try:
                versions = act.do(work)
            except WorkspaceError:
                continue
            told |= {(v.document, v.number): work.content(v) for v in versions}
        vfs.before = lambda change: None
        after = work.write("after.txt", b"the disk is well again\n")
        told[after.document, after.number] = b"the disk is well again\n"
        vfs.before = fault
        with suppress(WorkspaceError):
            work.close()
    vfs.unregister()
    with Workspace.open(root, store=folder / "store") as work:
        work.scan()
        assert work.unplaced() == []
        assert work.differences() == []
        versions = work.store.versions.of_entries(1, work.cursor)
        held = {(v.document, v.number): work.content(v) for v in versions}
        assert told.items() <= held.items()
        assert theirs <= set(held.values())
        assert {path: (root / path).read_bytes() for path in work.tree()} == {
            path: work.content(version) for path, version in work.tree().items()
        }
        assert verify(work.store).problems == ()
    assert not list(root.rglob(".wukong-tmp*"))
    return fault.struck


class _Act(NamedTuple):
    do: Callable[[Workspace], Sequence[Version]]
    outside: Mapping[str, bytes] = {}
    """What somebody else writes first."""


def _batch(work: Workspace) -> list[Version]:
    with work.batch():
        return [work.write(f"many/{number}", b"%d\n" % number) for number in range(3)]


ACTS = [
    _Act(lambda work: work.scan().versions, {"a.txt": b"one\ntwo\nthree\n", "b.txt": b"b\n"}),
    _Act(lambda work: [work.write("a.txt", b"one\ntwo\nthree\nfour\n")]),
    _Act(lambda work: [work.write("a.txt", b"one\ntwo\nthree\nfour\nfive\n")], {"a.txt": b"ONE\ntwo\nthree\nfour\n"}),
    _Act(lambda work: work.scan().versions, {"b.txt": b"somebody's b\n", "new.txt": b"new\n"}),
    _Act(lambda work: [work.move("a.txt", "folder/a.txt")]),
    _Act(_batch),
    _Act(lambda work: [work.delete("b.txt")], {"b.txt": b"saved before it is deleted\n"}),
    _Act(lambda work: work.restore(cursor=2), {"new.txt": b"newer\n", "left.txt": b"left\n"}),
    _Act(lambda work: work.store.versions.of_operation(work.undo().id)),
    _Act(lambda work: [work.write("a.txt", b"the end\n")]),
]


def test_an_edit_that_meets_a_write_while_the_disk_is_full_stays_on_disk(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vfs = Watched()
    with monkeypatch.context() as patch:
        patch.setattr("workspace.store.store.connect", lambda path, read_only=False: connect(path, vfs))
        work = Workspace.open(folder, store=tmp_path / "store")
    work.write("a.txt", b"old\n")

    def meddle(point: str) -> None:
        if point == "staged":
            (folder / "a.txt").write_bytes(b"somebody's\n")
            vfs.before = Failing(1, full, once=False)

    work.step = meddle
    with pytest.raises(Conflicted):
        work.write("a.txt", b"ours\n")
    assert (folder / "a.txt").read_bytes() == b"somebody's\n"
    assert work.unplaced()
    work.step = lambda point: None
    vfs.before = lambda change: None
    work.scan()
    work.close()
    vfs.unregister()
    with History.open(folder, store=tmp_path / "store") as history:
        contents = {history.content(version) for version in history.history("a.txt")}
    assert {b"old\n", b"ours\n", b"somebody's\n"} <= contents


# -- real full and read-only disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    path = tmp_path / "small"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", path], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@as_root
def test_a_store_on_a_full_disk_says_so_stays_readable_and_goes_on(folder: Path, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(100_000))
    saved: list[Version] = []
    with Workspace.open(folder, store=small_disk / "store") as work:
        texts = [Random(number).randbytes(5000) for number in range(200)]
        with pytest.raises(WorkspaceError, match="Nothing was saved"):
            saved.extend(work.write("big.bin", text) for text in texts)
        texts = texts[: len(saved)]
        assert [work.content(version) for version in saved] == texts
        assert (folder / "big.bin").read_bytes() == texts[-1]
        ballast.unlink()
        saved.append(work.write("big.bin", b"room again\n"))
    with History.open(folder, store=small_disk / "store") as history:
        assert [history.content(version) for version in history.history("big.bin")] == [*texts, b"room again\n"]


@as_root
def test_a_store_on_a_read_only_disk_can_be_read_and_says_why_it_cannot_be_written(
    folder: Path, small_disk: Path
) -> None:
    with Workspace.open(folder, store=small_disk / "store") as work:
        version = work.write("a.txt", b"a\n")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with History.open(folder, store=small_disk / "store") as history:
        assert history.content(version) == b"a\n"
    with pytest.raises(WorkspaceError, match="Read-only"):
        Workspace.open(folder, store=small_disk / "store")


@permissions_bind
def test_a_store_without_write_permission_can_be_read_and_says_why_it_cannot_be_written(
    tmp_path: Path, folder: Path
) -> None:
    store = tmp_path / "store"
    with Workspace.open(folder, store=store) as work:
        version = work.write("a.txt", b"a\n")
    for file in store.iterdir():
        file.chmod(0o400)
    store.chmod(0o500)
    try:
        with pytest.raises(WorkspaceError, match="cannot be written"):
            Workspace.open(folder, store=store)
        with History.open(folder, store=store) as history:
            assert history.content(version) == b"a\n"
    finally:
        store.chmod(0o700)


@as_root
def test_a_full_working_directory_keeps_the_old_file_and_the_new_version(tmp_path: Path, small_disk: Path) -> None:
    text = Random(1).randbytes(400_000)
    with Workspace.open(small_disk, store=tmp_path / "store") as work:
        work.write("a.bin", text)
        with pytest.raises(Conflicted, match="cannot be written"):
            work.write("a.bin", text + b"!")
        assert (small_disk / "a.bin").read_bytes() == text
        assert [version.path for version in work.unplaced()] == ["a.bin"]
        assert work.content(work.version("a.bin", 2)) == text + b"!"
        work.write("a.bin", b"small\n")
        assert (small_disk / "a.bin").read_bytes() == b"small\n"
        assert work.unplaced() == []


# -- a working directory that cannot take a file


@permissions_bind
def test_a_folder_that_cannot_be_written_keeps_its_files_and_the_new_version(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("locked/a.txt", b"old\n")
        (folder / "locked").chmod(0o500)
        with pytest.raises(Conflicted, match="cannot be written"):
            work.write("locked/a.txt", b"new\n")
        assert (folder / "locked/a.txt").read_bytes() == b"old\n"
        (folder / "locked").chmod(0o700)
    with Workspace.open(folder) as work:
        assert (folder / "locked/a.txt").read_bytes() == b"new\n"
        assert work.unplaced() == []


def test_a_directory_in_the_way_of_a_document_is_left_alone(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("a.txt", b"one\n")
        (folder / "a.txt").unlink()
        (folder / "a.txt").mkdir()
        (folder / "a.txt" / "inside.txt").write_bytes(b"inside\n")
        with pytest.raises(WorkspaceError):
            work.write("a.txt", b"two\n")
        assert (folder / "a.txt" / "inside.txt").read_bytes() == b"inside\n"
        scanned = work.scan()
        assert {version.path: version.change for version in scanned.versions} == {
            "a.txt": "delete",
            "a.txt/inside.txt": "create",
        }


def test_a_file_in_the_way_of_a_folder_is_left_alone(folder: Path) -> None:
    with Workspace.open(folder) as work:
        (folder / "name").write_bytes(b"a file\n")
        with pytest.raises(WorkspaceError):
            work.write("name/below.txt", b"below\n")
        assert (folder / "name").read_bytes() == b"a file\n"


# -- bits that flip


ON_THE_WAY = ["sqlite_schema", "branch", "document", "version_branch", "version", "entry", "path", "content"]


def test_bit_flips_never_show_wrong_bytes(memory: Path) -> None:
    assert _flips(memory, 200, seed=1) > 20


@pytest.mark.long
def test_a_thousand_bit_flips_never_show_wrong_bytes(memory: Path) -> None:
    assert _flips(memory, 1000, seed=2) > 100


def _flips(folder: Path, count: int, seed: int) -> int:
    """Flip one bit at a time in a closed database; how many flips were told when all of it was read.

    Each table and index on the way to a content is hit as often, whatever its size: most of a
    database is content, and damage there is the easiest to see.
    """
    random = Random(seed)
    store = Store.open(folder / "store")
    truth: Kept = {}
    trees: dict[int, dict[str, bytes]] = {}
    heads: dict[int, Version] = {}
    for number in range(240):  # small edits: the less content, the likelier are flips in what leads to it
        slot = random.randrange(12)
        head = heads.get(slot)
        text = b"%d: a line\n" % number + (
            store.versions.bytes_of(head) if head else random.randbytes(50).hex().encode()
        )
        with store.transaction():
            content = store.contents.put(text, head.content if head else None)
            state = State(f"folder/{slot}", 0o100644, content)
            edit = Edit(head and head.document, state.path, state, head and head.number)
            entry, (made,) = store.record(Act(actor="tester"), [edit], branch=1)
        heads[slot] = made
        truth[made.document, made.number] = text
        trees[entry] = {v.path: truth[v.document, v.number] for v in heads.values()}
    store.close()
    sound = (folder / "store" / FILE).read_bytes()
    pages = _pages(folder / "store" / FILE)
    told = 0
    for _ in range(count):
        damaged = bytearray(sound)
        page = random.choice(pages[random.choice(ON_THE_WAY)])
        damaged[(page - 1) * 4096 + random.randrange(4096)] ^= 1 << random.randrange(8)
        shutil.rmtree(folder / "store")
        (folder / "store").mkdir()
        (folder / "store" / FILE).write_bytes(damaged)
        cursors = random.sample(sorted(trees), 4)
        told += _tells(folder / "store", truth, {cursor: trees[cursor] for cursor in [*cursors, max(trees)]})
    return told


def _pages(database: Path) -> dict[str, list[int]]:
    """The pages of a database by the table or index they belong to."""
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    pages: dict[str, list[int]] = {}
    for name, page in connection.execute("SELECT name, pageno FROM dbstat"):
        pages.setdefault(name, []).append(page)
    connection.close()
    return pages


def _tells(folder: Path, truth: Kept, trees: Mapping[int, Mapping[str, bytes]]) -> bool:
    """Read everything; what is given out must be true. Whether anything was refused."""
    try:
        store = Store.open(folder, read_only=True)
    except WorkspaceError:
        return True
    refused = False
    try:
        for (document, number), content in truth.items():
            try:
                assert store.versions.bytes_of(store.versions.get(document, number)) == content
            except WorkspaceError:
                refused = True
        for cursor, contents in trees.items():
            try:
                tree = store.versions.tree(1, cursor).values()
                found = {version.path: store.versions.bytes_of(version) for version in tree}
            except WorkspaceError:
                refused = True
                continue
            assert found.items() <= contents.items()
            if found != contents:  # nothing wrong is shown, but something is not: verify says so
                assert verify(store).problems != ()
                refused = True
    finally:
        store.close()
    return refused
