"""Several branches of one history at once, each with a folder of its own or with none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.workspace.model import leftovers, snapshot
from workspace import Act, Busy, Conflicted, History, NotFound, Workspace, WorkspaceError
from workspace.operations.verify import verify
from workspace.store.location import LINK

TEXT = b"".join(b"line %d\n" % n for n in range(12))


def contents(folder: Path) -> dict[str, bytes]:
    return {path: data for path, (_, data) in snapshot(folder).items()}


@pytest.fixture
def work(folder: Path) -> Workspace:
    work = Workspace.open(folder)
    work.write("a", TEXT)
    work.write("d/b", TEXT)
    return work


def test_two_branches_are_written_in_their_own_folders(work: Workspace, tmp_path: Path) -> None:
    with work, work.checkout(tmp_path / "agent", "agent") as other:
        assert contents(other.root) == contents(work.root) == {"a": TEXT, "d/b": TEXT}
        work.write("a", TEXT + b"main\n")
        other.write("a", b"agent\n" + TEXT)
        other.delete("d/b")
        assert contents(work.root) == {"a": TEXT + b"main\n", "d/b": TEXT}
        assert contents(other.root) == {"a": b"agent\n" + TEXT}
        (other.root / "new").write_text("by a person\n")
        (version,) = other.scan().versions
        assert (version.path, version.branch) == ("new", other.branch.id)
        assert work.find("new") is None
        assert work.differences() == other.differences() == []
        assert verify(work.store).problems == ()


def test_acts_on_two_branches_share_a_transaction_and_files_follow_it(work: Workspace, tmp_path: Path) -> None:
    with work, work.checkout(tmp_path / "agent", "agent") as other:
        with work.batch():
            work.write("a", b"main\n")
            other.write("a", b"agent\n")
            assert contents(work.root)["a"] == contents(other.root)["a"] == TEXT
        assert contents(work.root)["a"] == b"main\n"
        assert contents(other.root)["a"] == b"agent\n"


def test_a_branch_is_written_without_any_folder(work: Workspace) -> None:
    with work:
        work.fork("agent")
        with work.on("agent") as other:
            other.write("a", b"agent\n")
            other.move("d/b", "c")
            assert other.content(other.tree()["a"]) == b"agent\n"
            other.undo()
            assert set(other.tree()) == {"a", "d/b"}
            assert other.differences() == []
            with pytest.raises(WorkspaceError, match="Branch agent has no folder here"):
                other.scan()
        assert contents(work.root) == {"a": TEXT, "d/b": TEXT}


def test_a_branch_whose_folder_is_not_open_is_placed_when_it_is(work: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    with work:
        work.checkout(folder, "agent").close()
        work.fork("third")
        with work.on("third") as third:
            third.write("a", b"third\n")
        entry = work.repository.record(
            Act(), [_edit(work, "agent", "a", b"from afar\n")], branch=work.store.versions.branch("agent").id
        )[0]
        assert entry == work.cursor
        assert contents(folder)["a"] == TEXT
    with Workspace.open(folder) as other:
        assert other.branch.name == "agent"
        assert contents(folder)["a"] == b"from afar\n"
        assert other.unplaced() == []


def _edit(work: Workspace, branch: str, path: str, data: bytes):  # type: ignore[no-untyped-def]
    from workspace.records import REGULAR, Edit, State

    head = work.store.versions.find(path, work.store.versions.branch(branch).id, work.cursor)
    assert head is not None
    with work.store.transaction():
        content = work.store.contents.put(data)
    return Edit(head.document, path, State(path, REGULAR | 0o644, content), head.number)


def test_a_cursor_is_laid_out_in_any_folder(work: Workspace, tmp_path: Path) -> None:
    with work:
        before = work.cursor
        work.write("a", b"later\n")
        work.delete("d/b")
        with work.checkout(tmp_path / "then", "then", at=before) as then:
            assert contents(then.root) == {"a": TEXT, "d/b": TEXT}
            assert then.branch.fork == before
        assert contents(work.root) == {"a": b"later\n"}


def test_a_working_copy_opens_on_its_branch_from_its_folder_alone(work: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    with work:
        work.checkout(folder, "agent").close()
    (folder / "a").write_bytes(b"by hand\n")
    with History.open(folder) as history:
        assert history.branch.name == "agent"
        assert [d.path for d in history.differences()] == ["a"]
    with Workspace.open(folder) as other:
        assert other.branch.name == "agent"
        assert [v.path for v in other.scan().versions] == ["a"]
    with History.open(work.root) as main:
        assert main.branch.name == "main"
        assert main.differences() == []


def test_another_process_is_still_kept_out(work: Workspace, tmp_path: Path) -> None:
    with work:
        work.checkout(tmp_path / "agent", "agent").close()
        with pytest.raises(Busy):
            Workspace.open(tmp_path / "agent", wait=0)


def test_a_working_copy_below_another_is_none_of_its_documents(work: Workspace) -> None:
    with work, work.checkout(work.root / "agents" / "one", "one") as other:
        other.write("mine", b"x\n")
        assert work.scan().versions == ()
        assert set(work.tree()) == {"a", "d/b"}


def test_a_moved_working_copy_is_known_again_and_a_copied_one_refused(work: Workspace, tmp_path: Path) -> None:
    with work:
        work.checkout(tmp_path / "agent", "agent").close()
    (tmp_path / "agent").rename(tmp_path / "moved")
    with Workspace.open(tmp_path / "moved") as other:
        assert other.branch.name == "agent"
        assert other.scan().versions == ()
    shutil.copytree(tmp_path / "moved", tmp_path / "copied", symlinks=True)
    for opened in (Workspace.open, History.open):
        with pytest.raises(WorkspaceError, match="is a copy of"):
            opened(tmp_path / "copied")
    work.root.rename(tmp_path / "main moved")
    with Workspace.open(tmp_path / "main moved") as main:
        assert main.branch.name == "main"


def test_a_branch_is_checked_out_in_one_folder_only_and_never_over_files(work: Workspace, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "theirs").write_text("x")
    with work:
        with pytest.raises(WorkspaceError, match="holds files already"):
            work.checkout(taken, "agent")
        with pytest.raises(NotFound):
            work.on("agent")
        with work.checkout(tmp_path / "one", "agent"):
            pass
        with pytest.raises(WorkspaceError, match="is checked out in"):
            work.checkout(tmp_path / "two", "agent")
        with pytest.raises(WorkspaceError, match="is checked out in"):
            work.checkout(tmp_path / "two", "main")
        with pytest.raises(WorkspaceError, match="already a branch"):
            work.checkout(tmp_path / "two", "agent", at=1)
        shutil.rmtree(tmp_path / "one")
        with work.checkout(tmp_path / "two", "agent") as other:
            assert contents(other.root) == {"a": TEXT, "d/b": TEXT}
    assert contents(taken) == {"theirs": b"x"}
    assert not (taken / LINK).exists()


def test_what_somebody_puts_in_the_way_of_a_checkout_is_kept(work: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "agent"

    def intrude(step: str) -> None:
        if step == "committed" and not (folder / "a").exists():
            (folder / "a").write_text("theirs\n")

    with work:
        work.step = intrude
        with pytest.raises(Conflicted, match="a file was already there"):
            work.checkout(folder, "agent")
        work.step = lambda _: None
        with work.on("agent") as other:
            assert contents(folder) == {"a": b"theirs\n", "d/b": TEXT}
            assert other.content(other.tree()["a"]) == b"theirs\n"
        assert leftovers(folder) == []


def test_an_outside_edit_in_each_folder_belongs_to_its_branch(work: Workspace, tmp_path: Path) -> None:
    with work, work.checkout(tmp_path / "agent", "agent") as other:
        (work.root / "a").write_bytes(TEXT + b"person on main\n")
        (other.root / "a").write_bytes(TEXT + b"person on agent\n")
        work.write("a", b"main\n" + TEXT)
        other.write("a", b"agent\n" + TEXT)
        assert contents(work.root)["a"] == b"main\n" + TEXT + b"person on main\n"
        assert contents(other.root)["a"] == b"agent\n" + TEXT + b"person on agent\n"
