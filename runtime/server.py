"""The host's socket server: any number of clients, none of which can slow the host or another one."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from workspace import WorkspaceError

from . import endpoint
from .feed import Feed
from .launch import IDLE
from .protocol import VERSION, Attach, Command, Event, ProtocolError, Reply, Status, Stop, decode, encode

LINE = 16 * 1024 * 1024
"""Bytes in one message, at most."""
CLIENTS = 256
PIPELINE = 64
"""Commands of one client under way at a time; further ones wait in its socket."""
UNREAD = 1_000
"""Replies that one client may leave unread before it is sent away."""
UNREAD_BYTES = 64 * 1024 * 1024
FAREWELL = 2.0
"""Seconds in which clients may take their last replies when the host leaves."""

log = logging.getLogger("wukong.host")
"""What happens to the host: never a prompt, a document's text or a key."""


class Core(Protocol):
    """The office that a host serves. All of it is called in the thread of the host's event loop."""

    async def start(self) -> None:
        """Take the workspace's write lock and recover. Raises WorkspaceError, and then holds nothing."""
        ...

    async def close(self) -> None:
        """Interrupt what runs, record it and let go of the workspace."""
        ...

    async def handle(self, command: Command) -> Any:
        """Carry out a command; the JSON value of its reply. Raises WorkspaceError of one sentence.

        Commands of one client begin in the order in which it sent them. For ``Attach`` the
        server itself adds the texts, for ``Status`` all but ``running``; after ``Stop`` it
        closes the core.
        """
        ...

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Tell a listener of every event from now on; what ends that. Listeners return at once."""
        ...

    def texts(self) -> list[tuple[int, str]]:
        """Operations in flight and their text so far, every delta that listeners were told of included."""
        ...

    @property
    def busy(self) -> bool:
        """Whether something runs or waits, so that the host has to stay."""
        ...


class Server:
    """Serves a core to the clients that connect to its store's socket."""

    def __init__(self, core: Core, store: Path, *, idle: float | None = IDLE) -> None:
        """``idle``: seconds without a client or work after which the host leaves; None: it stays."""
        self.core = core
        self.since = time.time_ns() // 1000
        self.clients: set[_Client] = set()
        self._store = store
        self._idle = idle
        self._listener: asyncio.Server | None = None
        self._path = Path()
        self._socket: endpoint.Identity | None = None
        self._lock: endpoint.Identity | None = None
        self._leave = asyncio.Event()
        self._stops: list[tuple[_Client, int, Reply]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Start the core, serve it until it is time to leave, and close it. Raises WorkspaceError.

        ``ready`` is called once clients may come.
        """
        await self.core.start()
        failure: str | None = None
        try:
            self._lock = endpoint.identity(self._store / "lock")
            await self._listen()
            watch = asyncio.create_task(self._watch())
            watch.add_done_callback(self._watched)
            try:
                ready()
                await self._leave.wait()
            finally:
                watch.cancel()
        finally:
            self._shut()
            try:
                await self.core.close()
            except Exception as error:
                failure = _failure("closing", error)
                raise
            finally:
                await self._part(failure)
                log.info("left")

    def leave(self, why: str) -> None:
        """Let no more clients in, and leave once everything is recorded."""
        if not self._leave.is_set():
            log.info("leaving: %s", why)
            self._shut()
            self._leave.set()

    @property
    def leaving(self) -> bool:
        return self._leave.is_set()

    async def answer(self, client: _Client, command: Command, number: int) -> None:
        """Carry out one command of a client and reply to it, whatever happens."""
        reply: Reply
        try:
            if self.leaving:
                raise WorkspaceError("The host is leaving; try again in a moment.")
            if isinstance(command, Attach):
                reply = Reply(number, await client.attach(command))
            else:
                value = await self.core.handle(command)
                if isinstance(command, Status):
                    value = {**(value or {}), **self._status()}
                reply = Reply(number, value)
        except WorkspaceError as error:
            reply = Reply(number, error=str(error))
        except asyncio.CancelledError:
            reply = Reply(number, error="This was stopped before it ended.")
        except Exception as error:  # noqa: BLE001 - the host outlives a defect in one command
            reply = Reply(number, error=_failure(type(command).__name__, error))
        if isinstance(command, Stop) and reply.error is None:
            self._stops.append((client, number, reply))
            self.leave("asked to stop")
        else:
            client.reply(reply)

    def start_task(self, task: asyncio.Task[None]) -> None:
        """Keep a command's task; it goes on when its client is gone."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- inside

    async def _listen(self) -> None:
        listener, self._path = endpoint.listen(self._store)
        self._socket = endpoint.identity(self._path)
        self._listener = await asyncio.start_unix_server(self._come, sock=listener, limit=LINE)
        endpoint.announce(self._store, self._path)

    def _shut(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            endpoint.withdraw(self._store, self._path, self._socket)

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.leaving:
            writer.close()  # without a word: the client starts another host
            return
        client = _Client(self, reader, writer)
        user = endpoint.peer(writer.get_extra_info("socket"))
        if user != os.geteuid():
            log.warning("refused a client of user %s", user)
            client.send_away("This host belongs to another user.")
        elif len(self.clients) >= CLIENTS:
            log.warning("refused client %d", CLIENTS + 1)
            client.send_away(f"This host has {CLIENTS} clients already.")
        else:
            self.clients.add(client)
            try:
                await client.run()
            finally:
                self.clients.discard(client)

    async def _watch(self) -> None:
        """Leave when idle or when the store is gone; listen anew where the socket was removed.

        The system removes the folder of sockets when its user's last session ends.
        """
        quiet = time.monotonic()
        while True:
            await asyncio.sleep(1.0 if self._idle is None else min(1.0, self._idle / 4))
            if self.core.busy or self._tasks or self.clients:
                quiet = time.monotonic()
            elif self._idle is not None and time.monotonic() - quiet >= self._idle:
                self.leave("nothing runs and nobody is attached")
                return
            if endpoint.identity(self._store / "lock") != self._lock:
                self.leave("the history's folder is gone")
                return
            if endpoint.identity(self._path) != self._socket or endpoint.announced(self._store) is None:
                try:
                    self._shut()
                    await self._listen()
                    log.info("listening anew")
                except (WorkspaceError, OSError) as error:
                    log.warning("cannot listen: %s", type(error).__name__)

    def _watched(self, watch: asyncio.Task[None]) -> None:
        if not watch.cancelled() and (error := watch.exception()) is not None:
            log.error("watching failed%s", where(error))
            self.leave("it can no longer tell when to")

    def _status(self) -> dict[str, Any]:
        return {"pid": os.getpid(), "version": VERSION, "clients": len(self.clients), "since": self.since}

    async def _part(self, failure: str | None) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FAREWELL)
        for client, number, reply in self._stops:
            client.reply(Reply(number, error=failure) if failure else reply)
        await asyncio.gather(*(client.part() for client in self.clients))


class _Client:
    """One connection: its commands, its unread replies, its feed of events."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._feed = Feed(server.core.texts)
        self._replies: deque[bytes] = deque()
        self._bytes = 0
        self._room = asyncio.Semaphore(PIPELINE)
        self._unsubscribe: Callable[[], None] = _nothing
        self._attaching = asyncio.Lock()
        self._gone = False
        self._empty = asyncio.Event()
        writer.transport.set_write_buffer_limits(high=64 * 1024)

    async def run(self) -> None:
        """Read commands until the client goes."""
        sender = asyncio.create_task(self._send())
        try:
            with suppress(OSError):
                await self._read()
        finally:
            self._gone = True
            self._detach()
            sender.cancel()
            self._writer.close()

    async def attach(self, command: Attach) -> dict[str, Any]:
        """Begin, or begin anew, to tell this client of events; the snapshot they follow on."""
        if command.version != VERSION:
            raise WorkspaceError(endpoint.other_version(os.getpid(), VERSION, command.version))
        async with self._attaching:
            self._detach()
            self._feed.hold()
            self._unsubscribe = self._server.core.subscribe(self._feed.put)
            try:
                value = dict(await self._server.core.handle(command))
            except BaseException:
                self._detach()
                raise
            if self._gone:
                self._detach()
            # from here to the reply nothing else runs: what the texts hold is not told again, and nothing is left out
            texts = self._feed.resume(value.get("entry") or 0)
            value["texts"] = [{"operation": operation, "text": text} for operation, text in texts]
            return value

    def reply(self, reply: Reply) -> None:
        """Put a reply on its way; a client that reads none of them is sent away."""
        try:
            line = encode(reply)
        except (TypeError, ValueError, RecursionError) as error:
            line = encode(Reply(reply.number, error=_failure("a reply", error)))
        if len(line) > LINE:
            size = len(line) / 1024 / 1024
            line = encode(Reply(reply.number, error=f"The answer is too large for one message: {size:.0f} MiB."))
        self._replies.append(line)
        self._bytes += len(line)
        self._empty.clear()
        if len(self._replies) > UNREAD or (len(self._replies) > 1 and self._bytes > UNREAD_BYTES):
            log.warning("sent a client away that left %d replies unread", len(self._replies))
            self.abort()
        self._feed.wake.set()

    def send_away(self, sentence: str) -> None:
        """Tell why this client is not served, and hang up."""
        self._writer.write(encode(Reply(0, error=sentence)))
        self._writer.close()

    async def part(self) -> None:
        """Hang up once the client has taken its replies, or does not for a while."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                if self._replies:
                    await self._empty.wait()
                self._writer.close()
                await self._writer.wait_closed()
        self.abort()

    def abort(self) -> None:
        """Hang up at once."""
        self._replies.clear()
        self._bytes = 0
        self._writer.transport.abort()

    def _detach(self) -> None:
        self._unsubscribe()
        self._unsubscribe = _nothing

    async def _read(self) -> None:
        while True:
            try:
                line = await self._reader.readline()
            except ValueError:  # what follows cannot be told apart any more
                self.reply(Reply(0, error=f"A message has {LINE // 1024 // 1024} MiB at most."))
                await self.part()
                return
            if not line.endswith(b"\n"):
                return
            command, number = self._understand(line)
            if command is not None:
                await self._room.acquire()
                task = asyncio.create_task(self._server.answer(self, command, number))
                task.add_done_callback(lambda _: self._room.release())
                self._server.start_task(task)

    def _understand(self, line: bytes) -> tuple[Command | None, int]:
        """The command in a line and its number; None where it was answered with an error already."""
        try:
            message, number = decode(line)
            if type(number) is not int:
                raise ProtocolError("A command needs a number.")
            if not isinstance(message, Command):
                raise ProtocolError(f"{type(message).__name__} is no command.")
            return message, number
        except (ProtocolError, RecursionError) as error:
            sentence = str(error) if isinstance(error, ProtocolError) else "This message is nested too deeply."
            self.reply(Reply(_number_in(line), error=sentence))
            return None, 0

    async def _send(self) -> None:
        """Send replies in their order, and events in between, as fast as the client reads."""
        try:
            while True:
                await self._feed.wake.wait()
                self._feed.wake.clear()
                while self._replies or self._feed.ready:
                    while self._replies:
                        line = self._replies.popleft()
                        self._bytes -= len(line)
                        self._writer.write(line)
                        await self._writer.drain()
                    self._empty.set()
                    for event in self._feed.take():
                        self._writer.write(encode(event))
                    await self._writer.drain()
        except OSError:
            pass
        finally:
            self.abort()
            self._empty.set()


async def host(
    core: Core, store: Path, *, idle: float | None = IDLE, ready: Callable[[], None] = lambda: None
) -> None:
    """Serve a core in this process until it is time to leave; SIGTERM and SIGINT end it in order.

    A second such signal ends it at once: the next host recovers. SIGHUP is for terminals,
    and a host has none. Raises WorkspaceError where the core or the socket cannot start.
    """
    loop = asyncio.get_running_loop()
    server = Server(core, store, idle=idle)

    def asked(name: str) -> None:
        server.leave(name)
        for kind in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(kind)

    def unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        log.error("%s%s", context.get("message"), where(error) if error else "")

    loop.set_exception_handler(unhandled)
    for kind in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(kind, asked, kind.name)
    # a handler, not SIG_IGN, which the programs we start would inherit
    loop.add_signal_handler(signal.SIGHUP, _nothing)
    await server.run(ready)


def where(error: BaseException) -> str:
    """The kind of an error and the lines of code it came through: its message may hold a document's text."""
    return f": {type(error).__name__}\n" + "".join(traceback.format_tb(error.__traceback__))


def _failure(doing: str, error: Exception) -> str:
    log.error("%s failed%s", doing, where(error))
    return f"The host failed at this ({type(error).__name__}); host.log beside the history says where."


def _nothing() -> None:
    pass


def _number_in(line: bytes) -> int:
    """The number of a command that is otherwise not understood; 0 where it has none."""
    with suppress(ValueError, RecursionError, AttributeError):
        number = json.loads(line).get("number")
        return number if type(number) is int else 0
    return 0
