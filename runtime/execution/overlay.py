"""A session's overlay of the workspace: commands write to an upper folder, which holds exactly what they changed."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runtime.execution import quota, scratch
from runtime.execution.joined import PLACE, Joined, check
from runtime.execution.limits import Limits
from runtime.execution.mounts import Layers, SandboxError, View
from runtime.execution.output import Output
from runtime.execution.process import LATE
from runtime.execution.quota import Quota
from runtime.execution.sandbox import Ran, sized
from runtime.execution.through import show
from runtime.waiting import to_the_end
from workspace.working_copy import waiting
from workspace.working_copy.changeset import Taken, Upper

_GRACE = 5
"""Hundredths of a second after which a process that a command left is taken to live on."""
_OCTAL = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Now:
    """What a mount begins with: the newest entry of the journal, and the paths that are to be out of sight."""

    entry: int = 0
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a session's overlay lies: the store's folder, the workspace, and where that appears inside.

    ``histories`` must not be reachable. On the ``same_filesystem`` files move between upper
    folder and workspace by a rename.
    """

    store: Path
    workspace: Path
    inside: str
    histories: Sequence[Path] = ()
    same_filesystem: bool = True
    quota: int = quota.DEFAULT
    """Bytes that a session may write."""


@dataclass(frozen=True, slots=True)
class Harvest:
    """What was changed since the last one: its upper folder, and whose it is.

    ``taken`` is what is known of an upper folder that is live, or was before. The operations in
    ``together`` ran, or left processes, meanwhile: any of them may have done it.
    """

    upper: Upper
    taken: Taken | None
    together: tuple[int, ...]


class SessionOverlay:
    """One per session: its commands share a mount, a /tmp and a network of their own.

    The mount is made for a command and ends with it, unless processes live on; then the
    next command joins them. What commands change lies in an upper folder until ``detach``
    hands it out. ``close`` ends everything.
    """

    def __init__(
        self, session: str, ground: Ground, now: Callable[[], Awaitable[Now]], *, fleeting: bool = False
    ) -> None:
        """``now`` is asked before each mount. What changes on a ``fleeting`` overlay nobody finds after a crash."""
        self.session = session
        self._ground = ground
        self._now = now
        self._fleeting = fleeting
        self._folder = ground.store / waiting.FOLDER / session
        self._numbers = 0
        self._mount: Joined | None = None
        self._lock = asyncio.Lock()
        self._running: dict[int, int] = {}
        self._together: set[int] = set()
        self._leavers: dict[int, frozenset[tuple[int, bytes]]] = {}
        self._upper: Upper | None = None
        self._quota: Quota | None = None
        self._taken: Taken | None = None
        self._last = 0

    # -- commands

    async def run(
        self,
        operation: int,
        argv: Sequence[str],
        *,
        limits: Limits = Limits(),
        environment: Mapping[str, str] = {},
        files: Mapping[str, bytes] = {},
        on_output: Callable[[bytes], None] | None = None,
        aside: Path | None = None,
        number: int | None = None,
    ) -> Ran:
        """Execute a command on the overlay. When this returns it has ended; processes that it left may live on.

        ``files``, name to content, appear in the folder ``place(number)``, executable. The
        rest is as in ``sandbox.run``. Raises SandboxError where nothing was executed.
        Cancelling ends the command.
        """
        check(argv, environment)
        number = self.number() if number is None else number
        output = Output(limits.output, aside)
        control = self._folder / "control" / str(number)
        await to_the_end(asyncio.to_thread(_prepare, control, files))
        try:
            mount = await self._joined(operation, number, limits)
            before = frozenset(mount.processes())
            started = time.monotonic()
            try:
                status, killed = await mount.run(number, argv, limits, output, environment, on_output)
                seconds = time.monotonic() - started
            finally:
                await to_the_end(self._left(number, before))
        finally:
            await to_the_end(asyncio.to_thread(scratch.remove, control))
        text, dropped = output.result()
        return Ran(status, text, dropped, output.kept, killed == LATE, seconds, killed)

    def number(self) -> int:
        """A number for the next command."""
        self._numbers += 1
        return self._numbers

    def place(self, number: int) -> tuple[Path, str]:
        """The folder through which a command is given files and sockets: outside, and (read-only) inside."""
        return self._folder / "control" / str(number), f"{PLACE}/{number}"

    @property
    def running(self) -> int:
        """Commands that run."""
        return len(self._running)

    @property
    def live(self) -> bool:
        """Whether processes live on the mount, running commands included."""
        return self._mount is not None and (bool(self._running) or self._mount.living)

    @property
    def together(self) -> tuple[int, ...]:
        """The operations that ran, or left processes, since changes were last handed out: they share what changed."""
        return tuple(sorted(self._together | self._leavers.keys()))

    def search_path(self, number: int) -> str:
        """PATH for a command whose own folder holds programs."""
        ground = self._ground
        return os.pathsep.join([self.place(number)[1], *View(ground.workspace, ground.inside).search_path()])

    def inside_root(self) -> Path | None:
        """The workspace as it is seen inside, as a path that the host can write through; None where nothing lives."""
        return None if self._mount is None else self._mount.workspace

    async def show(self, paths: Collection[str], entry: int) -> None:
        """Let what was put at some paths of the workspace, as of an entry, be seen inside, where something lives.

        A mount remembers what was not there and what was exchanged since. What commands have
        changed themselves since it was last taken is left as it is: that is merged when it is laid in.
        """
        async with self._lock:
            root, upper = self.inside_root(), self._upper
            if root is not None and upper is not None:
                self._taken = taken = self._taken or Taken()
                ground = self._ground.workspace
                await to_the_end(asyncio.to_thread(show, paths, entry, ground, upper.folder, root, taken))

    # -- changes

    @property
    def left(self) -> tuple[int, ...]:
        """Whose work lies in an upper folder on which nothing lives any more; nobody's where there is none."""
        if self.live or self._upper is None or self._taken is None:
            return ()
        return self.together or (self._last,)

    async def detach(self, operation: int) -> Harvest | None:
        """Hand out what changed since it was last handed out, as work of an operation; None where nothing did.

        While nothing lives the upper folder is renamed to ``sets/OPERATION`` and is the
        caller's; else it stays as it is, ``live``, and is only to be read.
        """
        async with self._lock:
            await self._end_if_idle()
            upper, together = self._upper, self.together
            self._together = set(self._running.values())
            living = frozenset(self._mount.processes()) if self._mount is not None else frozenset()
            self._leavers = {one: left for one, left in self._leavers.items() if left & living}
            if upper is None:
                return None
            if self._mount is not None:
                self._taken, self._last = self._taken or Taken(), operation
                return Harvest(replace(upper, operation=operation, live=True), self._taken, together)
            apart = await to_the_end(asyncio.to_thread(self._set_apart, upper, operation))
            taken, self._taken = self._taken, None
            return Harvest(apart, taken, together) if apart is not None else None

    async def drop(self) -> None:
        """Let go of what changed, if nothing lives: of a command that was refused, or only tried."""
        async with self._lock:
            await self._end_if_idle()
            upper, self._together = self._upper, set(self._running.values())
            if upper is not None and self._mount is None:
                self._upper, self._taken = None, None
                waiting.forget(upper)
                await to_the_end(asyncio.to_thread(scratch.remove, upper.folder))

    async def discard(self) -> None:
        """End all that lives, and remove whatever was changed."""
        await self.close()
        await self.drop()
        await self.remove()

    async def close(self) -> None:
        """End all that lives. What it changed is still to be had from ``detach``; then ``remove``."""
        async with self._lock:
            await self._end()

    async def remove(self) -> None:
        """Remove the session's folders, if ``close`` was called and no changes are left."""
        async with self._lock:
            if self._mount is None and (self._upper is None or _is_empty(self._upper.folder)):
                await to_the_end(asyncio.to_thread(scratch.remove, self._folder))

    # -- inside

    async def _joined(self, operation: int, number: int, limits: Limits) -> Joined:
        """The mount, made where there is none; the command counts as running from here on."""
        async with self._lock:
            if self._taken is None or self.inside_root() is None:
                await self._end_if_idle()  # else a mount made anew would hide what was put there since it was taken
            if self._mount is None:
                self._mount = await self._open(operation, limits)
            self._running[number] = operation
            self._together.add(operation)
            return self._mount

    async def _left(self, number: int, before: frozenset[tuple[int, bytes]]) -> None:
        """A command has ended; so does the mount, unless something lives on it."""
        async with self._lock:
            operation = self._running.pop(number)
            if self._mount is None:
                return
            left = frozenset(self._mount.processes())
            for _ in range(_GRACE):  # what was just ended is about to go
                if not left or self._running:
                    break
                await asyncio.sleep(0.01)
                left = frozenset(self._mount.processes())
            if not left and not self._running:
                await self._end()
            elif left - before:
                self._leavers[operation] = left - before

    async def _open(self, operation: int, limits: Limits) -> Joined:
        layers = await to_the_end(asyncio.to_thread(self._lay_out, operation, await self._now()))
        ground = self._ground
        view = View(
            ground.workspace, ground.inside, scratch=self._folder / "tmp", memory=limits.memory // 2,
            binds=[(self._folder / "control", PLACE)], hidden=ground.histories, sized=sized(), layers=layers,
        )  # fmt: skip
        self._quota = Quota([layers.upper, self._folder / "tmp"], ground.quota)
        mount = Joined(view, limits, self._folder / "control", self._quota.check)
        try:
            await mount.open()
        except BaseException:
            self._quota.close()
            raise
        return mount

    async def _end_if_idle(self) -> None:
        """End a mount on which nothing lives any more."""
        if self._mount is not None and not self._running and not self._mount.living:
            await self._end()

    async def _end(self) -> None:
        mount, self._mount = self._mount, None
        self._together |= self._leavers.keys()  # they may have changed something to the end
        self._leavers.clear()
        if mount is not None:
            await to_the_end(mount.close())
        if self._quota is not None:
            self._quota.close()

    def _lay_out(self, operation: int, now: Now) -> Layers:
        """The folders of a mount and whose they are, durable before anything is written. Raises SandboxError."""
        try:
            upper, work, tmp = (self._folder / name for name in ("upper", "work", "tmp"))
            for folder in (upper, work, tmp, self._folder / "control"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = os.stat(self._ground.workspace).st_mode & 0o7777
            entry, hidden = now.entry, now.hidden
            cover = self._cover(hidden)
            mounted = _now(upper, mode)  # which is the folder that commands see
            if self._upper is not None:  # changes that nobody has taken yet
                mounted, entry, operation = self._upper.mounted, self._upper.entry, self._upper.operation
                hidden = hidden | self._upper.hidden
            self._upper = Upper(
                upper, mounted, entry, operation, self.session, False, self._ground.same_filesystem, hidden
            )
            if not self._fleeting:
                waiting.write(self._folder / waiting.OWNER, waiting.record(self._upper))
        except OSError as error:
            raise SandboxError(f"The overlay cannot be made in {self._folder}: {error.strerror}.") from error
        return Layers(upper, work, cover)

    def _cover(self, hidden: frozenset[str]) -> Path | None:
        """A folder of whiteouts for the hidden paths; None where there are none."""
        cover = self._folder / "hidden"
        scratch.remove(cover)
        if not hidden:
            return None
        cover.mkdir()
        folders = set()
        for path in hidden:
            parents = list(Path(path).parents)[:-1]
            folders.update(parents)
            (cover / path).parent.mkdir(parents=True, exist_ok=True)
            os.mknod(cover / path, stat.S_IFCHR, 0)
        for folder in sorted(folders, reverse=True):  # what is seen of a folder is what is seen of its topmost layer
            look = os.stat(self._ground.workspace / folder)
            os.chmod(cover / folder, look.st_mode & 0o7777)
            os.utime(cover / folder, ns=(look.st_atime_ns, look.st_mtime_ns))
        return cover

    def _set_apart(self, upper: Upper, operation: int) -> Upper | None:
        """Move the upper folder to where it waits for being laid in."""
        if _is_empty(upper.folder):
            self._upper = None
            return None
        if self._fleeting:
            self._upper = None
            return upper
        apart = waiting.set_apart(self._ground.store, upper, operation)
        self._upper = None
        return apart


def same_file_system(store: Path, workspace: Path) -> bool:
    """Whether files move from a store's folder to a workspace by a rename; really tries it."""
    probe, target = store / f"probe-{os.getpid()}", workspace / f".wukong-tmp-{os.getpid()}-0"
    try:
        probe.touch(0o600)
        os.rename(probe, target)
        target.unlink()
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


def mounts_below(workspace: Path) -> tuple[str, ...]:
    """The mounts that lie below a folder, relative to it; the kernel then makes no overlay of it in a sandbox."""
    top = os.fsencode(workspace.resolve()).rstrip(b"/") + b"/"
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return ()
    points = {_OCTAL.sub(lambda match: bytes([int(match[1], 8)]), line.split()[4]) for line in lines}
    return tuple(os.fsdecode(point[len(top) :]) for point in sorted(points) if point.startswith(top))


# -- inside


def _prepare(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o755)


def _now(folder: Path, mode: int) -> int:
    """Set a folder's mode; the time on the clock of its file system, in ns: what changes later is never before it."""
    os.chmod(folder, mode)
    os.stat(folder)  # a time that was looked at is not given twice, where the kernel can tell that finely
    os.chmod(folder, mode)
    return os.stat(folder).st_ctime_ns


def _is_empty(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is None
