"""doctor: what works here, said so that a person knows what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runtime.execution import bubblewrap, limits, sandbox
from tests.wukong_tui.cli.conftest import Call
from tests.wukong_tui.cli.program import WUKONG, on_terminal, run


def test_doctor_lists_every_check_and_leaves_nothing_behind(wukong: Call, folder: Path) -> None:
    before = sorted(folder.iterdir())
    lines = wukong("doctor").text.splitlines()
    checks = [line.split()[1] for line in lines if not line.startswith("      ")]
    assert checks == [
        "Python",
        "SQLite",
        "History",
        "Exchange",
        "Sandbox",
        "Overlay",
        "Owners",
        "Terminal",
        "Packages",
    ]
    assert all(re.match(r"(ok  |no  |–   )\w+ +\S|      \S", line) for line in lines)
    assert len({re.match(r".{4}\w+ +", line).end() for line in lines if line[:6].strip()}) == 1  # type: ignore[union-attr]
    assert sorted(folder.iterdir()) == before


def test_doctor_says_where_the_history_is_or_would_be(wukong: Call, folder: Path, tmp_path: Path) -> None:
    def history(*more: str, at: Path = folder) -> tuple[bool, str]:
        found = [json.loads(line) for line in wukong(*more, "doctor", "--json", at=at).text.splitlines()]
        (one,) = [finding for finding in found if finding["check"] == "History"]
        return one["ok"], one["found"]

    ok, would_be = history()
    assert ok
    wukong("scan")
    store = (folder / ".wukong").readlink()
    assert would_be.startswith(f"{store} on ")
    (folder / "below").mkdir()
    assert history(at=folder / "below")[1].startswith(f"{store} on ")
    assert history("--store", str(tmp_path / "else"))[1].startswith(f"{tmp_path / 'else'} on ")
    (tmp_path / "file").touch()
    assert history("--store", str(tmp_path / "file")) == (False, f"{tmp_path / 'file'} cannot be written")


def test_doctor_fails_where_the_history_cannot_be_kept(wukong: Call, folder: Path, tmp_path: Path) -> None:
    (folder / ".wukong").symlink_to(tmp_path / "gone")
    done = wukong("doctor")
    assert done.status == 1
    assert f"no  History   The history of {folder} is in {tmp_path / 'gone'}, which is not there" in done.text
    assert done.said == "wukong: This machine lacks something that the history needs; see above.\n"


def test_doctor_looks_at_the_terminal(folder: Path) -> None:
    assert b"\xe2\x80\x93   Terminal  output is not a terminal" in run("doctor", cwd=folder).out
    for rows, columns, mark in ((24, 80, b"ok  "), (20, 60, b"no  ")):
        _, screen = on_terminal(*WUKONG, "doctor", cwd=folder, rows=rows, columns=columns)
        (line,) = [line for line in screen.splitlines() if b"Terminal" in line]
        assert mark in line
        assert b"xterm-256color, %dx%d" % (columns, rows) in line


def test_doctor_tries_the_sandbox_that_commands_get(
    wukong: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> str:
        sandbox.available.cache_clear()
        (line,) = [line for line in wukong("doctor").text.splitlines() if " Sandbox " in line]
        return line

    assert told()[:2] == ("no" if sandbox.available() else "ok")
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\nexit 0\n")  # it does all that it is asked, and keeps nothing apart
    program.chmod(0o755)
    monkeypatch.setattr(limits, "PROGRAMS", str(tmp_path))
    monkeypatch.setattr(bubblewrap, "WHEEL", "no_such_package")
    assert told().startswith("no  Sandbox   The sandbox does not work here")
    program.unlink()
    assert "install it" in told()
    monkeypatch.undo()
    sandbox.available.cache_clear()
