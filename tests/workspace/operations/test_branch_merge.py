"""Merging branches: three ways from the best common ancestor, again and again, without a conflict that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workspace.working_copy.test_working_copies import contents
from workspace import Conflicted, History, Workspace
from workspace.operations.ancestry import Ancestry, Point
from workspace.operations.verify import verify

LINES = [b"line %d\n" % n for n in range(30)]
TEXT = b"".join(LINES)


def with_line(text: bytes, at: int, line: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    lines[at] = line
    return b"".join(lines)


def read(work: History, path: str = "a") -> bytes:
    return work.content(work.tree()[path])


@pytest.fixture
def work(folder: Path) -> Workspace:
    work = Workspace.open(folder)
    work.write("a", TEXT)
    work.write("b", TEXT)
    return work


def test_a_merge_brings_what_the_other_did_and_names_what_it_joined(work: Workspace) -> None:
    with work:
        work.fork("agent")
        agent = work.on("agent")
        agent.write("a", with_line(TEXT, 2, b"agent\n"))
        agent.write("new", b"from the agent\n")
        agent.delete("b")
        theirs = agent.set_mode("a", 0o755).entry
        ours = work.write("a", with_line(TEXT, 20, b"main\n")).entry
        merged = work.merge("agent")
        assert merged is not None
        assert merged.detail["parents"] == [[1, ours], [agent.branch.id, theirs]]
        expected = with_line(with_line(TEXT, 2, b"agent\n"), 20, b"main\n")
        assert contents(work.root) == {"a": expected, "new": b"from the agent\n"}
        assert (work.root / "a").stat().st_mode & 0o777 == 0o755
        version = work.tree()["a"]
        head = agent.tree()["a"]
        assert (version.parent, version.merged) == (ours_number(work, ours), head.number)
        assert work.merge("agent") is None
        assert verify(work.store).problems == ()


def ours_number(work: Workspace, entry: int) -> int:
    (version,) = work.store.versions.of_entries(entry, entry)
    return version.number


def test_merge_edit_both_and_merge_again(work: Workspace) -> None:
    """What the first merge joined counts as common: no conflict over it, and no line comes back."""
    with work:
        work.fork("agent")
        agent = work.on("agent")
        agent.write("a", with_line(TEXT, 2, b"agent 1\n"))
        assert work.merge("agent") is not None
        work.write("a", with_line(read(work), 2, b"main over agent 1\n"))
        work.write("a", read(work).replace(b"line 9\n", b""))
        agent.write("a", with_line(read(agent), 25, b"agent 2\n"))
        assert work.merge("agent") is not None
        expected = with_line(TEXT, 2, b"main over agent 1\n").replace(b"line 9\n", b"")
        assert read(work) == expected.replace(b"line 25\n", b"agent 2\n")
        assert agent.merge("main") is not None  # the other way nothing is left to join
        assert read(agent) == read(work)
        assert agent.merge("main") is None


def test_a_conflict_is_told_and_nothing_is_written(work: Workspace) -> None:
    with work:
        work.fork("agent")
        agent = work.on("agent")
        agent.write("a", with_line(TEXT, 2, b"agent\n"))
        agent.write("b", b"whole\n")
        work.write("a", with_line(TEXT, 2, b"main\n"))
        before, cursor = contents(work.root), work.cursor
        with pytest.raises(Conflicted, match="Nothing was merged: a: both sides changed the same lines") as raised:
            work.merge("agent")
        (conflict,) = raised.value.conflicts
        assert (conflict.line, conflict.ours, conflict.theirs) == (3, b"main\n", b"agent\n")
        assert (work.cursor, contents(work.root)) == (cursor, before)
        work.write("a", with_line(TEXT, 2, b"agent\n"))
        assert work.merge("agent") is not None
        assert contents(work.root) == {"a": with_line(TEXT, 2, b"agent\n"), "b": b"whole\n"}


def test_a_criss_cross_merges_its_bases_first(work: Workspace) -> None:
    """Each side merged the other's first edit, then both went on: their bases differ, and neither alone would do."""
    with work:
        work.fork("agent")
        agent = work.on("agent")
        work.fork("main as it was")
        work.write("a", with_line(TEXT, 5, b"main 1\n"))
        agent.write("a", with_line(TEXT, 15, b"agent 1\n"))
        work.fork("m1")
        agent.fork("a1")
        work.merge("a1")
        agent.merge("m1")
        assert read(work) == read(agent)
        work.write("a", with_line(read(work), 5, b"main 2\n"))
        agent.write("a", with_line(read(agent), 15, b"agent 2\n"))
        ancestry, last = Ancestry(work.store), work.cursor
        bases = ancestry.bases(ancestry.tip(1, last), ancestry.tip(agent.branch.id, last))
        assert len(bases) == 2
        assert work.merge("agent") is not None
        assert read(work) == with_line(with_line(TEXT, 5, b"main 2\n"), 15, b"agent 2\n")


def test_the_nearest_of_several_common_ancestors_is_the_base(work: Workspace) -> None:
    with work:
        work.fork("one")
        one = work.on("one")
        one.fork("two")
        two = work.on("two")
        first = one.write("a", with_line(TEXT, 1, b"one\n")).entry
        two.merge("one")
        ancestry, last = Ancestry(work.store), work.cursor
        tips = ancestry.tip(one.branch.id, last), ancestry.tip(two.branch.id, last)
        assert ancestry.bases(*tips) == [Point(one.branch.id, first)]


def test_a_merge_can_be_undone_redone_and_done_again(work: Workspace) -> None:
    with work:
        work.fork("agent")
        agent = work.on("agent")
        agent.write("a", with_line(TEXT, 2, b"agent\n"))
        agent.write("new", b"x\n")
        work.write("b", b"main\n")
        before = contents(work.root)
        work.merge("agent")
        after = contents(work.root)
        work.undo()
        assert contents(work.root) == before
        work.redo()
        assert contents(work.root) == after
        work.undo()
        assert work.merge("agent") is not None  # an undone merge joined nothing
        assert contents(work.root) == after


def test_a_deletion_is_merged_and_meets_an_edit_as_a_conflict(work: Workspace) -> None:
    with work:
        work.fork("agent")
        agent = work.on("agent")
        agent.delete("a")
        agent.delete("b")
        work.write("b", b"main\n")
        with pytest.raises(Conflicted, match="b: deleted there"):
            work.merge("agent")
        work.delete("b")
        assert work.merge("agent") is not None
        assert contents(work.root) == {}
        assert agent.merge("main") is not None
        work.write("a", b"again\n")
        agent.merge("main")
        assert read(agent) == b"again\n"


def test_a_file_that_both_made_is_one_document_from_then_on(work: Workspace) -> None:
    with work:
        work.fork("agent")
        agent = work.on("agent")
        agent.write("same", TEXT)
        agent.write("other", b"agent\n")
        work.write("same", TEXT)
        work.write("other", b"main\n")
        with pytest.raises(Conflicted, match="other: both sides"):
            work.merge("agent")
        agent.write("other", b"main\n")
        assert work.merge("agent") is not None
        agent.write("same", with_line(TEXT, 3, b"agent\n"))
        work.write("same", with_line(TEXT, 23, b"main\n"))
        assert work.merge("agent") is not None
        assert read(work, "same") == with_line(with_line(TEXT, 3, b"agent\n"), 23, b"main\n")


def test_renames_merge_with_edits_and_collide_as_conflicts(work: Workspace) -> None:
    with work:
        work.fork("agent")
        agent = work.on("agent")
        agent.move("a", "d/a")
        work.write("a", with_line(TEXT, 3, b"main\n"))
        assert work.merge("agent") is not None
        assert contents(work.root) == {"d/a": with_line(TEXT, 3, b"main\n"), "b": TEXT}
        agent.move("b", "c")
        work.write("c", b"another\n")
        with pytest.raises(Conflicted, match="c: another document is there"):
            work.merge("agent")
        agent.move("c", "c/b")
        with pytest.raises(Conflicted, match="c: a document here, a folder on the other side"):
            work.merge("agent")
        agent.move("c/b", "d/b")
        assert work.merge("agent") is not None


def test_what_people_changed_in_either_folder_is_recorded_before_a_merge(work: Workspace, tmp_path: Path) -> None:
    with work, work.checkout(tmp_path / "agent", "agent") as agent:
        (agent.root / "a").write_bytes(with_line(TEXT, 2, b"person at the agent\n"))
        (work.root / "a").write_bytes(with_line(TEXT, 20, b"person at main\n"))
        assert work.merge("agent") is not None
        expected = with_line(with_line(TEXT, 2, b"person at the agent\n"), 20, b"person at main\n")
        assert contents(work.root)["a"] == expected
        assert contents(agent.root)["a"] == with_line(TEXT, 2, b"person at the agent\n")
        agent.merge("main")
        assert contents(agent.root) == contents(work.root)
        assert work.differences() == agent.differences() == []


def test_a_preview_tells_what_a_merge_does_and_writes_nothing(work: Workspace) -> None:
    with work:
        work.fork("agent")
        agent = work.on("agent")
        agent.write("a", with_line(TEXT, 2, b"agent\n"))
        cursor = work.cursor
        touches, plan, token = work.preview_merge("agent")
        assert [(t.change, t.path, t.added, t.removed) for t in touches] == [("edit", "a", 1, 1)]
        assert work.cursor == cursor
        assert not plan.conflicts
        assert work.merge("agent", expect=token) is not None
