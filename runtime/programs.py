"""Programs: one piece of code in the sandbox that makes any number of capability calls, each recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runtime import shell
from runtime.capabilities import CAPABILITIES, Arguments, Capability, Hands, Refused, perform
from runtime.program import Answer, Call, Door
from runtime.sandbox import Limits, Ran
from runtime.session import Session
from workspace import Act, Conflicted, History, Workspace

PLACE = "/opt/program.py"
OFFERED: Mapping[str, Capability] = {name: c for name, c in CAPABILITIES.items() if c.in_programs}
CHANGING = [name for name, capability in OFFERED.items() if "write" in capability.effects]


async def carry_out(session: Session, act: Act, arguments: Arguments, payload: bytes) -> str:
    """The capability program; its answer to the model. Raises Refused."""
    text = await _text(session, arguments)
    seconds = min(float(arguments.get("seconds", shell.PROGRAM_SECONDS)), shell.LONGEST)
    calls: _Calls | None = None

    async def execute(scratch: Path, operation: int) -> Ran:
        nonlocal calls
        calls = _Calls(session, replace(act, parent=operation, detail={}, decision=None))
        signatures = {name: tuple(capability.parameters) for name, capability in OFFERED.items()}
        async with Door(many=calls.many, signatures={**signatures, "help": ("name",)}, later=CHANGING) as door:
            return await door.run(
                ["python3", PLACE], workspace=session.desk.root, inside=session.inside, scratch=scratch,
                files={PLACE: text.encode("utf-8", "surrogateescape")}, limits=Limits(seconds=seconds),
                aside=scratch.with_name("output"),
            )  # fmt: skip

    def note() -> str:
        return f"\n[{calls.made:,} calls, {calls.failed:,} of them failed]" if calls and calls.made else ""

    return (await shell.recorded(session, act, payload, execute, note))[1]


async def _text(session: Session, arguments: Arguments) -> str:
    if ("text" in arguments) == ("path" in arguments):
        raise Refused("A program is either text or the path of a document.")
    if "text" in arguments:
        return str(arguments["text"])
    hands = {"inside": session.inside}

    def load(history: History) -> bytes:
        path = str(arguments["path"]).removeprefix(hands["inside"].rstrip("/") + "/").removeprefix("./")
        version = history.find(path)
        if version is None:
            raise Refused(f"There is no document at {path}.")
        return history.content(version)

    return (await session.desk.read(load)).decode("utf-8", "surrogateescape")


class _Calls:
    """Carries out a program's calls, many to a transaction, each an operation caused by the program."""

    def __init__(self, session: Session, act: Act) -> None:
        self._session = session
        self._act = act
        self._seen: dict[str, int] = {}
        self.made = 0
        self.failed = 0

    async def many(self, calls: Sequence[Call]) -> list[Answer]:
        """Answer calls in order once all of them are durable."""
        answers: list[Answer] = []

        def batch(work: Workspace) -> None:
            answers.extend(self._one(work, call) for call in calls)

        try:
            await self._session.desk.write(batch)
        except Conflicted as error:
            paths = {conflict.path for conflict in error.conflicts}
            answers = [
                Answer(error=str(error)) if call.arguments.get("path") in paths else answer
                for call, answer in zip(calls, answers, strict=True)
            ]
        self.made += len(answers)
        self.failed += sum(answer.error is not None for answer in answers)
        return answers

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
        result = perform(capability, Hands(work, act, self._seen, self._session.inside, in_program=True), arguments)
        if result.outcome != "done" or work.cursor == before:
            work.record(act, outcome=result.outcome)
        return Answer(result.text) if result.outcome == "done" else Answer(error=result.text)


def _help(arguments: Mapping[str, Any]) -> str:
    name = arguments.get("name")
    if name in OFFERED:
        return OFFERED[str(name)].help()
    return "\n".join(capability.help().split("\n    ")[0] for capability in OFFERED.values())
