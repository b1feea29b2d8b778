"""Many tasks, one writer: acts share commits, and nobody is told more than is on the disk."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workspace import Busy, Conflicted, History, NotFound, Version, Workspace, WorkspaceError
from workspace.operations.aio import GROUP, WAL_BYTES, Reader, Writer
from workspace.operations.verify import verify
from workspace.store.store import FILE


def saying(path: str, data: bytes) -> Callable[[Workspace], Version]:
    return lambda work: work.write(path, data)


async def test_acts_that_arrive_together_share_a_commit(folder: Path) -> None:
    async with Writer(folder) as writer:
        made = await asyncio.gather(*(writer.act(saying(f"{n}", b"%d\n" % n)) for n in range(200)))
    assert writer.groups <= 2
    assert [version.path for version in made] == [f"{n}" for n in range(200)]
    assert sorted(path.name for path in folder.iterdir() if path.name != ".wukong") == sorted(
        f"{n}" for n in range(200)
    )


async def test_a_group_has_a_limit(folder: Path) -> None:
    async with Writer(folder) as writer:
        await asyncio.gather(*(writer.act(lambda work: work.cursor) for _ in range(2 * GROUP + 1)))
    assert writer.groups == 3


async def test_a_result_comes_only_when_it_is_durable_and_in_place(folder: Path) -> None:
    async with Writer(folder) as writer:
        for number in range(20):
            made = await writer.act(saying("a", b"%d\n" % number))
            with History.open(folder) as past:  # another connection sees only what is committed
                assert past.head(made.document) == made
            assert (folder / "a").read_bytes() == b"%d\n" % number


async def test_results_and_acts_keep_their_order(folder: Path) -> None:
    async with Writer(folder) as writer:
        made = await asyncio.gather(*(writer.act(saying("a", b"%d\n" % n)) for n in range(50)))
    assert [version.number for version in made] == list(range(1, 51))
    assert (folder / "a").read_bytes() == b"49\n"


async def test_an_act_that_fails_leaves_its_neighbours(folder: Path) -> None:
    def fails(work: Workspace) -> None:
        work.write("mine", b"half of it\n")
        work.write("kept", b"overwritten\n")
        raise RuntimeError("no")

    async with Writer(folder) as writer:
        first, failed, missing, last = await asyncio.gather(
            writer.act(saying("kept", b"kept\n")),
            writer.act(fails),
            writer.act(lambda work: work.delete("never there")),
            writer.act(saying("other", b"other\n")),
            return_exceptions=True,
        )
        assert writer.groups == 1
    assert isinstance(first, Version)
    assert isinstance(last, Version)
    assert isinstance(failed, RuntimeError)
    assert isinstance(missing, NotFound)
    assert (folder / "kept").read_bytes() == b"kept\n"
    assert (folder / "other").read_bytes() == b"other\n"


async def test_an_act_that_creates_a_document_and_then_fails_leaves_no_trace(folder: Path) -> None:
    def fails(work: Workspace) -> None:
        work.write("never", b"nothing of this stays\n")
        raise RuntimeError("no")

    async with Writer(folder) as writer:
        with pytest.raises(RuntimeError):
            await writer.act(fails)
        made, _ = await asyncio.gather(
            writer.act(saying("real", b"real\n")), writer.act(fails), return_exceptions=True
        )
        assert not (folder / "never").exists()
        assert await writer.act(lambda work: work.store.versions.ever_at("never")) == []
        assert isinstance(made, Version)
        assert made.document == 1  # not even a number was used up
        await writer.act(saying("never", b"now it is\n"))
    assert (folder / "never").read_bytes() == b"now it is\n"
    with History.open(folder) as past:
        assert past.cursor == 2
        assert verify(past.store).ok


async def test_a_conflict_reaches_only_who_caused_it(folder: Path) -> None:
    async with Writer(folder) as writer:
        base = await writer.act(saying("a", b"one\ntwo\nthree\n"))
        await writer.act(saying("a", b"one\nTWO\nthree\n"))
        results = await asyncio.gather(
            writer.act(saying("b", b"b\n")),
            writer.act(lambda work: work.write("a", b"one\n2\nthree\n", read=base.number)),
            writer.act(lambda work: work.write("a", b"one\ntwo\nthree\nfour\n", read=base.number)),
            writer.act(saying("c", b"c\n")),
            return_exceptions=True,
        )
    assert [type(result) for result in results] == [Version, Conflicted, Version, Version]
    assert (folder / "a").read_bytes() == b"one\nTWO\nthree\nfour\n"


async def test_what_stands_in_the_way_of_a_file_reaches_only_who_wrote_it(folder: Path) -> None:
    async with Writer(folder) as writer:
        await asyncio.gather(*(writer.act(saying(name, b"1\n")) for name in ("a", "b", "c", "d")))
        (folder / "b").unlink()
        (folder / "b").mkdir()
        (folder / "b" / "inside").touch()

        def two(work: Workspace) -> None:
            work.write("c", b"2\n")
            work.write("b", b"2\n")

        results = await asyncio.gather(
            writer.act(saying("a", b"2\n")),
            writer.act(saying("b", b"2\n")),
            writer.act(two),
            writer.act(saying("d", b"2\n")),
            return_exceptions=True,
        )
    assert isinstance(results[0], Version)
    assert isinstance(results[1], WorkspaceError)
    assert isinstance(results[2], WorkspaceError)
    assert isinstance(results[3], Version)
    assert [(folder / name).read_bytes() for name in ("a", "d")] == [b"2\n", b"2\n"]
    assert (folder / "b" / "inside").exists()


async def test_what_somebody_did_meanwhile_is_recorded_and_merged(folder: Path) -> None:
    async with Writer(folder) as writer:
        await writer.act(saying("a", b"one\ntwo\nthree\n"))
        (folder / "a").write_bytes(b"ONE\ntwo\nthree\n")
        await writer.act(saying("a", b"one\ntwo\nTHREE\n"))
    assert (folder / "a").read_bytes() == b"ONE\ntwo\nTHREE\n"
    with History.open(folder) as past:
        assert verify(past.store).ok


async def test_what_cannot_share_a_commit_has_its_turn_alone(folder: Path) -> None:
    async with Writer(folder) as writer:
        before, _, after = await asyncio.gather(
            writer.act(saying("a", b"1\n")), writer.alone(lambda work: work.scan()), writer.act(saying("a", b"2\n"))
        )
        assert writer.groups == 3
        with pytest.raises(WorkspaceError, match="cannot be part of a batch"):
            await writer.act(lambda work: work.scan())
        await writer.alone(lambda work: work.undo())
        assert (folder / "a").read_bytes() == b"1\n"
        await writer.alone(lambda work: work.restore(version=after))
        with pytest.raises(NotFound):
            await writer.alone(lambda work: work.restore(cursor=0, paths=["never"]))
    assert (folder / "a").read_bytes() == b"2\n"
    assert (before.number, after.number) == (1, 2)


async def test_fifty_tasks_that_edit_one_document_lose_no_update(folder: Path) -> None:
    """Most add to a part of their own, which merges; five all add to the end, which conflicts and is repeated."""
    assert await _append_to_one_document(folder, tasks=50, edits=40, at_the_end=5)


@pytest.mark.long
async def test_fifty_tasks_that_edit_one_place_lose_no_update(folder: Path) -> None:
    assert await _append_to_one_document(folder, tasks=50, edits=40, at_the_end=50)


async def _append_to_one_document(folder: Path, *, tasks: int, edits: int, at_the_end: int) -> int:
    """Each task adds lines to the document as it read it; how often one had to read it again."""
    retried = 0

    def read(work: Workspace) -> tuple[int, bytes]:
        head = work.find("log")
        assert head is not None
        return head.number, work.content(head)

    async def append(writer: Writer, task: int) -> None:
        nonlocal retried
        mark = b"# end\n" if task < at_the_end else b"# %d\n" % task
        for number in range(edits):
            while True:
                seen, content = await writer.act(read)
                new = content.replace(mark, b"%d %d\n" % (task, number) + mark)
                try:
                    await writer.act(lambda work, data=new, seen=seen: work.write("log", data, read=seen))  # type: ignore[misc]
                    break
                except Conflicted:
                    retried += 1

    async with Writer(folder) as writer:
        marks = b"".join(b"# %d\n" % task for task in range(at_the_end, tasks)) + b"# end\n"
        await writer.act(saying("log", marks))
        await asyncio.gather(*(append(writer, task) for task in range(tasks)))
    lines = (folder / "log").read_bytes().splitlines()
    for task in range(tasks):  # each task's lines are there once, in the order in which it wrote them
        mine = [line for line in lines if line.startswith(b"%d " % task)]
        assert mine == [b"%d %d" % (task, number) for number in range(edits)]
    assert len(lines) == len(marks.splitlines()) + tasks * edits
    with History.open(folder) as past:
        assert verify(past.store).ok
    return retried


async def test_readers_see_only_whole_commits(folder: Path) -> None:
    """Each act writes two documents alike; nobody may ever see them differ."""

    def both(number: int) -> Callable[[Workspace], None]:
        def act(work: Workspace) -> None:
            work.write("left", b"%d\n" % number)
            work.write("right", b"%d\n" % number)

        return act

    def look(history: History) -> tuple[bytes, bytes, int]:
        cursor = history.cursor
        left, right = history.find("left", cursor=cursor), history.find("right", cursor=cursor)
        assert left is not None
        assert right is not None
        return history.content(left), history.content(right), cursor

    async with Writer(folder) as writer, Reader(folder) as reader, Reader(folder) as other:
        await writer.act(both(0))
        writing = [asyncio.create_task(writer.act(both(n))) for n in range(1, 400)]
        looks = 0
        seen = 0
        while not all(task.done() for task in writing):
            for found in await asyncio.gather(reader.call(look), other.call(look)):
                assert found[0] == found[1]
                assert found[2] >= seen
            seen, looks = found[2], looks + 1
        await asyncio.gather(*writing)
        assert (await reader.call(look))[0] == b"399\n"
    assert looks


async def test_a_reader_that_fails_goes_on(folder: Path) -> None:
    async with Writer(folder) as writer, Reader(folder) as reader:
        await writer.act(saying("a", b"1\n"))
        with pytest.raises(NotFound):
            await reader.call(lambda history: history.version("nope", 1))
        with pytest.raises(WorkspaceError, match="reading only"):
            await reader.call(lambda history: _write_there(history))
        assert await reader.call(lambda history: history.cursor) == 1


def _write_there(history: History) -> None:
    with history.store.transaction():
        pass


# -- opening and closing


async def test_closing_waits_for_what_was_queued(folder: Path) -> None:
    async with Writer(folder) as writer:
        waiting = [asyncio.create_task(writer.act(saying(f"{n}", b"x\n"))) for n in range(300)]
        waiting.append(asyncio.create_task(writer.alone(lambda work: work.scan())))
        await asyncio.sleep(0)  # each task has asked, and nothing is done yet
        assert not any(task.done() for task in waiting)
    assert all(task.done() and not task.exception() for task in waiting)
    assert len(list(folder.iterdir())) == 301


async def test_nothing_is_taken_on_once_it_is_closing(folder: Path) -> None:
    async with Writer(folder) as writer:
        await writer.act(saying("a", b"1\n"))
    with pytest.raises(WorkspaceError, match="closing"):
        await writer.act(saying("a", b"2\n"))


async def test_closing_lets_go_of_the_lock_and_the_threads(folder: Path) -> None:
    before = set(threading.enumerate())
    for _ in range(3):
        async with Writer(folder) as writer:
            await writer.act(saying("a", b"1\n"))
    with Workspace.open(folder, wait=0) as work:
        assert work.find("a")
    assert {thread for thread in threading.enumerate() if thread.is_alive()} <= before


async def test_an_error_in_the_body_still_closes(folder: Path) -> None:
    with pytest.raises(RuntimeError):
        await _open_and_fail(folder)
    Workspace.open(folder, wait=0).close()


async def _open_and_fail(folder: Path) -> None:
    async with Writer(folder) as writer:
        await writer.act(saying("a", b"1\n"))
        raise RuntimeError


async def test_a_workspace_that_cannot_be_opened_says_why_and_leaves_no_thread(folder: Path, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    for opened in (Writer(tmp_path / "nowhere"), Reader(tmp_path / "nowhere"), Reader(folder)):
        with pytest.raises(NotFound):
            await _opened(opened)
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=60)
        assert not thread.is_alive()


async def _opened(what: Any) -> None:
    async with what:
        pass


async def test_there_is_one_writer(folder: Path) -> None:
    async with Writer(folder) as writer:
        await writer.act(saying("a", b"1\n"))
        with pytest.raises(Busy):
            Workspace.open(folder, wait=0)


async def test_a_task_that_was_cancelled_while_it_waited_does_nothing(folder: Path) -> None:
    started, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(work: Workspace) -> None:
        loop.call_soon_threadsafe(started.set)
        assert go.wait(60)

    async with Writer(folder) as writer:
        first = asyncio.create_task(writer.act(slow))
        await started.wait()
        second = asyncio.create_task(writer.act(saying("never", b"x\n")))
        third = asyncio.create_task(writer.act(saying("always", b"x\n")))
        await asyncio.sleep(0)
        second.cancel()
        go.set()
        await asyncio.gather(first, third)
        with pytest.raises(asyncio.CancelledError):
            await second
    assert not (folder / "never").exists()
    assert (folder / "always").exists()


async def test_an_act_that_is_cancelled_under_way_is_still_done_whole(folder: Path) -> None:
    started, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(work: Workspace) -> None:
        work.write("a", b"1\n")
        loop.call_soon_threadsafe(started.set)
        assert go.wait(60)
        work.write("b", b"1\n")

    async with Writer(folder) as writer:
        task = asyncio.create_task(writer.act(slow))
        await started.wait()
        task.cancel()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await writer.act(saying("c", b"1\n"))
    assert [(folder / name).exists() for name in "abc"] == [True] * 3


# -- the write-ahead log


async def test_the_log_stays_bounded_under_a_steady_stream_of_commits(folder: Path) -> None:
    async with Writer(folder) as writer, Reader(folder) as reader:
        await writer.act(saying("a", b""))
        wal = (folder / ".wukong").readlink() / f"{FILE}-wal"
        most = written = 0
        while written < 10 * WAL_BYTES:
            data = os.urandom(1 << 20)
            written += len(data)
            await asyncio.gather(writer.act(saying("a", data)), reader.call(lambda history: history.cursor))
            most = max(most, wal.stat().st_size)
        assert WAL_BYTES < most < 5 * WAL_BYTES
        assert await reader.call(lambda history: len(history.content(history.tree()["a"]))) == 1 << 20
    assert not wal.exists() or wal.stat().st_size == 0


async def test_a_reader_that_stays_in_the_past_only_delays_the_folding(folder: Path) -> None:
    async with Writer(folder) as writer, Reader(folder) as reader:
        await writer.act(saying("a", b"old\n"))
        wal = (folder / ".wukong").readlink() / f"{FILE}-wal"
        await reader.call(lambda history: history.store.db.execute("BEGIN"))
        assert await reader.call(lambda history: history.cursor) == 1
        while wal.stat().st_size < 5 * WAL_BYTES:
            await writer.act(saying("a", os.urandom(1 << 20)))
        assert await reader.call(lambda history: history.cursor) == 1
        await reader.call(lambda history: history.store.db.execute("COMMIT"))
        for _ in range(8):
            await writer.act(saying("a", os.urandom(1 << 20)))
        assert wal.stat().st_size < 5 * WAL_BYTES
