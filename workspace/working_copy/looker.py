"""A process that takes snapshots of one folder: it walks, reads, hashes and encodes, and writes nothing.

A thread would hold the interpreter while it does, and with it the writer of the process that
asks. Frames go over standard input and output: four bytes of length, then a pickle. A
``LOOK`` is answered by any number of lists of contents, as they are read, and then by the
snapshot, in which a content that is not stored yet is a negative number of those lists; or
by an error's sentence. It ends with its standard input.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from workspace.errors import WorkspaceError
from workspace.store.contents import Prepared, digest
from workspace.store.store import Store
from workspace.working_copy import coverage, snapshot
from workspace.working_copy.folder import Folder

LOOK = b"look"
NICE = 5
"""So much the writer goes before."""
BATCH = 32
"""Contents in a list, at most."""
BATCH_BYTES = 256 << 10
"""Encoded bytes after which a list is sent."""

COLLECT = 64
"""Snapshots between two collections of garbage."""

Contents = list[tuple[int, Prepared]]


def pack(message: object) -> bytes:
    """A frame: its length in four bytes, and the message."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(4, "big") + data


def command(root: Path, store: Path, branch: int) -> list[str]:
    """What to execute for a looker of a branch's folder."""
    # -P: a folder of ours that holds a module of the same name must not be imported
    return [sys.executable, "-P", "-m", __name__, str(root), str(store), str(branch)]


class _Keeper:
    """Encodes contents and sends them in lists."""

    def __init__(self, store: Store, send: Callable[[object], None]) -> None:
        self._store = store
        self._send = send
        self._keys: dict[bytes, int] = {}
        self._batch: Contents = []
        self._bytes = 0

    def keep(self, data: bytes, base: int | None) -> int:
        name = digest(data)
        if (known := self._store.contents.find(name) or self._keys.get(name)) is not None:
            return known
        key = self._keys[name] = -1 - len(self._keys)
        prepared = self._store.contents.prepare(data, base, name)
        self._batch.append((key, prepared))
        self._bytes += len(prepared.data)
        if len(self._batch) >= BATCH or self._bytes >= BATCH_BYTES:
            self.flush()
        return key

    def flush(self) -> None:
        if self._batch:
            self._send(self._batch)
        self._batch, self._bytes = [], 0


def serve(folder: Folder, commands: BinaryIO, answers: BinaryIO) -> None:
    """Take a snapshot for each command, until there are no more."""

    def send(message: object) -> None:
        answers.write(pack(message))
        answers.flush()

    # The collector goes through the tens of thousands of rows of a walk again and again, and finds nothing.
    gc.disable()
    for look in count():
        size = commands.read(4)
        if not size or pickle.loads(commands.read(int.from_bytes(size, "big"))) != LOOK:
            return
        if look % COLLECT == COLLECT - 1:
            gc.collect()
        try:
            folder.files.largest = coverage.largest(folder.store)
            keeper = _Keeper(folder.store, send)
            found = snapshot.take(folder, keeper.keep, counted=True)
            keeper.flush()
            send(found)
        except WorkspaceError as error:
            send(error)


def main(arguments: Sequence[str]) -> None:
    root, store, branch = arguments
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may come between the frames
    with suppress(OSError):
        os.nice(NICE)
    opened = Store.open(Path(store), read_only=True)
    with suppress(BrokenPipeError):
        serve(Folder(Path(root), opened, int(branch)), sys.stdin.buffer, answers)


def unpack(data: bytes) -> Any:
    """The message of a frame."""
    return pickle.loads(data)


if __name__ == "__main__":
    main(sys.argv[1:])
