"""Sessions at work at the same time, commands that are cut short, hosts that die: whose work it is, and none lost."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from runtime.execution import bubblewrap
from runtime.host import connect
from runtime.host.client import Client, HostGone
from runtime.protocol import Attach, Open, Perform, Prompt, Stop
from tests.runtime.office import begin, turn, write_cassette
from tests.runtime.scene import READY, Actor, done, put, scene, tree
from workspace import History, Workspace
from workspace.operations.verify import verify
from workspace.working_copy import waiting

TRIAL = bubblewrap.chosen()
pytestmark = pytest.mark.skipif(TRIAL is None or not TRIAL.overlay, reason="no overlay works here")
LINES = "".join(f"line {number}\n" for number in range(1, 10))


# -- two sessions


async def test_overlapping_commands_of_two_sessions_are_never_blamed_for_each_other(folder: Path) -> None:
    put(folder, {"shared.txt": LINES, "one.txt": "1\n", "two.txt": "2\n"})
    async with scene(folder) as first:
        second = Actor(first.desk, await begin(first.desk))
        a = await first.started(f"sed -i 's/line 2/line 2 by one/' shared.txt; echo one >> one.txt; {READY}; touch 1")
        b = await second.started(
            f"sed -i 's/line 8/line 8 by two/' shared.txt; echo two >> two.txt; {READY}; touch 2"
        )
        by_one, by_two = await first.go(a), await second.go(b)
        assert by_one.changed == {"shared.txt": "edit", "one.txt": "edit", "1": "create"}, by_one.text
        assert by_two.changed == {"shared.txt": "edit", "two.txt": "edit", "2": "create"}, by_two.text
        for made in (by_one, by_two):
            assert made.whose == ("certain", ())
            (shared,) = [version for version in made.versions if version.path == "shared.txt"]
            assert (shared.added, shared.removed) == (1, 1)
        text = (folder / "shared.txt").read_text()
        assert text == LINES.replace("line 2", "line 2 by one").replace("line 8", "line 8 by two")
        await first.undo(by_one)
        assert (folder / "shared.txt").read_text() == LINES.replace("line 8", "line 8 by two")


async def test_the_later_of_two_sessions_that_edit_one_line_is_told_of_a_conflict(folder: Path) -> None:
    put(folder, {"shared.txt": LINES})
    async with scene(folder) as first:
        second = Actor(first.desk, await begin(first.desk))
        a = await first.started(f"sed -i 's/line 5/by one/' shared.txt; {READY}")
        b = await second.started(f"sed -i 's/line 5/by two/' shared.txt; touch two; {READY}")
        by_one, by_two = await first.go(a), await second.go(b)
        assert by_one.changed == {"shared.txt": "edit"}
        assert "conflict: shared.txt" in by_two.text
        assert (folder / "shared.txt").read_text() == LINES.replace("line 5", "by one")
        assert (folder / "two").exists()

        def beside(history: History) -> list[bytes]:
            return [history.content(version) for version in by_two.versions if version.path == "shared.txt"]

        assert LINES.replace("line 5", "by two").encode() in await first.desk.read(beside)


async def test_commands_of_one_session_that_overlap_with_what_it_left_are_attributed_jointly(folder: Path) -> None:
    put(folder, {"a.txt": "a\n"})
    async with scene(folder) as agent:
        left = await agent.run("(until [ -e /tmp/go ]; do sleep 0.01; done; echo left > b.txt; touch /tmp/over) &")
        later = await agent.run("echo more >> a.txt; touch /tmp/go; until [ -e /tmp/over ]; do sleep 0.01; done")
        assert later.changed == {"a.txt": "edit", "b.txt": "create"}
        assert later.whose == ("joint", (left.operation.id,))


async def test_what_a_process_changes_after_its_command_is_taken_before_the_next(folder: Path) -> None:
    put(folder, {"a.txt": "a\n", "b.txt": "b\n"})
    async with scene(folder) as agent:
        await agent.run(
            "echo 1 >> a.txt; (until [ -e /tmp/go ]; do sleep 0.01; done; echo left >> b.txt) >/dev/null 2>&1 &"
        )
        (agent.tmp / "go").touch()
        workplace = agent.desk.workplace(agent.session)
        while workplace.live:
            await asyncio.sleep(0.005)
        await agent.call("edit", {"path": "a.txt", "old": "1", "new": "by hand"})
        seen = await agent.run("cat a.txt b.txt")
        assert "a\nby hand\nb\nleft" in seen.text, seen.text
        assert seen.changed == {}
        assert (folder / "a.txt").read_text() == "a\nby hand\n"
        assert (folder / "b.txt").read_text() == "b\nleft\n"


async def test_a_line_that_is_changed_and_changed_back_beside_a_server_is_back(folder: Path, tmp_path: Path) -> None:
    put(folder, {"a.txt": LINES})
    async with scene(folder) as agent:
        await agent.run("(until [ -e /tmp/stop ]; do sleep 0.01; done) >/dev/null 2>&1 &")
        await agent.run("sed -i 's/line 5/changed/' a.txt; echo 1 > new.txt")
        assert "changed" in (folder / "a.txt").read_text()
        done = await agent.run("sed -i 's/changed/line 5/' a.txt; echo 2 > new.txt")
        assert (folder / "a.txt").read_text() == LINES, done.text
        assert (folder / "new.txt").read_text() == "2\n", done.text
        await agent.call("write", {"path": "made.txt", "text": "1\n"})
        done = await agent.run("cat made.txt; echo 2 >> made.txt")
        assert (folder / "made.txt").read_text() == "1\n2\n", done.text
        done = await agent.run("rm made.txt new.txt")
        assert not (folder / "made.txt").exists(), done.text
        assert not (folder / "new.txt").exists(), done.text
        done = await agent.run("echo again > new.txt")
        assert (folder / "new.txt").read_text() == "again\n", done.text
        assert agent.desk.workplace(agent.session).live


# -- commands that are cut short


async def test_an_interrupted_command_keeps_what_it_did_as_its_own(folder: Path) -> None:
    put(folder, {"a.txt": "a\n"})
    before = tree(folder)
    async with scene(folder) as agent:
        prompt = await agent.started(f"echo half >> a.txt; echo new > n.txt; {READY}")
        ended = await agent.interrupt(prompt)
        assert ended.operation.outcome == "interrupted"
        assert ended.changed == {"a.txt": "edit", "n.txt": "create"}, ended.text
        assert (folder / "a.txt").read_text() == "a\nhalf\n"
        await agent.undo(ended)
        assert tree(folder) == before


async def test_a_command_that_takes_too_long_is_ended_and_what_it_did_recorded(folder: Path) -> None:
    put(folder, {"a.txt": "a\n"})
    async with scene(folder) as agent:
        ended = await agent.run("echo half >> a.txt; sleep 1000", seconds=0.5)
        assert ended.operation.outcome == "failed"
        assert "stopped after" in ended.text
        assert ended.changed == {"a.txt": "edit"}
        assert "a\nhalf\n" in (await agent.run("cat a.txt")).text


async def test_a_command_that_writes_too_much_is_ended_and_told(folder: Path) -> None:
    put(folder, {".gitignore": "*.bin\n"})
    async with scene(folder) as agent:
        assert agent.desk._site is not None
        agent.desk._site.quota = 8 << 20
        ended = await agent.run("echo note > note.txt; for n in $(seq 1000); do head -c 4M /dev/zero > $n.bin; done")
        assert "written]" in ended.text, ended.text
        assert ended.operation.outcome == "failed"
        assert ended.changed == {"note.txt": "create"}
        assert (await agent.run("cat note.txt")).text.startswith("note\n")


# -- hosts that die


async def host_killed(folder: Path, tmp_path: Path, command: str, *, when: str) -> tuple[int, str]:
    """Have a host execute a command and kill it: once a file is in the session's /tmp, or in the folder."""
    tape = write_cassette(tmp_path / "tape.toml", [turn("", ("run", {"command": command})), turn("Done.")])
    async with Client.connect(folder) as client:
        await client.call(Attach())
        session = await client.call(Open(model=f"cassette:{tape}", mode="auto"))
        prompt = await client.call(Prompt(session, "go"))
        with History.open(folder) as history:
            store = history.store.folder
        assert store is not None
        pid = (connect.status(folder) or {})["pid"]
        tmp = store / waiting.FOLDER / session / "tmp"
        while not ((tmp / when).exists() or (folder / when).exists()):
            await asyncio.sleep(0.001)
        os.kill(pid, signal.SIGKILL)
        try:
            async for _ in client.events():
                pass
        except HostGone:
            pass
    return prompt, session


async def recovered(folder: Path) -> None:
    """Start a host on the folder, and stop it."""
    async with Client.connect(folder) as client:
        await client.call(Attach())
    await asyncio.to_thread(connect.call, folder, Stop(), start=False)


def scanned(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.scan()


async def test_a_host_killed_in_a_command_leaves_its_work_under_its_operation(folder: Path, tmp_path: Path) -> None:
    put(folder, {"a.txt": "a\n", ".gitignore": "*.log\n", "x.log": "precious\n"})
    scanned(folder)
    before = tree(folder)
    command = "echo half >> a.txt; echo new > n.txt; rm x.log; touch /tmp/ready; sleep 1000"
    prompt, session = await host_killed(folder, tmp_path, command, when="ready")
    assert (folder / "a.txt").read_text() == "a\n"
    await recovered(folder)
    with Workspace.open(folder) as work:
        found = done(work, prompt)
        assert found.changed == {"a.txt": "edit", "n.txt": "create"}
        assert (found.operation.outcome, found.operation.session) == ("interrupted", session)
        assert found.operation.actor not in (None, "outside")
        assert not (folder / "x.log").exists()
        assert verify(work.store).ok
        assert not work.differences()
        work.undo(target=prompt)
    assert tree(folder) == before


@pytest.mark.parametrize("at", ["f0001", "f0400", "f0799"])
async def test_a_host_killed_while_laying_in_goes_on_where_it_was(folder: Path, tmp_path: Path, at: str) -> None:
    put(folder, {f"old{n:03}": f"old {n}\n" for n in range(100)})
    scanned(folder)
    command = "for n in $(seq -w 0 0799); do echo $n > f$n; done; for f in old*; do echo more >> $f; done"
    prompt, _ = await host_killed(folder, tmp_path, command, when=at)
    await recovered(folder)
    with Workspace.open(folder) as work:
        found = done(work, prompt)
        assert len(found.versions) == 900, found.text
        assert {version.change for version in found.versions} == {"create", "edit"}
        assert found.operation.outcome == "interrupted"
        assert all((folder / f"f{n:04}").read_text() == f"{n:04}\n" for n in range(800))
        assert all((folder / f"old{n:03}").read_text() == f"old {n}\nmore\n" for n in range(100))
        assert verify(work.store).ok
        assert not work.differences()
    assert not list(folder.glob(".wukong-tmp*"))


async def test_what_was_undone_beside_a_live_process_stays_undone_when_the_host_dies(
    folder: Path, tmp_path: Path
) -> None:
    put(folder, {"a.txt": "a\n", ".gitignore": "*.log\n"})
    scanned(folder)
    before = tree(folder)
    command = "echo more >> a.txt; echo new > n.txt; echo x > made.log; (sleep 1000 >/dev/null 2>&1 &); true"
    tape = write_cassette(tmp_path / "tape.toml", [turn("", ("run", {"command": command})), turn("Done.")])
    async with Client.connect(folder) as client:
        await client.call(Attach())
        session = await client.call(Open(model=f"cassette:{tape}", mode="auto"))
        prompt = await client.call(Prompt(session, "go"))
        with History.open(folder) as history:
            while history.operation(prompt).ended is None:
                await asyncio.sleep(0.01)
        assert (folder / "made.log").exists()
        await client.call(Perform("undo", {"target": prompt}))
        assert tree(folder) == before
        os.kill((connect.status(folder) or {})["pid"], signal.SIGKILL)
        with suppress(HostGone):
            async for _ in client.events():
                pass
    await recovered(folder)
    assert tree(folder) == before
