"""branch, checkout, merge: a branch in a folder of its own, from the fork to the merge."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wukong_tui.cli.conftest import Call
from tests.wukong_tui.cli.program import refusal
from workspace import Workspace
from workspace.operations.verify import verify

LINES = "".join(f"line {n}\n" for n in range(20))


@pytest.fixture
def poem(folder: Path, wukong: Call) -> Path:
    """A folder whose one document has two versions."""
    (folder / "poem.txt").write_text(LINES)
    wukong("scan")  # op:1
    (folder / "poem.txt").write_text(LINES + "end\n")
    wukong("scan")  # op:2
    return folder


def test_a_branch_is_laid_out_edited_there_and_merged(wukong: Call, poem: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    assert wukong("branch", "trial").text == (
        "Forked trial from main after entry 2; `wukong checkout` lays it out.\n"
    )
    assert wukong("checkout", "branch:trial", str(there)).text == f"Branch trial is in {there}.\n"
    (there / "poem.txt").write_text("title\n" + LINES + "end\n")
    (there / "new.txt").write_text("new\n")
    assert "Recorded 2 changes" in wukong("-C", str(there), "scan").text
    assert "poem.txt" not in wukong("status").text
    (poem / "poem.txt").write_text(LINES + "END\n")  # not recorded yet
    assert wukong("merge", "trial", "-n").text.splitlines() == [
        "  create new.txt  +1 −0",
        "  edit   poem.txt  +1 −0",
        "That would touch 2 documents; this was only a preview.",
    ]
    assert "Merged 2 documents as op:" in wukong("merge", "trial").text
    assert (poem / "poem.txt").read_text() == "title\n" + LINES + "END\n"
    assert (poem / "new.txt").read_text() == "new\n"
    assert wukong("merge", "trial").text == "All that trial holds is on main already.\n"
    wukong("undo")
    assert (poem / "poem.txt").read_text() == LINES + "END\n"
    assert not (poem / "new.txt").exists()
    with Workspace.open(poem) as work:
        assert verify(work.store).problems == ()


def test_a_moment_is_laid_out_as_a_branch_of_its_own(wukong: Call, poem: Path, tmp_path: Path) -> None:
    there = tmp_path / "then"
    assert wukong("checkout", "op:1", str(there)).text == f"Branch at-1 is in {there}.\n"
    assert (there / "poem.txt").read_text() == LINES
    assert wukong("branch").text.splitlines() == [f"* main  {poem}", f"  at-1  from main after entry 1  {there}"]
    assert wukong("-C", str(there), "branch").text.splitlines()[1].startswith("* at-1")


def test_what_cannot_be_is_one_sentence(wukong: Call, poem: Path, tmp_path: Path) -> None:
    assert "holds files already" in refusal(wukong("checkout", "op:1", str(poem)))
    assert "There is no branch 'nowhere'" in refusal(wukong("merge", "nowhere"))
    assert "Name a moment" in refusal(wukong("checkout", "poem.txt@1", str(tmp_path / "x")))
    assert "Name a moment" in refusal(wukong("branch", "x", "poem.txt@1"))
    wukong("checkout", "op:1", str(tmp_path / "then"), "--branch", "then")
    assert "There is already a branch" in refusal(wukong("branch", "then"))
    assert "is checked out in" in refusal(wukong("checkout", "branch:then", str(tmp_path / "again")))
    assert "Agents work on the main branch only" in refusal(
        wukong("-C", str(tmp_path / "then"), "run", "--read-only", "hello")
    )
    (tmp_path / "then" / "poem.txt").write_text("all else\n")
    (poem / "poem.txt").write_text("all new\n")
    wukong("-C", str(tmp_path / "then"), "scan")
    refused = wukong("merge", "then")
    assert refused.status == 1
    assert refused.said.splitlines()[0] == "poem.txt, line 1: both sides changed the same lines"
    assert (poem / "poem.txt").read_text() == "all new\n"
