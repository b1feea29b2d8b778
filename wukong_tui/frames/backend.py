"""What the interface works with: the history in a reader's thread, and the host once it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from runtime.protocol import ActName, Advanced, Attach, Command, Delta, Event, Perform
from workspace.errors import NotFound, WorkspaceError

if TYPE_CHECKING:
    from runtime.host.answers import ActAnswer, AttachAnswer
    from runtime.host.client import Client
    from workspace import History
    from workspace.operations.aio import Reader

T = TypeVar("T")

LOOK_AGAIN = 1.0
"""Seconds between two looks at the journal while no host tells us of it."""


class Backend:
    """Reads a workspace at any cursor, and reaches its host: at once where one runs, else when it is needed.

    ``told`` is called in the event loop with every event; ``attached`` with what a host
    says of how things stand, whenever we attach; ``gone`` when it has gone. Nothing here blocks the loop.
    """

    def __init__(
        self,
        root: Path,
        store: Path | None,
        told: Callable[[Event], None],
        *,
        attached: Callable[[AttachAnswer], None] = lambda _: None,
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        self.root = root
        self._store = store
        self._told = told
        self._attached = attached
        self._gone = gone
        self._readers: list[Reader] = []
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._listening: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self.folder: Path | None = None
        """Where the history lies, once it is open."""

    @property
    def connected(self) -> bool:
        """Whether a host tells us what happens."""
        return self._client is not None

    async def open(self) -> None:
        """Open the history for reading. Raises NotFound where there is none yet, WorkspaceError."""
        from workspace.operations.aio import Reader

        for _ in range(2):  # one for frames, one for what takes longer
            reader = Reader(self.root, store=self._store)
            await self._stack.enter_async_context(reader)
            self._readers.append(reader)
        self.folder = await self.read(lambda history: history.store.folder)
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Let go of everything; what runs in the host goes on."""
        try:
            for task in (self._listening, self._watching):
                if task is not None:
                    task.cancel()
                    with suppress(asyncio.CancelledError, WorkspaceError):
                        await task
        finally:
            await self._stack.aclose()

    async def read(self, query: Callable[[History], T]) -> T:
        """Run a query for a frame."""
        return await self._readers[0].call(query)

    async def study(self, query: Callable[[History], T]) -> T:
        """Run a query that may take longer than a frame, beside those for frames."""
        return await self._readers[1].call(query)

    async def act(self, name: ActName, arguments: dict[str, object]) -> ActAnswer:
        """Have the host carry out an act. Raises WorkspaceError."""
        return cast("ActAnswer", await self.call(Perform(name, arguments)))

    async def call(self, command: Command) -> object:
        """Give the host a command, starting one where none runs. Raises WorkspaceError."""
        await self.connect(start=True)
        assert self._client is not None
        return await self._client.call(command)

    async def connect(self, *, start: bool) -> bool:
        """Attach to the host; False where none runs and none is to be started. Raises WorkspaceError."""
        async with self._connecting:
            if self._client is not None:
                return True
            from runtime.host.client import Client

            connection = Client.connect(self.root, self._store, start=start)
            try:
                client = await self._stack.enter_async_context(connection)
            except NotFound:
                if start:
                    raise
                return False
            self._client = client
            await self.attach()
            self._listening = asyncio.create_task(self._listen(client.events()))
            return True

    async def attach(self) -> None:
        """Ask the host how things stand; what follows says only what comes after it. Raises WorkspaceError."""
        if self._client is None:
            return
        stands = await self._client.call(Attach())
        self._attached(stands)
        for flying in stands.get("texts", ()):
            self._told(Delta(flying["operation"], 0, flying["text"]))

    async def _listen(self, events: AsyncIterator[Event]) -> None:
        try:
            async for event in events:
                self._told(event)
        except WorkspaceError:
            self._client = None
            self._gone()

    async def _watch(self) -> None:
        """Without a host, look now and then whether somebody else has added to the journal."""
        seen = 0
        while True:
            if self._client is None:
                with suppress(WorkspaceError):  # a passing failure: it is tried again
                    newest = await self.read(lambda history: history.cursor)
                    if newest > seen:
                        self._told(Advanced(newest))
                    seen = newest
                    await self.connect(start=False)
            await asyncio.sleep(LOOK_AGAIN)
