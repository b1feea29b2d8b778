"""The office on a terminal, told by a pipe what a model says: ``python -m tests.wukong_tui.line ROOT STORE PIPE``.

A line of the pipe is one piece of text: ``{"operation": 9, "offset": 0, "text": "Row A"}``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from runtime.protocol import Delta
from wukong_tui.app import Office
from wukong_tui.frames.backend import Backend


class Piped(Backend):
    """A desk at which text comes through a pipe."""

    def __init__(self, app: Office, root: Path, store: Path, pipe: Path) -> None:
        super().__init__(root, store, app.told)
        self.pipe = pipe

    async def open(self) -> None:
        await super().open()
        reader = asyncio.StreamReader()
        pipe = os.fdopen(os.open(self.pipe, os.O_RDWR | os.O_NONBLOCK), "rb")
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        self.listening = asyncio.create_task(self._hear(reader))

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self._told(Delta(**json.loads(line)))


def main() -> None:
    root, store, pipe = map(Path, sys.argv[1:])
    app = Office(root)
    app.backend = Piped(app, root, store, pipe)
    app.run()


if __name__ == "__main__":
    main()
