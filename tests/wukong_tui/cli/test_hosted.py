"""While a host is at work it carries out what the commands ask, and a person notices no difference."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.host import connect
from runtime.host.acts import registry
from runtime.host.client import Client
from runtime.protocol import Perform, Refresh, Status
from tests.runtime.office import Call, turn, write_cassette
from tests.wukong_tui.cli.program import Done, done, refusal, run
from tests.wukong_tui.cli.test_json import COMMANDS, check
from workspace import Conflicted, NotFound, WorkspaceError
from workspace.errors import Changed


@pytest.fixture
def kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a history of two operations, which no host watches, and short names for sockets."""
    monkeypatch.setenv("WUKONG_WATCH", "off")
    with tempfile.TemporaryDirectory() as sockets:
        monkeypatch.setenv("XDG_RUNTIME_DIR", sockets)
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_text("1\n")
        done("scan", cwd=folder)
        (folder / "sub" / "a").write_text("2\n")
        done("scan", cwd=folder)
        yield folder


async def asked(*args: str, cwd: Path) -> Done:
    """What a command does while the test's own client keeps the host there."""
    return await asyncio.to_thread(run, *args, cwd=cwd)


async def test_acts_go_through_the_host_and_read_the_same(kept: Path) -> None:
    below = kept / "sub"
    async with Client.connect(kept):
        (below / "a").write_text("3\n")
        (below / "b").write_text("b\n")
        scanned = await asked("scan", cwd=kept)
        assert scanned.text.splitlines() == [
            "  edit   sub/a@3  +1 −1",
            "  create sub/b@1  +1 −0",
            "Recorded 2 changes as op:3.",
        ], scanned
        assert (await asked("scan", cwd=kept)).text == "Nothing had changed.\n"
        undone = await asked("undo", cwd=below)
        assert undone.text.splitlines() == [
            "  edit   sub/a  +1 −1",
            "  delete sub/b  +0 −1",
            "Undid op:3 scan as op:4; `wukong redo` brings it back.",
        ]
        assert (below / "a").read_text() == "2\n"
        assert "Redid op:3 scan as op:5" in (await asked("redo", cwd=below)).text
        restored = await asked("restore", "a@1", cwd=below)
        assert restored.text.splitlines() == [
            "  edit   sub/a  +1 −1",
            "Restored 1 document as op:6; `wukong undo` takes it back.",
        ]
        assert (await asked("restore", "op:6", "b", cwd=below)).text == "Nothing to change.\n"
        assert (
            (await asked("revert", "op:6", cwd=below)).text.splitlines()[-1].startswith("Reverted 1 document as op:7")
        )
        assert (below / "a").read_text() == "3\n"
        log = (await asked("log", cwd=kept)).text
        assert [line.split("  ")[-2].strip() for line in log.splitlines()] == [
            "revert op:6", "restore sub/a@1", "redo op:3 scan", "undo op:3 scan", "scan", "scan", "scan"
        ]  # fmt: skip
    dial_away(kept)
    assert done("verify", cwd=kept).startswith("Sound: 7 entries")


async def test_branches_are_forked_laid_out_and_merged_through_the_host(kept: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    async with Client.connect(kept):
        for command in (["branch", "idea"], ["checkout", "branch:idea", str(there)]):
            made = await asked(*command, cwd=kept)
            assert made.status == 0, made
        (there / "sub/a").write_text("3\n")
        merged = await asked("merge", "idea", cwd=kept)
        assert merged.status == 0, merged
    assert (kept / "sub/a").read_text() == "3\n"


async def test_no_declared_act_is_unknown_to_the_host(kept: Path) -> None:
    async with Client.connect(kept) as client:
        answers = [await told(client, act.name) for act in registry()]
        assert not [answer for answer in answers if "There is no" in answer or answer.startswith("Perform")]


async def told(client: Client, act: str) -> str:
    """What the host says of an act without arguments; nothing where it does it."""
    try:
        await client.call(Perform(act))
    except WorkspaceError as error:
        return str(error)
    return ""


async def test_json_through_the_host_is_what_the_page_says(kept: Path) -> None:
    seen: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    async with Client.connect(kept):
        (kept / "new").touch()
        for command, arguments in (
            ("scan", []), ("scan", []), ("undo --dry-run", []), ("undo", []), ("redo --dry-run", []), ("redo", []),
            ("restore --dry-run", ["op:1"]), ("restore", ["op:1"]), ("restore", ["op:1"]),
            ("revert --dry-run", ["op:2"]), ("revert", ["op:2"]),
        ):  # fmt: skip
            result = await asked(*command.split(), *arguments, "--json", cwd=kept)
            assert result.status == 0, result
            check(COMMANDS[f"wukong {command}"], json.loads(result.text), seen)
    dial_away(kept)


async def test_status_believes_the_files_while_a_host_is_there(kept: Path, tmp_path: Path) -> None:
    calls: list[Call] = [
        ("write", {"path": "poem.txt", "text": "one\n"}),
        ("move", {"path": "sub/a", "to": "sub/b"}),
    ]
    cassette = write_cassette(
        tmp_path / "poem.toml",
        [
            turn("I write.", *calls),
            turn("More.", ("write", {"path": "poem.txt", "text": "two\n"})),
            turn("Done."),
        ],
    )
    async with Client.connect(kept):
        ran = await asked("run", "A poem", "--yes", "--model", f"cassette:{cassette}", cwd=kept)
        assert ran.status == 0, ran
        for act, is_there in (("undo", False), ("redo", True)):
            assert (await asked(act, cwd=kept)).status == 0
            assert (kept / "poem.txt").exists() is is_there
            said = json.loads((await asked("status", "--json", cwd=kept)).text)
            assert (said["changed"], said["unplaced"]) == ([], []), act
            assert (await asked("status", cwd=kept)).text.endswith("Everything on disk is recorded.\n")
        (kept / "poem.txt").write_text("three\n")
        (kept / "sub" / "b").unlink()
        said = json.loads((await asked("status", "--json", cwd=kept)).text)
        assert {"document": "poem.txt", "change": "edit"} in said["changed"]
        assert "sub/b" in [*said["unplaced"], *(changed["document"] for changed in said["changed"])]
        assert "something is in its way" not in (await asked("status", cwd=kept)).text
        (kept / "poem.txt").write_text("two\n")
        (kept / "poem.txt").chmod(0o600)
        said = json.loads((await asked("status", "--json", cwd=kept)).text)
        assert {"document": "poem.txt", "change": "mode"} in said["changed"]
    dial_away(kept)


async def test_what_a_host_refuses_is_one_sentence(kept: Path) -> None:
    (kept / "sub" / "a").write_text("3\n")
    done("scan", cwd=kept)
    async with Client.connect(kept):
        for more in ([], ["--json"], ["--dry-run"]):
            result = await asked("revert", "op:2", *more, cwd=kept)
            assert (result.status, result.out) == (1, b"")
            assert result.said.splitlines() == [
                "sub/a, line 1: both sides changed the same lines",
                "wukong: Nothing was written: 1 place changed since; edit it by hand or use restore.",
            ]
        assert refusal(await asked("restore", "nope", cwd=kept)).startswith("No document was ever at nope;")
        assert refusal(await asked("undo", "--op", "99", cwd=kept)) == "There is no op:99; the newest is op:3."
    dial_away(kept)


async def test_an_import_has_a_host_leave_that_an_office_only_watches(kept: Path, tmp_path: Path) -> None:
    repository = str(tmp_path / "repository")
    git = ["git", "-C", repository, "-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "init", "-q", repository], check=True)
    (tmp_path / "repository" / "there").write_text("x\n")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "subject"], check=True)
    async with Client.connect(kept) as client:
        imported = await asked("import", "git", repository, cwd=kept)
        assert (imported.status, imported.text) == (0, "Imported 1 commit, 1 version.\n")
        with pytest.raises(WorkspaceError, match="gone"):
            await client.call(Status())


async def test_how_edits_from_outside_are_seen_is_said(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Client.connect(kept):
        for command in (["status"], ["host", "status"]):
            assert (
                "Outside edits are seen only by a scan: WUKONG_WATCH is off."
                in (await asked(*command, cwd=kept)).text
            )
    dial_away(kept)
    monkeypatch.delenv("WUKONG_WATCH")
    async with Client.connect(kept) as client:
        await client.call(Refresh())
        assert "Outside edits are seen live." in (await asked("host", "status", cwd=kept)).text
        assert "Outside edits" not in (await asked("status", cwd=kept)).text
        (kept / "sub" / "a").write_text("3\n")
        await client.call(Refresh())
        scanned = (await asked("scan", cwd=kept)).text.splitlines()
        assert scanned == [
            "  edit   sub/a@3  +1 −1",
            "Recorded already, seen live: 1 change (op:3).",
            "`wukong undo` takes back all of it, as op:4.",
        ]
        assert "Undid op:4 scan" in (await asked("undo", cwd=kept)).text
        assert (kept / "sub" / "a").read_text() == "2\n"


async def test_a_host_that_only_waits_makes_room(kept: Path) -> None:
    async with Client.connect(kept):
        pass
    assert await asyncio.to_thread(connect.status, kept) is not None
    (kept / "new").touch()
    assert "create new@1" in (await asked("scan", cwd=kept)).text
    assert await asyncio.to_thread(connect.status, kept) is None


def dial_away(root: Path) -> None:
    """Have the host leave, so that it does not outlive the test."""
    from runtime.protocol import Stop

    try:
        connect.call(root, Stop(), start=False)
    except (NotFound, WorkspaceError):
        return


async def test_a_host_raises_what_the_act_raised_and_a_conflict_comes_with_its_sides(kept: Path) -> None:
    async with Client.connect(kept) as client:
        with pytest.raises(NotFound, match="nowhere"):
            await client.call(Perform("restore", {"address": "nowhere@1"}))
        first = await client.call(Perform("restore", {"address": "op:1", "dry_run": True}))
        (kept / "sub" / "a").write_text("4\n")
        await client.call(Perform("scan"))
        with pytest.raises(Changed):
            await client.call(Perform("restore", {"address": "op:1", "expect": first["expect"]}))
        with pytest.raises(Conflicted) as caught:
            await client.call(Perform("revert", {"operations": ["op:2"]}))
        (conflict,) = caught.value.conflicts
        assert (conflict.path, conflict.base, conflict.ours, conflict.theirs) == ("sub/a", b"2\n", b"4\n", b"1\n")
    dial_away(kept)
