"""From a command's overlay to the folder: laid in without holding the writer long, asked about, or held."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from runtime.dispatch.session import SessionHost
from runtime.execution import scratch
from runtime.log import logger
from runtime.waiting import to_the_end
from workspace import Act, History, Workspace
from workspace.kinds import Outcome
from workspace.operations.lay_in import Laid, LayingIn
from workspace.records import Version
from workspace.working_copy import coverage, waiting
from workspace.working_copy.changeset import Taken, Upper
from workspace.working_copy.files import Files
from workspace.working_copy.git_moves import BranchMove, branch_moves
from workspace.working_copy.outside import GIT, UNKEPT, OutsideFiles, unkeepable

_log = logger("change sets")

Ask = Callable[[Sequence[tuple[str, int]]], Awaitable[bool]]
"""Asks a person whether what cannot be kept (paths, bytes) may be destroyed; without anybody there, no."""
SHOWN = 20
"""Paths that are named, at most."""


@dataclass(slots=True)
class Settled:
    """What became of a command's changes; ``held`` is what it would have destroyed, and then nothing went in."""

    laid: Laid = field(default_factory=Laid)
    held: tuple[tuple[str, int], ...] = ()
    live: bool = False
    copied: bool = False
    moves: list[BranchMove] = field(default_factory=list)


async def settle(
    host: SessionHost, upper: Upper, act: Act, *, ask: Ask | None = None, taken: Taken | None = None
) -> Settled:
    """Lay a change set in as the work of ``act.operation``. Cancelled while a person is asked, it is held.

    Cancelled before or after that, it goes in all the same. ``taken`` is what is known of an upper folder that was
    live before. One that is not live is removed.
    """
    laying = LayingIn(upper, act, taken=taken)
    try:
        settled = await to_the_end(_unless_it_destroys(host, laying, taken))
        if settled.held and await _allowed(upper, settled.held, ask):
            settled = await to_the_end(_lay_in(host, laying, taken))
        return settled
    finally:
        laying.close()


async def changes(host: SessionHost, upper: Upper, taken: Taken | None) -> bool:
    """Whether an upper folder holds anything that was not taken before."""
    laying = LayingIn(upper, Act(), taken=taken)
    try:
        return not (await to_the_end(host.read(laying.read))).empty
    finally:
        laying.close()


async def _unless_it_destroys(host: SessionHost, laying: LayingIn, taken: Taken | None) -> Settled:
    """Lay in, unless that would destroy more than can be kept."""
    changes = await host.read(laying.read)
    if changes.of("outside", "git"):
        budget = await host.read(lambda history: coverage.budget(history.store))
        if lost := await asyncio.to_thread(_lost, host.root, laying, budget):
            return Settled(held=tuple(lost), live=laying.upper.live)
    return await _lay_in(host, laying, taken)


async def _allowed(upper: Upper, lost: Sequence[tuple[str, int]], ask: Ask | None) -> bool:
    """Whether a person lets it be destroyed; else it is held, and one that is live stays where it is."""
    allowed = False
    try:
        allowed = ask is not None and await ask(lost)
    finally:
        if not allowed and not upper.live:
            await to_the_end(asyncio.to_thread(waiting.save, upper, lost))
    return allowed


async def _lay_in(host: SessionHost, laying: LayingIn, taken: Taken | None) -> Settled:
    upper = laying.upper
    for part in laying.parts():
        readings = await asyncio.to_thread(laying.load, part)
        await host.patiently(lambda work, readings=readings: laying.record(work, readings))  # type: ignore[misc]
    rows, outside = await host.alone(lambda work: (laying.intend(work), _outside(work)))
    done = await asyncio.to_thread(laying.put, host.root, outside, rows)
    laid = await host.alone(lambda work: laying.finish(work, done))
    if not upper.live:
        await asyncio.to_thread(discard, upper)
    elif taken is not None:
        await asyncio.to_thread(waiting.save_taken, upper, taken)
    moves = await asyncio.to_thread(branch_moves, host.root, host.store, [row for row in done if row.held])
    return Settled(laid, copied=not upper.same_filesystem, moves=moves)


def discard(upper: Upper) -> None:
    """Remove a change set that went in, or that nobody wants."""
    waiting.forget(upper)
    scratch.remove(upper.folder)


async def recover(host: SessionHost) -> list[int]:
    """Lay in what commands of a host that died had changed, as work of their operations; these."""
    store = host.store
    found = [one for one in await asyncio.to_thread(waiting.waiting, store) if not one.held]
    done = []
    for one in found:
        with logged("A change set that was left behind could not be laid in", one.upper):
            done.append(await _recovered(host, store, one.upper))
    return done


async def _recovered(host: SessionHost, store: Path, left: Upper) -> int:
    """Lay one change set in, as work of its operation, or of one of its own where that had ended; the operation."""
    upper = await asyncio.to_thread(waiting.set_apart, store, left, left.operation)
    taken = await asyncio.to_thread(waiting.taken_from, upper)

    def look(history: History) -> tuple[Act, bool]:
        first = history.operation(upper.operation)
        act = Act(
            kind=first.kind, name=first.name, actor=first.actor, session=first.session, parent=first.parent,
            step=first.step, attempt=first.attempt,
        )  # fmt: skip
        return act, first.outcome in (None, Outcome.UNKNOWN)

    act, open_ = await host.read(look)
    operation = upper.operation
    if not open_:  # it went on after the command had ended
        act = replace(act, name="what processes changed that a command left", parent=upper.operation)
        operation = await host.write(lambda work: work.begin(act))
    settled = await settle(host, upper, replace(act, operation=operation), taken=taken)
    text = "Interrupted: the host ended meanwhile.\n" + told(settled)
    payload = text.strip().encode("utf-8", "replace")
    await host.write(lambda work: work.end(operation, Outcome.INTERRUPTED, payload=payload))
    return operation


@contextmanager
def logged(what: str, upper: Upper) -> Iterator[None]:
    """Log what goes wrong in the block with one change set, which stays where it is, and go on."""
    try:
        yield
    except Exception:  # noqa: BLE001 - it must not keep the host from starting
        _log.exception("%s: op:%d in %s", what, upper.operation, upper.folder)


def told(settled: Settled) -> str:
    """What a model and a person are told of a command's changes: all of it, or why it did not go in."""
    laid, rows = settled.laid, []
    if settled.held:
        names = _named([f"{path} ({size:,} bytes)" for path, size in settled.held])
        rows.append(f"nothing was changed, since it would destroy what cannot be kept: {names}")
        later = "it waits until all that the command left has ended" if settled.live else "a person decides"
        rows.append(f"{later}: `wukong pending`")
    if laid.versions:
        rows.append(f"changed: {_named([_version(version) for version in laid.versions])}")
    if settled.moves:
        rows.append(f"git: {_named([move.forth() for move in settled.moves])}")
    outside = [row for row in laid.outside if row.reason not in (*UNKEPT, GIT) and row.held]
    if outside:
        names = _named([f"{row.path} ({row.reason}, {row.change})" for row in outside])
        rows.append(f"changed outside of the history, and kept for undo: {names}")
    if settled.copied and (laid.versions or outside):
        rows.append("copied file by file, since the history lies on another file system")
    if laid.caches:
        rows.append(f"caches, not kept: {_named(laid.caches)}")
    if laid.refused:
        rows.append(f"did not go in: {_named(laid.refused)}")
    for conflict in laid.conflicts[:SHOWN]:
        beside = next((v for v in laid.beside if v.document == conflict.document), None)
        mine = f"; yours is {beside.path}@{beside.number}" if beside is not None else ""
        rows.append(f"conflict: {conflict.path}: {conflict.reason}; what is on disk stays{mine}")
    return "".join(f"\n[{row}]" for row in rows)


def _version(version: Version) -> str:
    return f"{version.path}@{version.number} ({version.change})"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _lost(root: Path, laying: LayingIn, budget: int) -> list[tuple[str, int]]:
    files = Files(root)
    try:
        return unkeepable(files, laying.set.changes, budget)
    finally:
        files.close()


def _outside(work: Workspace) -> OutsideFiles:
    assert work.copy is not None
    return work.copy.outside
