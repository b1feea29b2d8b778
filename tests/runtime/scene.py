"""A session whose model does as it is told: a prompt is the calls to be made, so that a test tells a story."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from runtime.dispatch.session import Session
from runtime.host.sessions import Sessions
from runtime.models.base import Message, ModelReply, TextDelta, Tool, ToolCall
from runtime.protocol import Interrupt, Perform, Prompt
from workspace import History, Operation, Usage, Version
from workspace.entries.sessions import CapabilityEntry
from workspace.operations.verify import verify
from workspace.working_copy import waiting
from workspace.working_copy.ignore import VERSION_CONTROL, is_ours

from .office import begin

READY = "touch /tmp/ready; until [ -e /tmp/go ]; do sleep 0.01; done"
"""In a command: say that it is under way, and wait for ``go``."""


class Obedient:
    """A model that makes the calls that its prompt lists, in one reply, and then says that it is done."""

    name = "obedient"
    window = 10_000_000
    scripted = True

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, limit: int | None = None
    ) -> AsyncIterator[TextDelta | ModelReply]:
        new = list(takewhile(lambda message: message["role"] != "assistant", reversed(messages)))
        calls: tuple[ToolCall, ...] = ()
        if all(message["role"] != "tool" for message in new):
            number = sum(message["role"] == "assistant" for message in messages)
            lines = [line for message in new for line in str(message["content"]).splitlines()]
            asked = next(json.loads(line) for line in lines if line.startswith('[["'))  # beside it are notes
            calls = tuple(
                ToolCall(f"call_{number}_{place}", name, json.dumps(arguments))
                for place, (name, arguments) in enumerate(asked)
            )
        finish: Any = "tool_calls" if calls else "stop"
        yield ModelReply("Done.", calls, Usage(estimated=1), None, self.name, finish)

    def count(self, messages: Sequence[Message], tools: Sequence[Tool]) -> int:
        return 1

    def cost(self, usage: Usage) -> int | None:
        return None


@dataclass(frozen=True)
class Done:
    """What became of a call: its prompt, how it ended, what the model was told, the versions under it."""

    prompt: Operation
    operation: Operation
    text: str
    versions: tuple[Version, ...]

    @property
    def whose(self) -> tuple[str, tuple[int, ...]]:
        """How sure it is that its changes are its own, and which operations may have made them too."""
        entry = CapabilityEntry.of(self.operation)
        return entry.attribution, entry.together

    @property
    def changed(self) -> dict[str, str]:
        """What was done to documents, by path."""
        return {version.path: version.change for version in self.versions}


@dataclass
class Actor:
    """A session in a scene."""

    desk: Sessions
    session: Session

    async def run(self, command: str, **more: Any) -> Done:
        """Have the agent execute a command, to its end."""
        return await self.call("run", {"command": command, **more})

    async def call(self, name: str, arguments: dict[str, Any]) -> Done:
        """Have the agent make one call, to its end."""
        return await self.ended(await self.begin(name, arguments))

    async def begin(self, name: str, arguments: dict[str, Any]) -> int:
        """Have the agent begin a call; its prompt."""
        prompt: int = await self.desk.handle(
            Prompt(self.session.name, f"Make this call.\n{json.dumps([[name, arguments]])}")
        )
        return prompt

    async def started(self, command: str, **more: Any) -> int:
        """Have the agent begin a command, and wait until it says ``READY``."""
        for name in ("ready", "go"):
            (self.tmp / name).unlink(missing_ok=True)
        prompt = await self.begin("run", {"command": command, **more})
        while not (self.tmp / "ready").exists():
            assert self.session.busy, (await self.ended(prompt)).text
            await asyncio.sleep(0.005)
        return prompt

    async def go(self, prompt: int) -> Done:
        """Let a command that waits go on, to its end."""
        (self.tmp / "go").touch()
        return await self.ended(prompt)

    @property
    def tmp(self) -> Path:
        """The session's /tmp."""
        return self.desk.store / waiting.FOLDER / self.session.name / "tmp"

    async def ended(self, prompt: int) -> Done:
        """Wait for the end of a prompt of one call."""
        if self.session.running is not None:
            await asyncio.wait([self.session.running])
        return await self.desk.read(lambda history: done(history, prompt))

    async def interrupt(self, prompt: int) -> Done:
        await self.desk.handle(Interrupt(self.session.name))
        return await self.ended(prompt)

    async def undo(self, what: Done) -> dict[str, Any]:
        """Undo a prompt, as a person."""
        made: dict[str, Any] = await self.desk.handle(Perform("undo", {"target": f"op:{what.prompt.id}"}))
        return made

    async def redo(self) -> dict[str, Any]:
        made: dict[str, Any] = await self.desk.handle(Perform("redo"))
        return made


def done(history: History, prompt: int) -> Done:
    """What became of the one call of a prompt."""
    journal = history.store.journal
    family = [history.operation(one) for one in journal.family(prompt)]
    call = next(one for one in family if one.kind == "capability")
    payload = journal.entry(call.last).payload
    text = history.store.contents.get(payload).decode() if payload is not None else ""
    return Done(history.operation(prompt), call, text, tuple(history.store.versions.of_operation(call.id)))


@asynccontextmanager
async def scene(folder: Path, **options: Any) -> AsyncIterator[Actor]:
    """A session at work in a folder whose history is sound, and the same as the folder, when this is left."""
    desk = Sessions(folder, choose=lambda _: Obedient(), principal="ann")
    await desk.start()
    try:
        await desk.alone(lambda work: work.scan())
        actor = Actor(desk, await begin(desk, **options))
        yield actor
        assert actor.session.on_overlay
        await desk.alone(lambda work: work.catch_up())  # what a person did last
        assert await desk.alone(lambda work: work.differences()) == []
        assert (await desk.read(lambda history: verify(history.store))).problems == ()
    finally:
        await desk.close()


def put(folder: Path, files: dict[str, str | bytes]) -> None:
    """Write files as a person would."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode() if isinstance(text, str) else text)


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """What is in a folder but version control's and our own: type and permissions, and a digest of its bytes."""
    found = {}
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in VERSION_CONTROL]
        for name in [*folders, *names]:
            if is_ours(name):
                continue
            path = Path(at, name)
            look = path.lstat()
            held = b""
            if stat.S_ISLNK(look.st_mode):
                held = os.readlink(os.fsencode(path))
            elif stat.S_ISREG(look.st_mode):
                held = hashlib.sha256(path.read_bytes()).digest()
            found[str(path.relative_to(folder))] = (look.st_mode, held)
    return found


def git(folder: Path, *words: str) -> str:
    """Git, as the person at the keyboard has it."""
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    made = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True)
    return made.stdout.strip()


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where a program is missing."""
    missing = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")
