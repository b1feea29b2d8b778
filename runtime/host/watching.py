"""Keeping the history up to date with the folder: what others change there is recorded soon after.

Events only say where to look. All of the folder is looked at on starting, after events for more than
a few files, and a while after any; where no events can be had, every few seconds.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar

from runtime.log import logger, where
from workspace.errors import WorkspaceError
from workspace.working_copy.watch import EVERYTHING, QUIET, Unwatchable, Watch, is_little, joined
from workspace.working_copy.working_copy import Scanned

T = TypeVar("T")
Snapshot = Callable[[Collection[str] | None], Awaitable[Scanned]]
"""Records what changed at a few paths, in a moment; None: anywhere, beside who writes."""
Mode = Literal["live", "polling", "off"]

SWITCH = "WUKONG_WATCH"
"""The variable of the environment that says ``off`` where the folder is not to be watched."""
POLL = 2.0
"""Seconds between two looks at a folder whose changes nobody tells."""
AGAIN = 60.0
"""Seconds after which all of the folder is looked at again, if anything was told, and watching is tried again."""
SHARE = 0.02
"""The part of the time that looking at all of the folder may take."""

LOOKS = 3
"""Snapshots in a row at most, where new folders come faster than they can be watched."""

log = logger("watching")


class Watching:
    """Watches a folder and takes snapshots of it until it is closed; still while something of ours works in it."""

    def __init__(self, root: Path, snapshot: Snapshot) -> None:
        self.mode: Mode = "off"
        self.why = f"{SWITCH} is off" if os.environ.get(SWITCH) == "off" else "it has not begun yet"
        """Why it is not live; empty where it is."""
        self._root = root
        self._watch = Watch(root)
        self._snapshot = snapshot
        self._thread = ThreadPoolExecutor(1, "watch")
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._holds = 0
        self._free = asyncio.Event()
        self._free.set()
        self._owed: frozenset[str] = EVERYTHING
        self._waiting: list[asyncio.Future[None]] = []
        self._took = 0.0
        self._looked = -AGAIN
        """When all of the folder was last looked at."""
        self._again, self._blind = -AGAIN, ""
        """When to try again to watch what could not be watched, and why."""
        self._trusted = True
        """Whether nothing was told since all was looked at."""

    def start(self) -> None:
        """Begin to look and to watch, beside everything else, unless the environment says not to."""
        if os.environ.get(SWITCH) == "off":
            return
        self._task = asyncio.create_task(self._run(), name="watching")

    async def close(self) -> None:
        """End it; a snapshot that is under way is finished."""
        if self._task is not None:
            self._task.cancel()
            self._watch.wake()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._answer(self._waiting)
        async with self._turn:
            await self._in_thread(self._watch.close)
        self._thread.shutdown()

    def stale(self) -> None:
        """Have all of the folder looked at soon: what is left out of it may be another part now."""
        self._owe(EVERYTHING)

    async def refresh(self) -> None:
        """Look at all of the folder now; returns once what had changed is recorded, or at once while held."""
        if self._task is None or self._holds:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._owe(EVERYTHING)
        await done

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Inside, nothing is recorded: what changes in the folder is somebody's who will say so."""
        self._holds += 1
        self._free.clear()
        try:
            async with self._turn:
                pass  # a snapshot that is under way ends first
            yield
        finally:
            self._holds -= 1
            if not self._holds:
                self._free.set()

    # -- inside

    async def _run(self) -> None:
        while True:
            await self._free.wait()
            if self._owed:
                await self._look()
            self._owe_more(await self._in_thread(lambda: self._watch.wait(self._patience())))
            if self._is_due():
                self._owed = EVERYTHING

    def _owe(self, paths: Collection[str]) -> None:
        self._owe_more(paths)
        self._watch.wake()

    def _owe_more(self, paths: Collection[str]) -> None:
        if paths:
            self._owed = joined(self._owed, paths)
            self._trusted = False

    def _interval(self) -> float:
        """Seconds between two looks at all of the folder."""
        return max(POLL if self.mode != "live" else AGAIN, self._took / SHARE)

    def _is_due(self) -> bool:
        waited = time.monotonic() - self._looked >= self._interval()
        return waited and (self.mode != "live" or not self._trusted)

    def _patience(self) -> float:
        """Seconds to wait for events."""
        if self.mode == "live" and self._trusted:
            return AGAIN
        return max(QUIET, self._looked + self._interval() - time.monotonic())

    async def _look(self) -> None:
        """Take the snapshot that is owed, and watch what it looked into."""
        async with self._turn:
            if self._holds:
                return
            owed, self._owed = self._owed, frozenset()
            answered, self._waiting = (self._waiting, []) if "" in owed else ([], self._waiting)
            try:
                await self._look_at(owed)
            except WorkspaceError as error:
                self._say("off", str(error).rstrip("."))
            except Exception as error:  # noqa: BLE001 - the next look may succeed
                if self._say("off", f"looking at the folder failed: {type(error).__name__}"):
                    log.error("looking failed%s", where(error))
            finally:
                self._answer(answered)

    async def _look_at(self, owed: frozenset[str]) -> None:
        whole = "" in owed or not await self._in_thread(lambda: is_little(self._root, owed))
        for _ in range(LOOKS):
            began = time.monotonic()
            if whole:
                self._trusted = True
            try:
                scanned = await self._snapshot(None if whole else owed)
            finally:
                if whole:
                    self._looked = time.monotonic()
                    self._took = self._looked - began
            if not await self._cover(scanned.folders, whole):
                return
            # What changed in a folder before it was watched is seen by looking once more.
        self._owe_more(owed)

    async def _cover(self, folders: Collection[str], whole: bool) -> bool:
        """Watch the folders of a snapshot; whether one of them was not watched while it was taken."""
        if time.monotonic() < self._again:
            self._say("polling", self._blind)
            return False
        try:
            new = await self._in_thread(lambda: self._watch.cover(folders, only=whole))
        except Unwatchable as error:
            self._again, self._blind = time.monotonic() + AGAIN, str(error)
            self._say("polling", self._blind)
            return False
        if self._watch.missed:
            self._say("polling", f"{self._watch.missed} of its folders have names that are not UTF-8")
        else:
            self._say("live")
        return new

    def _answer(self, waiting: list[asyncio.Future[None]]) -> None:
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _say(self, mode: Mode, why: str = "") -> bool:
        """Keep how edits are seen now; whether that is news."""
        if (mode, why) == (self.mode, self.why):
            return False
        self.mode, self.why = mode, why
        log.info("watching: %s%s", mode, f", {why}" if why else "")
        return True

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
