"""The workspace for asyncio: one writer whose acts share commits, and readers in threads of their own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import aiosqlite

from workspace.errors import WorkspaceError
from workspace.operations.history import History
from workspace.operations.snapshots import Snapshots
from workspace.operations.workspace import Workspace
from workspace.records import Act
from workspace.store.engine import Connection, connect
from workspace.store.store import FILE
from workspace.working_copy.checkout import OUTSIDE
from workspace.working_copy.working_copy import Scanned

T = TypeVar("T")
H = TypeVar("H", bound=History)

_Queued = tuple[asyncio.Future[Any], Callable[[Workspace], Any], bool]
"""Who waits, for what, and whether it needs a transaction of its own."""

GROUP = 256
"""Acts in one transaction, at most."""
WAL_BYTES = 4 << 20
"""Size of the write-ahead log from which it is folded into the database, beside the writer.

At four times that the writer does it itself, in the way of the next act: beside a steady
stream of commits nobody else ever reaches the end of the log, from where it starts anew.
"""


class _Thread(aiosqlite.Connection):
    """The thread that owns a connection; the workspace on it is called there and nowhere else."""

    async def call(self, function: Callable[[], T]) -> T:
        result: T = await self._execute(function)  # type: ignore[no-untyped-call]
        return result


class _Owner(Generic[H]):
    """A History or Workspace that lives in the thread of its connection."""

    def __init__(self, opened: Callable[[], H]) -> None:
        self._opened = opened
        self._made: H | None = None
        self._thread = _Thread(self._connector, iter_chunk_size=64)

    def _connector(self) -> Connection:
        self._made = self._opened()
        return self._made.store.db

    async def start(self) -> None:
        await self._thread

    @property
    def it(self) -> H:
        if self._made is None:
            raise WorkspaceError("This workspace is not open.")
        return self._made

    async def call(self, function: Callable[[H], T]) -> T:
        return await self._thread.call(lambda: function(self.it))

    async def stop(self) -> None:
        with suppress(ValueError):  # the connection is closed with its workspace
            await self._thread.call(self.it.close)
        stopped = self._thread.stop()
        if stopped is not None:
            await stopped


class Reader:
    """A History in a thread of its own. Use it with ``async with Reader(root) as reader``.

    >>> async def newest(root):
    ...     async with Reader(root) as reader:
    ...         return await reader.call(lambda history: history.cursor)
    """

    def __init__(self, root: Path | str, *, store: Path | None = None, branch: str | None = None) -> None:
        self._owner: _Owner[History] = _Owner(lambda: History.open(root, store=store, branch=branch))

    async def __aenter__(self) -> Self:
        await self._owner.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._owner.stop()

    async def call(self, query: Callable[[History], T]) -> T:
        """Run a query in the reader's thread."""
        return await self._owner.call(query)


class Writer:
    """The one writer of a workspace for any number of tasks.

    Acts that arrive while a commit is under way share the next one: each is all or
    nothing by itself, and its result is given out only once the transaction that holds it
    is synced and its files are in place.

    >>> async def greet(root):
    ...     async with Writer(root) as writer:
    ...         return (await writer.act(lambda work: work.write("hello.txt", b"hello\\n"))).number
    >>> asyncio.run(greet(getfixture("tmp_path")))
    1
    """

    def __init__(self, root: Path | str, *, store: Path | None = None, branch: str | None = None) -> None:
        self._owner: _Owner[Workspace] = _Owner(lambda: Workspace.open(root, store=store, branch=branch))
        self._queue: deque[_Queued] = deque()
        self._patient: deque[_Queued] = deque()
        """Pieces of large acts: one is run after each group of what others wait for."""
        self._snapshots = Snapshots(self.patiently)
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self.groups = 0
        """Transactions so far."""

    async def __aenter__(self) -> Self:
        await self._owner.start()
        await self._owner.call(_take_over_checkpoints)
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._checkpoint())]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._snapshots.close()
        self._closing = True
        self._wake.set()
        try:
            await self._tasks[0]
            self._tasks[1].cancel()
            with suppress(asyncio.CancelledError):
                await self._tasks[1]
        finally:
            await self._owner.stop()

    @property
    def folder(self) -> Path:
        """Where the history lies. Raises WorkspaceError before the workspace is open."""
        return self._owner.it.folder

    async def act(self, act: Callable[[Workspace], T]) -> T:
        """Run an act on the workspace in the next group; its result once it is durable and on disk."""
        return await self._enqueue(act, alone=False)

    async def alone(self, act: Callable[[Workspace], T]) -> T:
        """Run what cannot share a transaction (a scan, a restore, an undo), in its turn."""
        return await self._enqueue(act, alone=True)

    async def patiently(self, act: Callable[[Workspace], T]) -> T:
        """Run one of many pieces of a large act, alone: after all that waits now, then in turns with it."""
        return await self._enqueue(act, alone=True, queue=self._patient)

    async def snapshot(self, act: Act = OUTSIDE) -> Scanned:
        """Record all that changed in the folder until now, while others go on writing; see Snapshots.take."""
        return await self._snapshots.take(act)

    async def _enqueue(self, act: Callable[[Workspace], T], *, alone: bool, queue: deque[_Queued] | None = None) -> T:
        if self._closing:
            raise WorkspaceError("This workspace is closing; nothing more is written.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        (self._queue if queue is None else queue).append((future, act, alone))
        self._wake.set()
        return await future

    async def _write(self) -> None:
        urgent = True
        while True:
            if not self._queue and not self._patient:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            urgent = bool(self._queue) and (urgent or not self._patient)
            group = [(self._queue if urgent else self._patient).popleft()]
            urgent = not urgent
            while not group[0][2] and self._queue and not self._queue[0][2] and len(group) < GROUP:
                group.append(self._queue.popleft())
            group = [queued for queued in group if not queued[0].done()]  # who asked has given up
            if not group:
                continue
            acts = [act for _, act, _ in group]
            self.groups += 1
            run = _run_alone if group[0][2] else _run_group
            try:
                results = await self._owner.call(lambda work, run=run, acts=acts: run(work, acts))  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001 - nobody may wait for an answer that never comes
                results = [error] * len(group)
            for (future, _, _), result in zip(group, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, BaseException):
                    future.set_exception(result)
                else:
                    future.set_result(result)
            await self._watch_log()

    async def _watch_log(self) -> None:
        """Have the write-ahead log folded in where it has grown."""
        with suppress(OSError, WorkspaceError):
            size = (self._owner.it.folder / f"{FILE}-wal").stat().st_size
            if size > 4 * WAL_BYTES:
                await self._owner.call(
                    lambda work: work.store.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                )
            elif size > WAL_BYTES:
                self._full.set()

    async def _checkpoint(self) -> None:
        path = self._owner.it.folder / FILE
        async with _Thread(lambda: connect(path), iter_chunk_size=1) as keeper:
            while True:
                await self._full.wait()
                self._full.clear()
                with suppress(WorkspaceError):  # a full disk, say: it is tried again after the next commit
                    await keeper.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _take_over_checkpoints(work: Workspace) -> None:
    """Leave the write-ahead log to the writer, and its file small once it starts anew."""
    work.store.db.execute("PRAGMA wal_autocheckpoint=0")
    work.store.db.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")


def _run_alone(work: Workspace, acts: list[Callable[[Workspace], object]]) -> list[object]:
    try:
        return [acts[0](work)]
    except Exception as error:  # noqa: BLE001 - it belongs to who asked
        return [error]


def _run_group(work: Workspace, acts: list[Callable[[Workspace], object]]) -> list[object]:
    """Run acts in one transaction, each in a savepoint; results or exceptions, in order."""
    results: list[object] = []
    touched: list[set[int]] = []
    try:
        with work.batch():
            for act in acts:
                before = work.repository.due()
                try:
                    with work.store.transaction():
                        results.append(act(work))
                except Exception as error:  # noqa: BLE001 - it belongs to who asked
                    results.append(error)
                touched.append(work.repository.due_since(before))
    except Exception as error:  # noqa: BLE001 - the whole transaction failed
        conflicts = getattr(error, "conflicts", None)
        if conflicts is None:
            return [error] * len(acts)
        documents = {conflict.document for conflict in conflicts}
        return [error if documents & mine else result for result, mine in zip(results, touched, strict=True)]
    return results
