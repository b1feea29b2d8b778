"""The host's socket server: any number of clients, none of which can slow the host or another one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from runtime.host import endpoint
from runtime.host.connection import FAREWELL, Connection, Defect, Stopped, failure, log
from runtime.host.core import IDLE, Core
from runtime.log import where
from runtime.protocol import VERSION, Attach, Command, Reply, Status, Stop, encode
from workspace import WorkspaceError

__all__ = ["Core", "Server", "host"]

CLIENTS = 256


class Server:
    """Serves a core to the clients that connect to its store's socket."""

    def __init__(self, core: Core, store: Path, *, idle: float | None = IDLE) -> None:
        """``idle``: seconds without a client or work after which the host leaves; None: it stays."""
        self.core = core
        self.since = time.time_ns() // 1000
        self.clients: set[Connection] = set()
        self._store = store
        self._idle = idle
        self._listener: socket.socket | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._path = Path()
        self._socket: endpoint.Identity | None = None
        self._lock: endpoint.Identity | None = None
        self._leave = asyncio.Event()
        self._stops: list[tuple[Connection, int, Reply]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Start the core, serve it until it is time to leave, and close it. Raises WorkspaceError.

        ``ready`` is called once clients may come.
        """
        await self.core.start()
        failed: Defect | None = None
        try:
            self._lock = endpoint.identity(self._store / "lock")
            self._listen()
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
                failed = failure("closing", error)
                raise
            finally:
                await self._part(failed)
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

    # -- inside

    def _listen(self) -> None:
        self._listener, self._path = endpoint.listen(self._store)
        self._socket = endpoint.identity(self._path)
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)
        endpoint.announce(self._store, self._path)

    def _shut(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
            endpoint.withdraw(self._store, self._path, self._socket)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError as error:  # no file descriptor is left: those who wait are let in when some are free
            log.warning("cannot let a client in: %s", error.strerror)
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener)
            loop.call_later(1.0, self._accept_again, listener)
            return
        connection.setblocking(False)
        task = asyncio.create_task(self._come(connection))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    def _accept_again(self, listener: socket.socket) -> None:
        if self._listener is listener:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    async def _come(self, connection: socket.socket) -> None:
        refusal: str | None = None
        user = endpoint.peer(connection)
        if user != os.geteuid():
            log.warning("refused a client of user %s", user)
            refusal = "This host belongs to another user."
        elif len(self.clients) >= CLIENTS:
            log.warning("refused client %d", CLIENTS + 1)
            refusal = f"This host has {CLIENTS} clients already."
        if refusal is not None or self.leaving:  # without a word when leaving: it starts another host
            with connection, suppress(OSError):
                if refusal is not None:
                    connection.send(encode(Reply.failed(0, WorkspaceError(refusal))))
            return
        client = Connection(
            self.core, self._begin, *await asyncio.open_unix_connection(sock=connection, limit=endpoint.LINE)
        )
        self.clients.add(client)
        try:
            await client.run()
        finally:
            self.clients.discard(client)

    def _begin(self, client: Connection, command: Command, number: int) -> asyncio.Task[None]:
        task = asyncio.create_task(self._answer(client, command, number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _answer(self, client: Connection, command: Command, number: int) -> None:
        """Carry out one command of a client and reply to it, whatever happens."""
        reply: Reply
        if self.leaving and client.new:
            client.abort()  # without a word: it starts another host
            return
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
            reply = Reply.failed(number, error)
        except asyncio.CancelledError:
            reply = Reply.failed(number, Stopped("This was stopped before it ended."))
        except Exception as error:  # noqa: BLE001 - the host outlives a defect in one command
            reply = Reply.failed(number, failure(type(command).__name__, error))
        if isinstance(command, Stop) and reply.error is None:
            self._stops.append((client, number, reply))
            self.leave("asked to stop")
        else:
            client.reply(reply)

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
                    self._listen()
                    log.info("listening anew")
                except (WorkspaceError, OSError) as error:
                    log.warning("cannot listen: %s", type(error).__name__)

    def _watched(self, watch: asyncio.Task[None]) -> None:
        if not watch.cancelled() and (error := watch.exception()) is not None:
            log.error("watching failed%s", where(error))
            self.leave("it can no longer tell when to")

    def _status(self) -> dict[str, object]:
        return {"pid": os.getpid(), "version": VERSION, "clients": len(self.clients), "since": self.since}

    async def _part(self, failed: Defect | None) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FAREWELL)
        for client, number, reply in self._stops:
            client.reply(Reply.failed(number, failed) if failed else reply)
        await asyncio.gather(*(client.part() for client in self.clients))
        for task in self._connections:
            task.cancel()


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
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    await server.run(ready)
