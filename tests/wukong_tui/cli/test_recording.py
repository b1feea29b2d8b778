"""scan and status: what is recorded, what is not, and what never is."""

from __future__ import annotations

import os
from pathlib import Path

from tests.wukong_tui.cli.conftest import Call
from tests.wukong_tui.cli.program import refusal


def test_the_first_scan_says_what_it_recorded_and_where_it_keeps_it(wukong: Call, folder: Path) -> None:
    (folder / "a.txt").write_text("one\ntwo\n")
    (folder / "b").mkdir()
    (folder / "b" / "c.txt").write_text("three\n")
    done = wukong("scan")
    assert done.status == 0
    first, second = done.text.splitlines()
    assert first == f"Recorded 2 files, 14 bytes, of {folder}."
    assert second == f"The history is in {(folder / '.wukong').readlink()}."
    assert done.said == ""


def test_a_scan_of_an_empty_folder_begins_a_history(wukong: Call, folder: Path) -> None:
    assert wukong("scan").text.splitlines()[0] == f"Recorded 0 files, 0 bytes, of {folder}."
    assert wukong("status").status == 0


def test_a_scan_lists_each_change_and_its_version(wukong: Call, folder: Path) -> None:
    for name in ("edited", "gone", "moved", "mode"):
        (folder / name).write_text(f"{name}\n")
    wukong("scan")
    (folder / "edited").write_text("other\nlines\n")
    (folder / "gone").unlink()
    (folder / "moved").rename(folder / "came")
    (folder / "mode").chmod(0o755)
    (folder / "new").write_bytes(b"\0\1")
    assert wukong("scan").text.splitlines() == [
        "  rename came@2  +0 −0",
        "  edit   edited@2  +2 −1",
        "  delete gone@2  +0 −1",
        "  mode   mode@2  +0 −0",
        "  create new@1  binary",
        "Recorded 5 changes as op:2.",
    ]
    assert wukong("scan").text == "Nothing had changed.\n"


def test_a_scan_of_very_many_changes_lists_some_of_them(wukong: Call, folder: Path) -> None:
    (folder / "first").touch()
    wukong("scan")
    for number in range(60):
        (folder / f"{number:02}").touch()
    lines = wukong("scan").text.splitlines()
    assert len(lines) == 42
    assert lines[0] == "  create 00@1  +0 −0"
    assert lines[-2:] == ["  … and 20 more", "Recorded 60 changes as op:2."]


def test_secrets_are_left_out_and_said_so_and_include_brings_them_in_for_good(wukong: Call, folder: Path) -> None:
    (folder / ".env").write_text("KEY=1\n")
    (folder / "a").touch()
    done = wukong("scan")
    assert "not captured, secret (--include PATH records it): .env" in done.text
    assert "No document was ever at .env" in refusal(wukong("show", ".env"))
    assert "  create .env@1  +1 −0" in wukong("scan", "--include", ".env").text
    (folder / ".env").write_text("KEY=2\n")
    assert "  edit   .env@2  +1 −1" in wukong("scan").text
    assert "not captured" not in wukong("status").text


def test_include_takes_a_path_from_where_one_is(wukong: Call, folder: Path) -> None:
    below = folder / "below"
    below.mkdir()
    (below / "id_rsa").write_text("key\n")
    (folder / "a").touch()
    wukong("scan")
    assert "below/id_rsa@1" in wukong("scan", "--include", "id_rsa", at=below).text
    assert refusal(wukong("scan", "--include", "../../elsewhere", at=below)) == (
        f"../../elsewhere is not inside {folder}."
    )


def test_what_is_ignored_or_too_large_is_shown_and_largest_brings_it_in(wukong: Call, folder: Path) -> None:
    (folder / ".gitignore").write_text("*.log\nbuild/\n")
    (folder / "x.log").touch()
    (folder / "build").mkdir()
    (folder / "build" / "y").touch()
    with (folder / "big").open("wb") as file:
        file.truncate((64 << 20) + 1)
    os.mkfifo(folder / "pipe")
    lines = wukong("scan").text.splitlines()
    assert lines[2:] == [
        "not captured, ignored: build/, x.log",
        "not captured, not a file: pipe",
        "not captured, too large: big",
    ]
    assert "  create big@1  binary" in wukong("scan", "--largest", "65").text
    assert "too large" not in wukong("status").text


def test_status_says_what_a_scan_would_record_and_records_nothing(wukong: Call, folder: Path) -> None:
    (folder / "a").write_text("1\n")
    (folder / "b").write_text("1\n")
    wukong("scan")
    assert wukong("status").text.splitlines()[0] == f"{folder} on main: 2 documents"
    assert wukong("status").text.splitlines()[-1] == "Everything on disk is recorded."
    (folder / "a").write_text("2\n")
    (folder / "b").unlink()
    (folder / "c").touch()
    for _ in range(2):
        lines = wukong("status").text.splitlines()
        assert lines[1].startswith("last operation op:1, ")
        assert lines[1].endswith(": scan")
        assert lines[2:] == [
            "  edit   a",
            "  delete b",
            "  create c",
            "3 changes on disk not recorded yet: `wukong scan` records them.",
        ]


def test_status_names_a_document_whose_place_is_taken(wukong: Call, folder: Path) -> None:
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "a").write_text("1\n")
    wukong("scan")
    (folder / "a").unlink()
    (folder / "a").mkdir()
    (folder / "a" / "x.log").touch()
    assert "what is on disk was kept" in refusal(wukong("restore", "a@1"))
    assert "  a is in the history but not on disk: something is in its way." in wukong("status").text
    (folder / "a" / "x.log").unlink()
    (folder / "a").rmdir()
    wukong("scan")
    assert (folder / "a").read_text() == "1\n"
    assert "something is in its way" not in wukong("status").text


def test_names_that_are_not_utf8_are_recorded_as_they_are(wukong: Call, folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (folder / name).write_text("old\n")
    assert wukong("scan").status == 0
    (folder / name).write_text("new\n")
    assert "  edit   caf\\xe9@2  +1 −1" in wukong("scan").text
    assert wukong("show", name + "@1").out == b"old\n"
    assert wukong("restore", name + "@1").status == 0
    assert (folder / name).read_text() == "old\n"


def test_a_folder_whose_own_name_is_not_utf8_works(wukong: Call, folder: Path) -> None:
    odd = folder / os.fsdecode(b"\xff\xfe \n dir")
    odd.mkdir()
    (odd / "a").write_text("1\n")
    first = wukong("scan", at=odd)
    assert first.status == 0
    assert first.text.count("\n") == 2
    (odd / "a").write_text("2\n")
    assert wukong("scan", at=odd).status == 0
    assert wukong("undo", at=odd).status == 0
    assert (odd / "a").read_text() == "1\n"


def test_a_history_kept_inside_the_folder_does_not_record_itself(wukong: Call, folder: Path) -> None:
    (folder / "a").write_text("1\n")
    store = folder / "kept" / "here"
    done = wukong("--store", str(store), "scan")
    assert done.text.startswith("Recorded 1 file, 2 bytes")
    assert wukong("--store", str(store), "scan").text == "Nothing had changed.\n"
    assert "Everything on disk is recorded." in wukong("--store", str(store), "status").text
