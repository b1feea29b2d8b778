"""Commands and programs in the sandbox, recorded with all that they change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from runtime.agent.session import Session
from runtime.execution import programs, sandbox
from runtime.execution.sandbox import Limits, Ran, SandboxError
from runtime.execution.scratch import temporary
from runtime.tools import Arguments, Refused, shorten
from workspace import Act, Version, Workspace
from workspace.kinds import Outcome

COMMAND_SECONDS = 120.0
PROGRAM_SECONDS = 600.0
LONGEST = 3600.0


async def carry_out(session: Session, name: str, act: Act, arguments: Arguments, payload: bytes) -> str:
    """The capabilities run and program; their answer to the model."""
    try:
        if name == "program":
            return await programs.carry_out(session, act, arguments, payload)
        seconds = min(float(arguments.get("seconds", COMMAND_SECONDS)), LONGEST)
        _, text = await run(session, act, arguments["command"], payload=payload, seconds=seconds)
        return text
    except Refused as error:
        text = str(error)

        def refuse(work: Workspace) -> None:
            operation = work.begin(act, payload=payload)
            work.end(operation, Outcome.REFUSED, payload=text.encode("utf-8", "replace"))

        await session.host.write(refuse)
        return text


async def run(
    session: Session, act: Act, command: str, *, payload: bytes, seconds: float = COMMAND_SECONDS
) -> tuple[int | None, str]:
    """Run a shell command as one operation; its exit status and its answer to the model."""

    async def execute(scratch: Path, _: int) -> Ran:
        limits = Limits(seconds=seconds)
        return await sandbox.run(
            ["bash", "-c", command], workspace=session.host.root, inside=session.inside, scratch=scratch,
            limits=limits, hidden=[session.host.store], aside=scratch.with_name("output"),
        )  # fmt: skip

    return await recorded(session, act, payload, execute)


async def recorded(
    session: Session,
    act: Act,
    payload: bytes,
    execute: Callable[[Path, int], Awaitable[Ran]],
    note: Callable[[], str] = str,
    *,
    boxed: bool = True,
) -> tuple[int | None, str]:
    """Surround an execution by scans, so that what it changes becomes versions under its operation.

    ``execute`` gets a scratch folder and the operation; ``note`` is added to what is told.
    Raises Refused where no sandbox works, if it is to be ``boxed``. Interrupted, it still records what was changed.
    """
    if boxed and (reason := await asyncio.to_thread(sandbox.available)) is not None:
        raise Refused(f"Nothing was executed: {reason}")
    host = session.host
    await host.alone(lambda work: work.catch_up())
    operation = await host.write(lambda work: work.begin(act, payload=payload))
    part = replace(act, operation=operation, detail={})

    def finish(outcome: Outcome, text: str, whole: bytes | None) -> Callable[[Workspace], list[Version]]:
        def end(work: Workspace) -> list[Version]:
            versions = list(work.scan(part).versions)
            if whole is not None:
                work.record(replace(part, detail={"whole": True}), payload=whole)
            said = _told(text, versions).encode("utf-8", "replace")
            work.end(operation, outcome, payload=said)
            return versions

        return end

    try:
        async with temporary() as folder:
            scratch = folder / "scratch"
            scratch.mkdir()
            ran = await execute(scratch, operation)
            text, whole = _output(ran)
            text += note()
    except SandboxError as error:
        await host.alone(finish(Outcome.REFUSED, str(error), None))
        return None, str(error)
    except asyncio.CancelledError:
        await asyncio.shield(host.alone(finish(Outcome.INTERRUPTED, "Interrupted by a person.", None)))
        raise
    versions = await host.alone(finish(Outcome.DONE if ran.status == 0 else Outcome.FAILED, text, whole))
    return ran.status, _told(text, versions)


def _output(ran: Ran) -> tuple[str, bytes | None]:
    """What to tell of an execution, and its whole output where that is more."""
    said = ran.output.decode("utf-8", "replace")
    text, cut = shorten(said)
    if ran.timed_out:
        text += f"\n[stopped after {ran.seconds:.0f} s]"
    elif ran.killed:
        text += f"\n[{ran.killed}]"
    else:
        text += f"\n[exit status {ran.status}]"
    whole: bytes | None = None
    if cut or ran.dropped:
        whole = ran.kept.read_bytes() if ran.kept is not None and ran.kept.exists() else ran.output
    return text.lstrip("\n"), whole


def _told(text: str, versions: list[Version]) -> str:
    if not versions:
        return text
    changed = ", ".join(f"{v.path}@{v.number} ({v.change})" for v in versions[:20])
    more = f" and {len(versions) - 20:,} more" if len(versions) > 20 else ""
    return f"{text}\n[changed: {changed}{more}]"
