"""Trying a command: executed on an overlay of its own, answered with what it would change, and then forgotten."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from runtime.dispatch.door import Invocation, Plain
from runtime.execution.command import COMMAND_SECONDS, LONGEST, answered
from runtime.execution.limits import Limits
from runtime.execution.mounts import SandboxError
from runtime.execution.scratch import temporary
from runtime.execution.workplace import Workplace
from runtime.tools.capability import Refused, Result
from runtime.waiting import to_the_end
from workspace.kinds import Outcome
from workspace.operations.lay_in import LayingIn
from workspace.working_copy.changeset import Change, Upper
from workspace.working_copy.files import Blocked, Files

_SHOWN = 200
"""Changes that are named, at most."""
_LARGEST = 64 << 10
"""Bytes of a file whose lines are compared, at most."""
_LINES = 400
"""Lines of differences, at most."""


class TryCommand(Plain):
    """Executes ``try``: a shell command whose changes are shown and dropped."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    async def prepare(self, invocation: Invocation) -> None:
        if await self._workplace.overlay() is None:
            raise Refused(f"Nothing was executed: a command cannot be tried here; {await self._workplace.why()}.")
        await self._workplace.ready()

    async def execute(self, invocation: Invocation) -> Result:
        arguments = invocation.arguments
        limits = Limits(seconds=min(float(arguments.get("seconds", COMMAND_SECONDS)), LONGEST))
        overlay = await self._workplace.apart(f"try-{invocation.operation}")
        if overlay is None:
            raise Refused("Nothing was executed: a command cannot be tried here.")
        try:
            async with temporary() as folder:
                ran = await overlay.run(
                    invocation.operation, ["bash", "-c", arguments["command"]], limits=limits, aside=folder / "output"
                )
                text, whole = answered(ran)
            await overlay.close()
            harvest = await overlay.detach(invocation.operation)
            if harvest is None:
                text += "\n[it would change nothing]"
            else:
                text += await self._would(invocation, harvest.upper)
        except SandboxError as error:
            return Result(str(error), Outcome.REFUSED)
        finally:
            await to_the_end(overlay.discard())
        return Result(text, Outcome.DONE if ran.status == 0 else Outcome.FAILED, ran.status, whole)

    async def _would(self, invocation: Invocation, upper: Upper) -> str:
        """What a change set would change, as text."""
        host = self._workplace.session.host
        laying = LayingIn(upper, invocation.part)
        try:
            changes = (await host.read(laying.read)).changes
            return await asyncio.to_thread(described, host.root, upper.folder, changes)
        finally:
            laying.close()


def described(root: Path, upper: Path, changes: Sequence[Change]) -> str:
    """What changes would do to a folder: each named, and documents with their differing lines."""
    if not changes:
        return "\n[it would change nothing]"
    rows = [f"  {change.path} ({change.kind}{'' if change.treatment == 'document' else ', ' + (change.reason or '')})"
            for change in changes[:_SHOWN]]  # fmt: skip
    if len(changes) > _SHOWN:
        rows.append(f"  and {len(changes) - _SHOWN:,} more")
    lines: list[str] = []
    below, above = Files(root), Files(upper)
    try:
        for change in changes:
            if change.treatment == "document" and not change.folder and len(lines) < _LINES:
                lines += _difference(change, below, above)
    finally:
        below.close()
        above.close()
    if len(lines) > _LINES:
        lines = [*lines[:_LINES], "[… more differences were left out …]"]
    return "\n".join([f"\n[it would change {len(changes):,}; nothing of it was kept]", *rows, *lines])


def _difference(change: Change, below: Files, above: Files) -> Iterator[str]:
    old = _text(below, change.path) if change.lower is not None else ""
    new = _text(above, change.path) if change.upper is not None else ""
    if old is None or new is None:
        yield f"--- {change.path}: its lines cannot be compared"
        return
    names = f"a/{change.path}", f"b/{change.path}"
    yield from difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="")


def _text(files: Files, path: str) -> str | None:
    """A file's text; None where it is too large, or no text."""
    with suppress(OSError, Blocked, UnicodeDecodeError):
        status = files.status(path)
        if status is not None and status.st_size <= _LARGEST and (found := files.read(path)) is not None:
            return found.data.decode("utf-8")
    return None
