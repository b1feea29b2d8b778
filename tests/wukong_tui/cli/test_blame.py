"""wukong blame: which version made each line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.wukong_tui.cli.conftest import Call
from tests.wukong_tui.cli.program import refusal
from workspace import Act, Workspace

CLOCK = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture
def story(folder: Path) -> Path:
    """A folder in which a.txt was edited, renamed to b.txt and edited again."""
    with Workspace.open(folder) as work:
        work.write("a.txt", b"one\ntwo\nthree\n", act=Act(name="first", actor="ann"))
        work.write("a.txt", b"top\none\n2\nthree\n", act=Act(name="second", actor="agent"))
        work.move("a.txt", "b.txt")
        work.write("b.txt", b"top\none\n2\nthree\r\nfour", act=Act(name="third"))
        work.write("bin", b"\0\1")
        work.write("empty", b"")
    return folder


def test_each_line_has_its_version_time_and_actor(wukong: Call, story: Path) -> None:
    rows = wukong("blame", "b.txt").text.splitlines()
    assert len(rows) == 5
    assert re.fullmatch(rf"@2  {CLOCK}  agent     1  top", rows[0])
    assert re.fullmatch(rf"@1  {CLOCK}  ann       2  one", rows[1])
    assert re.fullmatch(rf"@4  {CLOCK}            5  four", rows[4])


def test_an_earlier_version_can_be_named(wukong: Call, story: Path) -> None:
    assert [row.split()[0] for row in wukong("blame", "b.txt@1").text.splitlines()] == ["@1", "@1", "@1"]
    assert [row.split()[0] for row in wukong("blame", "b.txt@2").text.splitlines()] == ["@2", "@1", "@2", "@1"]


def test_json_says_where_the_line_stood_in_the_version_that_made_it(wukong: Call, story: Path) -> None:
    records = [json.loads(line) for line in wukong("blame", "b.txt", "--json").text.splitlines()]
    assert [(r["line"], r["version"], r["version_line"], r["operation"], r["actor"]) for r in records] == [
        (1, 2, 1, 2, "agent"), (2, 1, 1, 1, "ann"), (3, 2, 3, 2, "agent"), (4, 4, 4, 4, None), (5, 4, 5, 4, None),
    ]  # fmt: skip
    assert [r["document"] for r in records] == ["a.txt", "a.txt", "a.txt", "b.txt", "b.txt"]
    assert [r["text"] for r in records] == ["top", "one", "2", "three", "four"]


def test_what_cannot_be_blamed_is_refused_in_a_sentence(wukong: Call, story: Path) -> None:
    assert "is binary" in refusal(wukong("blame", "bin"))
    assert "renamed" in refusal(wukong("blame", "a.txt@{op:4}"))
    assert "nope" in refusal(wukong("blame", "nope"))
    assert "whole workspace" in refusal(wukong("blame", "@{op:4}"))
    assert wukong("blame", "empty").text == ""


def test_control_bytes_in_lines_and_names_are_drawn(wukong: Call, folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.write("a", b"\x1b[2Jx\ny\x9b\n", act=Act(actor="\x1b]0;t\x07"))
    assert not {0x1B, 0x07, 0x9B} & set(wukong("blame", "a").text.encode("latin-1", "replace"))
