"""Laying in: what a command changed on its overlay becomes versions, and nobody's work is lost."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workspace.upper import Command, begin
from workspace import Workspace
from workspace.operations.verify import verify
from workspace.working_copy import coverage
from workspace.working_copy.outside import unkeepable

TEXT = b"one\ntwo\nthree\nfour\nfive\n"


@pytest.fixture
def work(folder: Path) -> Iterator[Workspace]:
    for path, data in {
        "a.txt": TEXT, "b.txt": b"b\n", "dir/x": b"x\n", "dir/y": b"y\n", ".gitignore": b"ignored/\n*.log\n",
        "ignored/precious": b"nobody recorded this", "note.log": b"log\n", ".env": b"SECRET=1\n",
    }.items():  # fmt: skip
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
    with Workspace.open(folder) as work:
        work.scan()
        yield work
        assert verify(work.store).problems == ()


@pytest.fixture
def command(work: Workspace) -> Command:
    return begin(work)


def shown(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink() and ".git/" not in str(path)
    }


def test_an_edit_a_new_file_and_a_removal_become_versions_of_the_operation(work: Workspace, command: Command) -> None:
    command.write("a.txt", TEXT.replace(b"two", b"2"))
    command.write("new/deep.txt", b"new\n")
    command.remove("b.txt")
    laid = command.lay_in()
    assert {(v.path, v.change, v.operation) for v in laid.versions} == {
        ("a.txt", "edit", command.upper.operation), ("new/deep.txt", "create", command.upper.operation),
        ("b.txt", "delete", command.upper.operation),
    }  # fmt: skip
    assert (work.root / "a.txt").read_bytes() == TEXT.replace(b"two", b"2")
    assert not (work.root / "b.txt").exists()
    assert work.differences() == []


def test_a_file_that_was_only_copied_up_is_no_change(work: Workspace, command: Command) -> None:
    command.write("a.txt", TEXT)
    below = (work.root / "a.txt").stat()
    os.utime(command.upper.folder / "a.txt", ns=(below.st_atime_ns, below.st_mtime_ns))
    laid = command.lay_in()
    assert not laid.versions
    assert (work.root / "a.txt").stat().st_ino == below.st_ino


def test_times_of_the_command_are_kept_to_the_nanosecond(work: Workspace, command: Command) -> None:
    command.write("a.txt", b"other\n")
    command.write("b.txt", b"b\n")
    for path in ("a.txt", "b.txt"):
        os.utime(command.upper.folder / path, ns=(123, 1_000_000_000_123_456_789))
    command.lay_in()
    assert (work.root / "a.txt").stat().st_mtime_ns == 1_000_000_000_123_456_789
    assert (work.root / "b.txt").stat().st_mtime_ns == 1_000_000_000_123_456_789  # only touched


def test_a_rename_keeps_the_document(work: Workspace, command: Command) -> None:
    document = work.document("dir/x")
    command.move("dir/x", "elsewhere/z")
    (version,) = command.lay_in().versions
    assert (version.document, version.change, version.path) == (document, "rename", "elsewhere/z")


def test_a_person_who_edited_other_lines_meanwhile_is_merged_with(work: Workspace, command: Command) -> None:
    command.write("a.txt", TEXT.replace(b"five", b"5"))
    (work.root / "a.txt").write_bytes(TEXT.replace(b"one", b"1"))
    laid = command.lay_in()
    assert not laid.conflicts
    assert (work.root / "a.txt").read_bytes() == TEXT.replace(b"five", b"5").replace(b"one", b"1")


def test_a_person_who_edited_the_same_lines_meanwhile_keeps_theirs(work: Workspace, command: Command) -> None:
    command.write("a.txt", TEXT.replace(b"two", b"the agent's"))
    (work.root / "a.txt").write_bytes(TEXT.replace(b"two", b"the person's"))
    laid = command.lay_in()
    assert [conflict.path for conflict in laid.conflicts] == ["a.txt"]
    assert (work.root / "a.txt").read_bytes() == TEXT.replace(b"two", b"the person's")
    (beside,) = laid.beside
    assert work.content(beside) == TEXT.replace(b"two", b"the agent's")
    assert work.differences() == []


def test_an_edit_that_nobody_had_recorded_is_recorded_as_the_person_s(work: Workspace) -> None:
    (work.root / "a.txt").write_bytes(TEXT.replace(b"one", b"1"))
    command = begin(work)
    command.write("a.txt", TEXT.replace(b"one", b"1").replace(b"five", b"5"))
    laid = command.lay_in()
    (version,) = laid.versions
    before = work.store.versions.get(version.document, version.parent or 0)
    assert work.operation(before.operation).kind == "outside"
    assert (version.added, version.removed) == (1, 1)


def test_ignored_files_and_secrets_that_are_destroyed_come_back_with_undo(work: Workspace, command: Command) -> None:
    before = shown(work.root)
    command.remove("ignored")
    command.remove("note.log")
    command.write(".env", b"SECRET=2\n")
    command.write("made.log", b"by the agent\n")
    laid = command.lay_in()
    after = shown(work.root)
    assert sorted(row.path for row in laid.outside) == [".env", "ignored", "made.log", "note.log"]
    assert "ignored/precious" not in after
    assert work.outside_of([command.upper.operation])[0].held
    for _ in range(2):
        work.undo(target=command.upper.operation)
        assert shown(work.root) == before
        work.redo()
        assert shown(work.root) == after
    work.undo(target=command.upper.operation)
    assert shown(work.root) == before


def test_what_is_passed_over_is_known_without_another_look(work: Workspace, command: Command) -> None:
    command.remove("ignored")
    command.remove("note.log")
    command.write("made.log", b"by the agent\n")
    command.write("node_modules/x", b"")
    command.lay_in()
    assert work.scan().operation is None
    work.undo(target=command.upper.operation)
    assert work.scan().operation is None
    work.redo()
    assert work.scan().operation is None


def test_undo_leaves_what_somebody_changed_since(work: Workspace, command: Command) -> None:
    command.write("note.log", b"agent\n")
    command.lay_in()
    (work.root / "note.log").write_bytes(b"a person, later\n")
    _, plan, _ = work.preview_revert([command.upper.operation])
    assert [(row.path, why) for row, why in plan.stuck] == [("note.log", "it was changed meanwhile")]
    work.undo(target=command.upper.operation)
    assert (work.root / "note.log").read_bytes() == b"a person, later\n"


def test_the_oldest_kept_files_go_when_the_budget_is_spent_and_undo_says_so(work: Workspace) -> None:
    coverage.set_budget(work.store, 6)
    for number, text in enumerate((b"12345", b"123456")):
        command = begin(work)
        command.write("note.log" if number else ".env", text)
        command.lay_in()
    first = next(row for row in work.outside_of(range(work.cursor)) if row.path == ".env")
    assert work.copy is not None
    ready, refused = work.copy.outside.plan_back([first.operation])
    assert not ready
    assert [why for _, why in refused] == ["what was there before is no longer held"]
    assert any(operation.kind == "evict" for operation in work.store.journal.operations())


def test_what_is_larger_than_the_budget_is_named_before(work: Workspace, command: Command) -> None:
    command.remove("ignored")
    from workspace.operations.lay_in import LayingIn

    laying = LayingIn(command.upper, command.act)
    changes = laying.read(work).changes
    assert work.copy is not None
    assert unkeepable(work.copy.files, changes, 5) == [("ignored", 20)]
    assert unkeepable(work.copy.files, changes) == []
    laying.close()


def test_caches_go_in_and_are_only_named(work: Workspace, command: Command) -> None:
    command.write("pkg/__pycache__/m.pyc", b"\0")
    command.write("node_modules/left/index.js", b"x")
    command.write("pkg/m.py", b"x = 1\n")
    laid = command.lay_in()
    assert [version.path for version in laid.versions] == ["pkg/m.py"]
    assert sorted(laid.caches) == ["node_modules", "pkg/__pycache__"]
    assert (work.root / "node_modules/left/index.js").exists()
    assert work.differences() == []


def test_an_owner_says_what_is_a_cache(work: Workspace) -> None:
    work.configure(caches=["*.o"], no_caches=["dist"])
    command = begin(work)
    command.write("dist/page.html", b"made by hand\n")
    command.write("m.o", b"\0")
    laid = command.lay_in()
    assert [version.path for version in laid.versions] == ["dist/page.html"]
    assert laid.caches == ["m.o"]
    assert [(s.path, s.reason) for s in work.scan().skipped if s.reason == "cache"] == [("m.o", "cache")]


def test_an_ignore_file_takes_a_cache_back_in(work: Workspace) -> None:
    (work.root / ".wukongignore").write_text("!dist\n")
    command = begin(work)
    command.write("dist/page.html", b"made by hand\n")
    assert [version.path for version in command.lay_in().versions] == ["dist/page.html"]


def test_a_folder_that_was_made_anew_hides_what_was_in_it(work: Workspace, command: Command) -> None:
    command.replace_folder("dir")
    command.write("dir/x", b"x, again\n")
    laid = command.lay_in()
    assert {(v.path, v.change) for v in laid.versions} == {("dir/x", "edit"), ("dir/y", "delete")}
    assert os.listdir(work.root / "dir") == ["x"]


def test_a_file_in_place_of_a_folder_and_back(work: Workspace, command: Command) -> None:
    command.write("dir", b"now a file\n")
    laid = command.lay_in()
    assert {(v.path, v.change) for v in laid.versions} == {
        ("dir", "create"), ("dir/x", "delete"), ("dir/y", "delete")
    }  # fmt: skip
    assert (work.root / "dir").read_bytes() == b"now a file\n"
    back = begin(work)
    back.replace_folder("dir")
    back.write("dir/x", b"x\n")
    back.lay_in()
    assert (work.root / "dir/x").read_bytes() == b"x\n"
    assert work.differences() == []


def test_empty_folders_and_pipes_are_made_and_odd_names_survive(work: Workspace, command: Command) -> None:
    (command.upper.folder / "empty").mkdir()
    os.mkfifo(command.upper.folder / "pipe")
    name = b"caf\xe9 \n x"
    with open(os.fsencode(command.upper.folder) + b"/" + name, "wb") as file:
        file.write(b"odd\n")
    command.lay_in()
    assert (work.root / "empty").is_dir()
    assert stat.S_ISFIFO((work.root / "pipe").stat().st_mode)
    assert os.path.exists(os.fsencode(work.root) + b"/" + name)
    assert work.differences() == []


def test_set_user_bits_are_cleared(work: Workspace, command: Command) -> None:
    command.write("tool", b"#!/bin/sh\n", 0o4755)
    command.write("made.log", b"", 0o4755)
    command.lay_in()
    for path in ("tool", "made.log"):
        assert stat.S_IMODE((work.root / path).stat().st_mode) == 0o755


def test_a_database_and_its_journal_go_in_together_or_not_at_all(work: Workspace, command: Command) -> None:
    command.write("data.db", b"SQLite format 3\0 agent")
    command.write("data.db-wal", b"agent's log")
    (work.root / "data.db").write_bytes(b"SQLite format 3\0 person")
    laid = command.lay_in()
    assert sorted(conflict.path for conflict in laid.conflicts) == ["data.db", "data.db-wal"]
    assert not (work.root / "data.db-wal").exists()
    assert (work.root / "data.db").read_bytes() == b"SQLite format 3\0 person"


def test_a_hidden_secret_is_not_touched_by_what_was_written_in_its_place(work: Workspace) -> None:
    from dataclasses import replace

    command = begin(work)
    command.upper = replace(command.upper, hidden=frozenset({".env"}))
    command.write(".env", b"made up by the command\n")
    command.lay_in()
    assert (work.root / ".env").read_bytes() == b"SECRET=1\n"
