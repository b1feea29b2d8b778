"""Overlays of sessions, for real: what commands change lies apart from the workspace, and they join each other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.execution import bubblewrap
from runtime.execution.joined import ENDED
from runtime.execution.limits import Limits
from runtime.execution.mounts import SandboxError
from runtime.execution.overlay import Ground, Now, SessionOverlay, mounts_below, same_file_system
from runtime.execution.sandbox import Ran
from workspace.working_copy import waiting
from workspace.working_copy.changeset import Upper
from workspace.working_copy.files import Files

TRIAL = bubblewrap.chosen()
pytestmark = pytest.mark.skipif(TRIAL is None or not TRIAL.overlay, reason="no overlay works here")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this")
ROOT = Path(__file__).parents[3]


def ground(folder: Path, store: Path, inside: str | None = None) -> Ground:
    store.mkdir(exist_ok=True)
    return Ground(store, folder, inside or str(folder), [store], same_file_system(store, folder))


class Clock:
    """What mounts begin with."""

    now = Now()

    async def __call__(self) -> Now:
        return self.now


@asynccontextmanager
async def overlay(folder: Path, inside: str | None = None, now: Clock | None = None) -> AsyncIterator[SessionOverlay]:
    """A session's overlay of a folder; everything in it has ended when this is left."""
    made = SessionOverlay("s1", ground(folder, folder.with_name("store"), inside), now or Clock())
    try:
        yield made
    finally:
        await made.close()


async def sh(over: SessionOverlay, command: str, operation: int = 1, **options: Any) -> Ran:
    return await over.run(operation, ["/bin/sh", "-c", command], **options)


def tree(folder: Path) -> dict[str, str]:
    """What lies in a folder: a file's text, ``gone`` for what was removed, ``opaque`` or ``folder`` for a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        look = path.lstat()
        name = str(path.relative_to(folder))
        if stat.S_ISCHR(look.st_mode) and look.st_rdev == 0:
            found[name] = "gone"
        elif path.is_dir():
            with contextlib.suppress(OSError):
                found[name] = "opaque" if os.getxattr(path, "user.overlay.opaque") == b"y" else "folder"
            found.setdefault(name, "folder")
        else:
            found[name] = path.read_text()
    return found


async def taken(over: SessionOverlay, operation: int = 1) -> Upper:
    harvest = await over.detach(operation)
    assert harvest is not None
    return harvest.upper


def alive(mark: str) -> list[int]:
    """The processes of this machine that have ``mark`` on their command line."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                    found.append(int(name))
    return found


@pytest.fixture
def mark() -> str:
    """A number of seconds that nobody else sleeps."""
    return f"{uuid.uuid4().int % 10**9 + 10**6}"


# -- change sets


async def test_the_upper_folder_holds_exactly_what_changed(folder: Path) -> None:
    (folder / "a.txt").write_text("one\ntwo\n")
    (folder / "b.txt").write_text("b\n")
    (folder / "old" / "deep").mkdir(parents=True)
    (folder / "old" / "deep" / "c.txt").write_text("c\n")
    (folder / "kept.txt").write_text("kept\n")
    before = tree(folder)
    async with overlay(folder) as over:
        ran = await sh(over, "sed -i s/two/three/ a.txt && rm b.txt && mv old new && cat kept.txt && pwd")
        assert (ran.status, ran.output) == (0, b"kept\n" + os.fsencode(folder) + b"\n")
        upper = await taken(over)
        assert tree(upper.folder) == {
            "a.txt": "one\nthree\n", "b.txt": "gone", "old": "gone",
            "new": "opaque", "new/deep": "opaque", "new/deep/c.txt": "c\n",
        } or tree(upper.folder) == {
            "a.txt": "one\nthree\n", "b.txt": "gone", "old": "gone",
            "new": "folder", "new/deep": "folder", "new/deep/c.txt": "c\n",
        }  # fmt: skip
        assert tree(folder) == before
        assert (upper.operation, upper.session, upper.live, upper.same_filesystem) == (1, "s1", False, True)
        assert max(p.lstat().st_ctime_ns for p in folder.rglob("*")) <= upper.mounted
        assert min(p.lstat().st_ctime_ns for p in upper.folder.rglob("*")) >= upper.mounted


async def test_a_command_that_changes_nothing_leaves_no_change_set(folder: Path) -> None:
    async with overlay(folder) as over:
        await sh(over, "ls -la; touch /tmp/elsewhere")
        assert await over.detach(1) is None


async def test_each_command_begins_with_the_workspace_as_it_is(folder: Path) -> None:
    async with overlay(folder) as over:
        await sh(over, "echo one > a.txt")
        upper = await taken(over)
        ran = await sh(over, "cat a.txt", 2)
        assert ran.status == 1
        os.rename(upper.folder / "a.txt", folder / "a.txt")
        ran = await sh(over, "cat a.txt", 3)
        assert ran.output == b"one\n"


async def test_what_was_not_taken_goes_on_with_the_next_command(folder: Path) -> None:
    clock = Clock()
    async with overlay(folder, now=clock) as over:
        clock.now = Now(7)
        await sh(over, "echo one > a.txt")
        first = over._upper
        assert first is not None
        clock.now = Now(8)
        await sh(over, "echo two > b.txt", 2)
        upper = await taken(over, 2)
        assert tree(upper.folder) == {"a.txt": "one\n", "b.txt": "two\n"}
        assert (upper.mounted, upper.entry) == (first.mounted, 7)


async def test_what_is_dropped_was_never_there(folder: Path) -> None:
    async with overlay(folder) as over:
        await sh(over, "echo one > a.txt")
        await over.drop()
        assert await over.detach(1) is None
        assert (await sh(over, "ls", 2)).output == b""


async def test_a_history_left_by_a_killed_host_is_found(folder: Path, mark: str) -> None:
    store = folder.with_name("store")
    host = f"""
import asyncio, sys
from pathlib import Path
from tests.runtime.execution.test_overlay import Clock, Now, SessionOverlay, ground, sh
Clock.now = Now(4)
over = SessionOverlay("s7", ground(Path(sys.argv[1]), Path(sys.argv[2])), Clock())
say = lambda data: print(data.decode(), flush=True)
asyncio.run(sh(over, "echo half > a.txt; echo ready; sleep {mark}", 5, on_output=say))
"""
    line = [sys.executable, "-c", host, str(folder), str(store)]
    process = await asyncio.create_subprocess_exec(*line, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    handles = [os.pidfd_open(pid) for pid in alive(f"sleep\0{mark}")]
    process.kill()
    await process.wait()
    for handle in handles:
        await readable(handle)
        os.close(handle)
    (upper,) = left_behind(store)
    assert (upper.operation, upper.session, upper.entry, upper.live) == (5, "s7", 4, False)
    assert tree(upper.folder) == {"a.txt": "half\n"}
    assert not (folder / "a.txt").exists()


def left_behind(store: Path) -> list[Upper]:
    return [one.upper for one in waiting.waiting(store)]


async def readable(handle: int) -> None:
    ready = asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, ready.set)
    await ready.wait()
    asyncio.get_running_loop().remove_reader(handle)


async def test_a_change_set_that_was_handed_out_is_found_again_until_it_is_gone(folder: Path) -> None:
    async with overlay(folder) as over:
        await sh(over, "echo one > a.txt", 3)
        upper = await taken(over, 3)
        store = folder.with_name("store")
        assert left_behind(store) == [upper]
        shutil.rmtree(upper.folder)
        assert left_behind(store) == []


# -- one mount, several commands


async def test_commands_at_the_same_time_share_the_mount_and_what_changed(folder: Path) -> None:
    async with overlay(folder) as over:
        begun, go = asyncio.Event(), "until test -e go; do :; done"
        first = asyncio.create_task(sh(over, f"echo 1 > a; echo begun; {go}; cat b", on_output=lambda _: begun.set()))
        await begun.wait()
        second = await sh(over, "cat a; echo 2 > b; touch go", 2)
        assert (second.status, second.output) == (0, b"1\n")
        assert (await first).output == b"begun\n2\n"
        assert not over.live
        harvest = await over.detach(2)
        assert harvest is not None
        assert harvest.together == (1, 2)
        assert tree(harvest.upper.folder) == {"a": "1\n", "b": "2\n", "go": ""}
        assert over.together == ()


async def test_what_was_taken_while_another_runs_is_shared_only_with_who_ran(folder: Path) -> None:
    async with overlay(folder) as over:
        begun = asyncio.Event()
        long = sh(over, "echo begun; until test -e go; do :; done", on_output=lambda _: begun.set())
        first = asyncio.create_task(long)
        await begun.wait()
        await sh(over, "echo 2 > b", 2)
        assert over.together == (1, 2)
        assert (await taken(over, 2)).live
        await sh(over, "touch go", 3)
        await first
        assert over.together == (1, 3)


async def test_a_server_lives_on_between_commands_and_ends_with_the_session(folder: Path, mark: str) -> None:
    (folder / "index.html").write_text("hello\n")
    serve = f"python3 -u -m http.server 8000 >/dev/null 2>&1 & sleep {mark} & echo started"
    ask = """
import time, urllib.request, urllib.error
for _ in range(500):
    try:
        print(urllib.request.urlopen("http://127.0.0.1:8000/index.html").read().decode(), end="")
        break
    except urllib.error.URLError:
        time.sleep(0.02)
"""
    async with overlay(folder) as over:
        assert (await sh(over, serve)).output == b"started\n"
        assert over.live
        ran = await over.run(2, ["python3", "-c", ask])
        assert ran.output == b"hello\n"
        await sh(over, "echo changed > index.html", 3)
        upper = await taken(over, 3)
        assert upper.live
        assert tree(upper.folder) == {"index.html": "changed\n"}
        assert over.together == (1,)
        assert (await over.run(4, ["python3", "-c", ask])).output == b"changed\n"
        assert alive(f"sleep\0{mark}")
        await over.close()
        assert not alive(f"sleep\0{mark}")
        assert not (await taken(over, 4)).live


async def test_what_prints_after_its_command_has_ended_lives_on(folder: Path) -> None:
    loud = "(while :; do echo noise; done) & echo started"
    async with overlay(folder) as over:
        assert (await sh(over, loud)).output.startswith((b"started\n", b"noise\n"))
        assert over.live
        ran = await sh(over, "ps -eo args | grep -c noise; echo quiet", 2)
        assert ran.output.endswith(b"quiet\n")
        assert over.live


async def test_a_mount_ends_when_the_last_process_on_it_has_ended(folder: Path) -> None:
    async with overlay(folder) as over:
        await sh(over, "(until test -e go; do :; done) & echo $! > /tmp/pid")
        assert over.live
        await sh(over, "touch go; while kill -0 $(cat /tmp/pid) 2>/dev/null; do :; done", 2)
        assert not over.live


async def test_tmp_lives_as_long_as_the_session(folder: Path) -> None:
    async with overlay(folder) as over:
        await sh(over, "echo kept > /tmp/kept; echo home > ~/home")
        ran = await sh(over, "cat /tmp/kept ~/home", 2)
        assert ran.output == b"kept\nhome\n"
        await over.close()
        await over.remove()
        assert list(folder.with_name("store").rglob("kept")) == []


async def test_a_command_that_ran_out_of_time_ends_with_all_that_it_left(folder: Path, mark: str) -> None:
    async with overlay(folder) as over:
        ran = await sh(over, f"echo begun; setsid sleep {mark} & sleep {mark}", limits=Limits(seconds=0.3))
        assert ran.timed_out
        assert (ran.status, ran.output) == (None, b"begun\n")
        assert not over.live
        assert not alive(mark)


@pytest.mark.parametrize("how", ["time", "interrupt"])
async def test_where_others_lived_before_a_command_ends_alone(folder: Path, mark: str, how: str) -> None:
    async with overlay(folder) as over:
        await sh(over, f"sleep {mark}0 & echo")
        begun = asyncio.Event()
        command = f"echo begun; (sleep {mark}1 & sleep {mark}2)& sleep {mark}3"
        seconds = 0.5 if how == "time" else 60.0
        task = asyncio.create_task(
            sh(over, command, 2, limits=Limits(seconds=seconds), on_output=lambda _: begun.set())
        )
        await begun.wait()
        if how == "time":
            assert (await task).timed_out
        else:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert not any(alive(f"sleep\0{mark}{n}") for n in "123")
        assert alive(f"sleep\0{mark}0")
        assert (await sh(over, "echo well", 3)).output == b"well\n"


async def test_cancelling_at_any_moment_of_the_start_leaves_nothing(folder: Path, mark: str) -> None:
    async with overlay(folder) as over:
        for turns in range(0, 60, 5):
            task = asyncio.create_task(sh(over, f"sleep {mark}"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not alive(mark)
            assert over.running == 0
        assert (await sh(over, "echo well")).output == b"well\n"


async def test_a_sandbox_that_is_killed_ends_its_commands_and_the_next_one_works(folder: Path, mark: str) -> None:
    async with overlay(folder) as over:
        begun = asyncio.Event()
        task = asyncio.create_task(sh(over, f"echo 1 > a; echo begun; sleep {mark}", on_output=lambda _: begun.set()))
        await begun.wait()
        (pid,) = [p for p in alive("--as-pid-1") if mark not in Path(f"/proc/{p}/cmdline").read_text() and ours(p)]
        os.kill(pid, signal.SIGKILL)
        ran = await task
        assert (ran.status, ran.killed, ran.output) == (None, ENDED, b"begun\n")
        assert not alive(f"sleep\0{mark}")
        assert tree((await taken(over)).folder) == {"a": "1\n"}
        assert (await sh(over, "echo well", 2)).output == b"well\n"


def ours(pid: int) -> bool:
    """Whether a process was started by this one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1]) == os.getpid()


async def test_a_listener_that_fails_ends_the_command(folder: Path, mark: str) -> None:
    def hear(data: bytes) -> None:
        raise RuntimeError("the listener broke")

    async with overlay(folder) as over:
        with pytest.raises(RuntimeError, match="the listener broke"):
            await sh(over, f"echo ready; sleep {mark}", on_output=hear)
        assert not alive(mark)


# -- as in any other sandbox


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("true", 0),
        ("exit 3", 3),
        ("no-such-command", 127),
        ("./plain", 126),
        ("kill -TERM $$", 128 + signal.SIGTERM),
        ("kill -KILL $$", 128 + signal.SIGKILL),
        ("kill -SEGV $$", 128 + signal.SIGSEGV),
        ("exec >&- 2>&-; exit 7", 7),
        ("trap 'exit 9' INT; kill -INT $$; exit 1", 9),
        ("trap 'kill 0' EXIT; sleep 1000 & exit 3", 128 + signal.SIGTERM),
        ("sleep 1000 & kill -9 0", 128 + signal.SIGKILL),
    ],
)
@pytest.mark.parametrize("joined", [False, True], ids=["alone", "joined"])
async def test_statuses_are_those_of_a_shell(folder: Path, command: str, status: int, joined: bool) -> None:
    (folder / "plain").write_text("no program")
    async with overlay(folder) as over:
        if joined:
            await sh(over, "sleep 1000 &")
        ran = await sh(over, command)
        assert (ran.status, ran.killed, ran.timed_out) == (status, None, False)
        assert over.live == joined


async def test_arguments_environment_and_output_keep_every_byte(folder: Path) -> None:
    odd = bytes(range(1, 256))
    async with overlay(folder) as over:
        ran = await over.run(1, ["printf", "%s|", os.fsdecode(odd), "", "-n", "a\nb", "$(id)"])
        assert ran.output == odd + b"||-n|a\nb|$(id)|"
        show = "import os; os.write(1, os.environb[b'A.B'] + b'|' + os.environb[b'PPID'])"
        ran = await over.run(2, ["python3", "-c", show], environment={"A.B": os.fsdecode(odd), "PPID": "x"})
        assert ran.output == odd + b"|x"


async def test_what_is_no_command_is_refused(folder: Path) -> None:
    async with overlay(folder) as over:
        for words in ([], ["a\0b"], ["-c"], ["echo", "x" * (1 << 18)]):
            with pytest.raises(SandboxError):
                await over.run(1, words)
        with pytest.raises(SandboxError, match="file"):
            await over.run(1, ["echo", "x" * (1 << 18)])
        for environment in ({"A=B": "c"}, {"A": "c\0"}, {"": "c"}):
            with pytest.raises(SandboxError):
                await over.run(1, ["true"], environment=environment)
        assert await over.detach(1) is None


async def test_rights_cannot_be_won_back_by_a_command_that_joins(folder: Path) -> None:
    program = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x10000000) != 0, "a user namespace of its own"
assert libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) != 0, "a mount"
assert libc.ptrace(16, 1, 0, 0) != 0, "hold of the first process"
for line in open("/proc/self/status"):
    if line.startswith(("CapPrm", "CapEff", "CapBnd", "CapAmb")):
        assert int(line.split()[1], 16) == 0, line
    if line.startswith(("NoNewPrivs", "Seccomp:")):
        assert line.split()[1] != "0", line
for place in ("/run/wukong", "/run/wukong/1", "/usr", "/"):
    try:
        open(place + "/x", "w")
        print("wrote in", place)
    except OSError:
        pass
print(sorted(os.listdir("/proc/self/fd")))
"""
    async with overlay(folder) as over:
        await sh(over, "sleep 1000 &")
        ran = await over.run(2, ["python3", "-c", program])
        assert ran.output == b"['0', '1', '2', '3']\n"  # the fourth is the folder being listed


async def test_descriptors_are_not_left_over(folder: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    async with overlay(folder) as over:
        await sh(over, "sleep 1000 & echo")
        await sh(over, "true", 2)
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("others", [False, True], ids=["alone", "with others"])
async def test_all_processes_together_stay_within_the_memory(folder: Path, others: bool, mark: str) -> None:
    program = f"""
import os, time
for _ in range(4):
    if os.fork() == 0:
        data = b"x" * (150 << 20)
        time.sleep({mark})
time.sleep({mark})
"""
    limits = Limits(seconds=60, memory=400 << 20)
    async with overlay(folder) as over:
        if others:
            await sh(over, f"sleep 7{mark} & echo", limits=limits)
        ran = await over.run(2, ["python3", "-c", program], limits=limits)
        assert ran.status is None
        assert "memory" in (ran.killed or "")
        assert bool(alive(f"sleep\0007{mark}")) == others
        assert over.live == others


async def test_the_workspace_appears_where_it_is_asked_to(folder: Path) -> None:
    (folder / "a.txt").write_text("a\n")
    async with overlay(folder, "/testbed") as over:
        ran = await sh(over, "pwd; cat a.txt; echo b > b.txt")
        assert ran.output == b"/testbed\na\n"
        assert tree((await taken(over)).folder) == {"b.txt": "b\n"}


# -- what is out of sight, and what shines through


async def test_hidden_files_are_out_of_sight_and_cannot_be_destroyed(folder: Path) -> None:
    (folder / ".env").write_text("s3cret")
    (folder / "sub").mkdir(mode=0o750)
    (folder / "sub" / "id_rsa").write_text("s3cret")
    (folder / "sub" / "a.txt").write_text("a\n")
    os.utime(folder / "sub", (1e9, 1e9))
    hidden = frozenset({".env", "sub/id_rsa"})
    clock = Clock()
    clock.now = Now(0, hidden)
    async with overlay(folder, now=clock) as over:
        ran = await sh(over, "cat .env sub/id_rsa; ls -A . sub; stat -c '%a %Y' sub; cat sub/a.txt; echo mine > .env")
        assert b"s3cret" not in ran.output
        assert ran.output.endswith(b".:\nsub\n\nsub:\na.txt\n750 1000000000\na\n")
        upper = await taken(over)
        assert upper.hidden == hidden
        assert tree(upper.folder) == {".env": "mine\n"}
        assert (folder / ".env").read_text() == "s3cret"
        clock.now = Now()
        ran = await sh(over, "cat .env", 2)
        assert ran.output == b"s3cret"


async def test_what_the_host_writes_through_the_mount_is_seen_inside(folder: Path) -> None:
    (folder / "b").write_text("below\n")
    async with overlay(folder) as over:
        assert over.inside_root() is None
        await sh(over, "cat new 2>/dev/null; echo mine > b; sleep 1000 & echo")
        root = over.inside_root()
        assert root is not None
        (root / "new").write_text("made\n")
        hands = Files(root)
        hands.stage("b", b".wukong-tmp-1", 0o100644, b"theirs\n")
        hands.exchange("b", b".wukong-tmp-1")
        hands.close()
        assert (root / ".wukong-tmp-1").read_text() == "mine\n"
        (root / ".wukong-tmp-1").unlink()
        ran = await sh(over, "cat new b", 2)
        assert ran.output == b"made\ntheirs\n"
        assert not (folder / "new").exists()
        await over.close()
        assert over.inside_root() is None


@as_root
async def test_mounts_below_a_workspace_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / "da ta").mkdir()
    (tmp_path / "other").mkdir()
    assert mounts_below(folder) == ()
    await call("mount", "--bind", str(tmp_path / "other"), str(folder / "da ta"))
    try:
        assert mounts_below(folder) == ("da ta",)
        assert mounts_below(tmp_path / "other") == ()
        async with overlay(folder) as over:
            with pytest.raises(SandboxError, match="Nothing was executed"):
                await sh(over, "true")
    finally:
        await call("umount", str(folder / "da ta"))


async def call(*words: str) -> None:
    assert await (await asyncio.create_subprocess_exec(*words)).wait() == 0


# -- and all of it for anybody


@as_root
def test_all_of_this_holds_for_an_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    python = shutil.which("python3", path="/usr/bin")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if shutil.which("setpriv") is None or python is None or not python_is(python, version):
        pytest.skip(f"needs setpriv and a Python {version} that anybody may run")
    home = Path(f"/tmp/wukong-{uuid.uuid4().hex}")
    home.mkdir()
    os.chown(home, 1000, 1000)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {"HOME": str(home), "TMPDIR": str(home), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1",
                   "PYTHONPATH": f"{ROOT}:{packages}"}  # fmt: skip
    try:
        ran = subprocess.run(
            ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", python, "-m", "pytest", "-q", "-x",
             "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={home / 'base'}", str(Path(__file__))],
            env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "100%" in ran.stdout
        assert ran.stdout.count(".") > 40
    finally:
        shutil.rmtree(home)


def python_is(program: str, version: str) -> bool:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    return said.startswith(f"Python {version}")
