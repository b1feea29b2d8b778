"""The host's server over real sockets: many clients, whatever they do, and a place only one user may enter."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from runtime.host import endpoint
from runtime.host.client import Client, HostGone, status
from runtime.host.connection import PIPELINE, UNREAD
from runtime.host.endpoint import LINE
from runtime.host.server import Server
from runtime.protocol import VERSION, Attach, Interrupt, Open, Perform, Prompt, Reply, Status, Stop, decode, encode
from tests.runtime.hosting import Place, Watcher, hosted
from tests.runtime.typist import Typist, typed
from workspace import Act as WorkspaceAct
from workspace import NotFound, WorkspaceError
from workspace.store import location

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


@pytest.fixture
def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with hosted(folder, monkeypatch) as made:
        yield made


@asynccontextmanager
async def serving(place: Place, core: Typist | None = None, idle: float | None = None) -> AsyncIterator[Server]:
    """A server in this process; it has left at the end of the block."""
    server = Server(core or Typist(place.root, place.store), place.store, idle=idle)
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(ready.set))
    await asyncio.wait([running, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield server
    finally:
        server.leave("the test is over")
        await running


class Raw:
    """A connection that sends whatever it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    @asynccontextmanager
    async def connect(cls, place: Place, *, receive: int | None = None) -> AsyncIterator[Raw]:
        connection = socket.socket(socket.AF_UNIX)
        if receive:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, str(place.socket))
        raw = cls(*await asyncio.open_unix_connection(sock=connection, limit=2 * LINE))
        try:
            yield raw
        finally:
            raw.writer.transport.abort()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self) -> Reply:
        message, _ = decode(await self.reader.readline())
        assert isinstance(message, Reply)
        return message


async def alone(client: Client) -> None:
    """Wait until no other client is there."""
    while (await client.call(Status()))["clients"] > 1:
        pass


# -- commands and events, over the socket


@asynccontextmanager
async def over_socket(place: Place) -> AsyncIterator[Client]:
    async with serving(place), Client.connect(place.root, start=False) as client:
        yield client


@pytest.fixture
async def caller(place: Place) -> AsyncIterator[Client]:
    async with over_socket(place) as client:
        yield client


async def test_a_prompt_is_journalled_and_its_text_arrives(caller: Client, place: Place) -> None:
    watcher = Watcher(caller, await caller.call(Attach()))
    operation = await caller.call(Prompt(await caller.call(Open()), "say:500 write:notes.txt wait:go say:500"))
    await watcher.until(lambda: watcher.texts.get(operation) == typed(500))
    await caller.call(Perform("redo", {"name": "go"}))
    await watcher.until_ended(place, operation)
    assert watcher.texts[operation] == typed(1000) == place.payload(operation)
    assert (place.root / "notes.txt").read_text() == typed(500)
    assert watcher.gaps == 0


async def test_attaching_again_begins_anew_from_a_snapshot(caller: Client) -> None:
    await caller.call(Attach())
    operation = await caller.call(Prompt("s1", "say:300 wait:go say:300 wait:never"))
    await caller.call(Status())
    watcher = Watcher(caller, await caller.call(Attach()))
    await caller.call(Perform("redo", {"name": "go"}))
    await watcher.until(lambda: watcher.texts.get(operation) == typed(600))
    assert watcher.gaps == 0


async def test_a_command_that_is_refused_is_answered_with_its_sentence(caller: Client) -> None:
    with pytest.raises(WorkspaceError, match=r"^The typist has no Interrupt\.$"):
        await caller.call(Interrupt("s1"))


async def test_whoever_attaches_at_whatever_moment_knows_the_whole_text(place: Place) -> None:
    async with serving(place), Client.connect(place.root) as first:
        operation = await first.call(Prompt("s1", "say:1000 wait:end"))

        async def watch(after: int) -> Watcher:
            async with Client.connect(place.root) as client:
                while (await client.call(Perform("redo", {"name": ""})))["typed"] < after:
                    pass
                watcher = Watcher(client, await client.call(Attach()))
                await watcher.until(lambda: watcher.texts.get(operation) == typed(1000))
                return watcher

        watchers = await asyncio.gather(*(watch(after) for after in range(0, 1000, 125)))
        assert [watcher.gaps for watcher in watchers] == [0] * 8


class Late(Typist):
    """Somebody is always quicker than its answer to who attaches."""

    async def handle(self, command: Any) -> Any:
        answer = await super().handle(command)
        if isinstance(command, Attach):
            await self._act(lambda work: work.record(WorkspaceAct(kind="message")))
        return answer


async def test_what_happens_while_somebody_attaches_is_told(place: Place) -> None:
    async with serving(place, Late(place.root, place.store)), Client.connect(place.root) as client:
        watcher = Watcher(client, await client.call(Attach()))
        before = watcher.entry
        await watcher.until(lambda: watcher.entry == before + 1)


async def test_commands_of_a_client_begin_in_the_order_they_were_sent(place: Place) -> None:
    async with serving(place), Client.connect(place.root) as client:
        calls = [asyncio.create_task(client.call(Prompt("s1", "say:1"))) for _ in range(5 * PIPELINE)]
        operations = await asyncio.gather(*calls)
    assert operations == sorted(operations)


async def test_a_run_goes_on_when_its_client_leaves(place: Place) -> None:
    async with serving(place), Client.connect(place.root) as second:
        async with Client.connect(place.root) as first:
            operation = await first.call(Prompt("s1", "wait:go say:10"))
            await first.call(Attach())
        await alone(second)
        watcher = Watcher(second, await second.call(Attach()))
        await second.call(Perform("redo", {"name": "go"}))
        await watcher.until_ended(place, operation)


async def test_a_command_is_carried_out_although_its_client_has_left(place: Place) -> None:
    async with serving(place), Client.connect(place.root) as second:
        async with Client.connect(place.root) as first:
            asked = asyncio.create_task(first.call(Perform("scan")))
            await first.call(Status())
        with pytest.raises(HostGone):
            await asked
        await alone(second)
        watcher = Watcher(second, await second.call(Attach()))
        before = watcher.entry
        await second.call(Perform("redo", {"name": "scan"}))
        await watcher.until(lambda: watcher.entry == before + 1)


async def test_nobody_is_told_any_more_who_has_left(place: Place) -> None:
    core = Typist(place.root, place.store)
    async with serving(place, core), Client.connect(place.root) as second:
        async with Client.connect(place.root) as first:
            await first.call(Attach())
            assert core.listeners == 1
        await alone(second)
        assert core.listeners == 0


async def test_status_says_who_the_host_is(place: Place) -> None:
    assert await asyncio.to_thread(status, place.root) is None
    async with serving(place) as server, Client.connect(place.root) as client:
        operation = await client.call(Prompt("s1", "wait:never"))
        said = await asyncio.to_thread(status, place.root)
        assert said == {
            "pid": os.getpid(), "version": VERSION, "clients": 2, "since": server.since,
            "running": [f"op:{operation}"],
        }  # fmt: skip
    assert await asyncio.to_thread(status, place.root) is None


# -- what clients may do wrong


GARBAGE = [
    b"\x00\xff\xfe\n",
    b"\n",
    b"[]\n",
    b"{}\n",
    b"17\n",
    b'{"type": "Nothing", "number": 9}\n',
    b'{"type": ["Status"], "number": 9}\n',
    b'{"type": "Status"}\n',
    b'{"type": "Status", "number": "9"}\n',
    b'{"type": "Status", "number": true}\n',
    b'{"type": "Status", "number": 9, "more": 1}\n',
    b'{"type": "Prompt", "number": 9}\n',
    b'{"type": "Reply", "number": 9, "value": 1}\n',
    b'{"type": "Advanced", "entry": 1, "number": 9}\n',
    b"[" * 100_000 + b"\n",
    b"9" * 10_000 + b"\n",
]


@pytest.mark.parametrize("line", GARBAGE, ids=range(len(GARBAGE)))
async def test_what_is_no_command_is_answered_with_an_error_and_the_line_goes_on(place: Place, line: bytes) -> None:
    async with serving(place), Raw.connect(place) as raw:
        await raw.send(line + encode(Status(), 2))
        wrong = await raw.reply()
        assert wrong.error
        assert wrong.number == (9 if b'"number": 9' in line and b'"type": "Reply"' not in line else wrong.number)
        right = await raw.reply()
        assert (right.number, right.error) == (2, None)


async def test_a_message_that_is_too_long_is_refused_and_nobody_else_is_hurt(place: Place) -> None:
    async with serving(place), Client.connect(place.root) as other, Raw.connect(place) as raw:
        sending = asyncio.create_task(raw.send(b"x" * (3 * LINE)))
        reply = await raw.reply()
        assert reply.error == "A message has 16 MiB at most."
        with suppress(ConnectionError):
            assert not await raw.reader.read()
        await asyncio.gather(sending, return_exceptions=True)
        await alone(other)


async def test_an_answer_that_is_too_large_for_a_message_is_an_error(place: Place) -> None:
    async with serving(place), Client.connect(place.root) as client:
        with pytest.raises(WorkspaceError, match="too large for one message: 17 MiB"):
            await client.call(Perform("undo", {"characters": 17 * 1024 * 1024}))
        assert len(await client.call(Perform("undo", {"characters": LINE - 100}))) == LINE - 100


async def test_a_text_that_is_too_large_for_a_message_arrives_in_parts(place: Place) -> None:
    async with serving(place), Client.connect(place.root) as writer:
        operation = await writer.call(Prompt("s1", "say:40000 wait:end"))
        async with Client.connect(place.root) as client:
            while (await client.call(Perform("redo", {"name": ""})))["typed"] < 40_000:
                pass
            snapshot = await client.call(Attach())
            assert 0 < len(snapshot["texts"][0]["text"]) < len(typed(40_000))
            watcher = Watcher(client, snapshot)
            await watcher.until(lambda: watcher.texts[operation] == typed(40_000))
            assert watcher.gaps == 0


async def test_a_client_of_another_version_is_told_so_in_one_sentence(place: Place) -> None:
    async with serving(place), Client.connect(place.root) as client:
        with pytest.raises(WorkspaceError, match=rf"speaks protocol {VERSION} and this program 99; .*`kill \d+`"):
            await client.call(Attach(version=99))
        assert await client.call(Attach())


async def test_a_host_of_another_version_is_told_so_in_one_sentence(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(place):
        monkeypatch.setattr("runtime.host.connect.VERSION", 99)
        with pytest.raises(WorkspaceError, match=rf"speaks protocol {VERSION} and this program 99"):
            async with Client.connect(place.root):
                pass


async def test_a_client_that_leaves_its_replies_unread_is_sent_away(place: Place) -> None:
    async with serving(place), Client.connect(place.root) as other, Raw.connect(place, receive=4096) as raw:
        with pytest.raises(ConnectionError):
            await raw.send(b"garbage\n" * 100 * UNREAD)
        await alone(other)


async def test_a_client_that_reads_slowly_gets_every_reply(place: Place) -> None:
    async with serving(place), Raw.connect(place, receive=4096) as raw:
        count = UNREAD // 2
        await raw.send(b"".join(encode(Status(), number) for number in range(count)))
        assert sorted([(await raw.reply()).number for _ in range(count)]) == list(range(count))


async def test_a_defect_is_answered_and_logged_without_its_text(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(place), Client.connect(place.root) as client:
        with pytest.raises(WorkspaceError, match=r"failed at this \(RuntimeError\).*host\.log"):
            await client.call(Prompt("s1", "defect my secret"))
        assert await client.call(Open())
    logged = "\n".join([caplog.text, *(record.getMessage() for record in caplog.records if "wukong" in record.name)])
    assert "Prompt failed: RuntimeError" in logged
    assert "my secret" not in logged


# -- leaving


async def test_the_host_leaves_when_nothing_runs_and_nobody_is_attached(place: Place) -> None:
    server = Server(Typist(place.root, place.store), place.store, idle=0.05)
    await server.run()
    assert not location.held(place.store)
    assert endpoint.announced(place.store) is None


class Asked(Typist):
    """Tells when the host has wanted to know twenty times whether it may leave."""

    asked = 0

    def __init__(self, root: Path, store: Path) -> None:
        super().__init__(root, store)
        self.often = asyncio.Event()

    @property
    def busy(self) -> bool:
        self.asked += 1
        if self.asked == 20:
            self.often.set()
        return super().busy


async def test_the_host_stays_while_somebody_is_connected_or_something_runs(place: Place) -> None:
    core = Asked(place.root, place.store)
    ready = asyncio.Event()
    running = asyncio.create_task(Server(core, place.store, idle=0.05).run(ready.set))
    await ready.wait()
    async with Client.connect(place.root) as client:
        await core.often.wait()
        await client.call(Status())
    core.asked = 0
    core.often.clear()
    async with Client.connect(place.root) as client:
        await client.call(Prompt("s1", "wait:go"))
    await core.often.wait()
    assert not running.done()
    async with Client.connect(place.root, start=False) as client:
        await client.call(Perform("redo", {"name": "go"}))
    await running


@pytest.mark.parametrize("ticks", range(8))
async def test_who_comes_as_the_host_leaves_is_served_or_hung_up_on_but_never_refused(
    place: Place, ticks: int
) -> None:
    async with serving(place) as server:
        with socket.socket(socket.AF_UNIX) as newcomer:
            newcomer.connect(str(place.socket))
            newcomer.sendall(encode(Status(), 1))
            for _ in range(ticks):
                await asyncio.sleep(0)
            server.leave("now")
            with suppress(ConnectionError), newcomer.makefile("rb") as lines:
                for line in await asyncio.to_thread(lines.readlines):
                    reply, _ = decode(line)
                    assert reply.error is None


async def test_stop_is_answered_once_everything_is_recorded_and_let_go(place: Place) -> None:
    async with serving(place), Client.connect(place.root) as client:
        operation = await client.call(Prompt("s1", "say:10 wait:never"))
        assert await client.call(Stop()) == "stopping"
        assert not location.held(place.store)
        assert place.operation(operation).outcome == "interrupted"
        with pytest.raises(HostGone):
            await client.call(Status())
        with pytest.raises(HostGone):
            await anext(client.events())


async def test_who_watches_sees_how_everything_ended_before_the_host_is_gone(place: Place) -> None:
    async with serving(place) as server, Client.connect(place.root) as client:
        operation = await client.call(Prompt("s1", "wait:never"))
        watcher = Watcher(client, await client.call(Attach()))
        server.leave("the machine goes down")
        with pytest.raises(HostGone):
            await watcher.until(lambda: False)
        assert watcher.entry == place.operation(operation).last


async def test_a_call_that_waits_when_the_host_is_cut_off_says_so(place: Place) -> None:
    async with serving(place) as server, Client.connect(place.root) as client:
        for connection in server.clients:
            connection.abort()
        with pytest.raises(HostGone):
            await client.call(Status())


async def test_the_host_leaves_when_its_history_is_removed(place: Place) -> None:
    core = Typist(place.root, place.store)
    server = Server(core, place.store)
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(ready.set))
    await ready.wait()
    (place.store / "lock").unlink()
    await running
    assert server.leaving


# -- the place


async def test_only_its_user_can_reach_the_socket(place: Place) -> None:
    async with serving(place):
        path = place.socket
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert path.parent.parent == place.sockets


NOBODY = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
try:
    connection.sendall(b'{"type": "Status", "number": 1}\\n')
    connection.shutdown(socket.SHUT_WR)
except OSError:
    pass
sys.stdout.write(connection.makefile().readline())
"""


@as_root
async def test_another_user_is_refused_even_where_the_socket_is_open_to_them(place: Place) -> None:
    async with serving(place), Client.connect(place.root) as client:
        for path, mode in ((place.sockets, 0o755), (place.socket.parent, 0o755), (place.socket, 0o666)):
            path.chmod(mode)
        said = await asyncio.create_subprocess_exec(
            sys.executable, "-c", NOBODY, str(place.socket), stdout=subprocess.PIPE
        )
        out, _ = await said.communicate()
        assert [json.loads(line)["error"] for line in out.splitlines()] == ["This host belongs to another user."]
        assert (await client.call(Status()))["clients"] == 1


@as_root
async def test_a_client_refuses_a_socket_that_another_user_listens_on(place: Place) -> None:
    place.store.mkdir(parents=True)
    path = place.sockets / "theirs"
    program = (
        "import os, socket, sys; os.setuid(65534); s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]);"
        " s.listen(); print('ready', flush=True); sys.stdin.read()"
    )
    place.sockets.chmod(0o777)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    (place.store / endpoint.RECORD).write_text(json.dumps({"pid": process.pid, "socket": str(path)}))
    with pytest.raises(WorkspaceError, match="another user's process"):
        await asyncio.to_thread(status, place.root, place.store)
    process.stdin.close()
    await process.wait()


def listened(store: Path) -> Path:
    listener, path = endpoint.listen(store)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    finally:
        listener.close()
        path.unlink()
    return path


def test_a_folder_for_sockets_with_a_long_path_is_passed_over(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", str(place.sockets))
    assert listened(place.store).parent == place.sockets / f"wukong-{os.geteuid()}"
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert listened(place.store).parent == Path(f"/tmp/wukong-{os.geteuid()}")


def test_a_folder_for_sockets_of_just_the_longest_path_is_used(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    name = len("/wukong/0123456789abcdef.sock~")
    fits = place.sockets / ("x" * (endpoint.LONGEST - name - len(str(place.sockets)) - 1))
    fits.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(fits))
    path = listened(place.store)
    assert len(str(path)) + 1 == endpoint.LONGEST
    assert path.parent == fits / "wukong"


@pytest.mark.parametrize("own", ["", "relative", "/nowhere/at/all"])
def test_without_a_folder_for_sockets_the_temporary_one_is_used(
    place: Place, monkeypatch: pytest.MonkeyPatch, own: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", own)
    monkeypatch.setattr(tempfile, "tempdir", str(place.sockets))
    folder = listened(place.store).parent
    assert folder == place.sockets / f"wukong-{os.geteuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@as_root
def test_the_folder_of_another_user_is_not_made_ours(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = place.sockets / "run"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(theirs))  # as `sudo -E` leaves it
    monkeypatch.setattr(tempfile, "tempdir", str(place.sockets))
    assert listened(place.store).parent.parent == place.sockets
    assert not any(theirs.iterdir())


@as_root
def test_a_folder_for_sockets_that_someone_else_made_is_refused(place: Place) -> None:
    (place.sockets / "wukong").mkdir(mode=0o700)
    os.chown(place.sockets / "wukong", 65534, 65534)
    with pytest.raises(WorkspaceError, match="not a folder of yours"):
        endpoint.listen(place.store)


def test_a_folder_for_sockets_that_is_a_link_is_refused(place: Place, tmp_path: Path) -> None:
    (place.sockets / "wukong").symlink_to(tmp_path)
    with pytest.raises(WorkspaceError, match="not a folder of yours"):
        endpoint.listen(place.store)


def test_a_folder_for_sockets_that_is_open_to_others_is_refused(place: Place) -> None:
    (place.sockets / "wukong").mkdir()
    (place.sockets / "wukong").chmod(0o770)
    with pytest.raises(WorkspaceError, match="chmod 700"):
        endpoint.listen(place.store)


async def test_the_socket_of_a_dead_host_is_replaced(place: Place) -> None:
    place.store.mkdir(parents=True)
    listener, path = endpoint.listen(place.store)
    endpoint.announce(place.store, path)
    listener.close()
    assert path.is_socket()
    with pytest.raises(NotFound, match="No host runs"):
        async with Client.connect(place.root, place.store, start=False):
            pass
    async with serving(place), Client.connect(place.root, start=False) as client:
        assert (await client.call(Status()))["pid"] == os.getpid()


@pytest.mark.parametrize("gone", ["socket", "folder", "record"])
async def test_a_host_whose_socket_was_removed_is_found_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    async with serving(place), Client.connect(place.root) as before:
        monkeypatch.setattr(tempfile, "tempdir", str(place.root.parent))
        if gone == "socket":
            place.socket.unlink()
        elif gone == "folder":  # as at the end of the user's last session
            shutil.rmtree(place.sockets)
        else:
            (place.store / endpoint.RECORD).unlink()
            while endpoint.announced(place.store) is None:
                await before.call(Status())
        async with Client.connect(place.root, start=False) as after:
            assert (await after.call(Status()))["clients"] == 2
        assert await before.call(Open())


async def test_a_path_that_is_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no folder"):
        async with Client.connect(tmp_path / "nothing", start=False):
            pass


def test_reaching_a_host_loads_neither_the_event_loop_nor_a_model_library() -> None:
    program = (
        "import sys, runtime.host.connect; print([m for m in ('asyncio', 'litellm', 'textual') if m in sys.modules])"
    )
    out: Any = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
