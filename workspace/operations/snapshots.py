"""Snapshots beside the writer: another process looks, and the writer records what it found in slices."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from workspace.entries import CaptureEntry
from workspace.errors import WorkspaceError
from workspace.kinds import Kind, Outcome
from workspace.operations.workspace import Workspace
from workspace.records import Act, Conflict, Version
from workspace.store.contents import Prepared
from workspace.working_copy import looker
from workspace.working_copy.snapshot import Seen, Snapshot
from workspace.working_copy.working_copy import Absorbed, Scanned

SLICE = 40
"""Edits recorded in one transaction: some 5 ms."""
ROWS = 400
"""Files of which only what is known of them changes, taken along by one transaction."""
CLOSED = "This workspace was closed; nothing more is recorded."
HELD = 8 << 20
"""Bytes of encoded contents from which they are stored before what they belong to."""
ROUNDS = 3
"""Looks at what goes on changing."""

T = TypeVar("T")


class Slice(Protocol):
    """Runs something in the writer's thread, in a transaction of its own, when nobody else waits."""

    def __call__(self, act: Callable[[Workspace], T], /) -> Awaitable[T]: ...


class _Gone(Exception):
    """The looker has died."""


class _Looker:
    """The process that looks; started when it is needed, and again when it has died."""

    def __init__(self) -> None:
        self._process: Process | None = None

    async def look(self, command: Sequence[str], keep: Callable[[looker.Contents], Awaitable[None]]) -> Snapshot:
        """Take a snapshot; its contents are given to ``keep`` as they come. Raises WorkspaceError, _Gone."""
        try:
            if self._process is None or self._process.returncode is not None:
                self._process = await asyncio.create_subprocess_exec(
                    *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, cwd="/", start_new_session=True
                )
            commands, answers = self._process.stdin, self._process.stdout
            assert commands is not None
            assert answers is not None
            commands.write(looker.pack(looker.LOOK))
            while True:
                size = int.from_bytes(await answers.readexactly(4), "big")
                message = looker.unpack(await answers.readexactly(size))
                if isinstance(message, Snapshot):
                    return message
                if isinstance(message, WorkspaceError):
                    raise message
                await keep(message)
        except (OSError, EOFError) as error:
            await self.close()
            raise _Gone from error
        except BaseException as error:
            if not isinstance(error, WorkspaceError):
                await self.close()  # what it still says would be taken for the next answer
            raise

    async def close(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.kill()  # it holds nothing that could be lost
        await process.communicate()  # what it still said goes with it


@dataclass(slots=True)
class _Request:
    act: Act
    done: asyncio.Future[Scanned]


@dataclass(slots=True)
class _Taken:
    """What became of a snapshot, round after round."""

    found: Snapshot = field(default_factory=Snapshot)
    entry: int | None = None
    versions: list[Version] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    def add(self, absorbed: Absorbed) -> None:
        self.entry = self.entry or absorbed.entry
        self.versions += absorbed.versions
        self.conflicts += absorbed.conflicts

    def take(self, scanned: Scanned) -> None:
        """What the writer found by itself."""
        self.add(Absorbed(scanned.operation, scanned.versions, scanned.conflicts, False))
        self.found = Snapshot(
            skipped=list(scanned.skipped), files=scanned.files, bytes=scanned.bytes, folders=scanned.folders
        )

    def scanned(self, operation: int | None) -> Scanned:
        found = self.found
        return Scanned(
            operation or self.entry, tuple(self.versions), tuple(found.skipped), found.files, found.bytes,
            tuple(self.conflicts), folders=found.folders,
        )  # fmt: skip


class _Held:
    """The encoded contents of one snapshot, until they are stored with its edits; of a large one, before that."""

    def __init__(self, run: Slice) -> None:
        self._run = run
        self._contents: dict[int, Prepared] = {}
        self._ids: dict[int, int] = {}
        self._bytes = 0

    async def keep(self, contents: looker.Contents) -> None:
        self._contents |= contents
        self._bytes += sum(len(prepared.data) for _, prepared in contents)
        if self._bytes > HELD:
            waiting, self._contents, self._bytes = list(self._contents.items()), {}, 0
            for start in range(0, len(waiting), SLICE):
                part = waiting[start : start + SLICE]
                self._ids |= await self._run(lambda work, part=part: _insert(work, part))  # type: ignore[misc]

    def stored(self, piece: Snapshot) -> tuple[Snapshot, dict[int, Prepared]]:
        """A piece with the numbers of what is stored already, and the contents of its edits that are not."""
        edits = [self._numbered(seen) for seen in piece.edits]
        numbers = {seen.edit.state.content for seen in edits if seen.edit.state is not None}
        left = {number: self._contents[number] for number in numbers if number in self._contents}
        return replace(piece, edits=edits), left

    def _numbered(self, seen: Seen) -> Seen:
        state = seen.edit.state
        if state is None or state.content not in self._ids:
            return seen
        return replace(seen, edit=replace(seen.edit, state=replace(state, content=self._ids[state.content])))


class Snapshots:
    """Takes the snapshots of a workspace's folder, one at a time: who asks while one is taken shares the next."""

    def __init__(self, run: Slice) -> None:
        self._run = run
        self._looker = _Looker()
        self._waiting: list[_Request] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def take(self, act: Act) -> Scanned:
        """Record all that changed in the folder until now as ``act``, or as that of another who asked with us.

        An act that is part of an operation comes first: what others find is then what is left.
        More than a few edits are recorded as several entries, of one operation unless they were
        found on the way to another act. Raises WorkspaceError.
        """
        if self._closed:
            raise WorkspaceError(CLOSED)
        request = _Request(act, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve(), name="snapshots")
        return await request.done

    async def close(self) -> None:
        """Let go of the process that looks; who still waits is told."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for request in self._waiting:
            if not request.done.done():
                request.done.set_exception(WorkspaceError(CLOSED))
        await self._looker.close()

    async def _serve(self) -> None:
        while self._waiting:
            requests, self._waiting = self._waiting, []
            requests.sort(key=lambda request: request.act.operation is None)
            wanted = [request for request in requests if not request.done.done()]
            if not wanted:
                continue
            try:
                scanned = await self._take(wanted[0].act)
            except BaseException as error:
                for request in wanted:
                    if not request.done.done():
                        request.done.set_exception(error if isinstance(error, Exception) else WorkspaceError(CLOSED))
                if not isinstance(error, Exception):
                    raise
                continue
            for request in wanted:
                if not request.done.done():
                    request.done.set_result(scanned)
                scanned = replace(scanned, operation=None, versions=(), conflicts=())

    async def _take(self, act: Act) -> Scanned:
        command = await self._run(_looker_command)
        if command is None:
            return Scanned(None, (), (), 0, 0)
        taken, operation = _Taken(), act.operation
        try:
            for round_ in range(ROUNDS):
                held = _Held(self._run)
                try:
                    taken.found = found = await self._looker.look(command, held.keep)
                except _Gone:  # another process cannot look here: then the writer does
                    taken.take(await self._run(lambda work: _scan(work, act)))
                    break
                alone = act.kind != Kind.OUTSIDE or CaptureEntry.of(act).watched
                if len(found.edits) > SLICE and operation is None and alone:
                    operation = await self._run(lambda work: _begin(work, act))
                part = act if operation is None else replace(act, operation=operation)
                stale = False
                for piece in slices(found):
                    absorbed = await self._absorb(piece, part, held, last=round_ == ROUNDS - 1)
                    taken.add(absorbed)
                    stale = stale or absorbed.stale
                if not stale:
                    break
        except Exception:
            if operation is not None and act.operation is None:
                await self._end(operation, Outcome.FAILED)
            raise
        if operation is not None and act.operation is None:
            await self._end(operation, Outcome.DONE)
        return taken.scanned(operation)

    async def _absorb(self, piece: Snapshot, act: Act, held: _Held, *, last: bool) -> Absorbed:
        piece, contents = held.stored(piece)

        def absorb(work: Workspace) -> Absorbed:
            assert work.copy is not None
            return work.copy.absorb(piece, act, contents, last=last)

        return await self._run(absorb)

    async def _end(self, operation: int, outcome: Outcome) -> None:
        await self._run(lambda work: work.end(operation, outcome))


def slices(found: Snapshot) -> list[Snapshot]:
    """A snapshot in pieces that the writer records one after the other; coverage goes with the first."""
    if len(found.edits) <= SLICE and len(found.refreshed) <= ROWS:
        return [found]
    pieces = []
    vacated = {placed.document: placed for placed in found.vacated}
    several = len(vacated) < len(found.vacated)
    for start in range(0, len(found.edits), SLICE):
        edits = found.edits[start : start + SLICE]
        mine = {seen.edit.document for seen in edits}
        rows = [p for p in found.vacated if p.document in mine] if several else _of(vacated, mine)
        pieces.append(replace(found, edits=edits, vacated=rows, refreshed=[], coverage=CaptureEntry()))
    edited = {seen.edit.document for seen in found.edits}
    rest = [placed for placed in found.vacated if placed.document not in edited]
    for start in range(0, max(len(found.refreshed), len(rest)), ROWS):
        left, again = rest[start : start + ROWS], found.refreshed[start : start + ROWS]
        pieces.append(replace(found, edits=[], vacated=left, refreshed=again, coverage=CaptureEntry()))
    return [replace(pieces[0], coverage=found.coverage), *pieces[1:]]


def _of(vacated: dict[int, Any], documents: set[int | None]) -> list[Any]:
    return [vacated[document] for document in documents if document in vacated]


def _looker_command(work: Workspace) -> list[str] | None:
    if work.copy is None:
        return None
    return looker.command(work.copy.root, work.folder, work.branch.id)


def _insert(work: Workspace, contents: looker.Contents) -> dict[int, int]:
    with work.store.transaction():
        return {key: work.store.contents.insert(prepared) for key, prepared in contents}


def _begin(work: Workspace, act: Act) -> int:
    return work.begin(act.saying(CaptureEntry(first=True)) if work.cursor == 0 else act)


def _scan(work: Workspace, act: Act) -> Scanned:
    assert work.copy is not None
    return work.copy.scan(act)
