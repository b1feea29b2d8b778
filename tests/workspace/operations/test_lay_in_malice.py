"""What a command that means harm leaves on its overlay: none of it is executed outside, and nothing is destroyed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workspace.upper import Command, begin
from workspace import Workspace
from workspace.operations.lay_in import LayingIn
from workspace.working_copy.outside import unkeepable

EVIL = b"[core]\n\tfsmonitor = touch /tmp/executed\n"


@pytest.fixture
def work(folder: Path) -> Iterator[Workspace]:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / ".gitignore").write_bytes(b"build/\n*.bin\n")
    (folder / ".wukongignore").write_bytes(b"!dist\n")
    for path in ("a.txt", "1.bin", "2.bin", "3.bin", "dist/page"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(path.encode() * 100)
    with Workspace.open(folder) as work:
        work.scan()
        yield work


@pytest.fixture
def command(work: Workspace) -> Command:
    return begin(work)


def config(work: Workspace) -> bytes:
    return (work.root / ".git/config").read_bytes()


def test_a_config_is_read_to_its_end(work: Workspace, command: Command) -> None:
    before = config(work)
    command.write(".git/config", before + b"#" * 1_100_000 + b"\n" + EVIL)
    assert ".git/config" in command.lay_in().refused
    assert config(work) == before


@pytest.mark.parametrize(
    "more",
    [
        b'[remote "origin"]\n\turl = x.git\n', b'[branch "main"]\n\tremote = ./x.git\n',
        b'[branch "main"]\n\tremote = "ext::sh -c evil"\n', b"[user]\n\tname = a\x0c[core]\n\tfsmonitor = evil\n",
    ],
)  # fmt: skip
def test_no_setting_that_leads_elsewhere_goes_in(work: Workspace, command: Command, more: bytes) -> None:
    before = config(work)
    command.write(".git/config", before + more)
    assert ".git/config" in command.lay_in().refused
    assert config(work) == before


def test_a_branch_that_follows_a_remote_by_name_goes_in(work: Workspace, command: Command) -> None:
    command.write(".git/config", config(work) + b'[branch "main"]\n\tremote = origin\n\tmerge = refs/heads/main\n')
    assert not command.lay_in().refused
    assert b"refs/heads/main" in config(work)


def test_commands_of_a_rebase_do_not_go_in(work: Workspace, command: Command) -> None:
    command.write(".git/rebase-merge/git-rebase-todo", b"exec touch /tmp/executed\n")
    assert command.lay_in().refused == [".git/rebase-merge/git-rebase-todo"]
    assert not (work.root / ".git/rebase-merge").exists()


def test_a_repository_in_an_ignored_folder_is_looked_at_too(work: Workspace, command: Command) -> None:
    for path in ("build/.git/config", "node_modules/x/.git/config"):
        command.write(path, EVIL)
        command.write(path.replace("config", "HEAD"), b"ref: refs/heads/main\n")
    command.write("build/out", b"made\n")
    command.lay_in()
    assert (work.root / "build/out").read_bytes() == b"made\n"
    assert not (work.root / "build/.git/config").exists()
    assert not (work.root / "node_modules/x/.git/config").exists()


def test_a_bare_repository_among_documents_has_no_settings_and_hooks(work: Workspace, command: Command) -> None:
    for path in ("HEAD", "objects/x", "refs/heads/main", "config", "hooks/post-receive"):
        command.write(f"x.git/{path}", EVIL)
    laid = command.lay_in()
    assert sorted(laid.refused) == ["x.git/config", "x.git/hooks"]
    assert not (work.root / "x.git/config").exists()
    assert not (work.root / "x.git/hooks").exists()


def test_what_is_more_than_the_budget_only_together_is_asked_about(work: Workspace, command: Command) -> None:
    for path in ("1.bin", "2.bin", "3.bin"):
        command.remove(path)
    laying = LayingIn(command.upper, command.act)
    changes = laying.read(work).changes
    laying.close()
    assert work.copy is not None
    assert len(unkeepable(work.copy.files, changes, 1200)) == 3
    assert unkeepable(work.copy.files, changes, 1500) == []


def test_a_cache_is_kept_where_the_command_changed_what_is_one(work: Workspace, command: Command) -> None:
    (work.root / "dist/new.bin").write_bytes(b"ignored, and in a folder that the owner takes back in")
    command.write(".wukongignore", b"")
    command.remove("dist")
    command.lay_in()
    work.undo(target=command.upper.operation)
    assert (work.root / "dist/new.bin").exists()


def test_what_a_person_put_there_at_the_last_moment_stays(work: Workspace, command: Command) -> None:
    command.write("1.bin", b"by the command")
    laying = LayingIn(command.upper, command.act)
    laying.read(work)
    rows = laying.intend(work)
    new = work.root / "new"
    new.write_bytes(b"by a person, just now")
    new.rename(work.root / "1.bin")
    assert work.copy is not None
    laid = laying.finish(work, laying.put(work.root, work.copy.outside, rows))
    laying.close()
    assert (work.root / "1.bin").read_bytes() == b"by a person, just now"
    assert [conflict.path for conflict in laid.conflicts] == ["1.bin"]


def test_a_tree_that_is_too_deep_does_not_keep_the_rest_out(work: Workspace, command: Command) -> None:
    command.write("b.txt", b"good\n")
    top = command.upper.folder
    subprocess.run(
        ["python3", "-c", "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')"], cwd=top, check=True
    )
    try:
        laid = command.lay_in()
        assert [version.path for version in laid.versions] == ["b.txt"]
        assert laid.refused
    finally:
        subprocess.run(["rm", "-rf", command.upper.folder, work.root / "d"], check=True)  # too deep for Python
