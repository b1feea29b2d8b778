"""Programs: one piece of code in the sandbox that makes any number of capability calls, each decided and recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from runtime.dispatch.authorize import Delegated
from runtime.dispatch.door import Executor, Invocation, Plain
from runtime.dispatch.session import Session
from runtime.execution import command, known_programs, sandbox
from runtime.execution.overlay import SessionOverlay
from runtime.execution.rpc import SOCKET, CallResult, RpcServer
from runtime.execution.sandbox import Limits, Ran
from runtime.execution.workplace import Workplace
from runtime.log import logger, where
from runtime.tools.call import Call
from runtime.tools.capability import Arguments, Capability, Hands, Refused, Result, path_in, perform
from runtime.tools.registry import Registry
from workspace import Conflicted, History, Workspace
from workspace.entries import CapabilityEntry
from workspace.errors import Failed
from workspace.kinds import Kind, Outcome

PLACE, NAME = "/opt/program.py", "program.py"
PROGRAM_SECONDS = 600.0
INTERRUPTED = "A person has interrupted this program."
_log = logger("programs")


class RunProgram(Plain):
    """Executes ``program``: Python in the sandbox, with the session's capabilities at hand."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    async def prepare(self, invocation: Invocation) -> None:
        text = await _text(invocation.session, invocation.arguments)
        invocation.arguments = {**invocation.arguments, "text": text}
        boxed = not known_programs.is_known(text) or await asyncio.to_thread(sandbox.available) is None
        if boxed:
            await command.prepare(invocation, self._workplace)
        else:
            await command.surround(invocation, boxed=False)
            invocation.act = known_programs.labelled(invocation.act)

    async def execute(self, invocation: Invocation) -> Result:
        session, text = invocation.session, str(invocation.arguments["text"])
        seconds = min(float(invocation.arguments.get("seconds", PROGRAM_SECONDS)), command.LONGEST)
        boxed = CapabilityEntry.of(invocation.act).sandbox
        calls = Calls(invocation)
        offered = {capability.name: tuple(capability.parameters) for capability in calls.registry}
        later = [capability.name for capability in calls.registry if "write" in capability.effects]

        async def run(scratch: Path) -> Ran:
            async with RpcServer(calls.many, signatures={**offered, "help": ("name",)}, later=later) as door:
                try:
                    if not boxed:
                        return await known_programs.run(door, text, scratch=scratch, seconds=seconds)
                    return await door.run(
                        ["python3", PLACE], workspace=session.host.root, inside=session.inside, scratch=scratch,
                        files={PLACE: text.encode("utf-8", "surrogateescape")}, limits=Limits(seconds=seconds),
                        hidden=[session.host.store], aside=scratch.with_name("output"),
                    )  # fmt: skip
                except asyncio.CancelledError:
                    calls.stop()
                    raise

        async def run_apart(overlay: SessionOverlay, aside: Path) -> Ran:
            number = overlay.number()
            outside, inside = overlay.place(number)
            async with RpcServer(
                calls.many, signatures={**offered, "help": ("name",)}, later=later, folder=outside
            ) as door:
                files = {NAME: text.encode("utf-8", "surrogateescape"), **door.files_at(inside)}
                environment = {
                    "PYTHONPATH": inside, "WK_SOCKET": f"{inside}/{SOCKET}", "PATH": overlay.search_path(number),
                }  # fmt: skip
                try:
                    ran = await overlay.run(
                        invocation.operation, ["python3", f"{inside}/{NAME}"], number=number, files=files,
                        limits=Limits(seconds=seconds), environment=environment, aside=aside,
                    )  # fmt: skip
                    await door.drain()
                except asyncio.CancelledError:
                    calls.stop()
                    raise
                return ran

        def note() -> str:
            return f"\n[{calls.made:,} calls, {calls.failed:,} of them failed]" if calls.made else ""

        overlay = await self._workplace.overlay() if boxed else None
        if overlay is not None:
            return await command.recorded_apart(invocation, self._workplace, overlay, run_apart, note)
        return await command.recorded(invocation, run, note)


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


class Calls:
    """Carries out a program's calls, many to a transaction, each an operation caused by the program."""

    def __init__(self, program: Invocation) -> None:
        self.registry: Registry[Executor] = program.dispatch.registry.in_programs()
        self._session = program.session
        self._cause = program.cause
        self._decisions = Delegated(program.session, program.cause, program.effects, program.decision)
        self._seen: dict[str, int] = {}
        self.made = 0
        self.failed = 0

    def stop(self) -> None:
        """Let no call wait for a person any longer: the program was interrupted."""
        self._decisions.stop()

    async def many(self, calls: Sequence[Call]) -> list[CallResult]:
        """Answer calls in order once all of them are durable; one that breaks takes no other along."""
        await self._session.gate.wait()
        if self._session.stopping:
            return [CallResult(error=INTERRUPTED)] * len(calls)
        decided = await self._decided(calls)
        if self._session.stopping:  # while a person was asked
            return [CallResult(error=INTERRUPTED)] * len(calls)
        answers: list[CallResult] = []
        seen = dict(self._seen)

        def batch(work: Workspace) -> None:
            answers.extend(self._alone(work, call, one) for call, one in zip(calls, decided, strict=True))

        try:
            await self._session.host.write(batch)
        except Conflicted as error:
            paths = {conflict.path for conflict in error.conflicts}
            answers = [
                CallResult(error=str(error)) if self._path(call) in paths else answer
                for call, answer in zip(calls, answers, strict=True)
            ]
        except Exception:
            self._seen = seen  # none of it was saved, so its versions do not exist
            raise
        self.made += len(answers)
        self.failed += sum(answer.error is not None for answer in answers)
        return answers

    async def _decided(self, calls: Sequence[Call]) -> list[Capability | Refused | None]:
        """For each call its capability, if it is valid and allowed, or why not; None for help, which is no act."""
        found: list[Capability | Refused | None] = []
        valid: list[tuple[Capability, Arguments]] = []
        for call in calls:
            try:
                capability = None if call.name == "help" else self._validated(call)
            except Refused as error:
                found.append(error)
                continue
            found.append(capability)
            if capability is not None:
                valid.append((capability, call.arguments))
        decisions = await self._decisions.decide(valid)
        for at, call in enumerate(calls):
            if isinstance(one := found[at], Capability):
                decision = decisions[one.name, one.effects_of(call.arguments)]
                if isinstance(decision, Refused):
                    found[at] = decision
        return found

    def _validated(self, call: Call) -> Capability:
        try:
            return self.registry.validated(call)[0]
        except Refused as error:
            if call.name in (names := [capability.name for capability in self.registry]):
                raise
            raise Refused(f"There is no {call.name}; there are {', '.join(names)} and help.") from error

    def _alone(self, work: Workspace, call: Call, decided: Capability | Refused | None) -> CallResult:
        """Carry out a call in a savepoint: what breaks is undone, recorded and told, and its neighbours stand."""
        if decided is None:
            return CallResult(_help(self.registry, call.arguments))
        path = self._path(call)
        if isinstance(decided, Refused):
            self._record(work, call, path, Outcome.REFUSED)
            return CallResult(error=str(decided))
        read = self._seen.get(path) if path is not None else None
        try:
            with work.store.transaction():
                return self._one(work, call, decided)
        except Failed:
            raise  # the database cannot take it, nor any other
        except Exception as error:  # noqa: BLE001 - it belongs to who asked
            if path is not None:
                self._seen.pop(path, None)
                if read is not None:
                    self._seen[path] = read
            operation = self._record(work, call, path, Outcome.FAILED, f"{type(error).__name__}: {error}")
            _log.error("session %s, op:%d %s failed%s", self._session.name, operation, decided.name, where(error))
            return CallResult(error=f"{type(error).__name__}: {error}")

    def _record(self, work: Workspace, call: Call, path: str | None, outcome: Outcome, error: str = "") -> int:
        """Record a call that changed nothing."""
        name = call.name if path is None else f"{call.name} {path}"
        act = self._cause.act(Kind.CAPABILITY, name[:90].encode("utf-8", "replace").decode(),
                              detail=CapabilityEntry(error=error or "").detail())  # fmt: skip
        return work.record(act, outcome=outcome)

    def _one(self, work: Workspace, call: Call, capability: Capability) -> CallResult:
        act = self._cause.act(Kind.CAPABILITY, capability.label(call.arguments))
        before = work.cursor
        hands = Hands(work, act, self._seen, self._session.inside, in_program=True)
        result = perform(capability, hands, call.arguments)
        if result.outcome.failed or work.cursor == before:
            work.record(act, outcome=result.outcome)
        return CallResult(result.text) if result.outcome.well else CallResult(error=result.text)

    def _path(self, call: Call) -> str | None:
        """The document that a call names, however it writes its path."""
        path = call.arguments.get("path")
        try:
            return path_in(self._session.inside, path) if isinstance(path, str) else None
        except Refused:
            return None


def _help(registry: Registry[Executor], arguments: Arguments) -> str:
    name = arguments.get("name")
    for capability in registry:
        if capability.name == name:
            return capability.help()
    return "\n".join(capability.help().split("\n    ")[0] for capability in registry)
