"""import git: a repository's past becomes this folder's past."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.wukong_tui.cli.conftest import Call
from tests.wukong_tui.cli.program import refusal

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(repository: Path, *arguments: str) -> None:
    who = {f"GIT_{role}_{what}": "ann" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", "-C", str(repository), *arguments], check=True, env=env, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of two commits, and a branch of one more."""
    path = tmp_path / "repository"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    for text in ("one\n", "one\ntwo\n"):
        (path / "a").write_text(text)
        git(path, "add", "-A")
        git(path, "commit", "-q", "-m", f"Say {text.split()[-1]}")
    git(path, "switch", "-q", "-c", "side")
    (path / "b").write_text("side\n")
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", "On the side")
    git(path, "switch", "-q", "main")
    return path


def test_a_repository_is_imported_and_again_only_what_is_new(wukong: Call, folder: Path, repository: Path) -> None:
    first, second = wukong("import", "git", "../repository").text.splitlines()
    assert first.startswith(f"This begins a history of {folder}, in ")
    assert second == "Imported 2 commits, 2 versions."
    assert (folder / "a").read_text() == "one\ntwo\n"
    lines = wukong("log", "a").text.splitlines()
    assert lines[0].endswith("import Say two")
    assert lines[1].endswith("import Say one")
    assert " ann " in lines[0]
    assert wukong("show", "a@1").out == b"one\n"
    assert wukong("import", "git", str(repository)).text == "Nothing new to import.\n"
    (repository / "a").write_text("one\ntwo\nthree\n")
    git(repository, "commit", "-q", "-a", "-m", "Say three")
    assert wukong("import", "git", str(repository)).text == "Imported 1 commit, 1 version.\n"
    assert wukong("verify").status == 0
    assert wukong("undo").status == 0
    assert (folder / "a").read_text() == "one\ntwo\n"


def test_a_branch_is_imported_by_name(wukong: Call, folder: Path, repository: Path) -> None:
    said = wukong("import", "git", "--ref", "side", str(repository)).text
    assert said.endswith("\nImported 3 commits, 3 versions.\n")
    assert (folder / "b").read_text() == "side\n"


def test_a_path_to_a_repository_starts_from_the_folder_given(wukong: Call, folder: Path, repository: Path) -> None:
    assert wukong("-C", str(folder), "import", "git", "../repository", at=folder.parent.parent).status == 0
    assert (folder / "a").exists()


def test_what_is_no_repository_begins_no_history(wukong: Call, folder: Path, repository: Path) -> None:
    empty = repository.parent / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    for arguments, sentence in (
        (["nowhere"], "There is no git repository at "),
        (["."], "There is no git repository at "),
        ([str(empty)], f"The repository at {empty} has no commits yet."),
        ([str(repository), "--ref", "nope"], f"The repository at {repository} has no commit 'nope'."),
    ):
        assert refusal(wukong("import", "git", *arguments)).startswith(sentence)
    assert list(folder.iterdir()) == []


def test_edits_of_ones_own_stand_where_both_changed_the_same(wukong: Call, folder: Path, repository: Path) -> None:
    (folder / "a").write_text("mine\n")
    wukong("scan")
    done = wukong("import", "git", str(repository))
    assert done.status == 0
    assert done.said.splitlines() == ["a: your own edits are kept where both changed the same lines."]
    assert (folder / "a").read_text() == "mine\n"
