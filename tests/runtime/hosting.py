"""What the tests of hosts share: a workspace with sockets of its own, real processes, and waiting for them."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runtime.host import endpoint
from runtime.host.client import Client, call
from runtime.protocol import Advanced, Delta, Event, Perform, Prompt
from workspace import History, Operation
from workspace.store import location

from .visitor import CORE

PATIENCE = 30.0
PROJECT = Path(__file__).parents[2]


@dataclass
class Place:
    """A workspace to be hosted."""

    root: Path
    sockets: Path

    @property
    def store(self) -> Path:
        return endpoint.places(self.root)[1]

    @property
    def host(self) -> int:
        """The process id of the host that is there."""
        return self._record.pid

    @property
    def socket(self) -> Path:
        """Where the host that is there listens."""
        return Path(self._record.socket)

    @property
    def _record(self) -> endpoint.Announcement:
        record = endpoint.announced(self.store)
        assert record is not None
        return record

    @property
    def log(self) -> str:
        return (self.store / "host.log").read_text("utf-8")

    def connect(self, *, start: bool = True, idle: float = 60.0) -> AbstractAsyncContextManager[Client]:
        return Client.connect(self.root, start=start, core=CORE, idle=idle)

    def visitor(self, *prompts: str, **options: Any) -> subprocess.Popen[str]:
        """Another person's terminal program; see tests.runtime.visitor."""
        command = [sys.executable, "-m", "tests.runtime.visitor", str(self.root), *prompts]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT, **options)

    def operation(self, id_: int) -> Operation:
        with History.open(self.root) as history:
            return history.operation(id_)

    def payload(self, id_: int) -> str:
        """What an operation ended with."""
        with History.open(self.root) as history:
            last = history.operation(id_).last
            payload = history.store.journal.entry(last).payload
            assert payload is not None
            return history.store.contents.get(payload).decode()


@contextmanager
def hosted(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A place for hosts of ``root``; none is left running."""
    sockets = Path(tempfile.mkdtemp(prefix="wk"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(sockets))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    place = Place(root, sockets)
    try:
        yield place
    finally:
        if location.held(place.store):
            pid = int((place.store / "lock").read_text())
            if pid != os.getpid():
                with ended(pid), suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(sockets, ignore_errors=True)


def first_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next JSON line that a process prints; a terminal may put others before it."""
    assert process.stdout is not None
    for line in process.stdout:
        with suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict):
                return said
    raise AssertionError("it ended without a word")


@contextmanager
def ended(pid: int) -> Iterator[None]:
    """Wait at the end of the block until a process, not necessarily a child, has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        yield
        return
    try:
        yield
        assert select.select([handle], [], [], PATIENCE)[0], f"process {pid} lives on"
    finally:
        os.close(handle)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


class Watcher:
    """A listener that puts texts together as an interface would."""

    def __init__(self, client: Client, snapshot: dict[str, Any]) -> None:
        self.events: AsyncIterator[Event] = client.events()
        self.texts: dict[int, str] = {}
        self.entry = 0
        self.gaps = 0
        self.told = 0
        self.snapshot(snapshot)

    def snapshot(self, snapshot: dict[str, Any]) -> None:
        self.entry = max(self.entry, snapshot["entry"])
        self.texts |= {text["operation"]: text["text"] for text in snapshot["texts"]}

    def take(self, event: Event) -> None:
        self.told += 1
        if isinstance(event, Advanced):
            assert event.entry >= self.entry
            self.entry = event.entry
        else:
            self.add(event)

    def add(self, delta: Delta) -> None:
        known = self.texts.get(delta.operation, "")
        self.gaps += delta.offset > len(known)
        self.texts[delta.operation] = known[: delta.offset] + delta.text

    async def until_ended(self, place: Place, operation: int) -> None:
        """Take events until an operation has ended and this has been told."""
        await self.until(lambda: (found := place.operation(operation)).ended is not None and self.entry >= found.last)

    async def until(self, seen: Callable[[], bool]) -> None:
        """Take events until something is so; none for a long while is a failure."""
        while not seen():
            async with asyncio.timeout(PATIENCE):
                self.take(await anext(self.events))


def begin(root: str) -> None:
    """Start a run as a command line would: give the command, say its operation, go."""
    operation = call(root, Prompt("s1", "say:100 wait:go say:100"), core=CORE, idle=60.0)
    while call(root, Perform("redo", {"name": ""}), start=False)["typed"] < 100:
        pass
    print(operation)
