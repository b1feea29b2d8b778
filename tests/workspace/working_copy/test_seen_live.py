"""Edits that were recorded as soon as they were seen: whose they are, and what undo does about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from workspace import Act, NotFound, Workspace
from workspace.operations.verify import verify
from workspace.working_copy.checkout import WATCHED
from workspace.working_copy.working_copy import Scanned


def edit(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text)


def see(work: Workspace, *paths: str) -> Scanned:
    """Record what changed at these paths, as a watcher does."""
    return work.catch_up(paths, act=WATCHED)


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_a_scan_claims_what_was_seen_live_and_its_undo_takes_all_of_it_back(folder: Path) -> None:
    edit(folder, a="1\n", b="1\n")
    with Workspace.open(folder) as work:
        work.scan()
        edit(folder, a="2\n")
        first = see(work, "a")
        edit(folder, a="3\n", b="2\n", c="new\n")
        second = see(work, "a", "b")
        scanned = work.scan()
        assert [version.path for version in scanned.versions] == ["c"]
        assert [version.path for version in scanned.claimed] == ["a", "a", "b"]
        assert work.operation(scanned.operation or 0).detail["claims"] == [first.operation, second.operation]
        work.undo()
        assert texts(folder) == {"a": "1\n", "b": "1\n"}
        work.redo()
        assert texts(folder) == {"a": "3\n", "b": "2\n", "c": "new\n"}
        assert verify(work.store).ok


def test_a_scan_that_comes_after_the_watcher_is_an_act_all_the_same(folder: Path) -> None:
    edit(folder, a="1\n")
    with Workspace.open(folder) as work:
        work.scan()
        edit(folder, a="2\n")
        see(work, "a")
        scanned = work.scan()
        assert scanned.operation is not None
        assert not scanned.versions
        assert work.scan().operation is None, "what is claimed is claimed once"
        work.undo()
        assert texts(folder) == {"a": "1\n"}


def test_undo_alone_passes_over_what_was_only_seen(folder: Path) -> None:
    edit(folder, a="1\n", b="1\n")
    with Workspace.open(folder) as work:
        work.scan()
        work.write("a", b"2\n")
        edit(folder, b="2\n")
        seen = see(work, "b")
        work.undo()
        assert texts(folder) == {"a": "1\n", "b": "2\n"}
        with pytest.raises(NotFound):
            work.undo()
        work.revert([seen.operation or 0])
        assert texts(folder) == {"a": "1\n", "b": "1\n"}


def test_a_scan_claims_nothing_from_before_an_act_on_documents(folder: Path) -> None:
    edit(folder, a="1\n", b="1\n", c="1\n")
    with Workspace.open(folder) as work:
        work.scan()
        edit(folder, a="2\n")
        see(work, "a")
        work.write("b", b"2\n", act=Act(session="s1"))
        edit(folder, c="2\n")
        seen = see(work, "c")
        work.record(Act(kind="note", session="s1"))
        assert work.operation(work.scan().operation or 0).detail["claims"] == [seen.operation]
        work.undo()
        assert texts(folder) == {"a": "2\n", "b": "2\n", "c": "1\n"}


def test_what_began_the_history_is_never_claimed(folder: Path) -> None:
    edit(folder, a="1\n")
    with Workspace.open(folder) as work:
        work.catch_up(act=WATCHED)
        assert work.scan().operation is None
        with pytest.raises(NotFound):
            work.undo()
        assert texts(folder) == {"a": "1\n"}


def test_a_look_at_some_paths_sees_them_and_all_below_and_nothing_else(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "deep/er").mkdir(parents=True)
    edit(folder, a="1\n", b="1\n")
    (folder / "deep/er/x").write_text("1\n")
    (folder / ".gitignore").write_text("out\n*.o\n")
    with Workspace.open(folder) as work:
        work.scan()
        edit(folder, a="2\n", b="2\n")
        (folder / "out/made").write_text("made\n")
        (folder / "deep/er/made.o").write_text("made\n")
        (folder / "deep/new").mkdir()
        (folder / "deep/new/y").write_text("1\n")
        found = see(work, "a", "out/made", "deep/er/made.o", "deep/new", "never/was")
        assert sorted(version.path for version in found.versions) == ["a", "deep/new/y"]
        assert found.folders == ("deep/new",)
        (folder / "deep/er/x").rename(folder / "moved")
        (folder / "deep/er/made.o").unlink()
        (folder / "deep/er").rmdir()
        (folder / "deep/er").write_text("a file now\n")
        found = see(work, "deep/er", "deep/er/x", "moved")
        assert sorted((v.path, v.change) for v in found.versions) == [("deep/er", "create"), ("moved", "rename")]
        assert [version.path for version in work.scan().versions] == ["b"]
        assert verify(work.store).ok


def test_a_file_where_a_folder_was_is_not_taken_for_what_was_below(folder: Path) -> None:
    (folder / "d").mkdir()
    (folder / "d/x").write_text("1\n")
    with Workspace.open(folder) as work:
        work.scan()
        (folder / "d/x").unlink()
        (folder / "d").rmdir()
        (folder / "d").write_text("file\n")
        assert [(v.path, v.change) for v in see(work, "d/x").versions] == [("d/x", "delete")]
        assert [(v.path, v.change) for v in see(work, "d").versions] == [("d", "create")]
        assert work.catch_up().operation is None
