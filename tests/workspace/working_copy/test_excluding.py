"""The link to the history and git: what `git add .` stages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from workspace import Workspace
from workspace.store.location import LINK


def git(folder: Path, *arguments: str) -> str:
    """What git prints, deaf to the configuration of whoever runs the tests."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "ada", f"GIT_{who}_EMAIL": "ada@example.invalid"}
    settings = ["-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *settings, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout


def scan(folder: Path) -> None:
    with Workspace.open(folder) as work:
        work.scan()
    assert (folder / LINK).is_symlink()


def staged(folder: Path) -> list[str]:
    git(folder, "add", ".")
    return git(folder, "diff", "--cached", "--name-only").split()


def repository(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q")
    (folder / "a.txt").write_text("a\n")
    return folder / ".git/info/exclude"


def test_adding_everything_does_not_stage_the_link(folder: Path) -> None:
    exclude = repository(folder)
    before = exclude.read_bytes()
    scan(folder)
    assert staged(folder) == ["a.txt"]
    assert exclude.read_bytes() == before + b"/.wukong\n"


def test_the_line_is_written_once(folder: Path) -> None:
    exclude = repository(folder)
    for _ in range(3):
        scan(folder)
        (folder / LINK).unlink()
    assert exclude.read_text().count(LINK) == 1


@pytest.mark.parametrize("rule", [".wukong", "/.wuk*", ".*", "!.wukong"])
@pytest.mark.parametrize("name", [".gitignore", ".git/info/exclude"])
def test_where_a_rule_speaks_of_the_link_nothing_is_written(folder: Path, rule: str, name: str) -> None:
    exclude = repository(folder)
    (folder / name).write_text(f"*.log\n{rule}\n")
    before = exclude.read_bytes()
    scan(folder)
    assert exclude.read_bytes() == before


@pytest.mark.parametrize("text", ["", "*.log", "*.log\n", ".wukong/\n", "[\n"])
def test_what_stands_in_the_file_stays(folder: Path, text: str) -> None:
    exclude = repository(folder)
    exclude.write_text(text)
    scan(folder)
    assert exclude.read_text().startswith(text)
    assert exclude.read_text().splitlines()[-1] == "/.wukong"
    assert staged(folder) == ["a.txt"]


def test_a_repository_without_the_file_gets_one(folder: Path) -> None:
    exclude = repository(folder)
    exclude.unlink()
    exclude.parent.rmdir()
    scan(folder)
    assert staged(folder) == ["a.txt"]


def test_the_link_in_a_work_tree_is_excluded_where_git_looks_for_it(folder: Path, tmp_path: Path) -> None:
    repository(folder)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    tree = tmp_path / "tree"
    git(folder, "worktree", "add", "-q", str(tree))
    (tree / "b.txt").write_text("b\n")
    scan(tree)
    assert staged(tree) == ["b.txt"]


def test_the_link_in_a_submodule_is_excluded_in_its_own_repository(folder: Path, tmp_path: Path) -> None:
    repository(tmp_path / "part")
    git(tmp_path / "part", "add", ".")
    git(tmp_path / "part", "commit", "-qm", "first")
    outer = repository(folder)
    before = outer.read_bytes()
    git(folder, "submodule", "add", "-q", str(tmp_path / "part"), "part")
    (folder / "part/b.txt").write_text("b\n")
    scan(folder / "part")
    assert staged(folder / "part") == ["b.txt"]
    assert outer.read_bytes() == before


def test_a_tracked_file_that_the_exclude_file_leads_to_is_not_touched(folder: Path) -> None:
    exclude = repository(folder)
    (folder / "rules").write_text("*.log\n")
    exclude.unlink()
    exclude.symlink_to("../../rules")
    scan(folder)
    assert (folder / "rules").read_text() == "*.log\n"
    exclude.unlink()
    exclude.parent.rmdir()
    (folder / "folder").mkdir()
    exclude.parent.symlink_to("../folder")
    (folder / LINK).unlink()
    scan(folder)
    assert list((folder / "folder").iterdir()) == []


@pytest.mark.parametrize("said", [b"gitdir: elsewhere\n", b"gitdir: /\n", b"anything", b"\xff\0"])
def test_a_git_that_is_no_repository_is_left_alone(folder: Path, said: bytes) -> None:
    (folder / ".git").write_bytes(said)
    scan(folder)
    assert (folder / ".git").read_bytes() == said
    assert sorted(path.name for path in folder.iterdir()) == [".git", LINK]


def test_a_history_kept_elsewhere_in_the_folder_needs_no_line(folder: Path, tmp_path: Path) -> None:
    exclude = repository(folder)
    before = exclude.read_bytes()
    with Workspace.open(folder, store=folder / "history") as work:
        work.scan()
    assert exclude.read_bytes() == before
