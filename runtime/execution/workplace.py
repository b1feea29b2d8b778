"""Where a session's commands are executed: on an overlay of the workspace, or in the workspace itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runtime.dispatch.door import Invocation
from runtime.dispatch.session import Session
from runtime.execution import bubblewrap, quota, scratch
from runtime.execution.change_set import Ask, changes, discard, settle, told
from runtime.execution.mounts import SandboxError, can_be_shown_at
from runtime.execution.overlay import Ground, Now, SessionOverlay, mounts_below, same_file_system
from runtime.execution.secret_files import SecretFiles, tracked
from runtime.waiting import to_the_end
from workspace import History
from workspace.entries import CapabilityEntry
from workspace.kinds import Kind, Outcome
from workspace.working_copy import coverage, waiting

ELSEWHERE = "/workspace"
"""Where a workspace appears in a sandbox that cannot appear at its own path."""
_PROBE = "probe"


def own_path(root: Path) -> str:
    """Where a workspace appears in a sandbox unless something else is said: its own path, if that can be."""
    return str(root) if can_be_shown_at(str(root)) else ELSEWHERE


@dataclass(slots=True)
class Site:
    """What the sessions of one workspace share: whether overlays of it work, and which files are secrets."""

    root: Path
    store: Path
    quota: int = quota.DEFAULT
    """Bytes that each session may write."""
    secrets: SecretFiles = field(init=False)
    _same: bool | None = None
    _works: str | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.secrets = SecretFiles(self.root)

    async def ground(self, inside: str) -> tuple[Ground | None, str]:
        """What an overlay of the workspace lies on, or why there is none. Really tried, once."""
        trial = await asyncio.to_thread(bubblewrap.chosen)
        if trial is None or not trial.overlay:
            return None, "no bubblewrap with overlays works here; see `wukong doctor`"
        if below := await asyncio.to_thread(mounts_below, self.root):
            return None, f"other file systems are mounted in it: {', '.join(below)}"
        async with self._lock:
            if self._same is None:
                self._same = await asyncio.to_thread(same_file_system, self.store, self.root)
            ground = Ground(self.store, self.root, inside, [self.store], self._same, self.quota)
            if self._works is None:
                self._works = await self._tried(ground)
        return (None, self._works) if self._works else (ground, "")

    async def clear(self) -> None:
        """Remove what overlays of a host that is gone have left, but for change sets."""
        await asyncio.to_thread(_clear, self.store / waiting.FOLDER)

    async def _tried(self, ground: Ground) -> str:
        async def now() -> Now:
            return Now()

        probe = SessionOverlay(f"{_PROBE}-{os.getpid()}", ground, now, fleeting=True)
        try:
            ran = await probe.run(0, ["true"])
            return "" if ran.status == 0 else "an overlay of it does not work"
        except SandboxError as error:
            return str(error).rstrip(".")
        finally:
            await probe.discard()


class Workplace:
    """One per session: its overlay, made when the first command needs it, or why there is none."""

    def __init__(self, session: Session, site: Site) -> None:
        self.session = session
        self._site = site
        self._overlay: SessionOverlay | None = None
        self._settling = asyncio.Lock()

    async def overlay(self) -> SessionOverlay | None:
        """The overlay that the session's commands run on; None where they run in the workspace itself."""
        if not self.session.on_overlay:
            return None
        if self._overlay is None:
            ground, _ = await self._site.ground(self.session.inside)
            if ground is None:
                return None
            self._overlay = self._overlay or SessionOverlay(self.session.name, ground, self._now)
        return self._overlay

    async def why(self) -> str:
        """Why commands run in the workspace itself; empty where they do not."""
        if not self.session.on_overlay:
            return "this session's commands run on the folder"
        return (await self._site.ground(self.session.inside))[1]

    async def apart(self, name: str) -> SessionOverlay | None:
        """Another overlay, for one command, which whoever asks for it discards; None where there is none."""
        ground, _ = await self._site.ground(self.session.inside)
        return (
            None
            if ground is None
            else SessionOverlay(f"{self.session.name}-{name}", ground, self._now, fleeting=True)
        )

    @property
    def live(self) -> bool:
        """Whether anything lives on the overlay."""
        return self._overlay is not None and self._overlay.live

    def inside_root(self) -> Path | None:
        """The workspace as what lives on the overlay sees it; None where nothing does."""
        return None if self._overlay is None else self._overlay.inside_root()

    async def settled(self, invocation: Invocation) -> tuple[str, tuple[int, ...]]:
        """Bring what a command changed into the workspace: what is told of it, and which operations share it.

        Cancelled while a person is asked, it is held.
        """
        overlay = self._overlay
        if overlay is None:
            return "", ()
        async with self._settling:
            harvest = await overlay.detach(invocation.operation)
            if harvest is None:
                return "", ()
            settled = await settle(
                self.session.host, harvest.upper, invocation.part, ask=self._asks(invocation), taken=harvest.taken
            )
        return told(settled), tuple(one for one in harvest.together if one != invocation.operation)

    async def ready(self) -> None:
        """Wait until what commands before changed, and what they left where that has ended, is in the workspace."""
        async with self._settling:
            if self._overlay is not None and self._overlay.left:
                await self._take_left(self._overlay, self._overlay.left)

    async def show(self, paths: Collection[str], entry: int) -> None:
        """Let what others put at some paths of the workspace, as of an entry, be seen by what lives here."""
        if self._overlay is not None:
            await self._overlay.show(paths, entry)

    async def close(self) -> None:
        """End what commands left, take what that has changed since, and remove the session's folders."""
        overlay = self._overlay
        if overlay is None:
            return
        left = overlay.together
        await overlay.close()
        if left:
            await self._take_left(overlay, left)
        await overlay.remove()

    # -- inside

    async def _take_left(self, overlay: SessionOverlay, left: tuple[int, ...]) -> None:
        """Bring in what processes changed that these operations left, if anything, as an operation of its own."""
        host = self.session.host
        harvest = await overlay.detach(left[-1])
        if harvest is None:
            return
        if not await changes(host, harvest.upper, harvest.taken):
            await to_the_end(asyncio.to_thread(discard, harvest.upper))
            return
        act = self.session.cause.act(
            Kind.CAPABILITY, "what processes changed that a command left",
            detail=CapabilityEntry(attribution="joint", together=left).detail(),
        )  # fmt: skip
        operation = await host.write(lambda work: work.begin(act))
        upper = replace(harvest.upper, operation=operation)
        settled = await settle(host, upper, replace(act, operation=operation, detail={}), taken=harvest.taken)
        said = told(settled).strip().encode("utf-8", "replace")
        await host.write(lambda work: work.end(operation, Outcome.DONE, payload=said))

    async def _now(self) -> Now:
        host = self.session.host
        hidden: frozenset[str] = frozenset()
        if not self.session.secrets:
            hidden = await self._hidden()
        return Now(await host.read(lambda history: history.cursor), hidden)

    def _asks(self, invocation: Invocation) -> Ask | None:
        """How a person is asked before what cannot be kept is destroyed; None where nobody is there to ask."""
        if self.session.policy.mode != "ask":
            return None

        async def ask(lost: Sequence[tuple[str, int]]) -> bool:
            shown = {"destroys": [f"{path} ({size:,} bytes)" for path, size in lost]}
            allowed, _ = await self.session.host.approve(
                invocation.cause, invocation.capability.name, invocation.effects, shown
            )
            return allowed != "no"

        return ask

    async def _hidden(self) -> frozenset[str]:
        """Files that likely hold secrets, but for documents and what git tracks."""
        host = self.session.host
        caches = await host.read(lambda history: coverage.caches(history.store))
        found = await asyncio.to_thread(self._site.secrets.find, caches)
        if not found:
            return frozenset()

        def others(history: History) -> list[str]:
            return [path for path in found if history.find(path) is None]

        left = await host.read(others)
        return frozenset(left) - await asyncio.to_thread(tracked, host.root, left)


def _clear(folder: Path) -> None:
    for left in folder.iterdir() if folder.is_dir() else ():
        if left.name != waiting.SETS and not waiting.may_hold_changes(left):
            scratch.remove(left)
