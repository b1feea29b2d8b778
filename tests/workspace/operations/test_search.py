"""Search: every hit that reading all versions finds, whatever the index knows, and no other."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from workspace import Act, Edit, History, NotFound, State, Version, Workspace, WorkspaceError
from workspace.operations.search import Hit, clear, index, search
from workspace.operations.verify import verify
from workspace.records import to_bytes
from workspace.store.search_index import BLOCK, reached_by
from workspace.store.store import FILE, Store

Found = list[tuple[int, int, int, int]]


def by_reading(history: History, text: str, *, path: str | None = None, cursor: int | None = None) -> Found:
    """What a search must find, by counting in every version and its parent."""
    needle, upto = to_bytes(text), history.cursor if cursor is None else cursor
    found = []
    for version in history.store.versions.of_entries(1, upto):
        parent = history.store.versions.get(version.document, version.parent) if version.parent else None
        before = history.content(parent).count(needle) if parent else 0
        after = history.content(version).count(needle)
        if before != after and (path is None or version.document == history.document(path)):
            found.append((version.document, version.number, before, after))
    return found[::-1]


def plain(hits: Iterator[Hit]) -> Found:
    return [(hit.version.document, hit.version.number, hit.before, hit.after) for hit in hits]


def fill(store: Store, budget: int = 1000) -> None:
    while index(store, budget=budget):
        pass


def check(history: History, *texts: str) -> None:
    for text in texts:
        assert plain(search(history, text)) == by_reading(history, text), text


WORDS = [
    "alpha",
    "beta",
    "gamma",
    "al",
    "pha alpha",
    "été",
    "日本",
    "a\tb",
    '"quoted"',
    "x*y",
    "--",
    "AND",
    "ALPHA",
    "'",
]


def scribble(random: Random) -> bytes:
    return b"".join(
        " ".join(random.choices(WORDS, k=random.randrange(1, 5))).encode() + random.choice([b"\n", b"\n", b"\r\n"])
        for _ in range(random.randrange(1, 12))
    )


def grow(work: Workspace, random: Random, acts: int) -> None:
    """Random edits, renames, deletions, binary and odd bytes, on several documents."""
    for _ in range(acts):
        path = f"d{random.randrange(6)}"
        there = work.find(path)
        kind = random.randrange(12)
        if there is None or kind == 0:
            work.write(path, scribble(random))
        elif kind == 1:
            work.delete(path)
        elif kind == 2 and work.find(to := f"d{random.randrange(6)}") is None:
            work.move(path, to)
        elif kind == 3:
            work.write(path, bytes(random.randrange(256) for _ in range(300)) + b"alpha" * random.randrange(3))
        elif kind == 4:
            work.write(path, work.content(there).replace(b"alpha", b"\xff\xfebeta\x00", 1))
        elif kind == 5:
            work.set_mode(path, random.choice([0o600, 0o755]))
        else:
            old = work.content(there).splitlines(keepends=True)
            at = random.randrange(len(old) + 1)
            work.write(path, b"".join(old[:at]) + scribble(random) + b"".join(old[at + random.randrange(3) :]))


NEEDLES = [
    "alpha", "beta", "alpha beta", "a", "é", "été", "日本", "本 日", "a\tb", '"quoted"', '"', "x*y", "--", "ALPHA",
    "Alpha", "alpha\n", "\n", "\n\n", "alpha\nbeta", "beta\r\n", "\r\nalpha", "pha al", "nowhere to be found", "zz",
    "\x00", "a\x00", "\udcff\udcfe", "\udcfebeta\x00", "AND", "' OR 1", "*", "alpha " * 40,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_a_search_finds_what_reading_every_version_finds(folder: Path, seed: int) -> None:
    random = Random(seed)
    with Workspace.open(folder) as work:
        with work.batch():
            grow(work, random, 120)
        check(work, *NEEDLES)  # no index yet
        index(work.store, budget=50)
        check(work, *NEEDLES)  # behind
        fill(work.store, budget=7)
        check(work, *NEEDLES)  # complete, filled in small steps
        with work.batch():
            grow(work, random, 40)
        check(work, *NEEDLES)  # behind again
        fill(work.store)
        check(work, *NEEDLES)
        assert verify(work.store).ok
    with History.open(folder) as past:
        check(past, *NEEDLES)


def test_the_cursor_bounds_a_search(folder: Path) -> None:
    random = Random(9)
    with Workspace.open(folder) as work:
        with work.batch():
            grow(work, random, 150)
        for filled in (0, 60, 1000):
            index(work.store, budget=filled or 1)
            for cursor in (0, 1, 17, 64, 65, 100, 149, work.cursor, work.cursor + 5):
                for text in ("alpha", "beta", "al", "\n", "alpha\nbeta"):
                    assert plain(search(work, text, cursor=cursor)) == by_reading(work, text, cursor=cursor)


def test_a_path_bounds_a_search_to_the_document_there_through_its_renames(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("a", b"needle\n")
        work.write("b", b"needle\nneedle\n")
        work.move("a", "c")
        work.write("c", b"none\n")
        cursor = work.cursor
        work.delete("b")
        for _ in range(2):
            assert plain(search(work, "needle", path="c")) == [(1, 2 + 1, 1, 0), (1, 1, 0, 1)]
            assert plain(search(work, "needle", path="a")) == plain(search(work, "needle", path="c"))
            assert plain(search(work, "needle", path="b")) == [(2, 2, 2, 0), (2, 1, 0, 2)]
            assert plain(search(work, "needle", path="b", cursor=cursor)) == [(2, 1, 0, 2)]
            fill(work.store)
        with pytest.raises(NotFound):
            search(work, "needle", path="never")
        with pytest.raises(WorkspaceError, match="one character"):
            search(work, "")


def test_a_version_of_a_merge_counts_against_its_first_parent(folder: Path) -> None:
    text = [b"%d\n" % n for n in range(30)]
    with Workspace.open(folder) as work:
        work.write("a", b"".join(text))
        work.write("a", b"needle\n" + b"".join(text))
        (folder / "a").write_bytes(b"needle\n" + b"".join(text) + b"needle\n")
        merged = work.write("a", b"needle\nneedle\n" + b"".join(text), read=2)
        assert (merged.number, work.content(merged).count(b"needle")) == (4, 3)
        work.fork("side")
        with work.store.transaction():  # two lines of one document: numbers do not follow each other
            for parent, data in ((2, b"none\n"), (4, b"needle " * 5), (5, b"needle\n")):
                content = work.store.contents.put(data)
                edit = Edit(1, "a", State("a", merged.mode or 0, content), parent)
                work.store.record(Act(), [edit], branch=2)
        check(work, "needle", "needle\n", "none")
        fill(work.store)
        check(work, "needle", "needle\n", "none")


def test_hits_come_newest_first_and_as_they_are_taken(folder: Path) -> None:
    with Workspace.open(folder) as work:
        with work.batch():
            for n in range(300):
                work.write(f"f{n % 3}", b"word\n" * (n % 7) + b"%d\n" % n)
        fill(work.store)
        hits = list(search(work, "word"))
        assert [h.version.entry for h in hits] == sorted((h.version.entry for h in hits), reverse=True)
        assert list(islice(search(work, "word"), 20)) == hits[:20]
        some = search(work, "word")
        next(some)
        with work.batch():
            for n in range(100):
                work.write("later", b"word\n" * (n + 1))
        fill(work.store)
        assert len(list(some)) == len(hits) - 1  # what came after the search began is not in it


def test_every_change_is_found_whatever_its_size(folder: Path) -> None:
    random = Random(3)
    big = b"".join(b"%d needle %d\n" % (n, random.randrange(10**9)) for n in range(4000))
    noise = random.randbytes(200_000).replace(b"needle", b"")
    with Workspace.open(folder) as work:
        work.write("big", big)
        work.write("big", big.replace(b"needle", b"noodle"))
        work.write("big", big.replace(b"needle 1", b"needle  1"))
        work.write("one line", b"x" * 50_000 + b"needle" + b"y" * 50_000)
        work.write("one line", b"x" * 50_000 + b"needles" + b"y" * 50_000)
        work.write("noise", noise)
        work.write("noise", noise + b"\0needle\0n\xe9edle")
        work.write("noise", b"needle" + noise)
        (folder / "link").symlink_to("needle")
        work.scan()
        texts = ("needle", "needles", "noodle", "e 1", "\0needle\0", "n\udce9edle", "é", "y" * 300, "xneedley")
        check(work, *texts)
        fill(work.store, budget=2)
        check(work, *texts)


def test_lines_that_only_moved_are_no_hits(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("a", b"needle\none\ntwo\nthree\n")
        work.write("a", b"one\ntwo\nthree\nneedle\n")
        work.write("a", b"one\ntwo\nthree\nneedle")
        fill(work.store)
        assert plain(search(work, "needle")) == [(1, 1, 0, 1)]
        assert plain(search(work, "needle\n")) == [(1, 3, 1, 0), (1, 1, 0, 1)]
        check(work, "needle\n", "two\nthree", "e\nneedle", "needle\none")


def test_the_index_is_filled_outside_of_edits_and_in_small_steps(folder: Path) -> None:
    with Workspace.open(folder) as work:
        assert index(work.store) == 0
        with work.batch():
            for n in range(100):
                work.write("a", b"%d needle\n" % n)
        tables = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'search%'"
        assert work.store.db.execute(tables).fetchone() == (0,)
        done = []
        while step := index(work.store, budget=30):
            done.append(step)
        assert done == [30, 30, 30, 10]
        assert reached_by(work.store).entry == work.cursor
        work.write("a", b"more\n")
        work.set_mode("a", 0o600)
        assert reached_by(work.store).entry == work.cursor - 2
        assert index(work.store, budget=1) == 1
        assert index(work.store) == 1
        assert index(work.store) == 0
        blocks = "SELECT count(*) FROM search_block"
        assert work.store.db.execute(blocks).fetchone() == (-(-101 // BLOCK),)  # small steps leave no small blocks
        clear(work.store)
        assert work.store.db.execute(tables).fetchone() == (0,)
        check(work, "needle")
        fill(work.store)
        check(work, "needle")


def test_a_reader_finds_all_while_the_index_grows(folder: Path) -> None:
    with Workspace.open(folder) as work:
        with work.batch():
            for n in range(90):
                work.write(f"f{n % 4}", b"needle\n" * (n % 5) + b"%d\n" % n)
        with History.open(folder) as past:
            expected = by_reading(past, "needle")
            assert plain(search(past, "needle")) == expected
            for step in (20, 1, 25, 1000):
                index(work.store, budget=step)
                assert plain(search(past, "needle")) == expected
            with pytest.raises(WorkspaceError, match="reading only"):
                clear(past.store)


def damage(folder: Path, sql: str) -> None:
    with Workspace.open(folder) as work:
        work.store.db.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE search_block SET data = zeroblob(40) WHERE id = 2",
        "UPDATE search_block SET data = CAST(substr(data, 1, length(data) - 9) || x'000000000000000000' AS BLOB)",
        "DELETE FROM search_lines_data",
        "DELETE FROM search_lines_config",
    ],
)
def test_a_damaged_index_hides_nothing(folder: Path, sql: str) -> None:
    with Workspace.open(folder) as work:
        with work.batch():
            grow(work, Random(5), 120)
        fill(work.store)
    damage(folder, sql)
    with History.open(folder) as past:
        check(past, "alpha", "beta", "alpha\nbeta", "al")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE search_block SET data = zeroblob(40) WHERE id = 2", "Block 2 of the search index differs"),
        ("UPDATE search_block SET entry = entry - 5 WHERE id = 1", "Block 1 of the search index differs"),
        ("DELETE FROM search_block WHERE id = 1", "Block 1 of the search index is missing"),
        ("UPDATE search_lines_data SET block = zeroblob(20)", "Block 1 of the search index is not found"),
        ("INSERT INTO search_lines (search_lines) VALUES ('delete-all')", "Block 2 of the search index is not found"),
    ],
)
def test_verify_tells_of_a_damaged_index(folder: Path, sql: str, said: str) -> None:
    with Workspace.open(folder) as work:
        with work.batch():
            grow(work, Random(5), 120)
        fill(work.store)
        assert verify(work.store).problems == ()
    damage(folder, sql)
    with Workspace.open(folder) as work:
        assert any(said in problem for problem in verify(work.store).problems)
        clear(work.store)
        fill(work.store)
        assert verify(work.store).problems == ()


def test_versions_whose_bytes_are_lost_are_passed_over(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("lost", b"needle 1\n" * 10)
        work.write("lost", bytes(range(200)) + b"needle 2\n")
        work.write("lost", b"needle 3\n")
        work.write("kept", b"needle\n")
    damage(folder, "UPDATE content SET data = CAST(x'00' || data AS BLOB) WHERE id = 2")
    with Workspace.open(folder) as work:
        for _ in range(2):
            assert plain(search(work, "needle")) == [(2, 1, 0, 1), (1, 1, 0, 10)]
            fill(work.store)
        work.store.db.execute("UPDATE content SET data = substr(data, 2) WHERE id = 2")
        work.store.contents.clear_cache()
        check(work, "needle")
        assert verify(work.store).problems == ()


def test_what_git_finds_is_found(folder: Path, tmp_path: Path) -> None:
    """``git log -S`` names commits, we name versions: the commits of our hits are those that git names."""
    from workspace.operations.git_import import import_git

    git = ["git", "-C", str(tmp_path / "r"), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", str(tmp_path / "r")], check=True)
    random = Random(1)
    for n in range(25):
        for name in random.sample(["a", "b", "c"], 2):
            (tmp_path / "r" / name).write_bytes(scribble(random))
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", str(n)], check=True)
    with Workspace.open(folder) as work:
        import_git(work, tmp_path / "r")
        fill(work.store)
        for text in ("alpha", "beta", "été", '"quoted"', "x*y", "ALPHA", "pha al"):
            named = subprocess.run(
                [*git, "log", "--no-renames", "--format=%H", f"-S{text}"], check=True, capture_output=True, text=True
            ).stdout.split()
            ours = [commit(work, hit.version) for hit in search(work, text)]
            assert list(dict.fromkeys(ours)) == named


def commit(work: Workspace, version: Version) -> str:
    ref = work.operation(version.operation).ref
    assert ref is not None
    return ref.hex()


def test_the_size_of_the_index_can_be_told_apart(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("a", b"needle\n" * 100)
        before = {name for (name,) in work.store.db.execute("SELECT name FROM sqlite_schema").fetchall()}
        fill(work.store)
        after = {name for (name,) in work.store.db.execute("SELECT name FROM sqlite_schema").fetchall()}
        assert after > before
        assert all(name.startswith("search_") for name in after - before)
        assert (work.folder / FILE).exists()
