"""Commands in the sandbox, recorded with all that they change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from runtime.dispatch.door import Invocation, Plain
from runtime.execution import owners, sandbox
from runtime.execution.overlay import SessionOverlay
from runtime.execution.sandbox import Limits, Ran, SandboxError
from runtime.execution.scratch import temporary
from runtime.execution.workplace import Workplace
from runtime.tools.capability import Refused, Result, shorten
from runtime.waiting import to_the_end
from workspace import Version
from workspace.entries import CapabilityEntry
from workspace.kinds import Outcome

COMMAND_SECONDS = 120.0
LONGEST = 3600.0
CUT_SHORT = "interrupted by a person; what it had changed went in, or waits: `wukong pending`"


class RunCommand(Plain):
    """Executes ``run``: a shell command in the sandbox."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    async def prepare(self, invocation: Invocation) -> None:
        await prepare(invocation, self._workplace)

    async def execute(self, invocation: Invocation) -> Result:
        session, arguments = invocation.session, invocation.arguments
        limits = Limits(seconds=min(float(arguments.get("seconds", COMMAND_SECONDS)), LONGEST))
        words = ["bash", "-c", arguments["command"]]

        async def run(scratch: Path) -> Ran:
            return await sandbox.run(
                words, workspace=session.host.root, inside=session.inside, scratch=scratch,
                limits=limits, hidden=[session.host.store], aside=scratch.with_name("output"),
            )  # fmt: skip

        async def run_apart(overlay: SessionOverlay, aside: Path) -> Ran:
            return await overlay.run(invocation.operation, words, limits=limits, aside=aside)

        overlay = await self._workplace.overlay()
        if overlay is not None:
            return await recorded_apart(invocation, self._workplace, overlay, run_apart)
        return await recorded(invocation, run)


async def prepare(invocation: Invocation, workplace: Workplace) -> None:
    """See that a sandbox works, and say how sure it is whose the changes are. Raises Refused."""
    sure = await workplace.overlay() is not None
    invocation.act = invocation.act.saying(CapabilityEntry(attribution="certain" if sure else "probable"))
    if sure:
        await workplace.ready()
    else:
        await surround(invocation)


async def recorded_apart(
    invocation: Invocation,
    workplace: Workplace,
    overlay: SessionOverlay,
    execute: Callable[[SessionOverlay, Path], Awaitable[Ran]],
    note: Callable[[], str] = str,
) -> Result:
    """Execute on an overlay, and end the invocation with its change set laid in.

    ``execute`` gets a place for long output; ``note`` is added to what is told. Interrupted,
    what it had changed is laid in all the same.
    """

    async def finish(outcome: Outcome, text: str, whole: bytes | None = None, status: int | None = None) -> Result:
        try:
            said, together = await workplace.settled(invocation)
        except asyncio.CancelledError:
            outcome, said = Outcome.INTERRUPTED, f"\n[{CUT_SHORT}]"
            await invocation.end(lambda work: Result(text + said, outcome, status, whole), alone=False)
            raise
        return await invocation.end(
            lambda work: Result(text + said, outcome, status, whole, together=together), alone=False
        )

    try:
        async with temporary() as folder:
            ran = await execute(overlay, folder / "output")
            text, whole = answered(ran)
            text += note()
            if owners.REFUSED in ran.output and (
                others := await asyncio.to_thread(owners.of_others, invocation.session.host.root)
            ):
                text += f"\n[{owners.told(others)}]"
    except SandboxError as error:
        said = str(error)
        return await invocation.end(lambda work: Result(said, Outcome.REFUSED), alone=False)
    except asyncio.CancelledError:
        await to_the_end(finish(Outcome.INTERRUPTED, "Interrupted by a person."))
        raise
    return await finish(Outcome.DONE if ran.status == 0 else Outcome.FAILED, text, whole, ran.status)


async def surround(invocation: Invocation, *, boxed: bool = True) -> None:
    """See that the sandbox works, if it is to be ``boxed``, and record what others changed before. Raises Refused."""
    if boxed and (reason := await asyncio.to_thread(sandbox.available)) is not None:
        raise Refused(f"Nothing was executed: {reason}")
    await invocation.session.host.snapshot()


async def recorded(
    invocation: Invocation, execute: Callable[[Path], Awaitable[Ran]], note: Callable[[], str] = str
) -> Result:
    """Execute, and end the invocation with a scan, so that what was changed becomes versions under its operation.

    ``execute`` gets a scratch folder; ``note`` is added to what is told. Interrupted, it
    still records what was changed.
    """
    async with invocation.session.host.still():  # else its changes could be taken for somebody else's
        return await _ended_by_scan(invocation, execute, note)


async def _ended_by_scan(
    invocation: Invocation, execute: Callable[[Path], Awaitable[Ran]], note: Callable[[], str]
) -> Result:
    async def finish(outcome: Outcome, text: str, whole: bytes | None, status: int | None) -> Result:
        versions = (await invocation.session.host.snapshot(invocation.part)).versions
        result = Result(_told(text, versions), outcome, status, whole)
        return await invocation.end(lambda work: result, alone=False)

    try:
        async with temporary() as folder:
            scratch = folder / "scratch"
            scratch.mkdir()
            ran = await execute(scratch)
            text, whole = answered(ran)
            text += note()
    except SandboxError as error:
        return await to_the_end(finish(Outcome.REFUSED, str(error), None, None))
    except asyncio.CancelledError:
        await to_the_end(finish(Outcome.INTERRUPTED, "Interrupted by a person.", None, None))
        raise
    outcome = Outcome.DONE if ran.status == 0 else Outcome.FAILED
    return await to_the_end(finish(outcome, text, whole, ran.status))


def answered(ran: Ran) -> tuple[str, bytes | None]:
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


def _told(text: str, versions: Sequence[Version]) -> str:
    if not versions:
        return text
    changed = ", ".join(f"{v.path}@{v.number} ({v.change})" for v in versions[:20])
    more = f" and {len(versions) - 20:,} more" if len(versions) > 20 else ""
    return f"{text}\n[changed: {changed}{more}]"
