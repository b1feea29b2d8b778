"""On a real terminal: contents are drawn and never act, whoever wrote them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.wukong_tui.cli.hostile import HOSTILE, Screen, acting, drawn
from tests.wukong_tui.cli.program import WUKONG, done, on_terminal, run
from workspace import Act, Workspace
from workspace.entries import LessonText
from workspace.visible import visible

MANY = """
import json, sys
from wukong_tui.cli import main
calls, out = sys.argv[1:]
ended = []
for call in json.load(open(calls)):
    sys.argv = ["wukong", *call]
    try:
        main()
    except SystemExit as error:
        ended.append(error.code)
json.dump(ended, open(out, "w"))
"""
"""The program, called many times over in one process on one terminal."""


def called_on_terminal(calls: Sequence[Sequence[str]], cwd: Path, notes: Path) -> tuple[list[int], bytes]:
    """The exit statuses of many calls, and all that reached the terminal."""
    (notes / "calls").write_text(json.dumps(calls))
    script = (sys.executable, "-c", MANY, notes / "calls", notes / "ended")
    status, screen = on_terminal(*script, cwd=cwd, columns=200, environment={"LOGNAME": "\x1b]0;me\x07"})
    assert status == 0
    return json.loads((notes / "ended").read_text()), screen


@pytest.fixture(scope="module")
def names() -> list[str]:
    return [os.fsdecode(text.replace(b"/", b"|")) for text in HOSTILE.values()]


@pytest.fixture
def hostile(folder: Path, names: list[str]) -> Path:
    """A folder of hostile names and contents: recorded, edited and recorded, then edited again."""
    for name, text in zip(names, HOSTILE.values(), strict=True):
        (folder / name).write_bytes(text + b"\n" + text)
        (folder / f"link {name}").symlink_to(os.fsdecode(text))
        below = folder / "below" / name
        below.mkdir(parents=True)
        (below / name).write_bytes(text)
    done("scan", cwd=folder)
    for name, text in zip(names, HOSTILE.values(), strict=True):
        (folder / name).write_bytes(b"new\n" + text * 2)
        (folder / "below" / name / name).rename(folder / f"moved {name}")
    done("scan", cwd=folder)
    return folder


def harmless(screen: bytes, *, bar: bool = False) -> Screen:
    """Fail where anything but drawing happened; else the screen."""
    assert acting(screen, bar=bar) == set()
    shown = drawn(screen)
    assert shown.done == []
    return shown


def test_the_judge_knows_what_acts() -> None:
    """The proof that these tests can fail."""
    harmful = {name for name, text in HOSTILE.items() if _acts(text)}
    assert set(HOSTILE) - harmful == {"markup", "markup link", "spaces", "dash", "braces"}


def _acts(text: bytes) -> bool:
    try:
        return bool(acting(text) or drawn(text).done)
    except UnicodeDecodeError:
        return True


def test_every_command_draws_hostile_names_and_contents(hostile: Path, names: list[str], tmp_path: Path) -> None:
    texts = [os.fsdecode(text) for text in HOSTILE.values()]
    for name, text in zip(names, texts, strict=True):
        (hostile / name).write_bytes(os.fsencode(text) + b"\nedited\n")
    calls = [
        ["status"],
        ["diff"],
        ["diff", "op:1"],
        ["show", "op:2"],
        ["log"],
        ["log", "-n", "0"],
        ["scan", "--include", "x"],
    ]
    calls += [["undo", "-n"], ["undo"], ["redo"], ["restore", "op:1", "-n"], ["restore", "-y", "op:1"], ["undo"]]
    calls += [["revert", "-y", "op:3"], ["diff", "op:1", "op:2"], ["verify"], ["doctor"], ["status"]]
    statuses, screen = called_on_terminal(calls, hostile, tmp_path)
    shown = harmless(screen, bar=True)
    assert statuses == [0] * len(calls)
    whole = "".join(shown.display)
    for name in names:
        assert visible(name).strip() in whole.replace(" " * 150, ""), name


def test_every_address_draws_a_hostile_name(hostile: Path, names: list[str], tmp_path: Path) -> None:
    calls = []
    for name in names:
        path = f"path:{name}"
        calls += [["log", path], ["show", path], ["diff", path], ["diff", f"path:link {name}", "op:1"]]
        calls += [
            ["restore", "-n", path],
            ["restore", "-n", "op:1", "--", name],
            ["restore", "-y", "op:1", "--", name],
        ]
        calls += [["log", f"path:moved {name}"], ["show", f"path:below/{name}/{name}"]]
    statuses, screen = called_on_terminal(calls, hostile, tmp_path)
    harmless(screen)
    for index, call in enumerate(calls):
        assert statuses[index] == (1 if call[0] == "show" and "below" in call[1] else 0), call


def test_every_error_draws_what_it_quotes(hostile: Path, tmp_path: Path) -> None:
    calls = []
    for text in (os.fsdecode(text) for text in HOSTILE.values() if not text.startswith(b"-")):
        calls += [
            [text],
            ["log", text],
            ["log", f"{text}@99"],
            ["show", f"{text}@{{{text}}}"],
            ["show", f"op:{text}"],
        ]
        calls += [["log", f"branch:{text}"], ["diff", f"no{text}", f"no{text}"], ["restore", f"no{text}"]]
        calls += [
            ["restore", "op:1", f"no{text}"],
            ["revert", text],
            ["undo", "--op", text],
            ["undo", "--session", text],
        ]
        calls += [
            ["redo", text],
            ["log", "-n", text],
            ["scan", "--largest", text],
            [f"--{text}"],
            ["log", f"--{text}"],
        ]
        calls += [["-C", f"no{text}", "log"], ["--store", f"no{text}", "log"], ["scan", "--include", f"../../{text}"]]
        calls += [["import", text]]
    statuses, screen = called_on_terminal(calls, hostile, tmp_path)
    harmless(screen)
    assert set(statuses) <= {0, 1, 2}
    assert statuses.count(0) < len(calls) / 20


def test_json_on_a_terminal_is_printable_ascii(hostile: Path, names: list[str], tmp_path: Path) -> None:
    calls = [["log", "--json"], ["status", "--json"], ["diff", "op:1", "--json"], ["diff", "op:1", "op:2", "--json"]]
    calls += [
        ["show", "op:2", "--json"],
        ["undo", "--json"],
        ["restore", "op:1", "-n", "--json"],
        ["verify", "--json"],
    ]
    calls += [["show", "--json", f"path:{name}"] for name in names] + [
        ["log", "--json", f"path:{name}"] for name in names
    ]
    statuses, screen = called_on_terminal(calls, hostile, tmp_path)
    assert statuses == [0] * len(calls)
    assert screen.replace(b"\r\n", b"").decode("ascii").isprintable()
    records = [json.loads(line) for line in screen.decode().splitlines()]
    contents = [record["content"].encode("utf-8", "surrogateescape") for record in records if "content" in record]
    assert contents == [(hostile / name).read_bytes() for name in names]


def test_operations_of_others_are_drawn_too(folder: Path, tmp_path: Path) -> None:
    """Actors, names, sessions, kinds, models and messages come from agents and from imported history."""
    with Workspace.open(folder) as work:
        for text in HOSTILE.values():
            word = os.fsdecode(text)
            act = Act(
                kind=f"k{word}",
                name=word,
                actor=word,
                session=word,
                model=word,
                detail={"message": f"{word}\n{word}"},
            )
            work.write("a", text * 3, act=act)
            work.record(Act(kind="session", session=word, detail={"model": word, "mode": word}))
            work.record(Act(kind="prompt", name=word, session=word, actor=word))
            work.record(Act(kind="lesson"), payload=LessonText(word, word, word, word, 1, False).payload())
        work.record(Act(kind="model", name="x"), outcome="failed\x1b[5m")
        last = work.cursor
    calls = [["log"], ["log", "-n", "0"], ["log", "a"], ["status"]]
    calls += [["sessions"], ["tokens"], ["tokens", "--effective"], ["lessons"], ["models"], ["host", "status"]]
    calls += [["show", f"op:{number}"] for number in range(1, last + 1)]
    for text in ("\x1b]0;owned\x07", "\x9b5m"):
        calls += [["undo", "--session", text, "-n"]]
    statuses, screen = called_on_terminal(calls, folder, tmp_path)
    harmless(screen)
    failed = [call for call, status in zip(calls, statuses, strict=True) if status]
    assert {call[0] for call in failed} <= {"undo"}  # a session that there is not


def test_an_imported_history_is_drawn_too(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("workspace.operations.git_import")
    repository = tmp_path / "repository"
    evil = "\x1b]0;owned\x07\x9b5m\u202e"
    git = [
        "git",
        "-C",
        str(repository),
        "-c",
        f"user.name=a{evil}",
        "-c",
        "user.email=a@b",
        "-c",
        "commit.gpgsign=false",
    ]
    try:
        subprocess.run(["git", "init", "-q", str(repository)], check=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    (repository / f"f{evil}").write_text(f"{evil}\n")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", f"subject {evil}\n\nbody {evil}"], check=True)
    calls = [["import", "git", str(repository)], ["log"], ["show", "op:1"], ["log", f"f{evil}"], ["status"]]
    calls += [["import", "git", f"{repository}{evil}"], ["import", "git", str(repository), "--ref", evil]]
    statuses, screen = called_on_terminal(calls, folder, tmp_path)
    harmless(screen, bar=True)
    assert statuses == [0, 0, 0, 0, 0, 1, 1]


# -- what a person sees


def test_show_is_exact_on_a_pipe_and_visible_on_a_terminal(folder: Path) -> None:
    content = b"\x1b]0;owned\x07\ttab\r\n\xff\x00end"
    with Workspace.open(folder) as work:
        work.write("a", content)
    assert run("show", "a", cwd=folder).out == content
    status, screen = on_terminal(*WUKONG, "show", "a", cwd=folder)
    assert status == 0
    assert screen.decode() == "␛]0;owned␇    tab␍\r\n\\xff␀end\r\n"
    status, screen = on_terminal(*WUKONG, "show", "--raw", "a", cwd=folder)
    assert screen == content.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_log_takes_a_row_for_each_operation(folder: Path, columns: int) -> None:
    wide = "漢字" * 30
    with Workspace.open(folder) as work:
        for number in range(5):
            work.write(f"{wide}{number}", b"x\n", act=Act(name="a long name " * 20, actor="長い名前の人"))
    for command in (["log"], ["log", f"{wide}1"]):
        _, screen = on_terminal(*WUKONG, *command, cwd=folder, columns=columns)
        rows = [row.rstrip() for row in drawn(screen, columns).display if row.strip()]
        assert len(rows) == (5 if len(command) == 1 else 1)
        assert all(row.endswith("…") for row in rows)


def test_columns_of_a_log_stand_under_each_other(folder: Path) -> None:
    with Workspace.open(folder) as work:
        for actor in ("ann", "a\x1bnn", "長い名前の人", "e\u0301", None, "somebody with a long name"):
            work.write("a", os.urandom(3).hex().encode(), act=Act(name="NAME", actor=actor))
    _, screen = on_terminal(*WUKONG, "log", cwd=folder, columns=100)
    shown = drawn(screen, 100)
    cells = ["".join((shown.buffer[y][x].data or " ")[0] for x in range(100)) for y in range(6)]
    assert len({row.index("edit NAME") for row in cells}) == 1


def test_colour_is_only_for_terminals(folder: Path) -> None:
    (folder / "a").write_text("1\n")
    assert b"\x1b" not in run("scan", cwd=folder).out
    for command in (["log"], ["status"], ["diff", "op:1"]):
        assert b"\x1b" not in run(*command, cwd=folder).out
        assert b"\x1b[" in on_terminal(*WUKONG, *command, cwd=folder)[1]
