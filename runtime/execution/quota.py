"""How much a session may write, counted while commands run, no more often than the disk gives cause to."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

DEFAULT = 4 << 30
"""Bytes that a session may hold in its upper folder and its /tmp."""
_RESERVE, _RESERVE_PART = 512 << 20, 50
"""Bytes of the disk that are left free, and the part of it that is enough on a small one."""
_MINE = 1 << 20
"""Bytes that a session has to have written before a full disk is laid to it."""
_SELDOM = 5.0
"""Seconds after which it is counted whatever the disk says: others may have freed what was written here."""
_SHARE = 20
"""How many times as long as a count took there is none."""


class Quota:
    """The bytes in some folders against what they may hold; counting is done in a thread."""

    def __init__(self, folders: Sequence[Path], most: int = DEFAULT) -> None:
        self._folders = folders
        self._most = most
        self._thread = ThreadPoolExecutor(1, "quota")
        self._counting: Future[int] | None = None
        self._begun = 0.0
        self._next = 0.0
        self._counted = 0
        self._free: int | None = None
        self._free_then = 0

    def check(self) -> str | None:
        """What is broken, if anything; to be asked again and again while commands run."""
        try:
            disk = os.statvfs(self._folders[0])
        except OSError:
            return None
        free = disk.f_bavail * disk.f_frsize
        if self._free is None:
            self._free = free
        now = time.monotonic()
        if self._counting is not None and self._counting.done():
            self._counted, self._free = self._counting.result(), self._free_then
            self._counting = None
            self._next = now + (now - self._begun) * _SHARE
        if self._counted > self._most:
            return f"stopped: more than {_size(self._most)} written"
        perhaps = self._counted + max(0, self._free - free)
        reserve = min(_RESERVE, disk.f_blocks * disk.f_frsize // _RESERVE_PART)
        if free < reserve and perhaps > _MINE:
            return f"stopped: less than {_size(reserve)} is free on the disk"
        due = now >= self._next and (perhaps > self._most or now >= self._begun + _SELDOM)
        if self._counting is None and due:
            self._begun, self._free_then = now, free
            self._counting = self._thread.submit(_count, self._folders)
        return None

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _count(folders: Sequence[Path]) -> int:
    """Bytes that files take on the disk; what cannot be read is not counted."""
    total = 0
    waiting = [os.fspath(folder) for folder in folders]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    total += status.st_blocks * 512
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append(entry.path)
    return total


def _size(size: int) -> str:
    return f"{size / 2**30:,.3g} GiB" if size >= 1 << 30 else f"{size / 2**20:,.3g} MiB"
