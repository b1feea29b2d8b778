"""Programs: one piece of code in the sandbox that makes any number of capability calls, each recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runtime.agent.session import Session
from runtime.execution import command, known_programs, sandbox
from runtime.execution.rpc import Answer, Call, RpcServer
from runtime.execution.sandbox import Limits, Ran
from runtime.tools import CAPABILITIES, Arguments, Capability, Hands, Refused, perform
from runtime.tools.capability import path_in
from workspace import Act, Conflicted, History, Workspace
from workspace.errors import Failed
from workspace.kinds import Outcome

PLACE = "/opt/program.py"
OFFERED: Mapping[str, Capability] = {name: c for name, c in CAPABILITIES.items() if c.in_programs}
CHANGING = [name for name, capability in OFFERED.items() if "write" in capability.effects]


async def carry_out(session: Session, act: Act, arguments: Arguments, payload: bytes) -> str:
    """The capability program; its answer to the model. Raises Refused."""
    text = await _text(session, arguments)
    seconds = min(float(arguments.get("seconds", command.PROGRAM_SECONDS)), command.LONGEST)
    calls: _Calls | None = None
    boxed = not known_programs.is_known(text) or await asyncio.to_thread(sandbox.available) is None
    if not boxed:
        act = known_programs.labelled(act)

    async def execute(scratch: Path, operation: int) -> Ran:
        nonlocal calls
        calls = _Calls(session, replace(act, parent=operation, detail={}, decision=None))
        signatures = {name: tuple(capability.parameters) for name, capability in OFFERED.items()}
        async with RpcServer(calls.many, signatures={**signatures, "help": ("name",)}, later=CHANGING) as door:
            if not boxed:
                return await known_programs.run(door, text, scratch=scratch, seconds=seconds)
            return await door.run(
                ["python3", PLACE], workspace=session.host.root, inside=session.inside, scratch=scratch,
                files={PLACE: text.encode("utf-8", "surrogateescape")}, limits=Limits(seconds=seconds),
                hidden=[session.host.store], aside=scratch.with_name("output"),
            )  # fmt: skip

    def note() -> str:
        return f"\n[{calls.made:,} calls, {calls.failed:,} of them failed]" if calls and calls.made else ""

    return (await command.recorded(session, act, payload, execute, note, boxed=boxed))[1]


async def _text(session: Session, arguments: Arguments) -> str:
    if ("text" in arguments) == ("path" in arguments):
        raise Refused("A program is either text or the path of a document.")
    if "text" in arguments:
        return str(arguments["text"])

    def load(history: History) -> bytes:
        path = path_in(session.inside, str(arguments["path"]))
        version = history.find(path)
        if version is None:
            raise Refused(f"There is no document at {path}.")
        return history.content(version)

    return (await session.host.read(load)).decode("utf-8", "surrogateescape")


class _Calls:
    """Carries out a program's calls, many to a transaction, each an operation caused by the program."""

    def __init__(self, session: Session, act: Act) -> None:
        self._session = session
        self._act = act
        self._seen: dict[str, int] = {}
        self.made = 0
        self.failed = 0

    async def many(self, calls: Sequence[Call]) -> list[Answer]:
        """Answer calls in order once all of them are durable; one that breaks takes no other along."""
        await self._session.gate.wait()
        if self._session.stopping:
            return [Answer(error="A person has interrupted this program.")] * len(calls)
        answers: list[Answer] = []
        seen = dict(self._seen)

        def batch(work: Workspace) -> None:
            answers.extend(self._alone(work, call) for call in calls)

        try:
            await self._session.host.write(batch)
        except Conflicted as error:
            paths = {conflict.path for conflict in error.conflicts}
            answers = [
                Answer(error=str(error)) if self._path(call) in paths else answer
                for call, answer in zip(calls, answers, strict=True)
            ]
        except Exception:
            self._seen = seen  # none of it was saved, so its versions do not exist
            raise
        self.made += len(answers)
        self.failed += sum(answer.error is not None for answer in answers)
        return answers

    def _alone(self, work: Workspace, call: Call) -> Answer:
        """Carry out a call in a savepoint: what breaks is undone, recorded and told, and its neighbours stand."""
        path = self._path(call)
        read = self._seen.get(path) if path is not None else None
        try:
            with work.store.transaction():
                return self._one(work, call)
        except Failed:
            raise  # the database cannot take it, nor any other
        except Exception as error:  # noqa: BLE001 - it belongs to who asked
            if path is not None:
                self._seen.pop(path, None)
                if read is not None:
                    self._seen[path] = read
            name = call.name if path is None else f"{call.name} {path}"
            work.record(replace(self._act, name=name[:90]), outcome=Outcome.FAILED)
            return Answer(error=f"{type(error).__name__}: {error}")

    def _one(self, work: Workspace, call: Call) -> Answer:
        if call.name == "help":
            return Answer(_help(call.arguments))
        capability = OFFERED.get(call.name)
        if capability is None:
            return Answer(error=f"There is no {call.name}; there are {', '.join(OFFERED)} and help.")
        try:
            arguments = capability.check(call.arguments)
        except Refused as error:
            return Answer(error=str(error))
        act = replace(self._act, name=capability.label(arguments))
        before = work.cursor
        hands = Hands(work, act, self._seen, self._session.inside, in_program=True)
        result = perform(capability, hands, arguments)
        if result.outcome.failed or work.cursor == before:
            work.record(act, outcome=result.outcome)
        return Answer(result.text) if result.outcome.well else Answer(error=result.text)

    def _path(self, call: Call) -> str | None:
        """The document that a call names, however it writes its path."""
        path = call.arguments.get("path")
        try:
            return path_in(self._session.inside, path) if isinstance(path, str) else None
        except Refused:
            return None


def _help(arguments: Mapping[str, Any]) -> str:
    name = arguments.get("name")
    if name in OFFERED:
        return OFFERED[str(name)].help()
    return "\n".join(capability.help().split("\n    ")[0] for capability in OFFERED.values())
