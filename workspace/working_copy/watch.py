"""Watching a folder: which paths below it may have changed since somebody last looked.

What the system tells is a hint, never the truth: it drops events when too many come at once,
and nobody learns of that here. Who watches looks at the files themselves, and now and then at all of them.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Collection, Generator
from pathlib import Path

from workspace.errors import WorkspaceError
from workspace.store.location import is_network
from workspace.working_copy.ignore import IGNORE_FILES, is_ours
from workspace.working_copy.walk import folders as folders_of

QUIET = 0.2
"""Seconds without an event after which what changed is told."""
LONGEST = 5.0
"""Seconds after which it is told although events go on: paths that are still by then."""
BUSIEST = 30.0
"""Seconds after which it is told of a path that is never still."""
MANY = 1000
"""Paths from which on looking at the whole folder is cheaper and surer."""
FEW = 40
"""Paths that take a moment to look at."""
SMALL = 4 << 20
"""Bytes that do."""
STEP = 0.05
"""Seconds between two looks at what the system has told."""
EVERYTHING = frozenset({""})

_DELETED = 3
_Events = Generator[Collection[tuple[int, str]], None, None]


class Unwatchable(WorkspaceError):
    """Events cannot be had here; why, as part of a sentence."""

    code = "unwatchable"


def joined(paths: Collection[str], more: Collection[str]) -> frozenset[str]:
    """What two waits told, as one."""
    both = frozenset((*paths, *more))
    return EVERYTHING if "" in both or len(both) > MANY else both


def is_little(root: Path, paths: Collection[str]) -> bool:
    """Whether looking at these paths takes a moment only: a few small files, and no folder."""
    if len(paths) > FEW:
        return False
    size = 0
    for path in paths:
        try:
            status = os.lstat(os.path.join(root, path))
        except OSError:
            continue  # it went
        if stat.S_ISDIR(status.st_mode):
            return False
        size += status.st_size
    return size <= SMALL


class Watch:
    """Watches single folders below ``root``: those that a snapshot looks into, so that no ignored one costs a thing.

    Folders are named from the root on, which is ``""``. All but ``wake`` is called in one thread at a time.
    """

    def __init__(self, root: Path) -> None:
        self.missed = 0
        """Folders that cannot be watched, because their names are not UTF-8."""
        self._root = str(root)
        self._folders: frozenset[str] = frozenset()
        self._events: _Events | None = None
        self._woken = threading.Event()
        self._last: dict[str, float] = {}
        """When each path that is yet to be told last changed."""
        self._since: dict[str, float] = {}
        """When it first did."""

    def cover(self, folders: Collection[str], *, only: bool = False) -> bool:
        """Watch these folders too, or ``only`` them; whether one of them was not watched until now.

        What changes in them after this has returned is told. Raises Unwatchable.
        """
        wanted = frozenset(folders)
        new = self._events is None or not wanted <= self._folders
        if not new and not (only and len(self._folders) > len(wanted) + MANY):
            return False
        if is_network(Path(self._root)):
            raise Unwatchable("a network file system tells nothing of edits made elsewhere")
        before = self._events
        self._events, self._folders = None, wanted if only else wanted | self._folders
        try:
            self._events = self._open()
        finally:
            if before is not None:
                self._note(before)  # what it still had to tell
                before.close()
        return new

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait until something changed and then all is quiet, ``seconds`` at the most.

        What may have changed since: paths, with all below them; ``""`` is everything.
        """
        until = time.monotonic() + seconds
        while not self._woken.is_set():
            if self._events is None:
                self._woken.wait(STEP)
            elif not self._note(self._events):  # which takes a step
                self.close()
            now = time.monotonic()
            if self._last:
                if still := self._still(now):
                    return self._told(still)
            elif now >= until:
                return frozenset()
        self._woken.clear()
        return frozenset()

    def wake(self) -> None:
        """End the wait that is under way, or the next one."""
        self._woken.set()

    def close(self) -> None:
        """Watch nothing any more."""
        if self._events is not None:
            self._events.close()
        self._events, self._folders = None, frozenset()

    # -- inside

    def _open(self) -> _Events:
        try:
            from watchfiles import watch  # by who watches alone: it takes a while to load
        except ImportError as error:
            raise Unwatchable(f"watchfiles cannot be loaded: {error}") from None
        while True:
            watched = [folder for folder in self._folders if _is_text(folder)]
            self.missed = len(self._folders) - len(watched)
            events: _Events = watch(
                *(os.path.join(self._root, folder) if folder else self._root for folder in watched),
                watch_filter=None, debounce=int(STEP * 1000), step=int(STEP * 1000), rust_timeout=int(STEP * 1000),
                yield_on_timeout=True, debug=False, raise_interrupt=False, force_polling=False, recursive=False,
                ignore_permission_denied=False,  # true would pass over a limit that is reached, too
            )  # fmt: skip
            try:
                self._take(next(events))  # only now it watches
                return events
            except (FileNotFoundError, PermissionError):  # one went since it was looked at
                left = frozenset(folder for folder in self._folders if self._is_there(folder))
                if "" not in left or left == self._folders:
                    self._folders = frozenset()
                    raise Unwatchable(f"{self._root} cannot be watched") from None
                self._folders = left
            except (OSError, RuntimeError) as error:
                self._folders = frozenset()
                raise Unwatchable(_reason(error)) from None

    def _is_there(self, folder: str) -> bool:
        path = os.path.join(self._root, folder)
        return os.path.isdir(path) and os.access(path, os.R_OK)

    def _note(self, events: _Events) -> bool:
        """Take what the system tells in one step; False where it tells nothing more."""
        try:
            self._take(next(events))
            return True
        except (StopIteration, RuntimeError, OSError):  # a name that is not UTF-8 ends it
            self._last[""] = time.monotonic()
            self._since.setdefault("", self._last[""])
            return False

    def _take(self, changes: Collection[tuple[int, str]]) -> None:
        now, start = time.monotonic(), len(self._root.rstrip("/")) + 1
        gone: set[str] = set()
        for kind, absolute in changes:
            path = absolute[start:]
            if any(is_ours(part) for part in path.split("/")):
                continue
            if kind == _DELETED and path in self._folders:
                gone.add(path)
            if path.rpartition("/")[2] in IGNORE_FILES:
                path = path.rpartition("/")[0]  # what it says holds for its folder
            self._last[path] = now
            self._since.setdefault(path, now)
        if gone:  # what comes there is another folder
            self._folders = frozenset(f for f in self._folders if gone.isdisjoint((f, *folders_of(f))))
        if len(self._last) > MANY:
            self._last, self._since = {"": now}, {"": min(self._since.values())}

    def _still(self, now: float) -> list[str]:
        """The paths that can be told by now: all, where nothing moves."""
        if now - max(self._last.values()) >= QUIET:
            return list(self._last)
        if now - min(self._since.values()) < LONGEST:
            return []
        return [p for p, last in self._last.items() if now - last >= QUIET or now - self._since[p] >= BUSIEST]

    def _told(self, paths: Collection[str]) -> frozenset[str]:
        for path in paths:
            del self._last[path], self._since[path]
        return joined(paths, ())


def _is_text(folder: str) -> bool:
    try:
        folder.encode()
    except UnicodeEncodeError:
        return False
    return True


def _reason(error: Exception) -> str:
    text = str(error)
    if "limit reached" in text:
        return "the system's limit of watched folders is reached (fs.inotify.max_user_watches)"
    if "Too many open files" in text:
        return "the system's limit of watchers is reached (fs.inotify.max_user_instances)"
    return text.partition(" (Error {")[0].rstrip(".")
