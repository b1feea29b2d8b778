"""log, show, diff: walking through what is recorded."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.wukong_tui.cli.conftest import Call
from tests.wukong_tui.cli.program import refusal, run
from workspace import Act, Workspace

CLOCK = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture
def story(folder: Path) -> Path:
    """A folder with a past: a.txt edited twice, renamed and edited, gone.txt deleted, bin changed."""
    act = Act(name="first", actor="ann", session="s")
    with Workspace.open(folder) as work:
        work.write("a.txt", b"one\ntwo\nthree\n", act=act)  # op:1
        work.write("a.txt", b"one\n2\nthree\n", act=Act(name="second", actor="bob"))  # op:2
        work.write("gone.txt", b"x\n", act=act)  # op:3
        work.delete("gone.txt", act=Act(kind="delete", name="delete"))  # op:4
        work.write("bin", b"\0\1\2", act=act)  # op:5
        work.move("a.txt", "sub/b.txt", act=Act(kind="move", name="move"))  # op:6
        work.write("sub/b.txt", b"one\n2\nthree\nfour", act=act)  # op:7
    return folder


def test_log_lists_operations_newest_first(wukong: Call, story: Path) -> None:
    lines = wukong("log").text.splitlines()
    assert [line.split()[0] for line in lines] == [f"op:{n}" for n in range(7, 0, -1)]
    assert re.fullmatch(rf"op:2 +{CLOCK}  bob +\+1 −1  edit second  a\.txt@2", lines[5])
    assert re.fullmatch(rf"op:5 +{CLOCK}  ann +binary  edit first  bin@1", lines[2])


def test_log_says_that_there_is_more(wukong: Call, story: Path) -> None:
    assert len(wukong("log", "-n", "7").text.splitlines()) == 7
    lines = wukong("log", "-n", "3").text.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["op:7", "op:6", "op:5"]
    assert lines[3:] == ["… older ones: -n 0 shows all"]


def test_log_shows_forty_unless_asked_for_all(wukong: Call, folder: Path) -> None:
    with Workspace.open(folder) as work, work.batch():
        for number in range(450):
            work.write("a", b"%d" % number)
    assert len(wukong("log").text.splitlines()) == 41
    assert len(wukong("log", "-n", "0").text.splitlines()) == 450
    assert len(wukong("log", "a", "-n", "0").text.splitlines()) == 450
    assert len(wukong("log", "a").text.splitlines()) == 41


def test_log_marks_what_failed_and_what_has_not_ended(wukong: Call, folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.record(Act(kind="model", name="ask"), outcome="failed")
        work.begin(Act(kind="run", name="make"))
        lines = wukong("log").text.splitlines()
        assert "failed: model ask" in lines[1]
        assert "not ended: run make" in lines[0]
        assert ", not ended" in wukong("show", "op:2").text


def test_log_of_a_document_follows_it_through_a_rename(wukong: Call, story: Path) -> None:
    for name in ("sub/b.txt", "a.txt"):
        lines = wukong("log", name).text.splitlines()
        assert [line.split()[0] for line in lines] == ["@4", "@3", "@2", "@1"]
        assert re.fullmatch(rf"@1 +{CLOCK}  ann +\+3 −0  create  op:1 edit first", lines[3])
    assert "a.txt" in lines[2]


def test_log_of_a_deleted_document_still_tells_its_story(wukong: Call, story: Path) -> None:
    lines = wukong("log", "gone.txt").text.splitlines()
    assert ["  delete  op:4" in lines[0], "  create  op:3" in lines[1], len(lines)] == [True, True, 2]


def test_log_of_no_document_says_what_to_do(wukong: Call, story: Path) -> None:
    assert refusal(wukong("log", "sub")) == "sub is a folder; name a document in it."
    assert refusal(wukong("log", "op:1")) == "op:1 names no document; write a path, such as notes.txt."
    assert refusal(wukong("log", "nope")) == "No document was ever at nope; `wukong log` lists what there is."


def test_paths_start_from_where_one_is(wukong: Call, story: Path) -> None:
    below = story / "sub"
    assert wukong("show", "b.txt@4", at=below).out == wukong("show", "sub/b.txt@4").out
    assert wukong("show", "../bin", at=below).out == b"\0\1\2"
    assert wukong("show", str(below / "b.txt"), at=below.parent).status == 0
    assert wukong("show", "./bin").status == 0
    assert wukong("show", "path:b.txt", at=below).status == 0
    assert wukong("show", "branch:main:b.txt", at=below).status == 0
    assert wukong("-C", "sub", "log", "b.txt").status == 0
    assert refusal(wukong("show", "../../x", at=below)) == f"../../x is not inside {story}."
    link = story.parent / "link"
    link.symlink_to(story)
    assert wukong("show", str(link / "bin")).status == 0


def test_show_writes_exact_bytes(wukong: Call, folder: Path) -> None:
    samples = [b"", b"\0", b"no line end", b"\xff\xfe\x00", b"\r\n\r", os.urandom(70_000), "ﷺ\u202e".encode()]
    for number, sample in enumerate(samples, 1):
        (folder / "a").write_bytes(sample)
        wukong("scan")
        assert wukong("show", f"a@{number}").out == sample
        assert wukong("show", "a").out == sample
        assert wukong("show", "--raw", "a").out == sample


def test_show_of_a_symlink_writes_its_target(wukong: Call, folder: Path) -> None:
    (folder / "link").symlink_to("some/where")
    wukong("scan")
    assert wukong("show", "link").out == b"some/where"


def test_show_of_an_operation_tells_who_what_and_why(wukong: Call, story: Path) -> None:
    with Workspace.open(story) as work:
        act = Act(kind="edit", name="subject", actor="ann", parent=2, detail={"message": "subject\n\nbody\n"})
        work.write("new", b"n\n", act=act)
    lines = wukong("show", "op:8").text.splitlines()
    assert lines[0] == "op:8  edit subject"
    assert re.fullmatch(rf"by ann, {CLOCK}, caused by op:2, done", lines[1])
    assert lines[2:] == ["subject", "", "body", "nothing → new@1", "@@ line 1 → 1", "+n"]


def test_diff_of_an_operation_is_what_it_did(wukong: Call, story: Path) -> None:
    assert wukong("diff", "op:2").text.splitlines() == [
        "a.txt@1 → a.txt@2",
        "@@ line 1 → 1",
        " one",
        "-two",
        "+2",
        " three",
    ]
    assert wukong("diff", "op:4").text.splitlines() == ["gone.txt@1 → nothing", "@@ line 1 → 1", "-x"]
    assert wukong("diff", "op:5").text.splitlines() == ["nothing → bin@1", "binary, 0 bytes → 3 bytes"]
    assert wukong("diff", "op:6").text.splitlines() == ["a.txt@2 → sub/b.txt@3"]
    assert wukong("diff", "op:7").text.splitlines()[-2:] == ["+four", "\\ no line end"]


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["sub/b.txt@1", "sub/b.txt@2"], ["a.txt@1 → a.txt@2"]),
        (["sub/b.txt@2", "sub/b.txt@1"], ["a.txt@2 → a.txt@1"]),
        (["sub/b.txt@1"], ["a.txt@1 → sub/b.txt@4"]),
        (["sub/b.txt@-1"], ["sub/b.txt@3 → sub/b.txt@4"]),
        (["sub/b.txt"], []),
        (["op:2", "op:3"], ["nothing → gone.txt@1"]),
        (["op:4^", "op:4"], ["gone.txt@1 → nothing"]),
        (["op:1^"], ["nothing → bin@1", "nothing → sub/b.txt@4"]),
        (["op:1^", "branch:main"], ["nothing → bin@1", "nothing → sub/b.txt@4"]),
        (["@{now}"], []),
        (["sub/b.txt@1", "op:2"], ["a.txt@1 → a.txt@2"]),
        (["sub", "op:5"], ["sub/b.txt@4 → a.txt@2"]),
        (["gone.txt@1"], ["gone.txt@1 → nothing"]),
        (["gone.txt"], []),
        (["."], []),
    ],
)  # fmt: skip
def test_diff_between_addresses(wukong: Call, story: Path, addresses: Sequence[str], expected: Sequence[str]) -> None:
    done = wukong("diff", *addresses)
    assert done.status == 0, done.said
    heads = [line for line in done.text.splitlines() if " → " in line and not line.startswith(("@", "binary"))]
    assert heads == expected


def test_diff_with_another_branch(wukong: Call, story: Path) -> None:
    with Workspace.open(story) as work:
        work.fork("trial")
        work.write("bin", b"text\n")
    assert wukong("diff", "branch:trial").text.splitlines()[0] == "bin@1 → bin@2"
    assert wukong("diff", "branch:trial:bin", "bin").text.splitlines()[0] == "bin@1 → bin@2"
    assert wukong("show", "branch:trial:bin").out == b"\0\1\2"


def test_diff_alone_is_what_is_not_recorded(wukong: Call, story: Path) -> None:
    assert wukong("diff").text == ""
    (story / "sub" / "b.txt").write_text("one\n2\n")
    (story / "bin").unlink()
    (story / "new").write_text("n\n")
    (story / "new").chmod(0o755)
    assert wukong("diff").text.splitlines() == [
        "bin@1 → nothing",
        "binary, 3 bytes → 0 bytes",
        "nothing → new on disk",
        "@@ line 1 → 1",
        "+n",
        "sub/b.txt@4 → sub/b.txt on disk",
        "@@ line 1 → 1",
        " one",
        " 2",
        "-three",
        "-four",
        "\\ no line end",
    ]


def test_diff_shows_a_change_of_mode(wukong: Call, folder: Path) -> None:
    (folder / "a").write_text("a\n")
    (folder / "a").chmod(0o644)
    wukong("scan")
    (folder / "a").chmod(0o755)
    wukong("scan")
    assert wukong("diff", "op:2").text.splitlines() == ["a@1 → a@2", "mode 100644 → 100755"]


def test_diff_of_what_does_not_compare_is_refused(wukong: Call, story: Path) -> None:
    assert "name the document on both sides" in refusal(wukong("diff", "@{now}", "bin@1"))
    assert "sub is a folder" in refusal(wukong("diff", "bin@1", "sub"))


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("nope", "No document was ever at nope; `wukong log` lists what there is."),
        ("nope@1", "No document was ever at nope; `wukong log` lists what there is."),
        ("bin@0", "bin has no version 0; its newest is 1."),
        ("bin@9", "bin has no version 9; its newest is 1."),
        ("bin@-1", "bin has no version that far back."),
        ("bin@-999999999999999999", "bin has no version that far back."),
        ("x@9999999999999999999", "No document was ever at x@9999999999999999999; `wukong log` lists what there is."),
        ("bin@{soon}", "'soon' is no time; write 14:03:22, 10m ago, yesterday or 2026-11-20 14:03."),
        ("bin@{25:00}", "25:00 is no time of day."),
        ("bin@{2026-02-30}", "'2026-02-30' is no time; write 14:03:22, 10m ago, yesterday or 2026-11-20 14:03."),
        ("bin@{0001-01-01}", "'0001-01-01' is no time; write 14:03:22, 10m ago, yesterday or 2026-11-20 14:03."),
        ("op:99", "There is no op:99; the newest is op:7."),
        ("op:0", "There is no op:0; the newest is op:7."),
        ("op:", "op: names no operation; write its number, such as op:12."),
        ("op:x", "op:x names no operation; write its number, such as op:12."),
        ("op:²", "op:² names no operation; write its number, such as op:12."),
        ("op:-1", "op:-1 names no operation; write its number, such as op:12."),
        ("op:99999999999999999999", "op:99999999999999999999 names no operation; write its number, such as op:12."),
        ("@{op:99}", "There is no op:99; the newest is op:7."),
        ("branch:nope", "There is no branch 'nope'."),
        ("branch:main:nope", "There is no nope on branch main."),
        ("@1", "@1 names no document; write PATH@1, or @{time} for the whole workspace."),
        ("@{now}", "@{now} is the whole workspace; name a document in it, such as notes.txt@{10m ago}."),
        ("op:3^", "op:3^ is the whole workspace; name a document in it, such as notes.txt@{10m ago}."),
        ("", "That is the whole workspace; name a document in it, such as notes.txt@{10m ago}."),
        (".", ". is the whole workspace; name a document in it, such as notes.txt@{10m ago}."),
        ("sub", "sub is a folder; name a document in it."),
        ("sub/", "sub is a folder; name a document in it."),
        ("gone.txt", "gone.txt does not exist there: version 2 deletes it."),
        ("gone.txt@2", "gone.txt does not exist there: version 2 deletes it."),
        ("bin@{op:1}", "bin did not exist then; `wukong log bin` shows when it did."),
        ("a.txt", "a.txt is sub/b.txt there: it was renamed."),
        ("../x", "../x is not inside {folder}."),
        ("path:bin@1", "No document was ever at bin@1; `wukong log` lists what there is."),
    ],
)  # fmt: skip
def test_a_wrong_address_is_one_sentence(wukong: Call, story: Path, address: str, sentence: str) -> None:
    assert refusal(wukong("show", address)) == sentence.replace("{folder}", str(story))


def test_a_time_before_the_history_says_when_it_begins(wukong: Call, story: Path) -> None:
    said = refusal(wukong("show", "bin@{1w ago}"))
    assert re.fullmatch(rf"Nothing is recorded from 1w ago; the history begins at {CLOCK}\.", said)


def test_a_document_that_looks_like_an_address_is_reached_with_path(wukong: Call, folder: Path) -> None:
    for name in ("a", "a@1", "op:1", "branch:main", "@{now}", "-n"):
        (folder / name).write_text(name)
    wukong("scan")
    said = refusal(wukong("show", "a@1"))
    assert said == "a@1 is a document, and a is one too: write path:a@1 for the first, a@{10m ago} for the second."
    for name in ("a@1", "op:1", "branch:main", "@{now}"):
        assert wukong("show", f"path:{name}").text == name
    assert wukong("show", "--", "-n").text == "-n"
    assert wukong("show", "@{now}").text == "@{now}"


def test_every_time_that_json_tells_is_an_address(wukong: Call, story: Path) -> None:
    import json

    for line in wukong("log", "--json").text.splitlines():
        record = json.loads(line)
        done = wukong("diff", f"@{{{record['started']}}}", f"op:{record['operation']}")
        assert (done.status, done.out) == (0, b""), record["operation"]


@pytest.mark.parametrize("command", ["log", "show", "diff", "status", "verify", "restore", "revert", "undo", "redo"])
def test_a_folder_without_a_history_is_told_how_to_start_one(wukong: Call, folder: Path, command: str) -> None:
    arguments = {"show": ["a"], "restore": ["a"], "revert": ["1"]}.get(command, [])
    assert refusal(wukong(command, *arguments)) == f"{folder} has no history yet; `wukong scan` there starts one."
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [[], ["nope"], ["log", "--nope"], ["log", "a", "b"], ["log", "-n", "x"], ["log", "-n", "-1"], ["show"],
     ["restore"], ["revert"], ["scan", "--largest", "0"], ["import"], ["import", "svn"], ["undo", "extra"]],
)  # fmt: skip
def test_wrong_usage_is_status_2_and_says_how(wukong: Call, story: Path, arguments: Sequence[str]) -> None:
    done = wukong(*arguments)
    assert done.status == 2
    assert done.out == b""
    assert done.said.startswith("Usage: wukong ")


def test_help_and_version_succeed(wukong: Call, folder: Path) -> None:
    assert re.fullmatch(r"wukong, version \d+\.\d+\.\d+\n", wukong("--version").text)
    for arguments in ([], ["log"], ["import"], ["import", "git"]):
        done = wukong(*arguments, "-h")
        assert (done.status, done.said) == (0, "")
        assert done.text.startswith("Usage: wukong ")
        assert max(map(len, done.text.splitlines())) <= 80
        assert "..." not in re.sub(r"\[?\w+\]?\.\.\.", "", done.text)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_show_writes_every_byte_to_a_slow_reader(folder: Path, unbuffered: str) -> None:
    content = os.urandom(3 << 20)
    with Workspace.open(folder) as work:
        work.write("big", content)
    result = run("show", "big", cwd=folder, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    assert result.out == content


def test_status_names_what_is_never_recorded_as_it_is_now(wukong: Call, folder: Path) -> None:
    (folder / "a.txt").write_text("a\n")
    wukong("scan")
    (folder / ".env").write_text("KEY=1\n")
    assert "not captured, secret (--include PATH records it): .env" in wukong("status").text
