"""A sandbox that several commands join: a process inside reads which to start, each in a session of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.execution.limits import Limits
from runtime.execution.mounts import SandboxError, View
from runtime.execution.output import Output
from runtime.execution.process import LATE, Process, command, readable
from runtime.waiting import to_the_end

PLACE = "/run/wukong"
"""Where the folder appears inside through which the host and the first process speak; read-only there."""
ENDED = "stopped: its sandbox has ended"
_HOLDER = f"""\
exec 2>/dev/null
(
    read -r self rest </proc/self/stat
    echo 'sandbox: started'
    read -r go || exit 125
    exec >{PLACE}/done
    echo "0 holder $self"
    while read -r verb word; do
        case $verb in
        run)
            if ! setsid -f /bin/sh {PLACE}/$word/run </dev/null >{PLACE}/$word/out 2>&1; then
                /bin/sh {PLACE}/$word/run </dev/null >{PLACE}/$word/out 2>&1 &
            fi
            ;;
        end)
            again=1
            while [ $again = 1 ]; do
                again=0
                for file in /proc/[0-9]*/stat; do
                    read -r line <$file || continue
                    set -- ${{line%% *}} ${{line##*) }}
                    [ "$5" = "$word" ] && [ "$1" != "$word" ] && [ "$2" != Z ] && kill -KILL $1 && again=1
                done
            done
            echo "0 killed $word"
            ;;
        esac
    done
)
exit $?
"""
"""The first process waits, so that it reaps whatever loses its parent; its child reads what to start and to end.

Not started with ``&``, where that can be: a shell lets such commands ignore interrupts.
"""
_RUN = """\
exec 3>&2 2>/dev/null
trap '' HUP INT QUIT TERM USR1 USR2 ALRM PIPE
read -r self name state parent group session rest </proc/self/stat
echo "{number} begun $self $session" >{place}/done
(
    trap - HUP INT QUIT TERM USR1 USR2 ALRM PIPE
    echo 1000 >/proc/self/oom_score_adj
    ulimit -c 0
    ulimit -d {memory}
    [ {tasks} = 0 ] || ulimit -u {tasks} || ulimit -p {tasks}
    exec {words} 2>&3 3>&-
)
echo "{number} ended $self $?" >{place}/done
"""
"""Starts a command, waits for it and says how it ended; signals to its own group, ``kill 0``, do not reach this."""
_CHUNK = 1 << 16
_FREELY = 4 << 20
"""Bytes of output read as fast as they come; a flood is then slowed down."""
_PATIENCE = 10.0
"""Seconds that ending one command among others may take; then all of them are ended."""
_LONGEST_WORD = (128 << 10) - 1
"""Bytes that one argument of a program can hold."""


@dataclass(slots=True)
class _Command:
    """One command: what it prints is read from ``out``; ``alone`` if nothing else lived when it began."""

    number: int
    out: int
    output: Output
    heard: Callable[[bytes], None] | None
    alone: bool
    ended: asyncio.Future[int]
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    killed: asyncio.Event = field(default_factory=asyncio.Event)
    runner: int = 0
    """The process that waits for it, as it is called inside."""
    missed: int = 0
    """How often that one was looked for and not there."""
    leader: int = 0
    """The session of its processes, as it is called inside; 0 where it has none of its own."""
    reason: str | None = None
    """What it was ended for."""
    total: int = 0


class Joined:
    """A sandbox for any number of commands, at the same time or one after another.

    ``folder`` is a folder outside, for it alone. Made by ``open``; ``run`` any command;
    ``living`` tells whether processes live on; ``close`` ends all of them.
    """

    def __init__(
        self, view: View, limits: Limits, folder: Path, check: Callable[[], str | None] = lambda: None
    ) -> None:
        """``check`` is asked beside the limits, again and again: what else is broken, if anything."""
        self._view = view
        self._limits = limits
        self._folder = folder
        self._others = check
        self._stack = contextlib.ExitStack()
        self._box: Process | None = None
        self._inside = -1
        self._holder = 0
        self._left: dict[int, bytes] = {}
        self._commands: dict[int, _Command] = {}
        self._drains: list[asyncio.Task[None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._said = b""
        self._gone = asyncio.Event()
        self.ended = False
        """Whether the sandbox is gone."""

    async def open(self) -> None:
        """Make the sandbox. Raises SandboxError."""
        done = self._folder / "done"
        done.unlink(missing_ok=True)
        os.mkfifo(done, 0o600)
        self._done = os.open(done, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._stack.callback(os.close, self._done)
        with contextlib.ExitStack() as stack:
            try:
                first = ["/bin/sh", "-c", _HOLDER, "sh"]
                line, passed = await to_the_end(asyncio.to_thread(command, self._view, first, stack))
                self._box = Process(line, passed, self._limits, Output(0), hold=True)
                await self._box.open()
                # Before anything runs that could have the path lead elsewhere.
                path = f"/proc/{self._box.pid}/root{self._view.inside}"
                self._inside = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                self._stack.callback(os.close, self._inside)
            except BaseException:
                await to_the_end(self.close())
                raise
        self._tasks = [asyncio.create_task(work) for work in (self._listen(), self._watch(), self._outlast())]

    async def run(
        self,
        number: int,
        argv: Sequence[str],
        limits: Limits,
        output: Output,
        environment: Mapping[str, str],
        heard: Callable[[bytes], None] | None,
    ) -> tuple[int | None, str | None]:
        """Execute a command: its status, or what limit ended it. Processes that it left live on.

        The folder named ``number`` in this one's holds what it needs; ``number`` is used once.
        Raises SandboxError where nothing was executed. Cancelling ends it, not others.
        """
        assert self._box is not None
        alone = not self._commands and (not self._holder or not self.living)
        place = self._folder / str(number)
        out = -1
        try:
            os.mkfifo(place / "out", 0o600)
            out = os.open(place / "out", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            (place / "run").write_bytes(_script(number, argv, limits, environment))
        except OSError as error:
            if out >= 0:
                os.close(out)
            raise SandboxError(f"The command cannot be started: {error.strerror}.") from error
        ended = asyncio.get_running_loop().create_future()
        mine = _Command(number, out, output, heard, alone, ended)
        self._commands[number] = mine
        reading = asyncio.create_task(self._read(mine))
        try:
            self._box.send(b"run %d\n" % number)
            async with asyncio.timeout(limits.seconds) as clock:
                await asyncio.wait({ended, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()  # the listener broke
            return (None, mine.reason) if mine.reason is not None else (ended.result(), None)
        except TimeoutError:
            if not clock.expired():
                raise
            return None, LATE
        finally:
            await to_the_end(self._over(mine, reading))

    @property
    def living(self) -> bool:
        """Whether processes of commands are alive inside, running commands included."""
        return next(self.processes(), None) is not None

    @property
    def workspace(self) -> Path | None:
        """The workspace as it is seen inside, as a path for this process; None where nothing lives."""
        return None if self.ended or self._inside < 0 else Path(f"/proc/self/fd/{self._inside}")

    async def close(self) -> None:
        """End every process and wait until they are gone. Raises SandboxError where they cannot be ended."""
        self._finish(ENDED)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._gone.set()
        box, self._box = self._box, None
        try:
            if box is not None:
                await box.close()
        finally:
            self.ended = True
            for drain in self._drains:
                drain.cancel()
            await asyncio.gather(*self._drains, return_exceptions=True)
            self._drains.clear()
            self._inside = -1
            self._stack.close()

    # -- inside

    def processes(self) -> Iterator[tuple[int, bytes]]:
        """The processes of commands: what they are called inside, and when they began.

        None among them that has ended and waits to be asked for.
        """
        if self.ended or self._box is None:
            return
        try:
            names = os.listdir(self._box.processes)
        except OSError:  # all of them have ended
            return
        for pid in (int(name) for name in names if name.isdigit()):
            if pid in (1, self._holder) or (found := self._stat(pid)) is None:
                continue
            state, start = found
            if state not in b"ZX" and self._left.get(pid) != start:
                yield pid, start

    def _stat(self, pid: int) -> tuple[bytes, bytes] | None:
        """The state of a process inside and when it began; None where there is none."""
        assert self._box is not None
        try:
            handle = os.open(f"{pid}/stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._box.processes)
        except OSError:
            return None
        try:
            words = os.read(handle, 4096).rpartition(b") ")[2].split()
            return words[0], words[19]
        except (OSError, IndexError):
            return None
        finally:
            os.close(handle)

    async def _listen(self) -> None:
        """Take in what the first process and the runners of commands say."""
        while True:
            await readable(self._done)
            with contextlib.suppress(BlockingIOError):
                while part := os.read(self._done, _CHUNK):
                    *lines, self._said = (self._said + part).split(b"\n")
                    self._said = self._said[-4096:]
                    for line in lines:
                        self._told(line)

    def _told(self, line: bytes) -> None:
        """One line; whatever runs inside can write some, so nothing but its shape is trusted."""
        words = line.split()
        if len(words) < 3 or not all(word.isdigit() for word in (words[0], *words[2:])):
            return
        number, said, pid = int(words[0]), words[1], int(words[2])
        mine = self._commands.get(number)
        if said == b"holder" and not self._holder:
            self._holder = pid
        elif said == b"killed":
            for one in self._commands.values():
                if one.leader == pid:
                    one.killed.set()
        elif said == b"begun" and mine is not None and len(words) == 4:
            mine.runner = pid
            mine.leader = pid if int(words[3]) == pid else 0
            mine.begun.set()
        elif said == b"ended" and mine is not None and len(words) == 4 and not mine.ended.done():
            if (found := self._stat(pid)) is not None:
                self._left[pid] = found[1]
            mine.ended.set_result(int(words[3]))

    async def _watch(self) -> None:
        """End what breaks a limit: the commands that run, and where that does not help, all."""
        assert self._box is not None
        while True:
            reason = await self._box.broken(self._check)
            running = [mine for mine in self._commands.values() if not mine.ended.done()]
            if not running or any(mine.alone or not mine.leader for mine in running):
                for mine in running:
                    mine.reason = reason
                await self._kill()
                return
            for mine in running:
                mine.reason = reason
                if not mine.ended.done():
                    await self._end(mine)

    def _check(self) -> str | None:
        """Notice commands that nobody waits for any more, as of ``kill -9 0``; what of others' limits is broken."""
        for mine in self._commands.values():
            if mine.runner and not mine.ended.done():
                found = self._stat(mine.runner)
                mine.missed += found is None or found[0] in b"ZX"
                if mine.missed > 1:
                    mine.ended.set_result(128 + signal.SIGKILL)
        return self._others()

    async def _outlast(self) -> None:
        """Notice the end of the sandbox, whoever ended it."""
        assert self._box is not None
        await self._box.over()
        self.ended = True
        self._gone.set()
        self._finish(ENDED)

    async def _kill(self) -> None:
        """End all that runs; ``close`` waits for it."""
        if self._box is not None:
            self._box.kill()
            await self._gone.wait()

    def _finish(self, reason: str) -> None:
        """Tell the commands that still run that they are over, and why."""
        for mine in self._commands.values():
            if not mine.ended.done():
                mine.reason = mine.reason or reason
                mine.ended.set_result(128 + signal.SIGKILL)

    async def _over(self, mine: _Command, reading: asyncio.Task[None]) -> None:
        """End what still runs of a command, and read what it had printed."""
        if not mine.ended.done() and not self.ended:
            if mine.alone and len(self._commands) == 1:
                await self._kill()
            else:
                await self._end(mine)
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await reading
        with contextlib.suppress(Exception):  # a listener that breaks has already said so
            await self._rest(mine)
        await mine.output.close()
        del self._commands[mine.number]
        if self.living:  # what lives on may still print, and would end if nobody read that
            self._drains.append(asyncio.create_task(_drain(mine.out)))
        else:
            os.close(mine.out)

    async def _end(self, mine: _Command) -> None:
        """End the processes in a command's own session; all others where it has none, or that does not help."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await mine.begun.wait()
                if mine.leader and self._box is not None:
                    self._box.send(b"end %d\n" % mine.leader)
                    await mine.killed.wait()
                    await asyncio.wait({mine.ended})
                    return
        except (TimeoutError, SandboxError):
            pass
        await self._kill()

    async def _read(self, mine: _Command) -> None:
        while True:
            await readable(mine.out)
            await self._rest(mine)

    async def _rest(self, mine: _Command) -> None:
        """Read what has been printed by now."""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(mine.out, _CHUNK):
                mine.total += len(part)
                await mine.output.add(part)
                if mine.heard is not None:
                    mine.heard(part)
                if mine.total > _FREELY:
                    await asyncio.sleep(0.001)


def check(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    """Refuse what no program can be given. Raises SandboxError."""
    if not argv or any("\0" in word for word in argv) or argv[0].startswith("-"):
        raise SandboxError("This is no command: it is empty, begins with a dash or holds a NUL byte.")
    if any(len(os.fsencode(word)) > _LONGEST_WORD for word in argv):
        raise SandboxError("The command cannot be started: Argument list too long; put it in a file.")
    if any("=" in name or not name or "\0" in name + value for name, value in environment.items()):
        raise SandboxError("A variable of the environment has no proper name, or holds a NUL byte.")


def _script(number: int, argv: Sequence[str], limits: Limits, environment: Mapping[str, str]) -> bytes:
    """What starts a command and tells how it ended."""
    given = [f"{name}={value}" for name, value in environment.items()]
    words = [*(("env", *given) if given else ()), *argv]
    text = _RUN.format(
        number=number, place=PLACE, memory=limits.memory >> 10, tasks=limits.own_tasks, words=shlex.join(words)
    )
    return os.fsencode(text)


async def _drain(handle: int) -> None:
    """Let go of what is printed after a command's end."""
    try:
        while True:
            await readable(handle)
            with contextlib.suppress(BlockingIOError):
                os.read(handle, _CHUNK)
    finally:
        os.close(handle)
