"""restore, revert, undo, redo: each previews, records what others did first, and can itself be taken back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.wukong_tui.cli.conftest import Call
from tests.wukong_tui.cli.program import refusal
from workspace import Act, Workspace


@pytest.fixture
def poem(folder: Path, wukong: Call) -> Path:
    """A folder with poem.txt at its second version and notes.txt at its first."""
    (folder / "poem.txt").write_text("the bottle\nis empty\n")
    (folder / "notes.txt").write_text("n\n")
    wukong("scan")  # op:1
    (folder / "poem.txt").write_text("the bottle\nis full\n")
    wukong("scan")  # op:2
    return folder


def test_undo_takes_the_newest_act_back_and_redo_brings_it_again(wukong: Call, poem: Path) -> None:
    assert wukong("undo").text.splitlines() == [
        "  edit   poem.txt  +1 −1",
        "Undid op:2 scan as op:3; `wukong redo` brings it back.",
    ]
    assert (poem / "poem.txt").read_text() == "the bottle\nis empty\n"
    assert wukong("redo").text.splitlines() == [
        "  edit   poem.txt  +1 −1",
        "Redid op:2 scan as op:4; `wukong undo` takes it back.",
    ]
    assert (poem / "poem.txt").read_text() == "the bottle\nis full\n"
    assert refusal(wukong("redo")) == "There is nothing to redo."
    assert "Undid op:2 scan as op:5" in wukong("undo").text
    assert refusal(wukong("undo")) == "There is nothing to undo."


def test_a_dry_run_of_undoing_a_prompt_that_edited_nothing_says_what_it_does(wukong: Call, poem: Path) -> None:
    with Workspace.open(poem) as work:
        work.end(work.begin(Act(kind="prompt", name="What time is it?", session="s1")))
    for verb, where in (("undo", "is taken out of"), ("redo", "comes back into")):
        assert wukong(verb, "-n").text == f"No document changes; the prompt {where} the conversation.\n"
        assert wukong(verb).status == 0
    wukong("undo")
    assert "Undid op:2 scan" in wukong("undo").text


def test_undo_of_one_operation_keeps_what_came_later(wukong: Call, poem: Path) -> None:
    (poem / "poem.txt").write_text("title\nthe bottle\nis full\n")
    wukong("scan")
    for form in ("op:2", "2"):
        assert "Undid op:2 scan" in wukong("undo", "--op", form).text
        assert (poem / "poem.txt").read_text() == "title\nthe bottle\nis empty\n"
        wukong("redo")


def test_undo_of_a_session_leaves_others_alone(wukong: Call, poem: Path) -> None:
    with Workspace.open(poem) as work:
        work.write("a", b"agent\n", act=Act(session="agent", name="agent's"))
    assert "  edit   poem.txt" in wukong("undo", "--session", "cli", "--dry-run").text
    assert "  delete a  +0 −1" in wukong("undo", "--session", "agent").text
    assert not (poem / "a").exists()
    assert refusal(wukong("undo", "--session", "nobody")) == "There is nothing to undo."


@pytest.mark.parametrize(
    "act", [["undo"], ["restore", "poem.txt@1"], ["restore", "@{op:1}"], ["revert", "op:2"], ["revert", "2"]]
)
def test_a_dry_run_touches_nothing(wukong: Call, poem: Path, act: list[str]) -> None:
    before = wukong("log").text
    for flag in ("--dry-run", "-n"):
        assert wukong(*act, flag).text.splitlines() == [
            "  edit   poem.txt  +1 −1",
            "That would touch 1 document; this was only a preview.",
        ]
    assert (poem / "poem.txt").read_text() == "the bottle\nis full\n"
    assert wukong("log").text == before


def test_restore_of_a_version_or_a_moment(wukong: Call, poem: Path) -> None:
    for address in ("poem.txt@1", "poem.txt@-1", "poem.txt@{op:1}", "op:1", "@{op:1}"):
        done = wukong("restore", address)
        assert done.status == 0, done.said
        assert done.text.splitlines()[0] == "  edit   poem.txt  +1 −1"
        assert done.text.splitlines()[1].startswith("Restored 1 document as op:")
        assert (poem / "poem.txt").read_text() == "the bottle\nis empty\n"
        assert wukong("restore", address).text == "Nothing to change.\n" or address.endswith("@-1")
        assert wukong("restore", "op:2").status == 0


def test_restore_of_some_paths_leaves_the_others(wukong: Call, poem: Path) -> None:
    (poem / "notes.txt").unlink()
    (poem / "below").mkdir()
    (poem / "below" / "x").write_text("x\n")
    wukong("scan")
    assert wukong("restore", "op:1", "../notes.txt", at=poem / "below").text.splitlines()[0] == (
        "  create notes.txt  +1 −0"
    )
    assert (poem / "poem.txt").read_text() == "the bottle\nis full\n"
    assert (poem / "below" / "x").exists()
    assert wukong("restore", "op:1", ".", at=poem / "below").text.splitlines()[0] == "  delete below/x  +0 −1"
    assert not (poem / "below").exists()
    assert refusal(wukong("restore", "op:1", "nope")) == "No document was ever at nope."
    said = refusal(wukong("restore", "poem.txt@1", "notes.txt"))
    assert said == "Paths go with an address of the whole workspace, such as @{10m ago}."


def test_a_restore_is_named_so_that_it_means_the_same_tomorrow(wukong: Call, poem: Path) -> None:
    wukong("restore", "poem.txt@-1")
    wukong("restore", "poem.txt@{op:2}")
    wukong("restore", "@{op:1}")
    wukong("restore", "op:2", "notes.txt", "poem.txt")
    names = [line.split("−1  ")[1].rpartition("  ")[0] for line in wukong("log").text.splitlines()[:4]]
    assert names == [
        "restore op:2 notes.txt poem.txt",
        "restore op:1",
        "restore poem.txt@{op:2}",
        "restore poem.txt@1",
    ]


def test_restore_records_outside_edits_first(wukong: Call, poem: Path) -> None:
    (poem / "poem.txt").write_text("mine, never scanned\n")
    (poem / "new.txt").write_text("mine too\n")
    wukong("restore", "op:1")
    assert (poem / "poem.txt").read_text() == "the bottle\nis empty\n"
    assert not (poem / "new.txt").exists()
    assert wukong("show", "poem.txt@3").text == "mine, never scanned\n"
    wukong("undo")
    assert (poem / "poem.txt").read_text() == "mine, never scanned\n"
    assert (poem / "new.txt").read_text() == "mine too\n"


def test_restore_of_a_document_on_another_branch(wukong: Call, poem: Path) -> None:
    with Workspace.open(poem) as work:
        work.fork("trial", at=1)
    assert wukong("restore", "branch:trial:poem.txt").status == 0
    assert (poem / "poem.txt").read_text() == "the bottle\nis empty\n"
    said = refusal(wukong("restore", "branch:trial"))
    assert said == "Restore takes a moment or a document; branch:trial:PATH names one on a branch."


def test_revert_takes_out_operations_and_keeps_everything_later(wukong: Call, poem: Path) -> None:
    (poem / "poem.txt").write_text("title\nthe bottle\nis full\n")
    wukong("scan")
    assert wukong("revert", "op:2").text.splitlines() == [
        "  edit   poem.txt  +1 −1",
        "Reverted 1 document as op:4; `wukong undo` takes it back.",
    ]
    assert (poem / "poem.txt").read_text() == "title\nthe bottle\nis empty\n"
    assert wukong("revert", "op:2").text == ("Nothing to take out: later edits cover all that op:2 scan changed.\n")
    wukong("undo")
    assert (poem / "poem.txt").read_text() == "title\nthe bottle\nis full\n"


@pytest.mark.parametrize("act", [["revert", "op:2"], ["undo", "--op", "op:2"], ["revert", "op:2", "--dry-run"]])
def test_what_changed_again_since_is_a_conflict_and_nothing_is_written(
    wukong: Call, poem: Path, act: list[str]
) -> None:
    (poem / "poem.txt").write_text("the bottle\nis broken\n")
    wukong("scan")
    for more in ([], ["--json"]):
        done = wukong(*act, *more)
        assert (done.status, done.out) == (1, b"")
        assert done.said.splitlines() == [
            "poem.txt, line 2: both sides changed the same lines",
            "wukong: Nothing was written: 1 place changed since; edit it by hand or use restore.",
        ]
    assert (poem / "poem.txt").read_text() == "the bottle\nis broken\n"


def test_restoring_a_document_says_what_stands_in_its_place(wukong: Call, poem: Path) -> None:
    (poem / "poem.txt").unlink()
    os.mkfifo(poem / "poem.txt")
    for more in ([], ["--dry-run"], ["--json"]):
        done = wukong("restore", "poem.txt@2", *more)
        assert (done.status, done.out) == (1, b"")
        assert done.said == ("wukong: Nothing was restored: poem.txt: 'poem.txt' is now a pipe; it was left alone.\n")


def test_reverting_what_may_be_somebody_elses_wants_a_yes(wukong: Call, poem: Path) -> None:
    with Workspace.open(poem) as work:
        command = work.begin(Act(kind="run", name="make", detail={"attribution": "probable"}))
        (poem / "poem.txt").write_text("made\n")
        work.end(command, captured=True)
    done = wukong("revert", "op:3")
    assert done.status == 1
    assert done.said.splitlines() == [
        "poem.txt may hold somebody else's work of that time.",
        "wukong: Someone else may have edited poem.txt meanwhile; add --yes to revert it.",
    ]
    assert (poem / "poem.txt").read_text() == "made\n"
    assert wukong("revert", "op:3", "--yes").status == 0
    assert (poem / "poem.txt").read_text() == "the bottle\nis full\n"


def test_wrong_operations_are_refused(wukong: Call, poem: Path) -> None:
    assert refusal(wukong("revert", "99")) == "There is no op:99; the newest is op:2."
    assert refusal(wukong("revert", "poem.txt")) == "poem.txt names no operation; write its number, such as op:12."
    assert refusal(wukong("undo", "--op", "0")) == "There is no op:0; the newest is op:2."


def test_a_long_preview_is_cut(wukong: Call, folder: Path) -> None:
    (folder / "first").touch()
    wukong("scan")
    for number in range(60):
        (folder / f"{number:02}").write_text("x\n")
    wukong("scan")
    lines = wukong("undo").text.splitlines()
    assert lines[0] == "  delete 00  +0 −1"
    assert lines[40:] == ["  … and 20 more", "Undid op:2 scan as op:3; `wukong redo` brings it back."]


def test_a_rename_is_shown_as_one_and_taken_back(wukong: Call, poem: Path) -> None:
    (poem / "notes.txt").rename(poem / "ideas.txt")
    wukong("scan")
    assert wukong("undo").text.splitlines()[0] == "  rename ideas.txt → notes.txt  +0 −0"
    assert (poem / "notes.txt").read_text() == "n\n"
    assert not (poem / "ideas.txt").exists()
