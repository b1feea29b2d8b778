"""The sandbox, tried for real: what is executed sees one workspace and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import uuid
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.execution import bubblewrap, limits, sandbox
from runtime.execution.mounts import View
from runtime.execution.output import Output
from runtime.execution.sandbox import Limits, Ran, SandboxError
from runtime.execution.scratch import temporary
from workspace import Workspace
from workspace.store import location

REASON = sandbox.available()
needs = pytest.mark.skipif(REASON is not None, reason=str(REASON))
ROOT = Path(__file__).parents[3]


async def sh(command: str, folder: Path, **options: Any) -> Ran:
    return await sandbox.run(["/bin/sh", "-c", command], workspace=folder, **options)


async def py(program: str, folder: Path, **options: Any) -> Ran:
    return await sandbox.run(["python3", "-c", program], workspace=folder, **options)


def alive(mark: str) -> list[int]:
    """The processes of this machine that have ``mark`` on their command line."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                line = Path(f"/proc/{name}/cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line:
                found.append(int(name))
    return found


@pytest.fixture
def mark() -> str:
    """A number of seconds that nobody else sleeps."""
    return f"{uuid.uuid4().int % 10**9 + 10**6}"


# -- how it ends


@needs
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
    ],
)
async def test_statuses_are_those_of_a_shell(folder: Path, command: str, status: int) -> None:
    (folder / "plain").write_text("no program")
    ran = await sh(command, folder)
    assert (ran.status, ran.killed, ran.timed_out) == (status, None, False)


@needs
async def test_a_program_that_does_not_exist_ends_with_127(folder: Path) -> None:
    ran = await sandbox.run(["no-such-program"], workspace=folder)
    assert ran.status == 127
    assert b"no-such-program" in ran.output


@needs
async def test_arguments_and_output_keep_every_byte(folder: Path) -> None:
    odd = bytes(range(1, 256))
    ran = await sandbox.run(["printf", "%s|", os.fsdecode(odd), "", "-n", "a\nb", "$(id)"], workspace=folder)
    assert ran.output == odd + b"||-n|a\nb|$(id)|"
    ran = await sh(r"printf '\377\000\201'", folder)
    assert ran.output == b"\xff\x00\x81"


@needs
async def test_the_environment_keeps_every_byte_and_is_otherwise_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROVIDER_KEY", "s3cret")
    value = os.fsdecode(bytes(range(1, 256)))
    ran = await py(
        "import os,sys; os.write(1, os.environb[b'ODD']); print(os.environ['N'], sorted(os.environ))",
        folder, environment={"ODD": value, "N": "%0"},
    )  # fmt: skip
    assert b"%0 [" in ran.output
    assert ran.output.startswith(bytes(range(1, 256)))
    assert b"PROVIDER_KEY" not in ran.output
    assert b"'HOME'" in ran.output
    assert b"'PATH'" in ran.output


@needs
async def test_a_background_child_that_holds_the_output_is_ended(folder: Path, mark: str) -> None:
    ran = await sh(f"(trap '' HUP TERM; exec sleep {mark}) & setsid sleep {mark} & echo done", folder)
    assert (ran.status, ran.output) == (0, b"done\n")
    assert not alive(mark)


@needs
async def test_cancelling_ends_everything_inside(folder: Path, mark: str) -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(
        sh(f"setsid sleep {mark} & echo ready; sleep {mark}", folder, on_output=lambda _: begun.set())
    )
    await begun.wait()
    assert alive(mark)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(mark)


@needs
async def test_cancelling_at_any_moment_of_the_start_leaves_nothing(folder: Path, mark: str) -> None:
    for turns in range(0, 40, 3):
        task = asyncio.create_task(sh(f"sleep {mark}", folder))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not alive(mark)


@needs
async def test_a_listener_that_fails_ends_the_command(folder: Path, mark: str) -> None:
    def hear(data: bytes) -> None:
        raise RuntimeError("the listener broke")

    with pytest.raises(RuntimeError, match="the listener broke"):
        await sh(f"echo ready; sleep {mark}", folder, on_output=hear)
    assert not alive(mark)


@needs
def test_what_is_executed_dies_with_a_killed_host(folder: Path, mark: str) -> None:
    host = f"""
import asyncio, sys
from pathlib import Path
from runtime.execution import sandbox
asyncio.run(sandbox.run(
    ["sh", "-c", "setsid sleep {mark} & sleep {mark} & echo ready; wait"], workspace=Path(sys.argv[1]),
    on_output=lambda data: print(data.decode(), flush=True),
))
"""
    process = subprocess.Popen([sys.executable, "-c", host, str(folder)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    handles = [os.pidfd_open(pid) for pid in alive(mark) if pid != process.pid]
    assert len(handles) >= 2
    process.kill()
    process.wait()
    process.stdout.close()
    left = set(handles)
    while left:
        ready, _, _ = select.select(left, [], [], 20)
        assert ready, "a process outlived its host"
        left -= set(ready)
    for handle in handles:
        os.close(handle)


async def _killed_after(turns: int, folder: Path, mark: str) -> None:
    host = f"""
import asyncio, os, signal, sys
from pathlib import Path
from runtime.execution import sandbox
async def main():
    sandbox.available()
    task = asyncio.create_task(sandbox.run(
        ["sh", "-c", "setsid sleep {mark} & sleep {mark}"], workspace=Path(sys.argv[1])))
    for _ in range({turns}):
        await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", host, str(folder), cwd=ROOT)
    assert await process.wait() == -signal.SIGKILL
    for _ in range(100):
        pids = alive(mark)
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                ready, _, _ = select.select([handle], [], [], 20)
                os.close(handle)
                assert ready, f"a process outlived its host, killed after {turns} turns"
    pytest.fail("processes come after their host's end")


@needs
async def test_a_host_killed_while_it_starts_leaves_nothing(folder: Path, mark: str) -> None:
    for turns in (1, 4, 9, 15, 400):
        await _killed_after(turns, folder, mark)


@needs
@pytest.mark.long
async def test_a_host_killed_at_any_moment_leaves_nothing(folder: Path, mark: str) -> None:
    for turns in [*range(60), *range(60, 20_000, 200)]:
        await _killed_after(turns, folder, mark)


@needs
async def test_no_descriptor_goes_in_or_is_left_over(folder: Path) -> None:
    leak = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leak, True)
    await sh("true", folder)
    before = sorted(os.listdir("/proc/self/fd"))
    ran = await py("import os; print(sorted(os.listdir('/proc/self/fd')))", folder)
    assert ran.output == b"['0', '1', '2', '3']\n"  # the fourth is the folder being listed
    assert sorted(os.listdir("/proc/self/fd")) == before
    os.close(leak)


@needs
async def test_many_run_at_once(folder: Path) -> None:
    runs = await asyncio.gather(*(sh(f"echo {n}; exit {n}", folder) for n in range(12)))
    assert [ran.status for ran in runs] == list(range(12))
    assert [ran.output for ran in runs] == [b"%d\n" % n for n in range(12)]


# -- limits


@needs
async def test_time_runs_out(folder: Path, mark: str) -> None:
    ran = await sh(f"echo begun; setsid sleep {mark} & sleep {mark}", folder, limits=Limits(seconds=0.3))
    assert ran.timed_out
    assert ran.status is None
    assert ran.killed is not None
    assert ran.output == b"begun\n"
    assert not alive(mark)


@needs
async def test_one_process_cannot_take_more_memory_than_there_is_for_it(folder: Path) -> None:
    ran = await py("x = bytearray(400 << 20)", folder, limits=Limits(memory=200 << 20))
    assert ran.status == 1
    assert b"MemoryError" in ran.output


@needs
@pytest.mark.parametrize("shared", [False, True], ids=["their own", "shared"])
async def test_all_processes_together_stay_within_the_memory(folder: Path, shared: bool, mark: str) -> None:
    take = (
        "m = mmap.mmap(-1, 150 << 20)\nfor i in range(0, 150 << 20, 4096): m[i] = 1"
        if shared
        else "m = b'x' * (150 << 20)"
    )
    program = f"""
import mmap, os, time
for _ in range(4):
    if os.fork() == 0:
        {take.replace(chr(10), chr(10) + "        ")}
        time.sleep({mark})
time.sleep({mark})
"""
    ran = await py(program, folder, limits=Limits(seconds=60, memory=400 << 20))
    assert ran.status is None
    assert "memory" in (ran.killed or "")
    assert not alive(mark)


@needs
async def test_memory_that_many_processes_share_counts_once(folder: Path) -> None:
    program = """
import os, select
data = bytearray(os.urandom(1) * (150 << 20))
ends = []
for _ in range(8):
    read, write = os.pipe()
    if os.fork() == 0:
        select.select([], [], [], 0.5)
        os._exit(sum(data[:10]) < 0)
for _ in range(8):
    assert os.wait()[1] == 0
print("done")
"""
    ran = await py(program, folder, limits=Limits(seconds=60, memory=400 << 20))
    assert (ran.status, ran.output) == (0, b"done\n")


@needs
async def test_a_fork_bomb_ends(folder: Path) -> None:
    ran = await sh("bomb() { bomb | bomb & }; bomb; sleep 1000", folder, limits=Limits(seconds=60, processes=64))
    assert ran.status is None
    assert "processes" in (ran.killed or "")
    assert (await sh("echo well", folder)).output == b"well\n"


@needs
async def test_folders_in_memory_are_bounded(folder: Path) -> None:
    if not sandbox.sized():
        pytest.skip("this bubblewrap cannot bound them")
    for place in ("/tmp", "/dev/shm"):
        ran = await sh(f"head -c 80000000 /dev/zero > {place}/big", folder, limits=Limits(memory=64 << 20))
        assert ran.status != 0
        assert b"No space left" in ran.output


@needs
async def test_a_flood_of_output_is_bounded_and_holds_nobody_up(folder: Path, tmp_path: Path) -> None:
    order = []

    async def flood() -> Ran:
        ran = await sandbox.run(
            ["yes", "0123456789"], workspace=folder, limits=Limits(seconds=3, output=10_000), aside=tmp_path / "aside"
        )
        order.append("flood")
        return ran

    async def other() -> None:
        await sh("true", folder)
        order.append("other")

    ran, _ = await asyncio.gather(flood(), other())
    assert order == ["other", "flood"]
    assert ran.timed_out
    assert len(ran.output) < 10_100
    assert ran.output.startswith(b"0123456789\n")
    assert "bytes left out" in ran.output.decode()
    assert ran.kept is not None
    assert 10_000 < ran.kept.stat().st_size < (64 << 20) + 100
    assert ran.dropped > ran.kept.stat().st_size - 10_000 - 100


@needs
async def test_long_output_keeps_its_head_and_tail_and_lies_aside_whole(folder: Path, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    ran = await sandbox.run(["seq", "200000"], workspace=folder, limits=Limits(output=1000), aside=aside)
    whole = b"".join(b"%d\n" % n for n in range(1, 200_001))
    head, _, rest = ran.output.partition("[… ".encode())
    said, _, tail = rest.partition(" bytes left out …]\n".encode())
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert len(head) + len(tail) + ran.dropped == len(whole)
    assert int(said.replace(b",", b"")) == ran.dropped
    assert (ran.kept, aside.read_bytes()) == (aside, whole)
    ran = await sandbox.run(["seq", "100"], workspace=folder, limits=Limits(output=1000), aside=tmp_path / "short")
    assert (ran.kept, ran.dropped) == (None, 0)
    assert not (tmp_path / "short").exists()


@pytest.mark.parametrize("limit", [0, 1, 2, 9, 10, 11, 1000])
@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 5000])
async def test_output_adds_up_whatever_its_parts(limit: int, size: int) -> None:
    data = bytes(n % 251 for n in range(size))
    for step in (1, 7, 4096):
        output = Output(limit)
        for at in range(0, size, step):
            await output.add(data[at : at + step])
        await output.close()
        text, dropped = output.result()
        if size <= limit:
            assert (text, dropped) == (data, 0)
        else:
            head, _, rest = text.partition("[… ".encode())
            tail = rest.partition("…]\n".encode())[2]
            assert data.startswith((head, head.removesuffix(b"\n")))
            assert data.endswith(tail)
            assert size - limit <= dropped <= size


# -- what it sees


@needs
async def test_the_network_is_out_of_reach(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as hidden:
        server.setblocking(False)
        name = f"\0wukong-{uuid.uuid4().hex}"
        hidden.bind(name)
        hidden.listen()
        program = f"""
import socket
def attempt(what, *args):
    try:
        what(*args)
    except OSError:
        return
    print("reached", args)
attempt(socket.create_connection, ("127.0.0.1", {server.getsockname()[1]}), 5)
attempt(socket.create_connection, ("192.0.2.1", 80), 5)
attempt(socket.create_connection, ("1.1.1.1", 53), 5)
attempt(socket.getaddrinfo, "example.org", 80)
attempt(socket.socket(socket.AF_UNIX).connect, {name!r})
attempt(socket.socket, 40)  # to the machine that this one runs in
own = socket.create_server(("127.0.0.1", 0))
socket.create_connection(own.getsockname(), 5)
print("own loopback works")
"""
        ran = await py(program, folder)
        assert ran.output == b"own loopback works\n"
        with pytest.raises(BlockingIOError):
            server.accept()


@needs
async def test_no_process_shows_the_hosts_environment_or_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_KEY", "s3cret-value")
    ran = await sh("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'; env; ls /proc", folder)
    assert b"s3cret" not in ran.output
    assert os.fsencode(folder) not in ran.output
    pids = [int(name) for name in ran.output.split() if name.isdigit()]
    assert os.getpid() not in pids
    assert max(pids) < 20  # nobody else's


@needs
async def test_variables_of_the_command_do_not_reach_bubblewrap(folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.mkdir()
    await sh("true", folder, environment={"LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": str(trace / "ld")})
    assert list(trace.iterdir()) == []  # the dynamic linker of the sandbox's own programs cannot write there


@needs
async def test_home_and_history_are_invisible(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    work = home / "projects" / "one"
    work.mkdir(parents=True)
    (home / ".netrc").write_text("s3cret")
    monkeypatch.setenv("HOME", str(home))
    with Workspace.open(work) as workspace:
        workspace.write("a.txt", b"a\n")
        store = workspace.folder
        assert (work / ".wukong").is_symlink()
        ran = await sh(
            f"cat a.txt; ls {home} {store} {store.parent}; cat {home}/.netrc .wukong/workspace.db; ls -d {home}", work
        )
        assert b"s3cret" not in ran.output
        assert b"workspace.db\n" not in ran.output
        assert ran.output.startswith(b"a\n")
        assert ran.status != 0
        assert b"SQLite" not in ran.output


@needs
async def test_a_link_to_the_history_that_was_bent_is_mended(folder: Path) -> None:
    with Workspace.open(folder) as workspace:
        await sh("rm .wukong; mkdir mine; touch mine/workspace.db; ln -s mine .wukong", folder)
        assert os.readlink(folder / ".wukong") == str(workspace.folder)
        await sh("rm .wukong", folder)
        assert os.readlink(folder / ".wukong") == str(workspace.folder)
        (folder / ".wukong").unlink()
        (folder / ".wukong").symlink_to("mine")  # as a command of a host that was killed would leave it
        assert location.store_of(folder) == workspace.folder


@needs
async def test_commands_side_by_side_mend_to_what_was_there_before_all_of_them(folder: Path) -> None:
    bent, go = asyncio.Event(), folder / "go"
    with Workspace.open(folder) as workspace:
        first = asyncio.create_task(
            sh(
                "ln -sfn /elsewhere .wukong; echo bent; until test -e go; do :; done",
                folder,
                on_output=lambda _: bent.set(),
            )
        )
        await bent.wait()
        await sh("true", folder)
        go.touch()
        await first
        assert os.readlink(folder / ".wukong") == str(workspace.folder)


@needs
async def test_a_link_that_a_command_makes_where_there_was_none_is_removed(folder: Path) -> None:
    await sh("mkdir mine; touch mine/workspace.db; ln -s mine .wukong", folder)
    assert not (folder / ".wukong").is_symlink()


@needs
async def test_nothing_but_the_workspace_can_be_written(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("theirs")
    ran = await sh(
        f"""
        for place in / /usr /usr/bin /etc /dev /run /opt /var /proc/sys/kernel; do
            touch $place/x 2>/dev/null && echo $place
        done
        for setting in kernel/core_pattern kernel/hostname vm/swappiness; do
            value=$(cat /proc/sys/$setting); (echo "$value" > /proc/sys/$setting) 2>/dev/null && echo $setting
        done
        (echo x > {other}) 2>/dev/null && echo {other}
        touch in-workspace /tmp/in-scratch && echo fine
        """,
        folder,
    )
    assert ran.output == b"fine\n"
    assert other.read_text() == "theirs"
    assert (folder / "in-workspace").stat().st_uid == os.getuid()


@needs
async def test_what_a_repository_would_execute_outside_cannot_be_changed(folder: Path) -> None:
    if not Path("/usr/bin/git").exists():
        pytest.skip("git is not installed")
    subprocess.run(["git", "init", "-q", folder], check=True)
    before = (folder / ".git/config").read_bytes()
    ran = await sh(
        """
        echo evil > .git/hooks/post-checkout && echo hook
        git config core.fsmonitor evil && echo setting
        mv .git aside && echo moved
        mv .git/hooks .git/aside && echo moved
        rm -rf .git/hooks .git/config && echo removed
        echo text > a.txt && git add a.txt && git -c user.name=a -c user.email=b commit -q -m first && echo committed
        """,
        folder,
    )
    said = [
        line for line in ran.output.splitlines() if line in (b"hook", b"setting", b"moved", b"removed", b"committed")
    ]
    assert said == [b"committed"]
    assert (folder / ".git/config").read_bytes() == before
    assert not (folder / ".git/hooks/post-checkout").exists()


@needs
async def test_a_repository_that_is_a_link_shows_nothing_of_where_it_leads(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "config").write_text("s3cret")
    for target in ("../etc", str(tmp_path / "etc")):
        (folder / ".git").symlink_to(target)
        ran = await sh("cat .git/config /etc/config", folder)
        assert b"s3cret" not in ran.output
        (folder / ".git").unlink()


@needs
async def test_links_lead_nowhere_outside(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("s3cret")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "far").symlink_to("../" * 40 + str(tmp_path / "outside"))
    ran = await sh("cat link/file far/file; ls /workspace/../.. ; echo x > link/file", folder)
    assert b"s3cret" not in ran.output
    assert (tmp_path / "outside" / "file").read_text() == "s3cret"
    with pytest.raises(SandboxError, match="Nothing was executed"):
        await sh("touch here", folder, directory="link")


@needs
async def test_the_workspace_stands_where_it_is_asked_to(folder: Path, tmp_path: Path) -> None:
    (folder / "sub").mkdir()
    (tmp_path / "alias").symlink_to(folder)
    ran = await sh("pwd; touch made; ls", folder, inside="/testbed")
    assert ran.output == b"/testbed\nmade\nsub\n"
    ran = await sh("pwd", tmp_path / "alias", inside="/testbed", directory="sub")
    assert ran.output == b"/testbed/sub\n"
    ran = await sh("pwd; ls", folder, inside=str(folder))
    assert ran.output == os.fsencode(folder) + b"\nmade\nsub\n"


@needs
async def test_there_is_no_terminal_and_no_input(folder: Path) -> None:
    ran = await sh("tty; cat; for n in 0 1 2; do test -t $n && echo terminal $n; done; echo x > /dev/tty", folder)
    lines = ran.output.splitlines()
    assert lines[0] == b"not a tty"
    assert not any(line.startswith(b"terminal") for line in lines)
    assert ran.status != 0


@needs
async def test_rights_cannot_be_won_back(folder: Path) -> None:
    program = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x10000000) != 0, "a user namespace of its own"
assert libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) != 0, "a mount"
assert libc.ptrace(16, 1, 0, 0) != 0, "hold of the first process"
assert not os.path.exists("/proc/1/mem")
for line in open("/proc/self/status"):
    if line.startswith(("CapPrm", "CapEff", "CapBnd", "CapAmb")):
        assert int(line.split()[1], 16) == 0, line
    if line.startswith(("NoNewPrivs", "Seccomp:")):
        assert line.split()[1] != "0", line
print("none")
"""
    ran = await py(program, folder)
    assert ran.output == b"none\n"


@needs
async def test_tmp_is_the_scratch_folder_and_what_is_shown_besides_is_read_only(folder: Path, tmp_path: Path) -> None:
    scratch, shown = tmp_path / "scratch", tmp_path / "shown"
    scratch.mkdir()
    shown.write_text("look")
    ran = await sh(
        "cat /run/shown; echo more >> /run/shown; echo kept > /tmp/kept; tool",
        folder, scratch=scratch, binds=[(shown, "/run/shown")], files={"/opt/tools/tool": b"#!/bin/sh\necho tool\n"},
    )  # fmt: skip
    assert ran.output.startswith(b"look")
    assert ran.output.endswith(b"tool\n")
    assert shown.read_text() == "look"
    assert (scratch / "kept").read_text() == "kept\n"


@needs
async def test_whatever_a_command_leaves_in_its_scratch_folder_is_removed(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    async with temporary() as place:
        ran = await sh(
            f"""
            cd /tmp && ln -s {kept} link && mkfifo pipe && mkdir many odd && touch odd/file && chmod 000 odd
            seq -f many/%g 500 | xargs touch
            python3 -c "
import os
for n in range(3000):
    os.mkdir('d')
    os.chdir('d')
"
            """,
            folder, scratch=place,
        )  # fmt: skip
        assert (ran.status, ran.output) == (0, b"")
    assert not place.exists()
    assert (kept / "file").exists()


# -- what it needs to be of use


@needs
async def test_a_virtual_environment_on_the_path_works_and_shows_no_home(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    venv.create(home / "env", symlinks=True)
    (home / "private").write_text("s3cret")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{home / 'env' / 'bin'}:/usr/bin:/bin")
    ran = await py("import sys, ssl, json; print(sys.prefix, sys.version_info[:2])", folder)
    assert ran.output.decode().strip() == f"{home / 'env'} {sys.version_info[:2]}"
    ran = await sh(f"ls -A {home}; touch {home}/env/x", folder)
    assert ran.output.startswith(b"env\n")
    assert not (home / "env" / "x").exists()


@pytest.fixture
def toolchains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.mark.parametrize("place", ["", ".local", "python"])
def test_a_python_that_would_reveal_private_folders_is_not_shown(
    toolchains: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    prefix = toolchains / place
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib" / "python3.11").mkdir(parents=True)
    (prefix / "lib" / "python3.11" / "os.py").touch()
    shutil.copy("/bin/true", prefix / "bin" / "python3")
    monkeypatch.setenv("PATH", f"{prefix / 'bin'}:/usr/bin:/bin")
    shown = str(prefix / "bin") in View(folder).search_path()
    assert shown == (place == "python")


def test_a_python_that_a_command_forged_leads_to_no_private_folder(
    toolchains: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (toolchains / "secrets" / "bin").mkdir(parents=True)
    forged = folder / ".venv"
    (forged / "bin").mkdir(parents=True)
    shutil.copy("/bin/true", forged / "bin" / "python3")
    (forged / "pyvenv.cfg").write_text(f"home = {toolchains / 'secrets' / 'bin'}\n")
    monkeypatch.setenv("PATH", f"{forged / 'bin'}:/usr/bin:/bin")
    options, _ = View(folder).options()
    assert not any(b"secrets" in option for option in options)


@needs
@pytest.mark.parametrize(
    "command",
    [
        "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first && git log --oneline",
        "python3 -m venv --without-pip env && env/bin/python -c 'import sqlite3, ssl, multiprocessing'",
        "python3 -c 'import multiprocessing as m; print(m.Pool(2).map(abs, [1, -2]))'",
        "python3 -m pip --version",
        "node -e 'console.log(1 + 1)'",
        "perl -e 'print 1'",
        "id; whoami; getent hosts localhost; date; ls /proc/self/fd; df /tmp; ps",
    ],
    ids=lambda command: command.partition(" ")[0],
)
async def test_everyday_tools_work(folder: Path, command: str) -> None:
    tool = command.partition(" ")[0].rstrip(";")
    if shutil.which(tool, path=os.pathsep.join(View(folder).search_path())) is None:
        pytest.skip(f"{tool} is not installed")
    if "pip" in command and (await sh("python3 -c 'import pip'", folder)).status:
        pytest.skip("this Python has no pip")
    ran = await sh(command, folder)
    assert ran.status == 0, ran.output.decode("utf-8", "replace")


# -- refusals


async def refused(folder: Path, **options: Any) -> str:
    with pytest.raises(SandboxError) as caught:
        await sh("touch executed", folder, **options)
    assert not (folder / "executed").exists()
    return str(caught.value)


@needs
async def test_what_cannot_be_shown_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not a folder" in await refused(tmp_path / "none")
    for place in ("/", "/usr", "/usr/local/x", "/etc/x", "/proc", "relative", "/a/../b", "/tmp", "/x\0y"):
        await refused(folder, inside=place)
    for place in ("/etc", "../other", "a/../../b"):
        await refused(folder, directory=place)
    await refused(folder, directory="missing")
    await refused(folder, environment={"A=B": "c"})
    await refused(folder, environment={"A": "c\0"})
    for words in ([], ["a\0b"], ["-c"]):
        with pytest.raises(SandboxError):
            await sandbox.run(words, workspace=folder)
    with pytest.raises(SandboxError, match="file"):
        await sandbox.run(["echo", "x" * (1 << 18)], workspace=folder)
    monkeypatch.setenv("HOME", str(folder / "sub"))
    (folder / "sub").mkdir()
    assert "home" in await refused(folder)
    assert "home" in await refused(folder / "sub")


@needs
async def test_a_history_inside_the_workspace_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--store" in await refused(folder, hidden=[folder / "history"])
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    assert "--store" in await refused(folder)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which bubblewrap is looked for instead."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setattr(limits, "PROGRAMS", str(place))
    monkeypatch.setattr(bubblewrap, "WHEEL", "no_such_package")
    sandbox.available.cache_clear()
    yield place
    sandbox.available.cache_clear()


async def test_without_bubblewrap_nothing_is_executed(folder: Path, elsewhere: Path) -> None:
    assert "install" in await refused(folder)


async def test_where_namespaces_are_forbidden_nothing_is_executed(folder: Path, elsewhere: Path) -> None:
    (elsewhere / "bwrap").write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace, likely because' >&2\nexit 1\n"
    )
    (elsewhere / "bwrap").chmod(0o755)
    said = await refused(folder)
    assert "No permissions" in said
    assert "user namespaces" in said
