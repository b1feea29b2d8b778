"""Sessions whose commands run on an overlay: what goes into the folder, what is kept out of sight, whose it is."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runtime.dispatch.session import Session
from runtime.execution import bubblewrap
from runtime.execution.overlay import Ground, Now, SessionOverlay
from runtime.execution.secret_files import SecretFiles
from runtime.execution.workplace import Site
from runtime.host.sessions import Sessions
from runtime.protocol import Prompt
from tests.runtime.office import Call, begin, office, operations, prompt, told, turn, until, write_cassette
from workspace import Operation
from workspace.entries import CapabilityEntry
from workspace.working_copy.ignore import Caches

TRIAL = bubblewrap.chosen()
pytestmark = pytest.mark.skipif(TRIAL is None or not TRIAL.overlay, reason="no overlay works here")


def tape(folder: Path, *calls: Call) -> Path:
    """A cassette that makes calls one after another."""
    return write_cassette(folder / "tape.toml", [*(turn("", call) for call in calls), turn("Done.")])


def run(command: str) -> Call:
    return ("run", {"command": command})


def program(text: str) -> Call:
    return ("program", {"text": text})


async def calls(desk: Sessions) -> list[Operation]:
    return [one for one in await operations(desk, "capability") if one.detail.get("capability") in ("run", "program")]


def answers(desk: Sessions, session: Session) -> list[str]:
    """What the model was told of each call."""
    return [str(message["content"]) for message in told(desk, session) if message["role"] == "tool"]


async def versions(desk: Sessions, operation: int) -> list[str]:
    made = await desk.read(lambda history: history.store.versions.of_operation(operation))
    return sorted(f"{version.path} {version.change}" for version in made)


async def test_a_command_changes_exactly_what_it_changed_and_is_sure_of_it(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").write_text("one\n")
    (folder / "b.txt").write_text("b\n")
    script = tape(tmp_path, run("sed -i s/one/two/ a.txt; rm b.txt; echo c > c.txt; pwd"))
    async with office(folder, script) as desk:
        session = await begin(desk)
        assert (await prompt(desk, session)).outcome == "done"
        (one,) = await calls(desk)
        assert await versions(desk, one.id) == ["a.txt edit", "b.txt delete", "c.txt create"]
        assert CapabilityEntry.of(one).attribution == "certain"
        assert str(folder) in answers(desk, session)[0]
        assert (folder / "a.txt").read_text() == "two\n"
        assert not (folder / "b.txt").exists()
        assert (folder / "c.txt").read_text() == "c\n"


async def test_a_session_may_keep_to_the_folder(folder: Path, tmp_path: Path) -> None:
    async with office(folder, tape(tmp_path, run("echo a > a.txt"))) as desk:
        session = await begin(desk, overlay=False)
        await prompt(desk, session)
        (one,) = await calls(desk)
        assert await versions(desk, one.id) == ["a.txt create"]
        assert CapabilityEntry.of(one).attribution == "probable"
        assert not desk.workplace(session).live


async def test_secrets_that_git_does_not_track_are_out_of_sight(folder: Path, tmp_path: Path) -> None:
    (folder / ".env").write_text("KEY=s3cret")
    (folder / "tracked.key").write_text("known")
    (folder / ".venv" / "lib").mkdir(parents=True)
    (folder / ".venv" / "lib" / "cacert.pem").write_text("certificates")
    if shutil.which("git") is not None:
        for words in (["init", "-q"], ["add", "-f", "tracked.key"]):
            subprocess.run(["git", *words], cwd=folder, check=True)
    script = tape(
        tmp_path, run("cat .env; cat .venv/lib/cacert.pem tracked.key; git clean -fdxq; rm -f .env; echo mine > .env")
    )
    async with office(folder, script) as desk:
        session = await begin(desk)
        await prompt(desk, session)
        said = answers(desk, session)[0]
        assert "s3cret" not in said
        assert "certificates" in said
        assert "known" in said
        assert (folder / ".env").read_text() == "KEY=s3cret"


async def test_a_person_may_allow_secrets(folder: Path, tmp_path: Path) -> None:
    (folder / ".env").write_text("KEY=s3cret")
    async with office(folder, tape(tmp_path, run("cat .env"))) as desk:
        session = await begin(desk, secrets=True)
        await prompt(desk, session)
        assert "s3cret" in answers(desk, session)[0]


def test_a_secret_that_comes_later_is_found_without_a_walk(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / ".env").touch()
    secrets, caches = SecretFiles(folder), Caches()
    for n in range(50):
        (folder / f"d{n}").mkdir()
        (folder / f"d{n}" / "id_rsa").touch()
        assert len(secrets.find(caches)) == n + 2
    (folder / "a" / "b" / ".env").unlink()
    shutil.rmtree(folder / "d7")
    os.rename(folder / "d8", folder / "a" / "d8")
    found = secrets.find(caches)
    assert "a/b/.env" not in found
    assert "a/d8/id_rsa" in found
    assert len(found) == 49


async def test_what_a_program_writes_through_wk_is_seen_by_it(folder: Path, tmp_path: Path) -> None:
    (folder / "old.txt").write_text("old\n")
    (folder / "gone.txt").write_text("gone\n")
    text = """
import os, wk
assert not os.path.exists("new.txt") and not os.path.exists("deep/new.txt")
assert open("old.txt").read() == "old\\n" and open("gone.txt").read() == "gone\\n"
wk.write("new.txt", text="new\\n")
wk.write("deep/new.txt", text="deep\\n")
wk.write("old.txt", text="changed\\n")
wk.delete("gone.txt")
wk.flush()
print([open(p).read() for p in ("new.txt", "deep/new.txt", "old.txt")], os.path.exists("gone.txt"))
open("own.txt", "w").write("own\\n")
"""
    async with office(folder, tape(tmp_path, program(text))) as desk:
        session = await begin(desk)
        await prompt(desk, session)
        said = answers(desk, session)[0]
        assert "['new\\n', 'deep\\n', 'changed\\n'] False" in said
        (one,) = await calls(desk)
        assert one.outcome == "done"
        assert await versions(desk, one.id) == ["own.txt create"]
        assert (folder / "old.txt").read_text() == "changed\n"
        assert (folder / "deep" / "new.txt").read_text() == "deep\n"
        assert not (folder / "gone.txt").exists()


async def test_a_document_edited_both_directly_and_through_wk_is_merged(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").write_text("".join(f"{n}\n" for n in range(20)))
    text = """
import wk
lines = open("a.txt").read().splitlines()
lines[1] = "direct"
open("a.txt", "w").write("\\n".join(lines) + "\\n")
wk.edit("a.txt", old="18\\n", new="through wk\\n")
"""
    async with office(folder, tape(tmp_path, program(text))) as desk:
        await prompt(desk, await begin(desk))
        lines = (folder / "a.txt").read_text().splitlines()
        assert (lines[1], lines[18], len(lines)) == ("direct", "through wk", 20)


async def test_a_line_edited_both_directly_and_through_wk_is_a_named_conflict(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").write_text("one\n")
    text = """
import wk
open("a.txt", "w").write("direct\\n")
wk.edit("a.txt", old="one\\n", new="through wk\\n")
"""
    async with office(folder, tape(tmp_path, program(text))) as desk:
        session = await begin(desk)
        await prompt(desk, session)
        assert "conflict: a.txt" in answers(desk, session)[0]
        assert (folder / "a.txt").read_text() == "through wk\n"


async def test_a_link_out_of_the_workspace_leads_no_write_of_ours_there(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "d").mkdir()
    text = f"""
import os, wk
os.rmdir("d")
os.symlink({str(outside)!r}, "d")
wk.write("d/a.txt", text="x\\n")
wk.flush()
"""
    async with office(folder, tape(tmp_path, program(text))) as desk:
        await prompt(desk, await begin(desk))
        assert list(outside.iterdir()) == []


async def test_what_a_server_changes_later_is_taken_with_the_session(folder: Path, tmp_path: Path) -> None:
    script = tape(
        tmp_path, run("(until test -e go; do :; done; echo late > late.txt; sleep 1000) & echo started"),
        run("touch go; until test -s late.txt; do :; done"), run("echo 3 > three.txt"),
    )  # fmt: skip
    async with office(folder, script) as desk:
        session = await begin(desk)
        await prompt(desk, session)
        first, second, third = await calls(desk)
        assert await versions(desk, first.id) == []
        assert await versions(desk, second.id) == ["go create", "late.txt create"]
        assert CapabilityEntry.of(second).together == (first.id,)
        assert CapabilityEntry.of(second).attribution == "joint"
        assert await versions(desk, third.id) == ["three.txt create"]
        assert (folder / "late.txt").read_text() == "late\n"
        assert desk.workplace(session).live


async def test_what_a_person_writes_meanwhile_stays_and_both_are_kept(folder: Path, tmp_path: Path) -> None:
    (folder / "a.txt").write_text("".join(f"{n}\n" for n in range(20)))
    script = tape(tmp_path, run("sed -i s/^1$/agent/ a.txt; until test -e go; do :; done"))
    async with office(folder, script) as desk:
        session = await begin(desk)
        await desk.handle(Prompt(session.name, "Do it."))
        await until(lambda: "agent" in _inside(desk, session, "a.txt"))
        lines = (folder / "a.txt").read_text().replace("18\n", "person\n")
        (folder / "a.txt").write_text(lines)
        await desk.snapshot()
        await desk.write(lambda work: work.write("go", b"\n"))
        assert session.running is not None
        await session.running
        lines = (folder / "a.txt").read_text()
        assert "agent\n" in lines
        assert "person\n" in lines


def _inside(desk: Sessions, session: Session, name: str) -> str:
    """A file as what runs sees it; empty where nothing does yet."""
    root = desk.workplace(session).inside_root()
    return (root / name).read_text() if root is not None else ""


async def test_a_quota_bounds_what_is_written(folder: Path) -> None:
    store = folder.with_name("store")
    store.mkdir()

    async def now() -> Now:
        return Now()

    over = SessionOverlay("s1", Ground(store, folder, str(folder), [store], True, 64 << 20), now)
    try:
        endless = "while :; do head -c 10000000 /dev/zero >> big; done"
        ran = await over.run(1, ["bash", "-c", endless])
        assert ran.status is None
        assert ran.killed == "stopped: more than 64 MiB written"
        assert (await over.run(2, ["true"])).status == 0
    finally:
        await over.close()


async def test_commands_of_two_sessions_are_kept_apart(folder: Path, tmp_path: Path) -> None:
    async with office(folder, tape(tmp_path, run("echo $PPID > mine; sleep 0.2; ls"))) as desk:
        sessions = [await begin(desk), await begin(desk)]
        await asyncio.gather(*(prompt(desk, session) for session in sessions))
        made = await calls(desk)
        assert len(made) == 2
        assert [CapabilityEntry.of(one).attribution for one in made] == ["certain", "certain"]


async def test_a_command_that_is_tried_shows_what_it_would_change_and_changes_nothing(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "a.txt").write_text("one\ntwo\n")
    (folder / "b.txt").write_text("b\n")
    (folder / ".env").write_text("KEY=s3cret")
    command = "sed -i s/two/2/ a.txt; rm b.txt; echo c > c.txt; cat .env; sleep 1000 & exit 3"
    async with office(folder, tape(tmp_path, ("try", {"command": command}), ("try", {"command": "ls"}))) as desk:
        session = await begin(desk)
        await prompt(desk, session)
        said, nothing = answers(desk, session)
        for row in ("[exit status 3]", "-two", "+2", "b.txt (deleted)", "-b", "c.txt (created)", "+c"):
            assert row in said
        assert "s3cret" not in said
        assert "it would change nothing" in nothing
        tried = [one for one in await operations(desk, "capability") if one.detail.get("capability") == "try"]
        assert [one.outcome for one in tried] == ["failed", "done"]
        assert [await versions(desk, one.id) for one in tried] == [[], []]
        assert sorted(path.name for path in folder.iterdir()) == [".env", ".wukong", "a.txt", "b.txt"]
        assert (folder / "a.txt").read_text() == "one\ntwo\n"
        assert not any((desk.store / "overlays").rglob("*.json"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
async def test_files_of_other_owners_are_named_where_a_command_fails_on_them(folder: Path, tmp_path: Path) -> None:
    (folder / "theirs.txt").write_text("theirs\n")
    (folder / "theirs.txt").chmod(0o666)
    os.chown(folder / "theirs.txt", 1234, 1234)
    script = tape(tmp_path, run("echo mine >> theirs.txt"), run("echo mine > mine.txt"))
    async with office(folder, script) as desk:
        session = await begin(desk)
        await prompt(desk, session)
        failed, fine = answers(desk, session)
        assert "files of other owners cannot be changed on an overlay: theirs.txt" in failed
        assert "other owners" not in fine
        assert (folder / "mine.txt").read_text() == "mine\n"
        assert (folder / "theirs.txt").read_text() == "theirs\n"


async def test_a_host_that_starts_drops_no_changes_with_a_broken_record(folder: Path, tmp_path: Path) -> None:
    overlays = tmp_path / "store/overlays"
    for session, record in (("s1", "{broken"), ("s2", None)):
        upper = overlays / session / "upper"
        upper.mkdir(parents=True)
        (upper / "changed").touch()
        if record is not None:
            (overlays / session / "owner.json").write_text(record)
    await Site(folder, tmp_path / "store").clear()
    assert (overlays / "s1/upper/changed").exists()
    assert not (overlays / "s2").exists()  # without a record it was thrown away from the start
