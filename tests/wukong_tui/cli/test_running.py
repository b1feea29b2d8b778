"""Giving work from the command line: the office's options, what is asked, why a call was refused."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.host import connect
from runtime.protocol import Stop
from tests.runtime.office import turn, write_cassette
from tests.wukong_tui.cli.program import WUKONG, done, on_terminal, run
from themes import load


@pytest.fixture
def kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a history, and short names for sockets; no host is left behind."""
    with tempfile.TemporaryDirectory() as sockets:
        monkeypatch.setenv("XDG_RUNTIME_DIR", sockets)
        (folder / "a").write_text("1\n")
        done("scan", cwd=folder)
        yield folder
        if connect.status(folder) is not None:
            connect.call(folder, Stop(), start=False)


def test_the_office_takes_its_options_without_being_named(kept: Path, tmp_path: Path) -> None:
    cassette = write_cassette(tmp_path / "tape.toml", [turn("Hello.")])
    red, green, blue = bytes.fromhex(load("light").ground.removeprefix("#"))
    status, screen = on_terminal(
        *WUKONG, "--theme", "light", "--model", f"cassette:{cassette}", "--yes",
        cwd=kept, rows=40, columns=120, environment={"COLORTERM": "truecolor"},
        answers=[(b"LIVE", b"Say hello\r"), (b"Hello.", b"\x11")],
    )  # fmt: skip
    assert status == 0
    assert f"48;2;{red};{green};{blue}".encode() in screen
    (session,) = [json.loads(line) for line in done("sessions", "--json", cwd=kept).splitlines()]
    assert (session["model"], session["mode"]) == (f"cassette:{cassette}", "auto")


@pytest.mark.parametrize("option", [["--theme", "light"], ["--model", "m"], ["--yes"], ["--read-only"]])
def test_options_of_the_office_in_front_of_a_command_are_refused(folder: Path, option: list[str]) -> None:
    result = run(*option, "status", cwd=folder)
    assert (result.status, result.out) == (2, b"")
    said = result.said.splitlines()[-1]
    assert said == f"wukong: {option[0]} in front of a command is the office's; write it after the command's name."


def test_the_office_without_a_terminal_says_so(folder: Path) -> None:
    result = run("--theme", "light", cwd=folder)
    assert (result.status, result.out) == (1, b"")
    assert "The office needs a terminal" in result.said


def test_a_refused_call_says_why_once(kept: Path, tmp_path: Path) -> None:
    tape = write_cassette(
        tmp_path / "tape.toml",
        [
            turn("I edit.", ("edit", {"path": "a"}), ("edit", {"path": "none", "old": "x", "new": "y"})),
            turn("I gave up."),
        ],
    )
    said = done("run", "Edit it", "--yes", "--model", f"cassette:{tape}", cwd=kept).splitlines()
    (bare,) = [line for line in said if "missing" in line]
    assert bare.endswith("  edit refused: old, new are missing.")
    (named,) = [line for line in said if "There is no document" in line]
    assert named.endswith("  edit none refused: There is no document at none.")
    log = done("log", cwd=kept).splitlines()
    assert [line for line in log if line.rstrip().endswith("capability edit refused: old, new are missing.")]
    operation = bare.split()[0]
    shown = done("show", operation, cwd=kept)
    assert shown.count("old, new are missing.") == 1
    record = json.loads(done("show", operation, "--json", cwd=kept))
    assert (record["outcome"], record["reason"]) == ("refused", "edit: old, new are missing.")
    records = [json.loads(line) for line in done("log", "--json", cwd=kept).splitlines()]
    assert [r["reason"] for r in records if r["outcome"] == "done"] == [None] * (len(records) - 2)


@pytest.mark.parametrize(("answer", "outcome"), [(b"y\n", "done"), (b"\nn\nnot now\n", "refused")])
def test_what_an_agent_asks_has_no_answer_by_default(kept: Path, tmp_path: Path, answer: bytes, outcome: str) -> None:
    tape = write_cassette(
        tmp_path / "tape.toml", [turn("I write.", ("write", {"path": "b", "text": "x\n"})), turn("Ended.")]
    )
    status, screen = on_terminal(
        *WUKONG, "run", "Write", "--model", f"cassette:{tape}", cwd=kept, answers=[(b"or [n]o", answer)]
    )
    assert status == 0, screen
    assert (kept / "b").exists() is (outcome == "done")
    records = [json.loads(line) for line in done("log", "--json", cwd=kept).splitlines()]
    (approval,) = [r for r in records if r["kind"] == "approval"]
    assert (approval["outcome"], approval["reason"]) == (outcome, None if outcome == "done" else "not now")


def test_a_fork_goes_on_with_the_model_that_was_asked_there(kept: Path, tmp_path: Path) -> None:
    tape = write_cassette(tmp_path / "tape.toml", [turn("First."), turn("Second.")])
    other = write_cassette(tmp_path / "other.toml", [turn("No."), turn("Other.")])
    done("run", "Begin", "--model", f"cassette:{tape}", cwd=kept)
    first = next(json.loads(line) for line in done("log", "--json", cwd=kept).splitlines() if '"prompt"' in line)
    at = f"op:{first['operation']}"
    assert "Second." in done("run", "Go on", "--fork", at, cwd=kept)
    assert "Other." in done("run", "Go on", "--fork", at, "--model", f"cassette:{other}", cwd=kept)
    models = [json.loads(line)["model"] for line in done("sessions", "--json", cwd=kept).splitlines()]
    assert models == [f"cassette:{tape}", f"cassette:{tape}", f"cassette:{other}"]
