"""Hosts as real processes: started on demand, outliving whoever started them, ended in order or not at all."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from runtime.host import launch
from runtime.host.client import Client, HostGone, call, status
from runtime.host.connect import dial
from runtime.host.launch import log_of
from runtime.protocol import Attach, Open, Perform, Prompt, Status, Stop, decode, encode
from tests.runtime.hosting import PROJECT, Place, Watcher, ended, first_line, hosted, is_running
from tests.runtime.typist import LARGE, Typist, typed
from tests.runtime.visitor import CORE
from workspace import History, WorkspaceError
from workspace.operations.verify import verify
from workspace.store import location

on_linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


@pytest.fixture
def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with hosted(folder, monkeypatch) as made:
        yield made


def go_on(name: str = "go") -> Perform:
    return Perform("redo", {"name": name})


async def finish(place: Place, client: Client, operation: int, pieces: int) -> None:
    """Attach, let a run go on, and see it finish with its whole text."""
    watcher = Watcher(client, await client.call(Attach()))
    await client.call(go_on())
    await watcher.until_ended(place, operation)
    assert watcher.texts[operation] == place.payload(operation) == typed(pieces)
    assert place.operation(operation).outcome == "done"
    assert watcher.gaps == 0


async def test_a_host_is_started_on_demand_and_the_next_client_finds_it_at_work(place: Place) -> None:
    assert await asyncio.to_thread(status, place.root) is None
    async with place.connect() as first:
        host = (await first.call(Status()))["pid"]
        assert host == place.host != os.getpid()
        operation = await first.call(Prompt("s1", "say:100 wait:go say:100"))
        async with place.connect(start=False) as second:
            watcher = Watcher(second, await second.call(Attach()))
            await watcher.until(lambda: watcher.texts.get(operation) == typed(100))
            assert (await second.call(Status()))["pid"] == host
            await finish(place, second, operation, 200)


async def test_clients_that_start_at_once_end_up_with_one_host(place: Place) -> None:
    visitors = [place.visitor() for _ in range(5)]
    hosts = {(await asyncio.to_thread(first_line, visitor))["host"] for visitor in visitors}
    assert hosts == {place.host}
    assert place.log.count("ready") == 1
    for visitor in visitors:
        visitor.kill()
        visitor.communicate()


async def test_a_second_host_is_refused_and_leaves_the_first_alone(place: Place) -> None:
    async with place.connect() as client:
        command = [sys.executable, "-m", "runtime.host.launch", "--root", place.root, "--core", CORE]
        second = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
        _, told = await second.communicate()
        assert second.returncode == 1
        assert told.decode().startswith(f"wukong host: Process {place.host} is writing to this workspace")
        assert (await client.call(Status()))["clients"] == 1
        async with place.connect(start=False) as other:
            assert (await other.call(Status()))["clients"] == 2


async def test_a_run_goes_on_when_its_client_is_killed_and_another_one_sees_it_finish(place: Place) -> None:
    visitor = place.visitor("say:100 wait:go say:100")
    said = await asyncio.to_thread(first_line, visitor)
    visitor.kill()
    visitor.communicate()
    async with place.connect(start=False) as client:
        assert (await client.call(Status()))["pid"] == said["host"]
        await finish(place, client, said["operations"][0], 200)


async def test_a_client_killed_in_the_midst_of_a_flood_hurts_nobody(place: Place) -> None:
    visitors = [place.visitor() for _ in range(3)]
    for visitor in visitors:
        await asyncio.to_thread(first_line, visitor)
    async with place.connect(start=False) as client:
        watcher = Watcher(client, await client.call(Attach()))
        operation = await client.call(Prompt("s1", "flood:1000"))
        for number, visitor in enumerate(visitors):
            seen = watcher.told
            await watcher.until(lambda seen=seen, least=100 * number: watcher.told > seen + least)
            visitor.kill()
            visitor.communicate()
        await client.call(go_on("dry"))
        await watcher.until_ended(place, operation)
        assert place.operation(operation).outcome == "done"


def resident(pid: int, field: str) -> int:
    """MiB of memory: VmRSS now, VmHWM at the most so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(field))


@on_linux
async def test_a_client_that_stops_reading_slows_nobody_and_fills_no_memory(place: Place) -> None:
    deltas, calls = 100_000, 200
    with ExitStack() as stack:
        stalled = []
        async with place.connect() as client:
            for _ in range(3):
                connection = stack.enter_context(socket.socket(socket.AF_UNIX))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.connect(str(place.socket))
                connection.sendall(encode(Attach(), 1))
                stalled.append(connection)
            before = resident(place.host, "VmRSS")
            watcher = Watcher(client, await client.call(Attach()))
            operation = await client.call(Prompt("s1", f"flood:{deltas} say:1000 wait:go"))
            waited = []
            for _ in range(calls):
                earlier = watcher.told
                said = await client.call(go_on(""))
                assert operation in said["running"]
                waited.append(said["typed"])
                await watcher.until(lambda earlier=earlier: watcher.told > earlier)
            steps = sorted(later - sooner for sooner, later in itertools.pairwise(waited))
            assert steps[len(steps) // 2] < deltas // 20, "an answer waited for the flood"
            await client.call(go_on("dry"))
            await watcher.until(lambda: watcher.texts.get(operation) == typed(1000))
            assert (await client.call(go_on("")))["typed"] >= deltas
            assert watcher.gaps == 0
            grown = resident(place.host, "VmHWM") - before
            print(f"{deltas} deltas of {LARGE} characters, 3 of 4 clients stalled: {grown} MiB more memory")
            assert grown < 32, "what a stalled client does not read is kept"
            for connection in stalled:
                assert (await asyncio.to_thread(read_on, connection, operation)) == typed(1000)
            await finish(place, client, operation, 1000)


def read_on(connection: socket.socket, operation: int) -> str:
    """Begin to read after all, until the text of an operation is whole."""
    text = ""
    with connection.makefile("rb") as lines:
        for line in lines:
            message, _ = decode(line)
            if getattr(message, "operation", None) == operation:
                assert message.offset <= len(text)
                text = text[: message.offset] + message.text
            if text == typed(1000):
                break
    return text


async def test_the_host_leaves_by_itself_and_the_next_client_starts_another(place: Place) -> None:
    async with place.connect(idle=0.1) as client:
        operation = await client.call(Prompt("s1", "say:10"))
        host = place.host
        with ended(host):
            await client.close()
    assert place.operation(operation).outcome == "done"
    assert not (place.store / "host.json").exists()
    assert not any(place.sockets.rglob("*.sock"))
    async with place.connect() as client:
        assert (await client.call(Status()))["pid"] not in (host, os.getpid())


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_to_leave_ends_everything_in_order(place: Place, kind: signal.Signals) -> None:
    async with place.connect() as client:
        operation = await client.call(Prompt("s1", "say:10 write:notes.txt wait:never"))
        watcher = Watcher(client, await client.call(Attach()))
        await watcher.until((place.root / "notes.txt").exists)
        with ended(place.host):
            os.kill(place.host, kind)
        with pytest.raises(HostGone):
            await watcher.until(lambda: False)
    assert place.operation(operation).outcome == "interrupted"
    assert place.log.splitlines()[-1].endswith("left")
    assert not location.held(place.store)


async def test_a_killed_host_is_replaced_and_the_workspace_recovers(place: Place) -> None:
    async with place.connect() as client:
        operation = await client.call(Prompt("s1", "say:10 write:notes.txt wait:never"))
        watcher = Watcher(client, await client.call(Attach()))
        await watcher.until((place.root / "notes.txt").exists)
        host = place.host
        with ended(host):
            os.kill(host, signal.SIGKILL)
        with pytest.raises(HostGone):
            await client.call(Status())
    assert place.socket.is_socket()
    assert await asyncio.to_thread(status, place.root) is None
    async with place.connect() as client:
        assert (await client.call(Status()))["pid"] == place.host != host
        assert place.operation(operation).outcome == "unknown"
        done = await client.call(Prompt("s1", "say:1"))
        watcher = Watcher(client, await client.call(Attach()))
        await watcher.until_ended(place, done)
    with History.open(place.root) as history:
        assert history.content(history.version("notes.txt", 1)).decode() == typed(10)
        assert not verify(history.store).problems


@on_linux
async def test_a_host_has_nothing_of_whoever_started_it(place: Place) -> None:
    async with place.connect():
        process = Path(f"/proc/{place.host}")
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        parent, group, session, terminal = (int(field) for field in fields[1:5])
        assert terminal == 0
        assert session != os.getsid(0)
        assert session != place.host, "it leads a session and could be given a terminal"
        assert group == session
        assert parent != os.getpid()
        assert os.readlink(process / "cwd") == "/"
        opened = {int(fd.name): os.readlink(fd) for fd in (process / "fd").iterdir()}
        assert {opened[fd] for fd in (0, 1, 2)} == {"/dev/null"}
        ours = {
            link for link in opened.values() if link.startswith(("pipe:", "/dev/pt")) or link.endswith("/starting")
        }
        assert not ours


async def test_a_host_outlives_the_terminal_it_was_started_from(place: Place) -> None:
    command = [sys.executable, "-m", "tests.runtime.visitor", str(place.root), "say:100 wait:go say:100"]
    visitor, terminal = pty.fork()
    if visitor == 0:
        os.chdir(PROJECT)
        os.execv(command[0], command)
    said = await asyncio.to_thread(terminal_line, terminal)
    with ended(visitor):
        os.close(terminal)  # the line drops: the system sends SIGHUP to all that have this terminal
    await asyncio.to_thread(os.waitpid, visitor, 0)
    assert is_running(said["host"])
    os.kill(said["host"], signal.SIGHUP)
    async with place.connect(start=False) as client:
        assert (await client.call(Status()))["pid"] == said["host"]
        await finish(place, client, said["operations"][0], 200)


def terminal_line(terminal: int) -> dict[str, Any]:
    with os.fdopen(os.dup(terminal), "rb") as lines:
        for line in lines:
            with suppress(ValueError):
                said: dict[str, Any] = json.loads(line)
                return said
    raise AssertionError("the terminal closed without a word")


class Slow(Typist):
    """Knocks at the gate when it starts, and has started once it is answered."""

    async def start(self) -> None:
        await super().start()
        reader, _ = await asyncio.open_unix_connection(f"{os.environ['XDG_RUNTIME_DIR']}/gate")
        await reader.read()


async def test_who_starts_a_host_and_is_killed_leaves_it_to_the_next(place: Place) -> None:
    options = "core='tests.runtime.host.test_host:Slow', idle=60"
    program = f"from runtime.host.connect import dial; dial({str(place.root)!r}, {options})"
    with socket.socket(socket.AF_UNIX) as gate:
        gate.bind(str(place.sockets / "gate"))
        gate.listen()
        gate.settimeout(30)
        starter = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
        knocking, _ = await asyncio.to_thread(gate.accept)
    starter.kill()
    await starter.wait()
    with pytest.raises(WorkspaceError, match="has been starting the host"), launch.turn(place.store, wait=0):
        pass
    waiting = asyncio.create_task(asyncio.to_thread(dial, place.root, core=CORE))
    knocking.close()
    with await waiting:
        assert place.log.count("ready") == 1
        assert place.log.count("protocol") == 1


class Unwilling(Typist):
    async def start(self) -> None:
        raise WorkspaceError("This typist has the day off.")


class Defective(Typist):
    async def start(self) -> None:
        raise KeyError("typewriter")


class Hasty(Typist):
    async def start(self) -> None:
        await super().start()
        os.kill(os.getpid(), signal.SIGTERM)


async def test_hosts_that_leave_at_once_are_not_started_for_ever(place: Place) -> None:
    with pytest.raises(WorkspaceError, match=r"leaves as soon as it has started; .*host\.log says why"):
        async with Client.connect(place.root, core="tests.runtime.host.test_host:Hasty"):
            pass
    assert 1 < place.log.count("ready") < 10


@pytest.mark.parametrize(
    ("core", "why"),
    [
        ("tests.runtime.host.test_host:Unwilling", r"^This typist has the day off\.$"),
        ("tests.runtime.host.test_host:Defective", r"^The host failed: KeyError: 'typewriter'\.$"),
        ("tests.runtime.nowhere:Office", r"^There is no tests\.runtime\.nowhere:Office to serve: .*\.$"),
        (
            "tests.runtime.host.test_host:Nobody",
            r"^There is no tests\.runtime\.host\.test_host:Nobody to serve: .*\.$",
        ),
    ],
)
async def test_a_host_that_cannot_start_says_why_to_who_starts_it(place: Place, core: str, why: str) -> None:
    with pytest.raises(WorkspaceError, match=why):
        async with Client.connect(place.root, core=core):
            pass
    assert not location.held(place.store)


async def test_a_host_that_dies_while_it_starts_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WorkspaceError, match=r"did not start; `.* -m runtime\.host\.launch --root .*` shows why"):
        async with place.connect():
            pass
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(WorkspaceError, match="cannot be started: No such file"):
        async with place.connect():
            pass


async def test_a_folder_of_the_same_name_as_a_module_of_ours_is_never_imported(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("asyncio", "runtime", "json"):
        (place.root / name).mkdir()
        (place.root / name / "__init__.py").write_text("raise SystemExit('somebody else is running code')")
    monkeypatch.chdir(place.root)
    async with place.connect() as client:
        assert await client.call(Open()) == "s1"


def test_the_command_line_gives_one_command_and_waits_for_its_answer(place: Place) -> None:
    assert call(place.root, Open(), core=CORE, idle=60) == "s1"
    operation = call(place.root, Prompt("s1", "wait:never"), start=False)
    said = status(place.root)
    assert said is not None
    assert said["running"] == [f"op:{operation}"]
    with pytest.raises(WorkspaceError, match="The typist has no"):
        call(place.root, Perform("revert"), start=False)
    with ended(place.host):
        assert call(place.root, Stop(), start=False) == "stopping"
    assert status(place.root) is None
    assert place.operation(operation).outcome == "interrupted"


async def test_a_host_that_hangs_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.host.connect.PATIENCE", 0.2)
    async with place.connect():
        os.kill(place.host, signal.SIGSTOP)
        try:
            with pytest.raises(WorkspaceError, match=rf"does not answer; `kill {place.host}` ends it"):
                await asyncio.to_thread(status, place.root)
        finally:
            os.kill(place.host, signal.SIGCONT)


async def test_the_log_is_small_and_knows_no_prompt(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async with place.connect() as client:
        for number in range(3):
            with pytest.raises(WorkspaceError, match=r"host\.log beside the history"):
                await client.call(Prompt("s1", f"defect secret{number}"))
        await client.call(Prompt("s1", "wait:secret3"))
    assert place.log.count("Prompt failed: RuntimeError") == 3
    assert "secret" not in place.log
    assert "typist.py" in place.log


async def test_the_log_has_a_bound(place: Place) -> None:
    async with place.connect() as client:
        calls = [client.call(Prompt("s1", "defect")) for _ in range(600)]
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, WorkspaceError) for result in results)
    sizes = [path.stat().st_size for path in place.store.glob("host.log*")]
    assert log_of(place.store).exists()
    assert len(sizes) == 2
    assert max(sizes) <= launch.LOG_BYTES
