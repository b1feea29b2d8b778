"""What others change in the folder while a host runs: seen live, whole, once, and taken for nobody else's."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.execution import sandbox
from runtime.host import connect
from runtime.host.client import Client
from runtime.protocol import Advanced, Attach, Open, Prompt, Refresh, Status
from tests.runtime.office import turn, write_cassette
from workspace import History, Operation, Version, Workspace
from workspace.operations.verify import verify

LIVE = {"watching": "live", "why": ""}
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


@dataclass
class Seen:
    """A folder whose host runs, as a client of it sees the history."""

    folder: Path
    client: Client

    def versions(self, path: str) -> list[Version]:
        with History.open(self.folder) as history:
            return list(history.history(path))

    def text(self, path: str) -> str | None:
        with History.open(self.folder) as history:
            version = history.find(path)
            return None if version is None else history.content(version).decode()

    def operations(self, kind: str = "outside") -> list[Operation]:
        with History.open(self.folder) as history:
            found = history.store.journal.operations(newest_first=False, limit=10_000)
            return [operation for operation in found if operation.kind == kind]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait, told by the host, until something is so; the test's time-out is the limit."""
        if true():
            return
        async for event in self.client.events():
            if isinstance(event, Advanced) and true():
                return


@asynccontextmanager
async def seen(folder: Path) -> AsyncIterator[Seen]:
    """A folder all of which is recorded, and a host that watches it."""
    with Workspace.open(folder) as work:
        work.scan()
    async with Client.connect(folder) as client:
        await client.call(Attach())
        assert await client.call(Refresh()) == LIVE
        yield Seen(folder, client)
    with History.open(folder) as history:
        assert verify(history.store).ok


def save_like_vim(path: Path, text: str) -> None:
    """Write a backup beside, a new file in its place, and remove the backup."""
    backup = path.with_name(path.name + "~")
    os.rename(path, backup)
    path.write_text(text)
    backup.unlink()


async def test_an_editor_that_saves_by_rename_makes_one_version_of_the_same_document(folder: Path) -> None:
    (folder / "notes.txt").write_text("one\n")
    async with seen(folder) as live:
        save_like_vim(folder / "notes.txt", "two\n")
        await live.until(lambda: live.text("notes.txt") == "two\n")
        (folder / "new.txt").write_text("three\n")
        os.replace(folder / "new.txt", folder / "notes.txt")
        await live.until(lambda: live.text("notes.txt") == "three\n")
        assert [version.change for version in live.versions("notes.txt")] == ["create", "edit", "edit"]
        assert len(live.operations()) == 2
        assert {(o.session, o.actor, o.detail.get("watched")) for o in live.operations()} == {(None, "outside", True)}


async def test_sed_in_place_over_folders_and_a_rename_are_seen(folder: Path) -> None:
    (folder / "deep/er").mkdir(parents=True)
    for name in ("a", "deep/b", "deep/er/c"):
        (folder / name).write_text(f"{name} empty\n")
    async with seen(folder) as live:
        subprocess.run(["sed", "-i", "s/empty/full/", "a", "deep/b", "deep/er/c"], cwd=folder, check=True)
        await live.until(lambda: all(live.text(name) == f"{name} full\n" for name in ("a", "deep/b", "deep/er/c")))
        os.rename(folder / "deep/b", folder / "deep/er/moved")
        await live.until(lambda: live.text("deep/er/moved") == "deep/b full\n")
        assert [version.change for version in live.versions("deep/er/moved")] == ["create", "edit", "rename"]


@needs_git
async def test_a_checkout_of_five_hundred_files_is_one_operation(folder: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=folder, check=True,
                       capture_output=True)  # fmt: skip

    for n in range(500):
        path = folder / f"part{n % 20}" / f"{n}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("old\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "old")
    for n in range(500):
        (folder / f"part{n % 20}" / f"{n}.txt").write_text(f"new {n}\n")
    git("commit", "-a", "-m", "new")
    async with seen(folder) as live:
        git("checkout", "HEAD~1")
        await live.until(lambda: len(live.operations()) > 0)
        (operation,) = live.operations()
        with History.open(folder) as history:
            assert len(history.store.versions.of_operation(operation.id)) == 500


async def test_a_flood_of_ten_thousand_files_in_new_folders_is_seen_whole(folder: Path) -> None:
    async with seen(folder) as live:
        for n in range(10_000):
            path = folder / f"new{n % 50}" / f"in{n % 7}" / f"{n}.txt"
            if n < 350:
                path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{n}\n")

        def whole() -> bool:
            with History.open(folder) as history:
                return len(history.tree()) == 10_000

        await live.until(whole)
        (folder / "new3/in3/3.txt").write_text("again\n")
        await live.until(lambda: live.text("new3/in3/3.txt") == "again\n")
        assert len(live.versions("new3/in3/3.txt")) == 2


async def test_a_folder_that_is_removed_and_comes_back_is_watched_again(folder: Path) -> None:
    (folder / "kept/below").mkdir(parents=True)
    (folder / "kept/below/a.txt").write_text("one\n")
    async with seen(folder) as live:
        shutil.rmtree(folder / "kept")
        await live.until(lambda: live.text("kept/below/a.txt") is None)
        (folder / "kept/below").mkdir(parents=True)
        (folder / "kept/below/a.txt").write_text("two\n")
        await live.until(lambda: live.text("kept/below/a.txt") == "two\n")
        (folder / "kept/below/a.txt").write_text("three\n")
        await live.until(lambda: live.text("kept/below/a.txt") == "three\n")
        os.rename(folder / "kept", folder / "moved")
        await live.until(lambda: live.text("moved/below/a.txt") == "three\n")
        (folder / "moved/below/a.txt").write_text("four\n")
        await live.until(lambda: live.text("moved/below/a.txt") == "four\n")
        assert len(live.versions("moved/below/a.txt")) == 6


async def test_an_ignore_file_holds_from_when_it_is_written(folder: Path) -> None:
    (folder / "out").mkdir()
    async with seen(folder) as live:
        (folder / ".gitignore").write_text("out/\n")
        await live.until(lambda: live.text(".gitignore") is not None)
        (folder / "out/made.txt").write_text("made\n")
        (folder / "kept.txt").write_text("kept\n")
        await live.until(lambda: live.text("kept.txt") is not None)
        assert live.text("out/made.txt") is None
        (folder / ".gitignore").unlink()
        await live.until(lambda: live.text("out/made.txt") == "made\n")


async def test_a_name_that_is_not_utf8_costs_no_edit(folder: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/\xff"))
    async with seen(folder) as live:
        odd.write_text("odd\n")
        await live.until(lambda: live.text("\udcff") == "odd\n")
        (folder / "plain.txt").write_text("plain\n")
        await live.until(lambda: live.text("plain.txt") == "plain\n")
        assert await live.client.call(Refresh()) == LIVE


@pytest.mark.skipif(sandbox.available() is not None, reason="no sandbox works here")
async def test_what_a_command_changes_is_its_own_and_what_we_write_makes_no_other_operation(
    folder: Path, tmp_path: Path
) -> None:
    script = write_cassette(
        tmp_path / "tape.toml",
        [
            turn("", ("run", {"command": "echo 1 > a; sleep 1; echo 2 > a; mkdir new; echo 3 > new/b"})),
            turn("", ("write", {"path": "c.txt", "text": "c\n"})),
            turn("Done."),
        ],
    )
    (folder / "a").write_text("0\n")
    async with seen(folder) as live:
        name = await live.client.call(Open(model=f"cassette:{script}", mode="auto"))
        prompt = await live.client.call(Prompt(name, "Do it."))
        await live.until(lambda: any(o.id == prompt and o.ended for o in live.operations("prompt")))
        (folder / "mine.txt").write_text("mine\n")
        await live.until(lambda: live.text("mine.txt") == "mine\n")
        assert await live.client.call(Refresh()) == LIVE
        (outside,) = live.operations()
        with History.open(folder) as history:
            assert [v.path for v in history.store.versions.of_operation(outside.id)] == ["mine.txt"]
        assert len(live.versions("a")) == 2


async def test_a_file_that_is_written_all_the_time_hides_no_edit_of_another(folder: Path) -> None:
    (folder / "busy.log").write_text("0\n")
    async with seen(folder) as live:
        loop = "while true; do echo 1 >> busy.log; sleep 0.02; done"
        busy = await asyncio.create_subprocess_exec("sh", "-c", loop, cwd=folder)
        try:
            (folder / "quiet.txt").write_text("seen\n")
            await live.until(lambda: live.text("quiet.txt") == "seen\n")
            before = len(live.versions("busy.log"))
        finally:
            busy.kill()
            await busy.wait()
        last = (folder / "busy.log").read_text()
        await live.until(lambda: live.text("busy.log") == last)
        assert before <= 2, "while it moves it is left to move"


async def test_an_editors_swap_file_is_no_document(folder: Path) -> None:
    (folder / "notes.txt").write_text("one\n")
    async with seen(folder) as live:
        (folder / ".notes.txt.swp").write_bytes(b"b0VIM 9.0")
        (folder / ".#notes.txt").symlink_to("ann@host.1234")
        (folder / "notes.txt").write_text("two\n")
        await live.until(lambda: live.text("notes.txt") == "two\n")
        await live.client.call(Refresh())
        with History.open(folder) as history:
            assert list(history.tree()) == ["notes.txt"]
            assert {".notes.txt.swp", ".#notes.txt"} <= {skipped.path for skipped in history.coverage()}


async def test_another_folder_in_its_place_is_not_taken_for_ours_emptied(folder: Path) -> None:
    (folder / "a.txt").write_text("a\n")
    aside = folder.with_name("aside")
    async with seen(folder) as live:
        os.rename(folder, aside)
        folder.mkdir()
        answer = await live.client.call(Refresh())
        assert answer["watching"] == "off"
        folder.rmdir()
        os.rename(aside, folder)
        assert await live.client.call(Refresh()) == LIVE
        assert live.operations() == []
        (folder / "a.txt").write_text("b\n")
        await live.until(lambda: live.text("a.txt") == "b\n")


async def test_folders_that_cannot_be_watched_for_their_names_are_polled(folder: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/\xff"))
    odd.mkdir()
    (odd / "a.txt").write_text("one\n")
    with Workspace.open(folder) as work:
        work.scan()
    async with Client.connect(folder) as client:
        await client.call(Attach())
        assert (await client.call(Refresh()))["watching"] == "polling"
        live = Seen(folder, client)
        (odd / "a.txt").write_text("two\n")
        await live.until(lambda: live.text("\udcff/a.txt") == "two\n")


async def test_looking_again_at_what_is_unchanged_records_nothing(folder: Path) -> None:
    (folder / "a").write_text("a\n")
    (folder / "b").write_text("b\n")
    async with seen(folder) as live:
        before = (await live.client.call(Attach()))["entry"]
        os.utime(folder / "a")
        (folder / "b").write_text("b\n")
        await live.client.call(Refresh())
        assert (await live.client.call(Attach()))["entry"] == before


def namespace_works() -> bool:
    with suppress(OSError):
        command = ["unshare", "--user", "--map-root-user", "sh", "-c", "echo 1 > /proc/sys/user/max_inotify_watches"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    return False


@pytest.mark.skipif(not namespace_works(), reason="no user namespace with limits of its own here")
async def test_where_the_system_lends_too_few_watches_the_folder_is_polled_and_that_is_said(folder: Path) -> None:
    for n in range(20):
        (folder / f"d{n}").mkdir()
    (folder / "d7/a.txt").write_text("one\n")
    with Workspace.open(folder) as work:
        work.scan()
    limited = 'echo 10 > /proc/sys/user/max_inotify_watches && exec "$@"'
    host = await asyncio.create_subprocess_exec(
        "unshare", "--user", "--map-root-user", "sh", "-c", limited, "-",
        sys.executable, "-m", "runtime.host.launch", "--root", str(folder), cwd=Path(__file__).parents[3],
    )  # fmt: skip
    try:
        while await asyncio.to_thread(connect.status, folder) is None:
            await asyncio.sleep(0.05)
        async with Client.connect(folder, start=False) as client:
            await client.call(Attach())
            answer = await client.call(Refresh())
            assert answer["watching"] == "polling"
            assert "max_user_watches" in answer["why"]
            assert (await client.call(Status()))["watching"] == "polling"
            live = Seen(folder, client)
            (folder / "d7/a.txt").write_text("two\n")
            await live.until(lambda: live.text("d7/a.txt") == "two\n")
    finally:
        with suppress(ProcessLookupError):
            host.send_signal(signal.SIGTERM)
        await host.wait()
