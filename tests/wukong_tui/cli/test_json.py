"""docs/json.md is the contract of ``--json``: what it says is what every command writes, and the other way round."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from runtime import protocol
from runtime.host import connect
from runtime.host.client import Client
from tests.workspace.upper import begin
from tests.wukong_tui.cli.conftest import Call
from tests.wukong_tui.cli.program import refusal
from workspace import Act, Usage, Workspace
from workspace.entries import LessonText
from workspace.kinds import Kind
from workspace.working_copy.changeset import Upper
from workspace.working_copy.checkout import WATCHED
from workspace.working_copy.waiting import save
from wukong_tui.cli import cli

PAGE = Path(__file__).parents[3] / "docs" / "json.md"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
CHANGES = {"create", "edit", "rename", "delete", "mode"}
SEEN_EMPTY = {("imported", "kept"), ("status", "unplaced"), ("host", "sessions")}
"""Lists for which the samples below have no item."""
EXEMPT = {
    ("finding", "ok"): {"null"},
    ("host", "why"): {"string"},
    ("model", "usd_per_million"): {"list of number", "an item"},
}
"""What depends on the machine."""
CASSETTE = """
[[turn]]
text = "I will write it."
[[turn.call]]
name = "write"
[turn.call.arguments]
path = "greeting.txt"
text = "Hello"
[[turn]]
text = "Done."
usage = { input = 100, output = 20, cached = 50, reasoning = 5 }
"""


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row after its head."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        for line in block.splitlines()[2:]:
            yield [cell.strip() for cell in line.strip("|").split("|")]


def page() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """What the page says: the record that each command writes, and each record's keys with their types."""
    text = PAGE.read_text()
    head, _, tail = text.partition("\n## Records\n")
    table = head.partition("\n## Commands\n")[2].partition("\n## ")[0]
    commands = {command.strip("`"): record.strip("`") for command, _, record in rows(table)}
    records = {}
    for section in tail.split("\n### ")[1:]:
        name, _, body = section.partition("\n")
        records[name.strip()] = {key.strip("`"): kind for key, kind, _ in rows(body)}
    return commands, records


COMMANDS, RECORDS = page()
Seen = dict[tuple[str, str], set[str]]


def check(record: str, value: Any, seen: Seen) -> None:
    """Fail where a value is not what the page says of this record; note which types were seen."""
    assert isinstance(value, dict), (record, value)
    assert set(value) == set(RECORDS[record]), f"{record}: {list(value)} is not what {PAGE.name} lists"
    for key, kinds in RECORDS[record].items():
        for kind in kinds.split(" or "):
            if matches(kind, value[key], seen):
                seen[record, key].add(kind)
                break
        else:
            pytest.fail(f"{record}.{key} is {value[key]!r}, which is no {kinds}")
        if isinstance(value[key], list) and value[key]:
            seen[record, key].add("an item")


def matches(kind: str, value: Any, seen: Seen) -> bool:
    if kind.startswith("list of "):
        return isinstance(value, list) and all(matches(kind[8:], item, seen) for item in value)
    if kind == "row":
        sign, old, new, text = value
        return sign in (" ", "-", "+", "@") and all(n is None or n >= 1 for n in (old, new)) and isinstance(text, str)
    if kind in RECORDS:
        if isinstance(value, dict):
            check(kind, value, seen)
        return isinstance(value, dict)
    simple = {"integer": int, "number": float, "string": str, "path": str, "boolean": bool, "null": type(None)}
    if kind in simple:
        return type(value) is simple[kind]
    if kind == "time":
        return isinstance(value, str) and TIME.fullmatch(value) is not None
    assert kind == "change", f"{PAGE.name} knows no type {kind}"
    return value in CHANGES


@pytest.fixture
def rich(folder: Path, tmp_path: Path) -> Path:
    """A folder in whose history every kind of value occurs."""
    (folder / ".gitignore").write_text("ignored\n")
    (folder / "ignored").mkdir()
    (folder / "ignored" / "x").touch()
    (folder / ".env").touch()
    with Workspace.open(folder) as work:
        work.scan()
        first = work.write("text", b"one\n", act=Act(name="n", actor="a", session="s"))
        work.write("text", b"one\ntwo", act=Act(name="n", actor="a", session="s", parent=first.operation))
        work.write("binary", b"\0\1")
        work.write("binary", b"\0\2", act=Act(kind="edit", step=1, attempt=2))
        work.write("gone", b"x\n")
        work.delete("gone", act=Act(kind="delete"))
        call = work.begin(Act(kind="model", model="some/model"))
        work.end(call, usage=Usage(10, 20, 5, 7, 3, 1_500_000))
        work.move("text", "moved")
        work.set_mode("moved", 0o755)
    repository = tmp_path / "repository"
    git = ["git", "-C", str(repository), "-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    (repository / "from git").write_text("x\n")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},submodule"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "subject"], check=True)
    return folder


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name, as sockets need."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def test_every_command_writes_what_the_page_says(
    wukong: Call, rich: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    monkeypatch.setenv("WUKONG_MODEL", f"cassette:{tmp_path}/cassette")
    seen: Seen = defaultdict(set)
    tried: set[str] = set()

    def sample(command: str, arguments: str = "", status: int = 0) -> list[dict[str, Any]]:
        done = wukong(*shlex.split(command.removeprefix("wukong ").partition(" PATH")[0].replace("op:N", "")),
                      *shlex.split(arguments), "--json")  # fmt: skip
        assert done.status == status, (command, arguments, done)
        assert done.out.isascii()
        tried.add(command)
        records = [json.loads(line) for line in done.text.splitlines()]
        for record in records:
            kind = f"event {record['event']}" if command == "wukong run" else COMMANDS[command]
            check(kind, record, seen)
        return records

    with Workspace.open(rich) as work:
        work.begin(Act(kind="run", name="make"))
        assert sample("wukong log")[-1]["ended"] is None
    assert [record["operation"] for record in sample("wukong log", "-n 3")] == [10, 11, 12]
    for name in ("moved", "binary", "gone"):
        sample("wukong log PATH", name)
    assert len(sample("wukong log PATH", "-n 1 moved")) == 1
    for name in ("moved@1", "binary", "gone@1", ".gitignore"):
        sample("wukong show PATH", name)
    sample("wukong show op:N", "op:8")
    for name in ("moved", "gone@1"):
        sample("wukong blame PATH", name)
    sample("wukong diff")
    sample("wukong diff", "op:1^")
    sample("wukong diff", "op:2 op:5")
    sample("wukong diff", "gone@1")
    (rich / "new").touch()
    (rich / "binary").write_bytes(b"\0\3")
    sample("wukong diff")
    sample("wukong status")
    sample("wukong scan")
    sample("wukong scan")
    with Workspace.open(rich) as work:
        (rich / "watched").write_text("1\n")
        (rich / "watched binary").write_bytes(b"\0\1")
        work.catch_up(act=WATCHED)
    sample("wukong scan")
    with Workspace.open(rich) as work:
        held = work.begin(Act(kind=Kind.CAPABILITY, name="rm -r images", session="s1"))
        work.end(held)
        upper = Upper(work.folder / "overlays" / "sets" / str(held), 1, held, held, "s1")
        upper.folder.mkdir(parents=True)
        (upper.folder / "new.log").touch()
        save(upper, [("images", 5 << 30)])
        command = begin(work)
        command.write(".env", b"by a command")
        command.lay_in()
    assert sample("wukong show op:N", f"op:{command.upper.operation}")[0]["outside"][0]["held"]
    (back,) = sample("wukong undo --dry-run", f"--op op:{command.upper.operation}")
    assert back["outside"] == [{"path": ".env", "change": "edit", "reason": "secret"}]
    (rich / ".env").write_text("by a person, later")
    (back,) = sample("wukong undo --dry-run", f"--op op:{command.upper.operation}")
    assert [row["path"] for row in back["stuck"]] == [".env"]
    sample("wukong status")
    assert sample("wukong pending")[0]["destroys"] == [{"path": "images", "bytes": 5 << 30}]
    assert sample("wukong pending", f"--drop op:{held}") == []
    sample("wukong undo --dry-run")
    sample("wukong undo")
    sample("wukong redo --dry-run")
    sample("wukong redo")
    sample("wukong restore --dry-run", "op:1")
    sample("wukong restore --dry-run", "moved@1")
    sample("wukong restore", "op:3")
    sample("wukong restore", "op:3")
    sample("wukong revert --dry-run", "op:4")
    sample("wukong revert", "op:4")
    sample("wukong revert", "op:4")
    sample("wukong checkout", f"op:3 {tmp_path}/laid-out --branch then")
    with Workspace.open(rich) as work, work.on("then") as then:
        then.write("then", b"x\n")
    assert len(sample("wukong branch")) == 2
    sample("wukong branch", "side op:3")
    sample("wukong merge --dry-run", "then")
    sample("wukong merge", "then")
    sample("wukong merge", "then")
    sample("wukong verify")
    sample("wukong import git", str(tmp_path / "repository"))
    sample("wukong doctor")
    (tmp_path / "cassette").write_text(CASSETTE)
    (tmp_path / "broken").write_text(CASSETTE.replace("usage =", 'expect = "never"\nusage ='))
    cassette = f"--model cassette:{tmp_path}/cassette"
    events = sample("wukong run", f"--yes {cassette} 'say hello'")
    assert (events[0]["event"], events[-1]["event"]) == ("begun", "end")
    sample("wukong run", f"--read-only --model cassette:{tmp_path}/broken hello", status=1)
    asyncio.run(open_another(rich, f"cassette:{tmp_path}/cassette", fork=events[0]["operation"]))
    assert sample("wukong host status")[0]["running"]
    sample("wukong status")
    connect.call(rich, protocol.Stop(), start=False)
    assert not sample("wukong host status")[0]["running"]
    sample("wukong sessions")
    with Workspace.open(rich) as work:
        call = work.begin(Act(kind="model", model="m", step=1, attempt=1, session="s1"))
        work.end(call, usage=Usage(1, 2, 3, 4, None, 5))
        work.end(work.begin(Act(kind="model", model="m", session="s1")), "failed", detail={"error": "no line"})
        work.record(Act(kind="lesson"), payload=LessonText("step", "why", "tried", "diff", 5, False).payload())
    sample("wukong tokens")
    sample("wukong tokens", "--effective")
    sample("wukong lessons")
    sample("wukong models")
    sample("wukong demo", "--headless")
    database = (rich / ".wukong").readlink() / "workspace.db"
    database.write_bytes(database.read_bytes()[:-4096])
    assert not sample("wukong verify", status=1)[0]["ok"]

    assert tried == set(COMMANDS), "every command of the page has a sample here"
    for record, keys in RECORDS.items():
        if record == "event operation":
            continue  # the values of an `operation`, all of which came above
        for key, kinds in keys.items():
            expected = set(kinds.split(" or "))
            if kinds.startswith("list of ") and (record, key) not in SEEN_EMPTY:
                expected.add("an item")
            missing = expected - seen[record, key] - EXEMPT.get((record, key), set())
            assert not missing, f"{PAGE.name} says that {record}.{key} may be {missing}, which never came"


async def open_another(folder: Path, model: str, fork: int) -> None:
    """A session that was forked from another one and has no prompt yet."""
    async with Client.connect(folder) as client:
        await client.call(protocol.Open(model=model, fork=fork))


def test_every_command_with_json_is_on_the_page() -> None:
    def commands(group: click.Group, prefix: str) -> Iterator[str]:
        for name in group.list_commands(click.Context(group)):
            command = group.get_command(click.Context(group), name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from commands(command, f"{prefix} {name}")
            elif any(parameter.name == "as_json" for parameter in command.params):
                yield f"{prefix} {name}"

    described = {re.sub(r" (PATH|op:N|--dry-run)$", "", command) for command in COMMANDS}
    assert set(commands(cli, "wukong")) == described


def test_dry_runs_on_the_page_are_those_that_there_are() -> None:
    with_preview = {
        f"wukong {name} --dry-run"
        for name in cli.list_commands(click.Context(cli))
        if (command := cli.get_command(click.Context(cli), name)) is not None
        and any(parameter.name == "dry_run" for parameter in command.params)
    }
    assert {command for command in COMMANDS if command.endswith(" --dry-run")} == with_preview


def test_json_says_nothing_else_on_standard_output_and_asks_nothing(wukong: Call, rich: Path) -> None:
    for command in (["scan"], ["undo"], ["redo"], ["restore", "op:1"], ["verify"], ["status"]):
        done = wukong(*command, "--json")
        assert (done.status, done.said) == (0, "")
        json.loads(done.text)


def test_errors_leave_standard_output_empty(wukong: Call, rich: Path) -> None:
    for command in (
        ["show", "nope"],
        ["log", "nope"],
        ["restore", "nope"],
        ["undo", "--op", "99"],
        ["diff", "op:99"],
    ):
        assert refusal(wukong(*command, "--json"))
        assert wukong(*command, "--json").out == b""


def test_bytes_that_are_not_utf8_survive_as_the_page_says(wukong: Call, folder: Path) -> None:
    content = bytes(range(256)) + "ü\u202e".encode()
    with Workspace.open(folder) as work:
        work.write("caf\udce9", content)
    record = json.loads(wukong("show", "caf\udce9", "--json").text)
    assert record["document"].encode("utf-8", "surrogateescape") == b"caf\xe9"
    assert record["content"].encode("utf-8", "surrogateescape") == content
    assert b"\x7f" not in wukong("show", "caf\udce9", "--json").out
    (row,) = json.loads(wukong("log", "--json").text)["versions"]
    assert row["document"].encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_a_long_log_is_complete_and_oldest_first(wukong: Call, folder: Path) -> None:
    with Workspace.open(folder) as work, work.batch():
        for number in range(1200):
            work.write(f"{number % 7}", b"%d\n" % number)
    log = [json.loads(line) for line in wukong("log", "--json").text.splitlines()]
    assert [record["operation"] for record in log] == list(range(1, 1201))
    assert all(len(record["versions"]) == 1 for record in log)
    assert [
        record["operation"] for record in map(json.loads, wukong("log", "--json", "-n", "5").text.splitlines())
    ] == (list(range(1196, 1201)))
    versions = [json.loads(line) for line in wukong("log", "3", "--json").text.splitlines()]
    assert [record["version"] for record in versions] == list(range(1, len(versions) + 1))
    assert [json.loads(line) for line in wukong("log", "3", "--json", "-n", "2").text.splitlines()] == versions[-2:]


@pytest.mark.parametrize("example", re.findall(r"^wukong .*", PAGE.read_text(), re.MULTILINE))
def test_the_examples_run(wukong: Call, folder: Path, example: str) -> None:
    """The part before the pipe runs here; that jq takes it follows from its being JSON Lines."""
    (folder / "notes.txt").write_text("x\n")
    wukong("scan")
    command = example.partition("|")[0]
    for line in wukong(*shlex.split(command)[1:]).text.splitlines():
        json.loads(line)
