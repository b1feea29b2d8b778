"""Snapshots that are taken beside the writer find what a scan finds, and lose nothing that happens meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workspace.model import leftovers
from tests.workspace.working_copy.test_working_copies import contents
from workspace import Act, History, Version, Workspace, WorkspaceError
from workspace.kinds import Kind
from workspace.operations.aio import Writer
from workspace.operations.snapshots import ROWS, SLICE
from workspace.operations.verify import verify

TEXT = b"".join(b"line %d\n" % n for n in range(20))
MANY = 3 * SLICE + 5


def prepare(folder: Path) -> None:
    for n in range(MANY):
        path = folder / f"many/{n:03}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"%d\n" % n + TEXT)
    for name in ("edited", "deleted", "moved", "mode", "replaced", "secret.key"):
        (folder / name).write_bytes(name.encode() + b"\n" + TEXT)
    (folder / "link").symlink_to("edited")
    (folder / ".gitignore").write_text("*.log\n")


def change(folder: Path) -> None:
    (folder / "edited").write_bytes(TEXT + b"more\n")
    (folder / "deleted").unlink()
    (folder / "moved").rename(folder / "many" / "elsewhere")
    (folder / "mode").chmod(0o755)
    (folder / "replaced").unlink()
    (folder / "replaced").symlink_to("nowhere")
    (folder / "link").unlink()
    (folder / "link").write_bytes(b"\0binary")
    (folder / "new").write_bytes(TEXT)
    (folder / "same bytes").write_bytes(TEXT)
    (folder / "new.log").write_bytes(b"ignored\n")
    (folder / os.fsdecode(b"\xff name")).write_bytes(b"")


def change_much(folder: Path) -> None:
    change(folder)
    for n in range(MANY):
        path = folder / f"many/{n:03}"
        if n % 10 == 0:
            path.unlink()
        elif n % 10 == 1:
            path.rename(folder / f"renamed {n}")
        else:
            path.write_bytes(path.read_bytes() + b"again\n")


def told(versions: tuple[Version, ...]) -> list[tuple[object, ...]]:
    return sorted((v.path, v.change, v.number, v.parent, v.added, v.removed, v.mode, v.size) for v in versions)


async def both(tmp_path: Path, changes: Callable[[Path], None]) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        prepare(folder)
    with Workspace.open(one) as work:
        work.scan()
        changes(one)
        expected = work.scan(Act(kind=Kind.SCAN, actor="ann"))
        trees = contents(one), {path: v.document for path, v in work.tree().items()}
    async with Writer(other) as writer:
        await writer.snapshot(Act(kind=Kind.SCAN))
        changes(other)
        found = await writer.snapshot(Act(kind=Kind.SCAN, actor="ann"))
        assert told(found.versions) == told(expected.versions)
        assert (found.skipped, found.files, found.bytes) == (expected.skipped, expected.files, expected.bytes)
        assert {v.operation for v in found.versions} == {found.operation}
        assert await writer.snapshot() == shared(found)
    with History.open(other) as history:
        assert contents(other) == trees[0]
        assert set(history.tree()) == set(trees[1])
        assert history.differences() == []
        assert verify(history.store).problems == ()
    with Workspace.open(other) as work:
        work.undo()
        assert contents(other) | {"new.log": b""} == _before(tmp_path) | {"new.log": b""}


def shared(found):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(found, operation=None, versions=(), conflicts=())


def _before(tmp_path: Path) -> dict[str, bytes]:
    again = tmp_path / "again"
    again.mkdir()
    prepare(again)
    return contents(again)


async def test_a_snapshot_finds_what_a_scan_finds(tmp_path: Path) -> None:
    await both(tmp_path, change)


async def test_a_large_snapshot_is_one_operation_of_several_entries(tmp_path: Path) -> None:
    await both(tmp_path, change_much)


async def test_others_write_while_a_snapshot_is_recorded(folder: Path) -> None:
    prepare(folder)
    async with Writer(folder) as writer:
        await writer.snapshot()
        change_much(folder)
        taking = asyncio.create_task(writer.snapshot(Act(kind=Kind.SCAN)))
        made = []
        while not taking.done():
            made.append(await writer.act(lambda work: work.write("probe", b"%d\n" % work.cursor)))
        found = await taking
        entries = {version.entry for version in found.versions}
        assert len(entries) > MANY / SLICE
        assert [v for v in made if min(entries) < v.entry < max(entries)]
        assert "probe" not in {version.path for version in found.versions}


async def test_a_snapshot_takes_nothing_of_ours_for_somebody_elses(folder: Path) -> None:
    """Files that the writer places while another process looks are not edits."""
    prepare(folder)
    async with Writer(folder) as writer:
        await writer.snapshot()
        for turn in range(6):
            taking = asyncio.create_task(writer.snapshot())
            while not taking.done():
                text = b"%d of ours\n" % turn
                await asyncio.gather(
                    *(
                        writer.act(lambda work, n=n, text=text: work.write(f"many/{n:03}", text + b"%d\n" % n))
                        for n in range(30)
                    )
                )
            assert (await taking).versions == ()
        assert await writer.act(lambda work: work.store.journal.of_kind(Kind.MERGE)) == []


async def test_nothing_that_people_write_meanwhile_is_lost(folder: Path) -> None:
    prepare(folder)
    async with Writer(folder) as writer:
        await writer.snapshot()
        lines: list[bytes] = []

        def person(turn: int) -> None:
            for n in range(0, 40, 3):
                line = b"person %d in turn %d\n" % (n, turn)
                with (folder / f"many/{n:03}").open("ab") as file:
                    file.write(line)
                lines.append(line)

        for turn in range(5):
            person(2 * turn)
            taking = asyncio.create_task(writer.snapshot())
            person(2 * turn + 1)
            for n in range(0, 40, 2):
                await writer.act(
                    lambda work, n=n, turn=turn: work.write(
                        f"many/{n:03}", b"agent %d\n" % turn + work.content(work.tree()[f"many/{n:03}"])
                    )
                )
            await taking
        await writer.snapshot()
        tree = await writer.act(lambda work: {path: work.content(v) for path, v in work.tree().items()})
        texts = b"".join(tree.values())
        assert [line for line in lines if line not in texts] == []
        assert contents(folder) == tree | {"secret.key": (folder / "secret.key").read_bytes()}
        assert leftovers(folder) == []
    with History.open(folder) as history:
        assert verify(history.store).problems == ()


async def test_who_asks_together_shares_a_snapshot_and_an_operation_comes_first(folder: Path) -> None:
    prepare(folder)
    async with Writer(folder) as writer:
        await writer.snapshot()
        operation = await writer.act(lambda work: work.begin(Act(kind=Kind.CAPABILITY, name="run")))
        (folder / "edited").write_bytes(b"by the command\n")
        nobody, run, again = await asyncio.gather(
            writer.snapshot(),
            writer.snapshot(Act(kind=Kind.CAPABILITY, name="run", operation=operation)),
            writer.snapshot(),
        )
        assert [(v.path, v.operation) for v in run.versions] == [("edited", operation)]
        assert nobody.versions == again.versions == ()
        assert nobody.files == run.files


async def test_a_looker_that_dies_is_replaced(folder: Path) -> None:
    prepare(folder)
    async with Writer(folder) as writer:
        await writer.snapshot()
        process = writer._snapshots._looker._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        (folder / "edited").write_bytes(b"one\n")
        assert [v.path for v in (await writer.snapshot()).versions] == ["edited"]
        (folder / "edited").write_bytes(b"two\n")
        assert [v.path for v in (await writer.snapshot()).versions] == ["edited"]


async def test_closing_while_a_snapshot_is_taken_tells_who_waits_and_leaves_no_process(folder: Path) -> None:
    prepare(folder)
    async with Writer(folder) as writer:
        await writer.snapshot()
        process = writer._snapshots._looker._process
        assert process is not None
        change_much(folder)
        taking = asyncio.create_task(writer.snapshot())
        await asyncio.sleep(0)
    with pytest.raises(WorkspaceError, match="closed"):
        await taking
    assert process.returncode is not None
    with Workspace.open(folder) as work:
        work.catch_up()
        assert work.differences() == []
        assert verify(work.store).problems == ()


async def test_files_that_were_only_touched_make_no_entry(folder: Path) -> None:
    for n in range(ROWS + 20):
        (folder / f"{n}").write_bytes(b"%d\n" % n)
    async with Writer(folder) as writer:
        await writer.snapshot()
        cursor = await writer.act(lambda work: work.cursor)
        for n in range(ROWS + 20):
            os.utime(folder / f"{n}")
        assert (await writer.snapshot()).operation is None
        assert await writer.act(lambda work: work.cursor) == cursor


async def test_a_branch_without_a_folder_has_nothing_to_look_at(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("a", TEXT)
        work.fork("agent")
    async with Writer(folder, branch="agent") as writer:
        assert (await writer.snapshot()).files == 0
