"""What a command prints: its head and tail for a model, more of it aside in a file, none of it unbounded."""

from __future__ import annotations

import asyncio
from collections import deque
from io import FileIO
from pathlib import Path

ASIDE = 64 << 20
"""Bytes of one output that are kept aside, at most."""
_REST = f"\n[… more than {ASIDE >> 20} MiB; the rest was not kept …]\n".encode()
_BATCH = 1 << 20
_RAGGED = 400
"""Bytes within which a cut is moved to the end of a line."""


class Output:
    """Collects output of any length: ``limit`` bytes in memory, and ``aside`` where it is longer."""

    def __init__(self, limit: int, aside: Path | None = None) -> None:
        self._limit = limit
        self._head_size = limit - limit // 2
        self._tail_size = limit // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._in_tail = 0
        self._aside = aside
        self._file: FileIO | None = None
        self._written = 0
        self._waiting: list[bytes] = []
        self._waits = 0
        self.total = 0
        """Bytes that were printed."""

    @property
    def kept(self) -> Path | None:
        """The file that holds more than ``result``; None where nothing was dropped."""
        return self._aside if self.total > self._limit else None

    async def add(self, data: bytes) -> None:
        """Take the next bytes; files are written in a thread."""
        self.total += len(data)
        if self._aside is not None and self._written < ASIDE:
            self._waiting.append(data)
            self._waits += len(data)
            if self._waits >= max(_BATCH, self._limit + 1):
                await asyncio.to_thread(self._write)
        room = self._head_size - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail.append(data)
            self._in_tail += len(data)
            while self._tail and self._in_tail - len(self._tail[0]) >= self._tail_size:
                self._in_tail -= len(self._tail.popleft())

    async def close(self) -> None:
        """Finish the file."""
        if self.kept is not None:
            await asyncio.to_thread(self._write)
        if self._file is not None:
            await asyncio.to_thread(self._file.close)
            self._file = None

    def result(self) -> tuple[bytes, int]:
        """The output, with a mark where it was cut, and how many bytes are missing there."""
        head, tail = bytes(self._head), b"".join(self._tail)
        if self.total <= self._limit:
            return head + tail, 0
        tail = tail[-self._tail_size :] if self._tail_size else b""
        end = head.rfind(b"\n", max(0, len(head) - _RAGGED)) + 1
        start = tail.find(b"\n", 0, _RAGGED) + 1
        head, tail = head[: end or len(head)], tail[start:]
        dropped = self.total - len(head) - len(tail)
        newline = b"" if head.endswith(b"\n") or not head else b"\n"
        return head + newline + f"[… {dropped:,} bytes left out …]\n".encode() + tail, dropped

    def _write(self) -> None:
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._waits = 0
        if not data:
            return
        room = ASIDE - self._written
        try:
            if self._file is None:
                assert self._aside is not None
                self._file = self._aside.open("wb", buffering=0)
            for part in (data[:room], _REST if len(data) > room else b""):
                view = memoryview(part)
                while view:
                    view = view[self._file.write(view) :]
        except OSError:  # no room aside: what is in memory is all there is
            self._aside = None
        self._written += len(data)
