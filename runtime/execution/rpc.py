"""Programs of capability commands: the door through which a sandbox calls them, thousands over one connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import tempfile
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from runtime.execution import sandbox
from runtime.execution.sandbox import Ran
from runtime.tools.call import Call
from runtime.waiting import to_the_end
from workspace import WorkspaceError

BATCH = 256
"""Calls that are carried out together, at most."""
CONNECTIONS = 16
LINE = 8 << 20
"""Bytes of one call, at most."""
_PART = 1 << 18
"""Bytes that are taken from a connection at a time; the next when these are carried out."""
_PLACE = "/run/wk.sock"
_CLIENT = Path(__file__).with_name("wk")
_FOLDER = "/opt/wk"
SOCKET = "wk.sock"
_COMMAND = '#!/bin/sh\nexec python3 -IS {}/wk.py "$@"\n'


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call gave: a JSON value, or an error of one sentence."""

    value: object = None
    error: str | None = None


ExecuteMany = Callable[[Sequence[Call]], Awaitable[Sequence[CallResult]]]


class RpcServer:
    """Carries out the calls of one program, in the order of each connection.

    ``many`` carries out a batch in order and answers when all of it is durable: while
    one batch is being committed the next arrives, so that calls share commits.
    ``signatures`` names the parameters of each capability in their order, ``later`` those
    whose answer a program need not wait for. Use it with ``async with``, and ``run`` the program.
    """

    def __init__(
        self,
        many: ExecuteMany,
        *,
        signatures: Mapping[str, Sequence[str]] = {},
        later: Collection[str] = (),
        folder: Path | None = None,
    ) -> None:
        self._many = many
        hello = {"door": 1, "signatures": {k: list(v) for k, v in signatures.items()}, "later": sorted(later)}
        self._hello = json.dumps(hello, separators=(",", ":")).encode("ascii") + b"\n"
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[socket.socket] = set()
        self._closing = False
        self.calls = 0
        """Calls that were answered."""
        self.failed = 0
        """Calls among them that were answered with an error."""

    async def __aenter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Finish the batches that have begun and let go of the rest: ``run`` carries out all that was sent."""
        self._closing = True
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        await to_the_end(self._served())
        self._stack.close()

    @property
    def place(self) -> Path:
        """The socket, for a program that is in no sandbox."""
        return self._place

    @property
    def binds(self) -> list[tuple[Path, str]]:
        """What the sandbox has to show, for ``sandbox.run``."""
        return [(self._place, _PLACE), (_CLIENT / "wk.py", f"{_FOLDER}/wk.py")]

    @property
    def files(self) -> dict[str, bytes]:
        """The command ``wk``, for ``sandbox.run``."""
        return {f"{_FOLDER}/wk": _COMMAND.format(_FOLDER).encode()}

    def files_at(self, inside: str) -> dict[str, bytes]:
        """The client and the command ``wk``, by name, for a folder that appears at ``inside`` with the socket."""
        return {"wk": _COMMAND.format(inside).encode(), "wk.py": (_CLIENT / "wk.py").read_bytes()}

    async def run(
        self,
        argv: Sequence[str],
        *,
        workspace: Path,
        files: Mapping[str, bytes] = {},
        environment: Mapping[str, str] = {},
        **options: Any,
    ) -> Ran:
        """Execute a program that may use this door, in a sandbox; all that it asked is done when this returns.

        ``options`` are those of ``sandbox.run``. Raises SandboxError where nothing was executed.
        """
        ran = await sandbox.run(
            argv, workspace=workspace, binds=[*options.pop("binds", ()), *self.binds],
            files={**self.files, **files}, environment={"PYTHONPATH": _FOLDER, **environment}, **options,
        )  # fmt: skip
        await self.drain()
        return ran

    async def drain(self) -> None:
        """Carry out everything that was sent; call it when the program has ended."""
        self._accept()
        await self._served()

    # -- inside

    def _open(self) -> None:
        folder = self._folder
        if folder is None:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="wukong-")))
        else:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        self._place = folder / SOCKET
        self._socket = self._stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._socket.bind(f"/proc/self/fd/{handle}/{SOCKET}")  # the path itself may be too long for a socket
        finally:
            os.close(handle)
        self._stack.callback(self._place.unlink, missing_ok=True)
        self._socket.listen(CONNECTIONS)
        self._socket.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._accept)
        self._stack.callback(loop.remove_reader, self._socket)

    async def _served(self) -> None:
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks)
            for task in done:
                task.result()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                self._meet(self._socket.accept()[0])

    def _meet(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if user != os.getuid() or len(self._tasks) >= CONNECTIONS:
            with contextlib.suppress(OSError):
                connection.send(_line(None, CallResult(error=f"At most {CONNECTIONS} connections at once.")))
            connection.close()
            return
        task = asyncio.create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        lines = _Lines()
        self._connections.add(connection)
        try:
            listens = await _send(connection, self._hello)
            while not self._closing and (part := await _receive(loop, connection)):
                asked = lines.feed(part)
                for at in range(0, len(asked), BATCH):
                    if self._closing:
                        return
                    answers = await self._carry_out(asked[at : at + BATCH])
                    # what a program had sent before it left is carried out all the same
                    listens = listens and await _send(connection, answers)
        finally:
            self._connections.discard(connection)
            connection.close()

    async def _carry_out(self, lines: Sequence[bytes | None]) -> bytes:
        """Carry out the calls in some lines; the lines to answer."""
        read = [_read(line) for line in lines]
        calls = [call for _, call in read if isinstance(call, Call)]
        try:
            given = await self._many(calls) if calls else ()
            if len(given) != len(calls):
                raise ValueError(f"{len(calls)} calls were given {len(given)} answers")
            answers = iter(given)
        except WorkspaceError as error:
            answers = iter([CallResult(error=str(error))] * len(calls))
        except Exception as error:  # noqa: BLE001 - it belongs to who asked
            answers = iter([CallResult(error=f"{type(error).__name__}: {error}")] * len(calls))
        out = []
        for number, call in read:
            answer = next(answers) if isinstance(call, Call) else call
            try:
                line = _line(number, answer)
            except (TypeError, ValueError, RecursionError) as error:
                answer = CallResult(error=f"The answer cannot be sent ({error}).")
                line = _line(number, answer)
            self.calls += 1
            self.failed += answer.error is not None
            out.append(line)
        return b"".join(out)


class _Lines:
    """Takes lines out of what arrives in parts; None stands for a line that was too long to keep."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, part: bytes) -> list[bytes | None]:
        first, *others = part.split(b"\n")
        self._add(first)
        if not others:
            return []
        rest = others.pop()
        whole: list[bytes | None] = [b"".join(self._parts) if self._size <= LINE else None, *others]
        self._parts, self._size = [], 0
        self._add(rest)
        kept = (line if line is not None and len(line) <= LINE else None for line in whole)
        return [line for line in kept if line is None or line.strip()]

    def _add(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > LINE:
            self._parts.clear()
        elif part:
            self._parts.append(part)


def _read(line: bytes | None) -> tuple[object, Call | CallResult]:
    """A line's number and the call in it, or what is wrong with it."""
    if line is None:
        return None, CallResult(error=f"A call is longer than {LINE >> 20} MiB.")
    number = None
    try:
        record = json.loads(line)
        number = record.get("id")
        name, arguments = record["name"], record.get("arguments", {})
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise TypeError("the name has to be a text and the arguments an object")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return number, CallResult(error=f"This is no call ({type(error).__name__}: {error}).")
    return number, Call(name, arguments)


def _line(number: object, answer: CallResult) -> bytes:
    if answer.error is not None:
        record = {"id": number, "ok": False, "error": answer.error}
    else:
        record = {"id": number, "ok": True, "value": answer.value}
    return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"


async def _receive(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> bytes:
    try:
        return await loop.sock_recv(connection, _PART)
    except OSError:  # it left without reading its answers; all that it had sent has come
        return b""


async def _send(connection: socket.socket, data: bytes) -> bool:
    """Send to a program; whether it still listens."""
    try:
        await asyncio.get_running_loop().sock_sendall(connection, data)
    except OSError:
        return False
    return True
