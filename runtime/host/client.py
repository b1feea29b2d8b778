"""Reaching a host over its socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from socket import socket
from typing import Any, Self

from runtime.host.connect import HostGone, call, dial, status
from runtime.host.core import IDLE
from runtime.host.endpoint import LINE
from runtime.host.feed import Feed
from runtime.host.launch import CORE
from runtime.protocol import Attach, Command, Event, Reply, decode, encode
from workspace import WorkspaceError

__all__ = ["Client", "HostGone", "call", "status"]

BACKLOG = 4 * 1024 * 1024
"""Characters of text in flight that wait for a slow reader of ``events``, at most."""


class Client:
    """A connection to a host.

    >>> async def say(root, session, text):
    ...     async with Client.connect(root) as client:
    ...         await client.call(Attach())
    ...         await client.call(Prompt(session, text))
    ...         async for event in client.events():
    ...             print(event)
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Use ``connect``."""
        self._reader = reader
        self._writer = writer
        self._calls: dict[int, tuple[asyncio.Future[Any], bool]] = {}
        self._number = 0
        self._feed = Feed(list, BACKLOG)
        self._gone = False
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        root: Path | str,
        store: Path | None = None,
        *,
        start: bool = True,
        core: str = CORE,
        idle: float = IDLE,
    ) -> AsyncIterator[Self]:
        """Connect to the host of ``root``, starting it where none runs; see ``dial``."""
        connection = await _in_thread(lambda: dial(root, store, start=start, core=core, idle=idle))
        client = cls(*await asyncio.open_unix_connection(sock=connection, limit=LINE))
        try:
            yield client
        finally:
            await client.close()

    async def call(self, command: Command) -> Any:
        """Give a command and wait for its answer. Raises WorkspaceError, HostGone.

        A call that is cancelled is carried out all the same. After ``Attach``, and only
        then, ``events`` has something to tell.
        """
        if self._gone:
            raise HostGone
        self._number += 1
        number = self._number
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[number] = (future, isinstance(command, Attach))
        self._writer.write(encode(command, number))
        with suppress(OSError):  # then the host is gone, and the listener says so
            await self._writer.drain()
        return await future

    async def events(self) -> AsyncIterator[Event]:
        """The events since ``Attach``, joined where they come faster than they are read. Raises HostGone.

        A Delta that begins beyond what is known of its text says that some were dropped:
        ``Attach`` again. One reader at a time.
        """
        async for event in _told(self._feed):
            yield event
        raise HostGone

    async def close(self) -> None:
        """Hang up; what runs goes on."""
        self._listening.cancel()
        with suppress(asyncio.CancelledError):
            await self._listening
        self._writer.transport.abort()

    async def _listen(self) -> None:
        try:
            while (line := await self._reader.readline()).endswith(b"\n"):
                message, _ = decode(line)
                if isinstance(message, Reply):
                    self._answered(message)
                elif isinstance(message, Event):
                    self._feed.put(message)
        except (OSError, ValueError, WorkspaceError):
            pass  # the line is cut, or cannot be understood any more
        finally:
            self._gone = True
            for future, _ in self._calls.values():
                if not future.done():
                    future.set_exception(HostGone())
                    future.exception()  # nobody may be waiting any more
            self._calls.clear()
            self._feed.end()
            self._writer.close()

    def _answered(self, reply: Reply) -> None:
        future, attaching = self._calls.pop(reply.number, (None, False))
        if attaching and reply.error is None:
            self._feed.hold()  # what came before the snapshot is in it
            self._feed.resume(reply.value["entry"])
        if future is None or future.done():
            return
        try:
            future.set_result(reply.result())
        except WorkspaceError as error:
            future.set_exception(error)


async def _told(feed: Feed) -> AsyncIterator[Event]:
    """What a feed has to tell, until it ends."""
    while feed.ready or not feed.ended:
        for event in feed.take():
            yield event
        if not feed.ready and not feed.ended:
            feed.wake.clear()
            await feed.wake.wait()


async def _in_thread(opened: Callable[[], socket]) -> socket:
    """Open a connection in a thread; one that nobody waits for any more is closed."""
    abandoned = threading.Event()

    def run() -> socket:
        connection = opened()
        if abandoned.is_set():
            connection.close()
        return connection

    try:
        return await asyncio.to_thread(run)
    except asyncio.CancelledError:
        abandoned.set()
        raise
