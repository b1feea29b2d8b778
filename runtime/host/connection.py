"""One client of a host, however it behaves: commands in, replies and events out, bounded."""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from runtime.host.core import Core
from runtime.host.endpoint import LINE, other_version
from runtime.host.feed import Feed
from runtime.log import logger, where
from runtime.protocol import VERSION, Attach, Command, ProtocolError, Reply, decode, encode
from workspace import WorkspaceError

PIPELINE = 64
"""Commands of one client under way at a time; further ones wait in its socket."""
UNREAD = 1_000
"""Replies that one client may leave unread before it is sent away."""
UNREAD_BYTES = 64 * 1024 * 1024
FAREWELL = 2.0
"""Seconds in which a client may take its last replies when the host leaves."""

log = logger("host")

Begin = Callable[["Connection", Command, int], "asyncio.Task[None]"]


class Connection:
    """One client: its commands, its unread replies, its feed of events."""

    def __init__(self, core: Core, begin: Begin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """``begin`` starts to carry out a command, whatever becomes of the client."""
        self._core = core
        self._begin = begin
        self._reader = reader
        self._writer = writer
        self._feed = Feed(core.texts)
        self._replies: deque[bytes] = deque()
        self._bytes = 0
        self._room = asyncio.Semaphore(PIPELINE)
        self._unsubscribe: Callable[[], None] = _nothing
        self._attaching = asyncio.Lock()
        self._gone = False
        self.new = True
        """Whether it has had no answer yet."""
        self._sent = asyncio.Event()
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

    async def attach(self, command: Attach) -> dict[str, object]:
        """Begin, or begin anew, to tell this client of events; the snapshot they follow on."""
        if command.version != VERSION:
            raise WorkspaceError(other_version(os.getpid(), VERSION, command.version))
        async with self._attaching:
            self._detach()
            self._feed.hold()
            self._unsubscribe = self._core.subscribe(self._feed.put)
            try:
                value = dict(await self._core.handle(command))
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
            line = encode(Reply.failed(reply.number, failure("a reply", error)))
        if len(line) > LINE:
            size = len(line) / 1024 / 1024
            large = WorkspaceError(f"The answer is too large for one message: {size:.0f} MiB.")
            line = encode(replace(reply, data=None) if reply.error else Reply.failed(reply.number, large))
        self.new = False
        self._replies.append(line)
        self._bytes += len(line)
        if len(self._replies) > UNREAD or (len(self._replies) > 1 and self._bytes > UNREAD_BYTES):
            log.warning("sent a client away that left %d replies unread", len(self._replies))
            self.abort()
        self._feed.wake.set()

    async def part(self) -> None:
        """Hang up once the client has taken what there is for it, or does not for a while."""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                while self._replies or self._feed.ready:
                    self._sent.clear()
                    await self._sent.wait()
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
                self.reply(Reply.failed(0, ProtocolError(f"A message has {LINE // 1024 // 1024} MiB at most.")))
                await self.part()
                return
            if not line.endswith(b"\n"):
                return
            command, number = self._understand(line)
            if command is not None:
                await self._room.acquire()
                self._begin(self, command, number).add_done_callback(lambda _: self._room.release())

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
            known = error if isinstance(error, ProtocolError) else ProtocolError("This message is nested too deeply.")
            self.reply(Reply.failed(_number_in(line), known))
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
                    for event in self._feed.take():
                        self._writer.write(encode(event))
                    await self._writer.drain()
                self._sent.set()
        except OSError:
            pass
        finally:
            self.abort()
            self._sent.set()


class Defect(WorkspaceError):
    """The host met a defect of its own; its log says where."""

    code = "defect"


class Stopped(WorkspaceError):
    """The host left before a command was carried out."""

    code = "stopped"


def failure(doing: str, error: Exception) -> Defect:
    """Log a defect; what whoever met it is told."""
    log.error("%s failed%s", doing, where(error))
    return Defect(f"The host failed at this ({type(error).__name__}); host.log beside the history says where.")


def _nothing() -> None:
    pass


def _number_in(line: bytes) -> int:
    """The number of a command that is otherwise not understood; 0 where it has none."""
    with suppress(ValueError, RecursionError, AttributeError):
        number = json.loads(line).get("number")
        return number if type(number) is int else 0
    return 0
