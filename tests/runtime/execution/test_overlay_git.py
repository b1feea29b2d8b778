"""Git in an agent's commands: its work goes in, its settings never do, and a person who commits meanwhile wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.execution import bubblewrap
from tests.runtime.scene import READY, git, needs, put, scene, tree

TRIAL = bubblewrap.chosen()
pytestmark = [
    pytest.mark.skipif(TRIAL is None or not TRIAL.overlay, reason="no overlay works here"),
    needs("git"),
]
AS_AGENT = "export GIT_AUTHOR_NAME=Agent GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=Agent \
GIT_COMMITTER_EMAIL=a@example.org; "


@pytest.fixture
def repository(folder: Path) -> Path:
    """A repository with two branches; ``topic`` is one commit ahead of where ``main`` has gone on."""
    put(folder, {"a.txt": "one\ntwo\nthree\n", "b.txt": "b\n", ".gitignore": "*.log\nbuild/\n"})
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "First")
    git(folder, "switch", "-q", "-c", "topic")
    put(folder, {"topic.txt": "topic\n"})
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Topic")
    git(folder, "switch", "-q", "main")
    put(folder, {"b.txt": "b\nmain\n"})
    git(folder, "commit", "-q", "-a", "-m", "Second")
    return folder


def head(folder: Path) -> tuple[str, str]:
    """Where HEAD is: the branch, and its newest commit's subject."""
    return git(folder, "rev-parse", "--abbrev-ref", "HEAD"), git(folder, "log", "-1", "--format=%s")


def sound(folder: Path) -> None:
    """The repository is whole and its index agrees with the folder."""
    git(folder, "fsck", "--strict")
    assert git(folder, "status", "--porcelain") == ""


async def test_a_commit_goes_in_and_undo_moves_the_branch_back(repository: Path) -> None:
    async with scene(repository) as agent:
        done = await agent.run(AS_AGENT + "echo four >> a.txt && git commit -q -a -m 'By the agent'")
        assert done.operation.outcome == "done", done.text
        assert head(repository) == ("main", "By the agent")
        sound(repository)
        await agent.undo(done)
        assert head(repository) == ("main", "Second")
        sound(repository)
        assert (repository / "a.txt").read_text() == "one\ntwo\nthree\n"
        await agent.redo()
        assert head(repository) == ("main", "By the agent")
        sound(repository)


async def test_a_commit_of_a_person_meanwhile_keeps_all_of_git_as_it_is(repository: Path) -> None:
    async with scene(repository) as agent:
        command = AS_AGENT + f"echo four >> a.txt && git commit -q -a -m 'By the agent' && {READY}"
        prompt = await agent.started(command)
        put(repository, {"c.txt": "by ann\n"})
        git(repository, "add", "c.txt")
        git(repository, "commit", "-q", "-m", "By Ann")
        done = await agent.go(prompt)
        assert "conflict: .git" in done.text
        assert head(repository) == ("main", "By Ann")
        git(repository, "fsck", "--strict")
        assert (
            repository / "a.txt"
        ).read_text() == "one\ntwo\nthree\nfour\n"  # a document, which nobody else changed
        assert git(repository, "status", "--porcelain") == "M a.txt"


async def test_switching_branches_takes_the_documents_along(repository: Path) -> None:
    async with scene(repository) as agent:
        done = await agent.run("git switch -q topic")
        assert done.operation.outcome == "done", done.text
        assert done.changed == {"topic.txt": "create", "b.txt": "edit"}
        assert head(repository) == ("topic", "Topic")
        sound(repository)
        await agent.undo(done)
        assert head(repository) == ("main", "Second")
        sound(repository)


async def test_a_stash_and_a_rebase_leave_a_sound_repository(repository: Path) -> None:
    async with scene(repository) as agent:
        put(repository, {"a.txt": "one\nTWO\nthree\n"})
        done = await agent.run(AS_AGENT + "git stash -q && git stash list")
        assert done.operation.outcome == "done", done.text
        assert (repository / "a.txt").read_text() == "one\ntwo\nthree\n"
        assert git(repository, "stash", "list") != ""
        sound(repository)
        done = await agent.run(AS_AGENT + "git stash pop -q && git checkout -q -- a.txt && git rebase -q main topic")
        assert done.operation.outcome == "done", done.text
        assert head(repository) == ("topic", "Topic")
        assert git(repository, "log", "--format=%s", "main..topic") == "Topic"
        sound(repository)
        await agent.undo(done)
        assert head(repository)[0] == "main"
        git(repository, "fsck", "--strict")


async def test_a_rebase_that_stops_can_be_gone_on_with_by_the_person(repository: Path) -> None:
    git(repository, "switch", "-q", "topic")
    put(repository, {"b.txt": "b\ntopic\n"})
    git(repository, "commit", "-q", "-a", "-m", "Clash")
    async with scene(repository) as agent:
        done = await agent.run(AS_AGENT + "git rebase main; git status | head -3")
        assert "rebase in progress" in done.text
        assert "<<<<<<<" in (repository / "b.txt").read_text()
        git(repository, "rebase", "--abort")
        assert head(repository) == ("topic", "Clash")
        sound(repository)


async def test_collecting_garbage_leaves_every_commit_readable(repository: Path) -> None:
    async with scene(repository) as agent:
        done = await agent.run("git gc -q")
        assert done.operation.outcome == "done", done.text
        assert done.changed == {}
        sound(repository)
        assert git(repository, "log", "--format=%s", "main") == "Second\nFirst"
        assert git(repository, "log", "-1", "--format=%s", "topic") == "Topic"
        done = await agent.run(AS_AGENT + "echo four >> a.txt && git commit -q -a -m 'After it'")
        assert head(repository) == ("main", "After it")
        sound(repository)


async def test_hooks_and_settings_stay_out_and_the_command_says_so(repository: Path) -> None:
    config = (repository / ".git/config").read_bytes()
    async with scene(repository) as agent:
        done = await agent.run(
            "printf '#!/bin/sh\\ntouch /tmp/owned\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit;"
            " git config core.pager 'touch owned'; echo '*.txt filter=evil' > .git/info/attributes; echo x >> a.txt"
        )
        for path in (".git/hooks/pre-commit", ".git/config", ".git/info/attributes"):
            assert path in done.text.partition("did not go in:")[2]
        assert not (repository / ".git/hooks/pre-commit").exists()
        assert not (repository / ".git/info/attributes").exists()
        assert (repository / ".git/config").read_bytes() == config
        assert done.changed == {"a.txt": "edit"}


@pytest.mark.parametrize("secrets", [False, True])
async def test_a_clean_of_all_that_is_ignored_comes_back_whole(repository: Path, secrets: bool) -> None:
    put(repository, {"notes.log": "mine\n", "build/app.o": b"\0\1\2", "build/deep/x.o": b"x", ".env": "KEY=1\n"})
    put(repository, {"todo.txt": "untracked\n", "secret.key": "key\n"})
    (repository / "build/app.o").chmod(0o640)
    before = tree(repository)
    async with scene(repository, secrets=secrets) as agent:
        done = await agent.run("git clean -fdxq && ls -A")
        assert not (repository / "build").exists(), done.text
        assert (repository / ".env").exists() != secrets  # it was out of sight unless it was to be seen
        assert not (repository / "todo.txt").exists()
        git(repository, "status")
        await agent.undo(done)
        assert tree(repository) == before
        git(repository, "status")
        await agent.redo()
        assert not (repository / "build").exists()
        git(repository, "status")
        await agent.undo(done)
        assert tree(repository) == before


async def test_a_repository_that_an_agent_makes_can_be_worked_in_by_the_person(folder: Path) -> None:
    put(folder, {"a.txt": "a\n"})
    async with scene(folder) as agent:
        done = await agent.run(AS_AGENT + "git init -q -b main && git add -A && git commit -q -m First")
        assert done.operation.outcome == "done", done.text
        assert head(folder) == ("main", "First")
        sound(folder)
        await agent.undo(done)
        git(folder, "init", "-q", "-b", "other")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", "By Ann")
        assert head(folder) == ("other", "By Ann")
