"""Programs: thousands of capability calls from inside the sandbox, through one door."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import runtime.execution.wk
from runtime.execution import rpc, sandbox
from runtime.execution.rpc import Call, CallResult, ExecuteMany, RpcServer
from runtime.execution.sandbox import Limits, Ran
from workspace import Act, History, NotFound, WorkspaceError
from workspace.operations.aio import Writer

REASON = sandbox.available()
needs = pytest.mark.skipif(REASON is not None, reason=str(REASON))
CLIENT = Path(runtime.execution.wk.__file__).with_name("wk.py")
SIGNATURES = {"read": ["path", "lines"], "write": ["path", "text"], "delete": ["path"]}


def each(execute: Callable[[str, dict[str, Any]], Awaitable[Any]]) -> ExecuteMany:
    """Carries out the calls of a batch at the same time, started in order."""

    async def one(call: Call) -> CallResult:
        try:
            return CallResult(await execute(call.name, call.arguments))
        except WorkspaceError as error:
            return CallResult(error=str(error))
        except Exception as error:  # noqa: BLE001 - it belongs to who asked
            return CallResult(error=f"{type(error).__name__}: {error}")

    async def many(calls: Sequence[Call]) -> list[CallResult]:
        return await asyncio.gather(*(one(call) for call in calls))

    return many


class Office:
    """Documents in memory, and what was asked of them, in the order in which it was done."""

    def __init__(self) -> None:
        self.documents: dict[str, str] = {}
        self.done: list[tuple[str, dict[str, Any]]] = []

    async def execute(self, name: str, arguments: dict[str, Any]) -> Any:
        self.done.append((name, arguments))
        if name == "help":
            return f"help on {arguments.get('name', 'everything')}"
        if name not in SIGNATURES:
            raise NotFound(f"There is no capability {name!r}.")
        path = arguments["path"]
        if name == "write":
            self.documents[path] = arguments["text"]
            return f"{path}@{len(self.done)}"
        if path not in self.documents:
            raise NotFound(f"There is no document at {path}.")
        if name == "delete":
            del self.documents[path]
            return None
        lines = self.documents[path].splitlines(keepends=True)
        return "".join(lines[: arguments.get("lines", len(lines))])

    def door(self, **options: Any) -> RpcServer:
        return RpcServer(each(self.execute), signatures=SIGNATURES, later=["write", "delete"], **options)

    async def run(self, *argv: str, folder: Path, **options: Any) -> Ran:
        async with self.door() as door:
            ran = await door.run(argv, workspace=folder, **options)
        self.calls, self.failed = door.calls, door.failed
        return ran


@pytest.fixture
def office() -> Office:
    return Office()


# -- from Python


@needs
async def test_calls_are_carried_out_in_the_order_in_which_they_were_made(folder: Path, office: Office) -> None:
    text = """
import wk
for n in range(3000):
    wk.write("count", str(n))
    if n % 500 == 0:
        assert wk.read("count") == str(n)
"""
    ran = await office.run("python3", "-c", text, folder=folder)
    assert (ran.status, ran.output) == (0, b"")
    written = [int(arguments["text"]) for name, arguments in office.done if name == "write"]
    assert written == list(range(3000))
    assert (office.calls, office.failed) == (3006, 0)


@needs
async def test_every_call_of_a_program_is_recorded_and_durable(folder: Path) -> None:
    sizes = []
    async with Writer(folder) as writer:

        async def many(calls: Sequence[Call]) -> list[CallResult]:
            sizes.append(len(calls))

            def act(work: Any) -> list[CallResult]:
                return [
                    CallResult(
                        work.write(c.arguments["path"], c.arguments["text"].encode(), act=Act(name="write")).number
                    )
                    for c in calls
                ]

            return await writer.act(act)

        text = """
import wk
for n in range(1500):
    wk.write("floor.txt", "line\\n" * 20 + str(n))
last = wk.write("floor.txt", "the end\\n")
print(last)
"""
        async with RpcServer(many, signatures=SIGNATURES, later=["write"]) as door:
            ran = await door.run(["python3", "-c", text], workspace=folder)
    assert (ran.status, ran.output) == (0, b"1501\n")
    assert max(sizes) <= rpc.BATCH
    assert len(sizes) < 300  # calls share commits
    with History.open(folder) as past:
        assert past.content(past.version("floor.txt", 700)).endswith(b"\n699")
        assert past.find("floor.txt").number == 1501
    assert (folder / "floor.txt").read_bytes() == b"the end\n"


@needs
async def test_a_failed_call_that_nobody_looked_at_ends_the_program_with_an_error(
    folder: Path, office: Office
) -> None:
    text = """
import wk
wk.write("a", "1")
wk.delete("nothing")
wk.write("b", "2")
"""
    ran = await office.run("python3", "-c", text, folder=folder)
    assert ran.status == 1
    assert ran.output == b"wk: delete nothing (line 4): There is no document at nothing.\n"
    assert office.documents == {"a": "1", "b": "2"}
    assert (office.calls, office.failed) == (3, 1)


@needs
async def test_a_failed_call_surfaces_at_the_next_look(folder: Path, office: Office) -> None:
    text = """
import wk
wk.write("a", "1")
gone = wk.delete("nothing")
try:
    wk.read("a")
except wk.WkError as error:
    print("met", error)
print(wk.read("a"))
for look in (str, bool, gone.wait if False else len):
    try:
        look(gone)
    except wk.WkError:
        print("again")
wk.delete("nothing")
try:
    wk.flush()
except wk.WkError:
    print("flushed")
"""
    ran = await office.run("python3", "-c", text, folder=folder)
    assert ran.output.splitlines() == [
        b"met delete nothing (line 4): There is no document at nothing.", b"1", b"again", b"again", b"again",
        b"flushed",
    ]  # fmt: skip
    assert ran.status == 0


@needs
async def test_a_reply_is_as_good_as_its_value(folder: Path, office: Office) -> None:
    text = """
import wk, pathlib
reply = wk.write("a", "text")
assert reply == "a@1" and str(reply) == "a@1" and len(reply) == 3 and reply[0] == "a" and "@" in reply
assert list(reply) == ["a", "@", "1"] and f"{reply:>5}" == "  a@1" and reply.upper() == "A@1" and bool(reply)
assert hash(reply) == hash("a@1") and repr(reply) == "'a@1'" and reply == reply
wk.call("write", path=pathlib.Path("b"), text=bytes(range(256)))
assert wk.call("read", path="b").encode("utf-8", "surrogateescape") == bytes(range(256))
wk.write("c", reply)
assert wk.read("c", lines=1) == "a@1"
assert "everything" in wk.help() and "read" in wk.help("read")
print("good")
"""
    ran = await office.run("python3", "-c", text, folder=folder)
    assert (ran.status, ran.output) == (0, b"good\n")


@needs
async def test_wrong_calls_say_what_is_wrong(folder: Path, office: Office) -> None:
    text = """
import wk
for attempt in (
    lambda: wk.nothing(path="a"), lambda: wk.nothing("a"), lambda: wk.read("a", 1, 2), lambda: wk.read("a", path="b"),
    lambda: wk.read(),
):
    try:
        attempt()
    except wk.WkError as error:
        print(error)
try:
    wk.write("a", text=object())
except TypeError as error:
    print(error)
"""
    ran = await office.run("python3", "-c", text, folder=folder)
    said = ran.output.decode().splitlines()
    assert len(said) == 6
    assert "no capability 'nothing'" in said[0]
    assert "There is no nothing" in said[1]
    assert said[2:4] == ["read takes path, lines."] * 2
    assert "KeyError" in said[4]
    assert ran.status == 0


@needs
async def test_children_and_threads_have_their_own_way_in(folder: Path, office: Office) -> None:
    text = """
import multiprocessing, threading, wk
def work(n):
    for i in range(50):
        wk.write(f"{n}", str(i))
        assert wk.read(f"{n}") == str(i)
wk.write("before", "x")
with multiprocessing.get_context("fork").Pool(3) as pool:
    pool.map(work, range(3))
threads = [threading.Thread(target=work, args=(n,)) for n in range(3, 6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
wk.write("after", "x")
"""
    ran = await office.run("python3", "-c", text, folder=folder)
    assert (ran.status, ran.output) == (0, b"")
    assert office.documents == {"before": "x", "after": "x"} | {str(n): "49" for n in range(6)}


@needs
async def test_what_was_sent_is_done_even_if_the_program_did_not_wait(folder: Path, office: Office) -> None:
    text = """
import json, os, socket
s = socket.socket(socket.AF_UNIX)
s.connect("/run/wk.sock")
for n in range(2000):
    s.sendall(json.dumps({"id": n, "name": "write", "arguments": {"path": "a", "text": "x" * 50}}).encode() + b"\\n")
    if n == 1000:
        s.setblocking(False)
        try:
            while s.recv(1 << 20): pass
        except BlockingIOError:
            s.setblocking(True)
os.kill(os.getpid(), 9)
"""
    ran = await office.run("python3", "-c", text, folder=folder)
    assert ran.status == 137
    assert len(office.done) == office.calls
    assert office.calls == 2000


@needs
async def test_a_program_that_ran_out_of_time_keeps_what_it_had_sent(folder: Path, office: Office) -> None:
    text = "import time, wk\nwk.write('a', '1')\nwk.write('b', '2')\ntime.sleep(1000)"
    ran = await office.run("python3", "-c", text, folder=folder, limits=Limits(seconds=1))
    assert ran.timed_out
    assert office.documents == {"a": "1", "b": "2"}


@needs
async def test_a_fast_program_waits_for_the_door(folder: Path) -> None:
    held, sizes = asyncio.Event(), []

    async def many(calls: Sequence[Call]) -> list[CallResult]:
        await held.wait()
        sizes.append(len(calls))
        return [CallResult()] * len(calls)

    text = """
import socket, time
s = socket.socket(socket.AF_UNIX)
s.connect("/run/wk.sock")
s.recv(1 << 16)
s.settimeout(1)
sent = 0
line = b'{"id": 1, "name": "write", "arguments": {"text": "' + b"x" * 1000 + b'"}}\\n'
try:
    while sent < 100_000_000:
        sent += s.send(line)
except TimeoutError:
    pass
print(sent, flush=True)
"""
    async with RpcServer(many) as door:
        ran = await door.run(["python3", "-c", text], workspace=folder, on_output=lambda _: held.set())
    sent = int(ran.output)
    assert sent < 4 << 20  # what the door reads ahead and the sockets hold, not all that there was
    assert sum(sizes) == door.calls >= sent // 1100


@needs
async def test_cancelling_stops_the_program_and_what_it_had_still_asked(folder: Path) -> None:
    begun, held = asyncio.Event(), asyncio.Event()
    done = []

    async def many(calls: Sequence[Call]) -> list[CallResult]:
        begun.set()
        await held.wait()
        done.append(len(calls))
        return [CallResult()] * len(calls)

    async def work() -> None:
        async with RpcServer(many, later=["write"]) as door:
            await door.run(["python3", "-c", "import wk\nwhile True: wk.call('write')"], workspace=folder)

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    asyncio.get_running_loop().call_later(0.1, held.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(done) == 1  # the one that had begun


# -- from a shell


@needs
async def test_the_command_reads_writes_and_reports(folder: Path, office: Office) -> None:
    (folder / "content").write_bytes(b"from\xffa file\n")
    script = r"""
wk write a.txt 'one
two'
wk read a.txt; echo "|"
wk read a.txt lines:=1
wk read path=a.txt lines:=1
wk read '{"path": "a.txt", "lines": 1}'
wk write 'odd=name' text=x=y && wk read odd=name; echo
wk write b text@=content && wk read b
printf 'piped' | wk write c text@=- && wk read c; echo
wk read nothing; echo "status $?"
wk read a.txt lines:=no; echo "status $?"
wk nonsense; echo "status $?"
wk read a b c; echo "status $?"
wk > /dev/null; echo "status $?"
wk help read
wk help | head -1
"""
    ran = await office.run("sh", "-c", script, folder=folder)
    lines = ran.output.splitlines()
    assert lines[:9] == [
        b"a.txt@1", b"one", b"two|", b"one", b"one", b"one", b"odd=name@6", b"x=y", b"b@8",
    ]  # fmt: skip
    assert lines[9:13] == [
        b"from\xffa file",
        b"c@10",
        b"piped",
        b"wk: read nothing: There is no document at nothing.",
    ]
    assert [line for line in lines if line.startswith(b"status")] == [
        b"status 1", b"status 2", b"status 1", b"status 1", b"status 2",
    ]  # fmt: skip
    assert lines[-2] == b"help on read"
    assert lines[-1].startswith(b"wk NAME")


@needs
async def test_a_shell_sends_thousands_of_calls_over_one_connection(folder: Path, office: Office) -> None:
    script = r"""
i=0
while [ $i -lt 2000 ]; do
    echo "write file-$i.txt 'text $i'"
    i=$((i + 1))
done | wk -
"""
    ran = await office.run("sh", "-c", script, folder=folder)
    assert (ran.status, ran.output) == (0, b"")
    assert office.documents == {f"file-{n}.txt": f"text {n}" for n in range(2000)}


@needs
async def test_lines_are_answered_in_order_and_errors_name_them(folder: Path, office: Office) -> None:
    script = r"""
wk - <<'END'
write a 'first'
read a

read nothing
{"name": "write", "arguments": {"path": "b", "text": "two\nlines\n"}}
read b lines:=1
read 'unclosed
nonsense
END
echo "status $?"
: | wk -
echo "status $?"
"""
    ran = await office.run("sh", "-c", script + "exit 0", folder=folder)
    lines = ran.output.decode().splitlines()
    assert [line for line in lines if not line.startswith("wk:")] == ["first", "two", "status 1", "status 0"]
    assert sorted(line for line in lines if line.startswith("wk:")) == [
        "wk: line 4: read nothing: There is no document at nothing.",
        "wk: line 7: No closing quotation",
        "wk: line 8: nonsense: There is no capability 'nonsense'.",
    ]


@needs
async def test_answers_come_while_the_shell_still_asks(folder: Path, office: Office) -> None:
    text = """
import subprocess
wk = subprocess.Popen(["wk", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
for n in range(3):
    wk.stdin.write(f"write a {n}\\nread a\\n")
    assert wk.stdout.readline() == f"{n}\\n"
wk.stdin.close()
assert wk.wait() == 0
"""
    ran = await office.run("python3", "-c", text, folder=folder)
    assert (ran.status, ran.output) == (0, b"")


@needs
async def test_outside_a_program_the_client_says_so(folder: Path) -> None:
    text = CLIENT.read_bytes()
    ran = await sandbox.run(["python3", "/opt/x/wk.py", "read", "a"], workspace=folder, files={"/opt/x/wk.py": text})
    assert ran.status == 1
    assert ran.output.startswith(b"wk: There is no office here")


def test_the_client_is_written_for_old_pythons() -> None:
    tree = ast.parse(CLIENT.read_text(), feature_version=(3, 8))
    assert any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)


# -- at the door


async def talk(door: RpcServer, data: bytes, answers: int) -> list[dict[str, Any]]:
    """Send bytes from a client of our own; the first lines that come back, the greeting left out."""
    reader, writer = await asyncio.open_unix_connection(str(door.binds[0][0]), limit=1 << 24)
    await reader.readline()
    writer.write(data)
    lines = [json.loads(await reader.readline()) for _ in range(answers)]
    writer.close()
    return lines


async def test_malformed_lines_are_answered_and_the_rest_goes_on(office: Office, tmp_path: Path) -> None:
    lines = [
        b"not json", b"[]", b"{}", b'{"id": 3}', b'{"id": 4, "name": 5}', b'{"id": 5, "name": "a", "arguments": []}',
        b"\xff\xfe", b"[" * 100_000, b"", b'{"id": 9, "name": "write", "arguments": {"path": "a", "text": "b"}}',
    ]  # fmt: skip
    async with office.door() as door:
        answers = await talk(door, b"\n".join(lines) + b"\n", 9)
    assert [answer["ok"] for answer in answers] == [False] * 8 + [True]
    assert [answer["id"] for answer in answers] == [None, None, None, 3, 4, 5, None, None, 9]
    assert all("This is no call" in answer["error"] for answer in answers[:-1])
    assert office.documents == {"a": "b"}


async def test_a_line_that_is_too_long_is_answered_and_not_kept(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "LINE", 100_000)
    good = b'{"id": 1, "name": "write", "arguments": {"path": "a", "text": "b"}}\n'
    for long in (100_001, 5_000_000):
        async with office.door() as door:
            answers = await talk(door, good + b"x" * long + b"\n" + good, 3)
        assert [answer["ok"] for answer in answers] == [True, False, True]
        assert "longer than" in answers[1]["error"]


async def test_answers_that_cannot_be_sent_and_faults_of_the_host_are_errors_of_their_call() -> None:
    async def execute(name: str, arguments: dict[str, Any]) -> Any:
        if name == "fault":
            raise ZeroDivisionError("ours")
        if name == "refused":
            raise WorkspaceError("No.")
        return object() if name == "odd" else name

    call = b'{"id": "%s", "name": "%s"}\n'
    names = [b"fault", b"refused", b"odd", b"fine"]
    async with RpcServer(each(execute)) as door:
        answers = await talk(door, b"".join(call % (name, name) for name in names), 4)
    assert [answer["id"] for answer in answers] == ["fault", "refused", "odd", "fine"]
    assert answers[0]["error"] == "ZeroDivisionError: ours"
    assert answers[1]["error"] == "No."
    assert "cannot be sent" in answers[2]["error"]
    assert answers[3]["value"] == "fine"
    assert (door.calls, door.failed) == (4, 3)


async def test_a_batch_that_fails_as_a_whole_fails_each_of_its_calls() -> None:
    async def many(calls: Sequence[Call]) -> list[CallResult]:
        raise WorkspaceError("The disk is full.")

    async with RpcServer(many) as door:
        answers = await talk(door, b'{"id": 1, "name": "a"}\nx\n{"id": 2, "name": "a"}\n', 3)
    assert [answer.get("error") for answer in answers][::2] == ["The disk is full."] * 2


async def test_only_so_many_connections_are_served_at_once(office: Office) -> None:
    async with office.door() as door:
        place = str(door.binds[0][0])
        connections = [await asyncio.open_unix_connection(place) for _ in range(rpc.CONNECTIONS)]
        for reader, _ in connections:
            assert "door" in json.loads(await reader.readline())
        reader, writer = await asyncio.open_unix_connection(place)
        refusal = json.loads(await reader.readline())
        assert not refusal["ok"]
        assert "connections" in refusal["error"]
        assert await reader.read() == b""
        for _, other in [*connections, (reader, writer)]:
            other.close()


async def test_the_door_is_for_its_user_alone_and_leaves_nothing(tmp_path: Path, office: Office) -> None:
    long = tmp_path / ("x" * 100) / ("y" * 100)
    long.mkdir(parents=True)
    for folder in (None, long / "door"):
        async with office.door(folder=folder) as door:
            place = door.binds[0][0]
            assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
            assert stat.S_ISSOCK(place.stat().st_mode)
        with socket.socket(socket.AF_UNIX) as client:
            handle = os.open(place.parent, os.O_PATH) if place.parent.exists() else None
            if handle is not None:
                with pytest.raises(OSError, match=r".*"):
                    client.connect(f"/proc/self/fd/{handle}/wk.sock")
                os.close(handle)
    assert not place.exists()
