"""What shell commands and other programs do to a directory becomes versions; what cannot is shown."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workspace.surroundings import memory as memory
from tests.workspace.surroundings import permissions_bind
from workspace import Act, Conflicted, Version, Workspace, WorkspaceError
from workspace.store.location import store_of
from workspace.working_copy.working_copy import Scanned

Sight = dict[str, tuple[int, str]]
"""Files and symlinks by path: ``st_mode`` and SHA-256 of the bytes or of the target."""


class Desk:
    """A workspace, a shell in it, and the memory of every state that a scan has seen."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = Workspace.open(root)
        self.seen: list[tuple[int, Sight, set[str]]] = []

    def sh(self, command: str) -> None:
        subprocess.run(["sh", "-ec", command], cwd=self.root, check=True)

    def put(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.root / f"{name}.txt").write_text(text)

    def run(self, command: str) -> dict[str, str]:
        """A command and the scan after it: the changes by path, once everything is checked."""
        self.sh(command)
        return self.changes()

    def changes(self) -> dict[str, str]:
        return {version.path: version.change for version in self.scan().versions}

    def scan(self) -> Scanned:
        """Scan; all that is on disk must be in the versions or in the coverage, and nothing else be there."""
        scanned = self.work.scan()
        left_out = {skipped.path for skipped in self.work.coverage()}
        on_disk = {path: sight for path, sight in look(self.root).items() if not _below(path, left_out)}
        captured = {path: v for path, v in self.work.tree().items() if not _below(path, left_out)}
        assert {path: self._of(version) for path, version in captured.items()} == on_disk
        self.seen.append((self.work.cursor, on_disk, left_out))
        return scanned

    def document(self, path: str) -> int:
        return self.work.document(path)

    def walk_back(self) -> None:
        """Restore every state ever seen, newest first and then the newest again, and compare the disk."""
        for cursor, sight, left_out in [*reversed(self.seen), self.seen[-1]]:
            self.work.restore(cursor=cursor)
            assert {path: seen for path, seen in look(self.root).items() if not _below(path, left_out)} == sight
            tree = self.work.tree(cursor=cursor)
            assert {path: self._of(v) for path, v in tree.items() if not _below(path, left_out)} == sight
            assert self.work.unplaced() == []

    def _of(self, version: Version) -> tuple[int, str]:
        assert version.mode is not None
        return version.mode, hashlib.sha256(self.work.content(version)).hexdigest()


def look(root: Path) -> Sight:
    """The files and links below a folder, found without the program's help."""
    found: Sight = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".git"]
        for name in [*names, *folders]:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            relative = str(path.relative_to(root))
            if stat.S_ISLNK(mode) and name != ".wukong":
                found[relative] = (mode, hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest())
            elif stat.S_ISREG(mode):
                kept = hashlib.sha256(path.read_bytes()).hexdigest() if path.stat().st_size < 1 << 27 else "large"
                found[relative] = (stat.S_IFREG | mode & 0o777, kept)
            elif not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode):
                found[relative] = (mode, "")
    return found


def _below(path: str, folders: set[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


@pytest.fixture
def desk(folder: Path) -> Iterator[Desk]:
    desk = Desk(folder)
    yield desk
    desk.work.close()


# -- edits


def test_sed_in_place_edits_the_same_document(desk: Desk) -> None:
    desk.put(a="one\ntwo\n")
    desk.scan()
    document = desk.document("a.txt")
    assert desk.run("sed -i s/one/ONE/ a.txt") == {"a.txt": "edit"}
    assert desk.document("a.txt") == document
    desk.walk_back()


def test_emptying_a_file_with_a_redirection_keeps_what_was_in_it(desk: Desk) -> None:
    desk.put(a="one\ntwo\n")
    desk.scan()
    assert desk.run(": > a.txt") == {"a.txt": "edit"}
    assert (desk.root / "a.txt").read_bytes() == b""
    desk.walk_back()


def test_an_editor_that_saves_by_renaming_edits_the_same_document(desk: Desk) -> None:
    desk.put(a="one\n")
    desk.scan()
    document = desk.document("a.txt")
    assert desk.run("printf 'two\\n' > .a.txt.swp && mv .a.txt.swp a.txt") == {"a.txt": "edit"}
    assert desk.run("mv a.txt a.txt~ && printf 'three\\n' > a.txt && rm a.txt~") == {"a.txt": "edit"}
    assert desk.document("a.txt") == document
    desk.walk_back()


def test_a_program_that_rewrites_thousands_of_files_is_one_operation(memory: Path) -> None:
    desk = Desk(memory)
    program = (
        "import pathlib, sys\n"
        "for n in range(5000):\n"
        "    path = pathlib.Path(f'{n % 50}/{n}.txt')\n"
        "    path.parent.mkdir(exist_ok=True)\n"
        "    path.write_text(f'{sys.argv[1]} {n}\\n')\n"
    )
    subprocess.run([sys.executable, "-c", program, "first"], cwd=desk.root, check=True)
    desk.scan()
    operation = desk.work.begin(Act(kind="run", name="rewrite", actor="agent"))
    subprocess.run([sys.executable, "-c", program, "second"], cwd=desk.root, check=True)
    versions = desk.work.end(operation, captured=True)
    assert len(versions) == 5000
    assert {(version.change, version.operation) for version in versions} == {("edit", operation)}
    desk.scan()
    then = {path: desk.work.content(version) for path, version in desk.work.tree(cursor=desk.seen[0][0]).items()}
    assert then == {f"{n % 50}/{n}.txt": b"first %d\n" % n for n in range(5000)}
    desk.work.restore(cursor=desk.seen[0][0], paths=["7"])
    assert (desk.root / "7/57.txt").read_text() == "first 57\n"
    assert (desk.root / "8/58.txt").read_text() == "second 58\n"
    desk.work.close()


def test_an_edit_of_equal_size_right_after_a_scan_is_not_missed(desk: Desk) -> None:
    desk.put(a="000")
    desk.scan()
    for number in range(1, 60):
        desk.put(a=f"{number:03}")
        assert desk.changes() == {"a.txt": "edit"}
    desk.walk_back()


def test_touch_makes_no_version(desk: Desk) -> None:
    desk.put(a="one\n")
    desk.scan()
    desk.sh("touch a.txt")
    assert desk.work.scan().operation is None
    desk.sh("touch -d '2001-01-01' a.txt")
    assert desk.work.scan().operation is None


def test_a_copy_that_keeps_size_and_time_is_seen(desk: Desk) -> None:
    desk.put(a="one\n", b="two\n")
    desk.sh("touch -d '2020-02-02 02:02:02' a.txt b.txt")
    desk.scan()
    before = (desk.root / "a.txt").stat()
    assert desk.run("cp -p b.txt a.txt") == {"a.txt": "edit"}
    after = (desk.root / "a.txt").stat()
    assert (before.st_size, before.st_mtime_ns, before.st_ino) == (after.st_size, after.st_mtime_ns, after.st_ino)
    desk.walk_back()


def test_files_unpacked_with_old_times_are_seen(desk: Desk) -> None:
    desk.put(a="one\n", b="new in the archive\n")
    desk.sh("touch -d 2001-01-01 a.txt b.txt && tar cf ../archive.tar a.txt b.txt && rm b.txt")
    desk.sh("printf 'two\\n' > a.txt && touch -d 2001-01-01 a.txt")
    desk.scan()
    assert desk.run("tar xf ../archive.tar") == {"a.txt": "edit", "b.txt": "create"}
    desk.walk_back()


# -- names


def test_moving_a_file_over_another_edits_that_one_and_deletes_the_first(desk: Desk) -> None:
    desk.put(a="one\n", b="two\n")
    desk.scan()
    a, b = desk.document("a.txt"), desk.document("b.txt")
    assert desk.run("mv b.txt a.txt") == {"a.txt": "edit", "b.txt": "delete"}
    assert (desk.document("a.txt"), desk.document("b.txt")) == (a, b)
    desk.walk_back()


def test_a_renamed_file_keeps_its_identity(desk: Desk) -> None:
    desk.put(a="one\n")
    desk.scan()
    document = desk.document("a.txt")
    assert desk.run("mkdir new && mv a.txt new/b.txt") == {"new/b.txt": "rename"}
    assert desk.document("new/b.txt") == document
    assert [version.path for version in desk.work.history("new/b.txt")] == ["a.txt", "new/b.txt"]
    desk.walk_back()


def test_a_renamed_folder_renames_its_documents(desk: Desk) -> None:
    desk.sh("mkdir -p old/deep && echo 1 > old/one && echo 2 > old/deep/two")
    desk.scan()
    assert desk.run("mv old new") == {"new/one": "rename", "new/deep/two": "rename"}
    desk.walk_back()


def test_equal_files_that_are_renamed_at_once_are_not_guessed_at(desk: Desk) -> None:
    desk.put(a="same\n", b="same\n")
    desk.scan()
    changes = desk.run("mv a.txt c.txt && mv b.txt d.txt")
    assert changes == {"a.txt": "delete", "b.txt": "delete", "c.txt": "create", "d.txt": "create"}
    desk.walk_back()


def test_two_files_that_swap_names_are_two_edits(desk: Desk) -> None:
    desk.put(a="one\n", b="two\n")
    desk.scan()
    assert desk.run("mv a.txt t && mv b.txt a.txt && mv t b.txt") == {"a.txt": "edit", "b.txt": "edit"}
    desk.walk_back()


def test_a_second_hard_link_is_a_document_of_its_own(desk: Desk) -> None:
    desk.put(a="one\n")
    desk.scan()
    assert desk.run("ln a.txt b.txt") == {"b.txt": "create"}
    assert desk.run("echo two > a.txt") == {"a.txt": "edit", "b.txt": "edit"}
    desk.walk_back()


def test_permissions_are_versions(desk: Desk) -> None:
    desk.put(a="one\n")
    desk.scan()
    assert desk.run("chmod 755 a.txt") == {"a.txt": "mode"}
    assert desk.run("chmod 600 a.txt") == {"a.txt": "mode"}
    desk.walk_back()


# -- deletion


def test_find_delete_loses_nothing(desk: Desk) -> None:
    desk.sh("mkdir -p x/y && for n in 1 2 3; do echo $n > $n.txt; echo $n > x/y/$n.txt; done && echo k > kept.md")
    desk.scan()
    changes = desk.run("find . -name '*.txt' -delete")
    assert set(changes.values()) == {"delete"}
    assert len(changes) == 6
    desk.walk_back()


def test_a_file_made_again_continues_its_document(desk: Desk) -> None:
    desk.sh("mkdir d && echo one > d/a.txt")
    desk.scan()
    document = desk.document("d/a.txt")
    assert desk.run("rm -rf d") == {"d/a.txt": "delete"}
    assert desk.run("mkdir d && echo two > d/a.txt") == {"d/a.txt": "create"}
    assert desk.document("d/a.txt") == document
    desk.walk_back()


def test_git_clean_takes_neither_the_history_nor_the_untracked_files(desk: Desk) -> None:
    git = "git -c user.name=t -c user.email=t@example.invalid"
    desk.sh("git init -q . && echo '*.log' > .gitignore && echo tracked > tracked.txt")
    desk.sh(f"git add .gitignore tracked.txt && {git} commit -qm first")
    desk.sh("mkdir notes && echo untracked > notes/untracked.txt && echo noise > noise.log")
    desk.scan()
    assert [(s.path, s.reason) for s in desk.work.coverage()] == [
        (".git", "version control"), ("noise.log", "ignored")
    ]  # fmt: skip
    assert desk.run("git clean -qfdx") == {"notes/untracked.txt": "delete"}
    link = desk.root / ".wukong"
    assert not link.is_symlink()
    store = store_of(desk.root)
    assert store is not None
    desk.work.close()
    desk.work = Workspace.open(desk.root)
    assert link.resolve() == store.resolve()
    desk.walk_back()
    desk.work.restore(cursor=desk.seen[0][0])
    assert (desk.root / "notes/untracked.txt").read_text() == "untracked\n"


# -- links, folders and things that are no documents


def test_symlinks_are_versions_of_their_target_text(desk: Desk) -> None:
    desk.put(a="one\n")
    assert desk.run("ln -s a.txt link && ln -s /nowhere/at/all dangling && ln -s .. up") == {
        "a.txt": "create", "link": "create", "dangling": "create", "up": "create",
    }  # fmt: skip
    assert desk.run("ln -sfn ./a.txt link") == {"link": "edit"}
    assert desk.work.content(desk.work.version("link", 1)) == b"a.txt"
    assert desk.run("rm link && echo text > link") == {"link": "edit"}
    desk.walk_back()


def test_a_file_that_becomes_a_folder_and_a_file_again(desk: Desk) -> None:
    desk.sh("echo one > a")
    desk.scan()
    document = desk.document("a")
    assert desk.run("rm a && mkdir a && echo inside > a/b") == {"a": "delete", "a/b": "create"}
    assert desk.run("rm -r a && echo two > a") == {"a": "create", "a/b": "delete"}
    assert desk.document("a") == document
    desk.walk_back()


def test_a_folder_that_becomes_a_link_to_outside_leads_nowhere(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.txt").write_text("not ours\n")
    untouched = _stats(outside)
    desk.sh("mkdir d && echo ours > d/a.txt && echo ours > d/b.txt")
    desk.scan()
    assert desk.run(f"rm -r d && ln -s {outside} d") == {"d": "create", "d/a.txt": "delete", "d/b.txt": "delete"}
    for act in (
        lambda: desk.work.write("d/a.txt", b"through the link\n"),
        lambda: desk.work.write("d/new.txt", b"through the link\n"),
        lambda: desk.work.delete("d/a.txt"),
        lambda: desk.work.move("d", "d/below"),
    ):
        with pytest.raises(WorkspaceError):
            act()
    assert _stats(outside) == untouched
    desk.walk_back()
    desk.work.undo()
    assert _stats(outside) == untouched
    versions = desk.work.store.versions.of_entries(1, desk.work.cursor)
    assert b"not ours\n" not in {desk.work.content(version) for version in versions}


def test_a_folder_that_becomes_a_link_between_two_acts_leads_nowhere(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.txt").write_text("not ours\n")
    untouched = _stats(outside)
    desk.work.write("d/a.txt", b"ours\n")
    desk.sh(f"rm -r d && ln -s {outside} d")  # and no scan: the next act meets it unprepared
    with pytest.raises(WorkspaceError):
        desk.work.write("d/a.txt", b"ours again\n")
    assert _stats(outside) == untouched
    desk.scan()
    desk.walk_back()
    assert _stats(outside) == untouched


def _stats(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {p.name: (p.stat().st_mtime_ns, p.stat().st_ctime_ns, p.read_bytes()) for p in folder.iterdir()}


def test_pipes_and_sockets_are_left_alone_and_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert desk.run("mkfifo pipe && echo one > a.txt") == {"a.txt": "create"}
    assert [(s.path, s.reason) for s in desk.work.coverage()] == [("pipe", "not a file"), ("socket", "not a file")]
    with pytest.raises(WorkspaceError):
        desk.work.write("pipe", b"text\n")
    assert desk.run("rm pipe socket") == {}
    assert desk.work.coverage() == []
    desk.walk_back()


def test_a_document_replaced_by_a_pipe_keeps_its_versions(desk: Desk) -> None:
    desk.put(a="one\n")
    desk.scan()
    assert desk.run("rm a.txt && mkfifo a.txt") == {}
    assert [(s.path, s.reason) for s in desk.work.coverage()] == [("a.txt", "not a file")]
    desk.sh("rm a.txt")
    assert desk.changes() == {"a.txt": "delete"}
    desk.walk_back()


def test_what_version_control_keeps_is_shown_and_never_looked_into(desk: Desk) -> None:
    desk.put(a="one\n")
    desk.scan()
    assert desk.run("git init -q . && mkdir -p part .hg && echo 'gitdir: ../.git/modules/part' > part/.git") == {}
    left_out = [(s.path, s.reason, s.bytes) for s in desk.work.coverage()]
    assert left_out == [
        (".git", "version control", None), (".hg", "version control", None), ("part/.git", "version control", 29)
    ]  # fmt: skip
    before = desk.work.cursor
    assert desk.run("git add -A . ; echo more > .hg/store") == {}
    assert desk.work.cursor == before  # what changes inside is no news
    assert desk.run("rm -r .git .hg part/.git") == {}
    assert desk.work.coverage() == []
    desk.walk_back()


def test_restoring_a_document_replaced_by_a_pipe_says_what_stands_in_the_way(desk: Desk) -> None:
    desk.put(a="one\n")
    desk.put(b="two\n")
    desk.scan()
    first = desk.work.version("a.txt", 1)
    cursor = desk.work.cursor
    desk.sh("rm a.txt && mkfifo a.txt")
    for restore in (
        lambda: desk.work.restore(version=first),
        lambda: desk.work.restore(cursor=cursor, paths=["a.txt"]),
        lambda: desk.work.restore(cursor=cursor),
    ):
        with pytest.raises(Conflicted, match=r"Nothing was restored: a.txt: 'a.txt' is now a pipe"):
            restore()
    assert desk.work.restore(cursor=cursor, paths=["b.txt"]) == []
    desk.sh("echo three > b.txt")
    desk.scan()
    assert [v.path for v in desk.work.restore(cursor=cursor)] == ["b.txt"]  # what can be done is done
    desk.sh("rm a.txt")
    assert [v.path for v in desk.work.restore(version=first)] == ["a.txt"]
    assert (desk.root / "a.txt").read_text() == "one\n"


def test_a_huge_file_is_refused_and_shown_with_its_size(desk: Desk) -> None:
    desk.put(a="one\n")
    assert desk.run("truncate -s 1G huge.bin") == {"a.txt": "create"}
    assert [(s.path, s.reason, s.bytes) for s in desk.work.coverage()] == [("huge.bin", "too large", 1 << 30)]
    with pytest.raises(WorkspaceError, match="large"):
        desk.work.write("huge.bin", b"small\n")
    assert (desk.root / "huge.bin").stat().st_size == 1 << 30
    assert desk.run("truncate -s 10 huge.bin") == {"huge.bin": "create"}
    assert desk.work.coverage() == []
    desk.walk_back()


def test_a_document_that_grows_huge_keeps_its_versions_and_is_not_overwritten(desk: Desk) -> None:
    desk.put(a="one\n")
    desk.scan()
    assert desk.run("truncate -s 1G a.txt") == {}
    assert [(s.path, s.reason) for s in desk.work.coverage()] == [("a.txt", "too large")]
    for act in (lambda: desk.work.write("a.txt", b"two\n"), lambda: desk.work.delete("a.txt")):
        with pytest.raises(WorkspaceError, match="large"):
            act()
    assert (desk.root / "a.txt").stat().st_size == 1 << 30
    desk.sh("truncate -s 4 a.txt")
    desk.scan()
    desk.walk_back()


@permissions_bind
def test_what_cannot_be_read_is_shown(desk: Desk) -> None:
    desk.sh("echo one > a.txt && mkdir locked && echo two > locked/b.txt")
    desk.scan()
    desk.sh("chmod 000 a.txt locked")
    try:
        assert desk.work.scan().versions == ()
        assert {s.path: s.reason for s in desk.work.coverage()} == {"a.txt": "unreadable", "locked": "unreadable"}
    finally:
        desk.sh("chmod 644 a.txt && chmod 755 locked")
    assert desk.changes() == {}
    assert desk.work.coverage() == []
    desk.walk_back()


def test_a_removed_workspace_folder_leaves_the_history(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    with Workspace.open(root) as work:
        version = work.write("a.txt", b"one\n")
    shutil.rmtree(root)
    root.mkdir()
    with Workspace.open(root) as work:
        assert work.content(version) == b"one\n"
        work.scan()
        work.restore(version=version)
    assert (root / "a.txt").read_bytes() == b"one\n"


def test_a_workspace_folder_that_is_removed_or_replaced_while_open_records_no_deletions(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    with Workspace.open(root) as work:
        work.write("a.txt", b"one\n")
        shutil.rmtree(root)
        with pytest.raises(WorkspaceError, match="cannot be read"):
            work.scan()
        root.mkdir()
        (root / "b.txt").write_bytes(b"two\n")
        with pytest.raises(WorkspaceError, match="another folder"):
            work.scan()
        with pytest.raises(WorkspaceError):
            work.write("a.txt", b"three\n")
    with Workspace.open(root) as work:
        assert {version.path for version in work.scan().versions if version.change == "create"} == {"b.txt"}
        assert {b"one\n"} <= {work.content(version) for version in work.history("a.txt")}
