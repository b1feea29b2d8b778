"""Commands as people's agents run them, each with a stated outcome: documents, folders, odd files, databases."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import time
from functools import partial
from pathlib import Path

import pytest

from runtime.execution import bubblewrap
from tests.runtime.scene import READY, put, scene, tree
from workspace import History, Workspace

TRIAL = bubblewrap.chosen()
pytestmark = pytest.mark.skipif(TRIAL is None or not TRIAL.overlay, reason="no overlay works here")
LINES = "".join(f"line {number}\n" for number in range(1, 10))


# -- one file by two ways


async def test_a_program_that_edits_a_file_directly_and_through_wk_has_both_edits(folder: Path) -> None:
    put(folder, {"a.txt": LINES})
    program = """
import wk
from pathlib import Path
wk.edit("a.txt", "line 2", "line 2, through wk")
file = Path("a.txt")
file.write_text(file.read_text().replace("line 8", "line 8, directly"))
wk.edit("a.txt", "line 4", "line 4, through wk")
"""
    async with scene(folder) as agent:
        done = await agent.call("program", {"text": program})
        assert done.operation.outcome == "done", done.text
        text = (folder / "a.txt").read_text()
        wanted = {"line 2, through wk", "line 4, through wk", "line 8, directly"}
        assert wanted <= set(text.splitlines()) or "conflict: a.txt" in done.text, done.text


async def test_a_program_that_edits_one_line_by_both_ways_loses_neither(folder: Path) -> None:
    put(folder, {"a.txt": LINES})
    program = """
import wk
from pathlib import Path
file = Path("a.txt")
text = file.read_text()
wk.edit("a.txt", "line 2", "line 2, through wk")
file.write_text(text.replace("line 2", "line 2, directly"))
"""
    async with scene(folder) as agent:
        done = await agent.call("program", {"text": program})
        text = (folder / "a.txt").read_text()

        def all_versions(history: History) -> list[bytes]:
            found = history.store.versions.history(history.document("a.txt"))
            return [history.content(version) for version in found if version.exists]

        held = await agent.desk.read(all_versions)
        for edit in ("line 2, through wk", "line 2, directly"):
            assert any(edit.encode() in one for one in held)
        stays = "line 2, through wk" if "conflict: a.txt" in done.text else "line 2, directly"
        assert text == LINES.replace("line 2", stays)


# -- folders


async def test_a_folder_that_is_moved_keeps_its_documents_and_comes_back_with_undo(folder: Path) -> None:
    put(folder, {f"src/{name}/{n}.py": f"{name} {n}\n" for name in ("a", "b") for n in range(5)})
    put(folder, {"src/run.sh": "#!/bin/sh\necho run\n", "src/notes.log": "ignored\n", ".gitignore": "*.log\n"})
    (folder / "src/run.sh").chmod(0o755)
    (folder / "src/link").symlink_to("run.sh")
    before = tree(folder)
    async with scene(folder) as agent:
        documents = await agent.desk.read(lambda history: {v.path: v.document for v in history.tree().values()})
        done = await agent.run("mv src lib")
        assert done.operation.outcome == "done", done.text
        assert set(done.changed.values()) == {"rename"}
        assert {
            v.path.replace("lib/", "src/", 1): v.document for v in done.versions
        } == {path: document for path, document in documents.items() if path.startswith("src/")}  # fmt: skip
        moved = tree(folder)
        assert moved == {("lib" + path[3:] if path.startswith("src") else path): at for path, at in before.items()}
        await agent.undo(done)
        assert tree(folder) == before
        await agent.redo()
        assert tree(folder) == moved


async def test_a_folder_that_is_replaced_comes_back_with_undo(folder: Path) -> None:
    put(folder, {"d/one.txt": "one\n", "d/two.txt": "two\n", "d/deep/three.txt": "three\n", "d/a.log": "log\n"})
    put(folder, {".gitignore": "*.log\n"})
    before = tree(folder)
    async with scene(folder) as agent:
        done = await agent.run("rm -r d && mkdir d && echo new > d/one.txt && echo four > d/four.txt")
        assert done.operation.outcome == "done", done.text
        assert done.changed == {
            "d/one.txt": "edit", "d/two.txt": "delete", "d/deep/three.txt": "delete", "d/four.txt": "create",
        }  # fmt: skip
        replaced = tree(folder)
        assert set(replaced) == {".gitignore", "d", "d/one.txt", "d/four.txt"}
        await agent.undo(done)
        assert tree(folder) == before
        await agent.redo()
        assert tree(folder) == replaced


async def test_two_folders_swap_their_names(folder: Path) -> None:
    put(folder, {"a/x.txt": "from a\n", "b/x.txt": "from b\n", "b/y.txt": "only b\n"})
    before = tree(folder)
    async with scene(folder) as agent:
        done = await agent.run("mv a c && mv b a && mv c b")
        assert done.operation.outcome == "done", done.text
        assert (folder / "a/x.txt").read_text() == "from b\n"
        assert (folder / "b/x.txt").read_text() == "from a\n"
        assert (folder / "a/y.txt").read_text() == "only b\n"
        assert not (folder / "b/y.txt").exists()
        await agent.undo(done)
        assert tree(folder) == before


# -- odd files


async def test_odd_files_go_in_as_they_are_and_come_back_with_undo(folder: Path) -> None:
    put(folder, {"a.txt": "a\n", "linked.txt": "linked\n"})
    os.link(folder / "linked.txt", folder / "second.txt")
    before = tree(folder)
    async with scene(folder) as agent:
        done = await agent.run(
            "mkfifo pipe; ln a.txt hard.txt; echo more >> linked.txt; truncate -s 20M sparse.img;"
            " echo tail >> sparse.img; cp /bin/true suid; chmod 4755 suid; ln -s nowhere dangling"
        )
        assert done.operation.outcome == "done", done.text
        assert stat.S_ISFIFO((folder / "pipe").lstat().st_mode)
        assert (folder / "hard.txt").read_text() == "a\n"
        assert (folder / "linked.txt").read_text() == "linked\nmore\n"
        assert (folder / "second.txt").read_text() == "linked\n"  # a change inside breaks the link
        assert (folder / "sparse.img").stat().st_size == (20 << 20) + 5
        assert (folder / "sparse.img").stat().st_blocks * 512 < 1 << 20
        assert stat.S_IMODE((folder / "suid").stat().st_mode) == 0o755
        assert os.readlink(folder / "dangling") == "nowhere"
        after = tree(folder)
        await agent.undo(done)
        assert tree(folder) == before
        await agent.redo()
        assert tree(folder) == after


async def test_what_is_written_through_a_memory_map_is_recorded(folder: Path) -> None:
    put(folder, {"a.txt": LINES})
    write = "import mmap; f = open('a.txt', 'r+b'); m = mmap.mmap(f.fileno(), 0); m[0:4] = b'LINE'"
    async with scene(folder) as agent:
        done = await agent.run(f'python3 -c "{write}"')
        assert done.changed == {"a.txt": "edit"}, done.text
        assert (folder / "a.txt").read_text() == LINES.replace("line", "LINE", 1)


async def test_a_file_that_may_not_be_read_is_kept_when_a_command_removes_it(folder: Path) -> None:
    put(folder, {"locked.bin": "locked\n", "a.txt": "a\n"})
    (folder / "locked.bin").chmod(0)
    async with scene(folder) as agent:
        done = await agent.run("rm -f locked.bin; echo made > new.txt; chmod 0 new.txt")
        assert not (folder / "locked.bin").exists(), done.text
        assert (folder / "new.txt").exists(), done.text
        await agent.undo(done)
        assert stat.S_IMODE((folder / "locked.bin").stat().st_mode) == 0
        assert not (folder / "new.txt").exists()
        (folder / "locked.bin").chmod(0o600)
        assert (folder / "locked.bin").read_text() == "locked\n"


# -- databases


def rows(path: Path) -> list[int]:
    with sqlite3.connect(path) as db:
        found = [row[0] for row in db.execute("SELECT n FROM t ORDER BY n")]
    db.close()
    return found


def insert(path: str, number: int) -> str:
    """A command that writes a row and is killed before the log is brought into the database."""
    return (
        f"python3 -c \"import sqlite3, os; db = sqlite3.connect('{path}', isolation_level=None);"
        f" db.execute('INSERT INTO t VALUES ({number})'); os._exit(0)\""
    )


@pytest.fixture
def database(folder: Path) -> Path:
    """A database whose last row is only in its log, as after a crash."""
    path = folder / "app.db"
    script = (
        f"import sqlite3, os; db = sqlite3.connect({str(path)!r}, isolation_level=None);"
        " db.execute('PRAGMA journal_mode=WAL'); db.execute('CREATE TABLE t (n)');"
        " db.execute('INSERT INTO t VALUES (1)'); os._exit(0)"
    )
    os.system(f'python3 -c "{script}"')
    assert (folder / "app.db-wal").stat().st_size > 0
    return path


async def test_a_command_writes_to_a_database_with_a_log(folder: Path, database: Path) -> None:
    async with scene(folder) as agent:
        done = await agent.run(insert("app.db", 2))
        assert done.operation.outcome == "done", done.text
        copied = folder.with_name("copy")
        _copy(folder, copied)
        assert rows(copied / "app.db") == [1, 2]
        await agent.undo(done)
        _copy(folder, copied)
        assert rows(copied / "app.db") == [1]


async def test_a_database_that_both_sides_wrote_to_is_a_conflict_as_a_whole(folder: Path, database: Path) -> None:
    async with scene(folder) as agent:
        prompt = await agent.started(f"{insert('app.db', 2)}; {READY}; echo done > other.txt")
        os.system(f"cd {folder} && {insert('app.db', 3)}")
        done = await agent.go(prompt)
        assert "conflict: app.db" in done.text
        assert done.changed.get("other.txt") == "create"
        copied = folder.with_name("copy")
        _copy(folder, copied)
        assert rows(copied / "app.db") == [1, 3]


def _copy(folder: Path, to: Path) -> None:
    to.mkdir(exist_ok=True)
    for name in ("app.db", "app.db-wal", "app.db-shm"):
        (to / name).unlink(missing_ok=True)
        if (folder / name).exists():
            (to / name).write_bytes((folder / name).read_bytes())


# -- many files


def _write(path: str, data: bytes, work: Workspace) -> None:
    work.write(path, data)


async def many(folder: Path, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Have a command write so many files, a person edit one meanwhile, and tell how long the writer was held."""
    put(folder, {"person.txt": "by ann\n"})
    write = (
        "import os\n"
        f"for n in range({count}):\n"
        "    folder = f'made/{n // 500}'\n"
        "    if n % 500 == 0: os.makedirs(folder)\n"
        "    with open(f'{folder}/{n}.txt', 'w') as file: file.write(f'file {n}\\n')\n"
    )
    async with scene(folder) as agent:
        longest, over = 0.0, asyncio.Event()

        async def beside() -> None:
            """Durable writes of somebody else, one after another: none waits longer than the writer is held."""
            nonlocal longest
            while not over.is_set():
                start = time.perf_counter()
                text = str(start).encode()
                await agent.desk.write(partial(_write, "beside.txt", text))
                longest = max(longest, time.perf_counter() - start)
                await asyncio.sleep(0.001)

        task = asyncio.create_task(beside())
        start = time.perf_counter()
        done = await agent.run(f'python3 -c "{write}"', seconds=600.0)
        taken = time.perf_counter() - start
        over.set()
        await task
        assert done.operation.outcome == "done", done.text
        assert len(done.versions) == count
        assert sum(len(names) for _, _, names in os.walk(folder / "made")) == count
        with capsys.disabled():
            print(f"\n{count:,} files: {taken:.1f} s, another write waited {longest * 1000:.0f} ms at most")
        undone = await agent.undo(done)
        assert len(undone["versions"]) == count
        assert not (folder / "made").exists()
        assert (folder / "person.txt").read_text() == "by ann\n"


async def test_thousands_of_files_are_all_recorded(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await many(folder, 5_000, capsys)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_a_hundred_thousand_files_are_all_recorded(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await many(folder, 100_000, capsys)
