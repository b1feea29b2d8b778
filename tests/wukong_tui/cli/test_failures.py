"""What goes wrong is one sentence and a status, never a traceback, and never a history that is worse than before."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wukong_tui.cli.conftest import Call
from tests.wukong_tui.cli.program import WUKONG, done, end, on_terminal, opened, refusal, run, start
from workspace import Workspace
from workspace.store.location import Lock

EVERY = (
    ["status"], ["log"], ["log", "a"], ["log", "--json"], ["show", "a@1"], ["show", "op:1"], ["diff"],
    ["diff", "op:1"], ["scan"], ["restore", "a@1"], ["revert", "op:2"], ["undo"], ["redo"], ["verify"],
    ["verify", "--json"],
)  # fmt: skip
"""Every command that needs a history, with arguments that a sound one would accept."""

linux = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks at what a process has open")


@pytest.fixture
def kept(folder: Path, wukong: Call) -> Path:
    """A folder with a history of two operations."""
    (folder / "a").write_text("1\n")
    wukong("scan")
    (folder / "a").write_text("2\n")
    wukong("scan")
    return folder


def store_of(folder: Path) -> Path:
    return (folder / ".wukong").readlink()


# -- damage


@pytest.mark.parametrize("damage", ["empty", "text", "head", "cut", "zeros"])
@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_a_damaged_history_is_one_sentence(wukong: Call, kept: Path, damage: str, command: list[str]) -> None:
    database = store_of(kept) / "workspace.db"
    whole = database.read_bytes()
    database.write_bytes(
        {
            "empty": b"",
            "text": b"this is no database\n" * 1000,
            "head": b"\xaa" * 100 + whole[100:],
            "cut": whole[: len(whole) // 2],
            "zeros": whole[:4096] + bytes(len(whole) - 4096),
        }[damage]
    )
    result = wukong(*command)
    if damage == "empty" and command == ["scan"]:  # what is left is a history that nothing is in yet
        assert result.status == 0
        return
    assert result.status == 1, result
    assert result.said.splitlines()[-1].startswith("wukong: ")
    assert len(result.said.splitlines()) == 1
    if command[0] == "verify":
        assert result.out, "verify always says what it found"
    if command == ["verify", "--json"]:
        record = json.loads(result.text)
        assert record["ok"] is False
        assert record["problems"]


def test_verify_of_a_damaged_content_names_it_and_fails(wukong: Call, kept: Path) -> None:
    import sqlite3

    with sqlite3.connect(store_of(kept) / "workspace.db") as db:
        db.execute("UPDATE content SET data = x'00000000' WHERE id = 2")
    db.close()
    result = wukong("verify")
    assert result.status == 1
    assert result.text.startswith("Content 2 ")
    assert result.said == ("wukong: 1 problem found and nothing changed; copy the history away before you go on.\n")
    assert json.loads(wukong("verify", "--json").text)["problems"] == result.text.splitlines()
    assert "run `wukong verify`" in refusal(wukong("show", "a@2"))
    assert wukong("show", "a@1").out == b"1\n"


def test_verify_of_a_sound_history_says_so(wukong: Call, kept: Path) -> None:
    assert wukong("verify").text == "Sound: 2 entries, 2 versions, 2 contents.\n"


# -- permissions


def _obey_permissions() -> None:
    """In a child of root, before it executes: give up the right to pass over permissions."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        _LIBC.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


_LIBC = ctypes.CDLL(None)


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[dict[str, object]]:
    """How to start a process that permissions stop; what they stop under ``tmp_path`` is given free again after."""
    if os.geteuid() != 0:
        yield {}
    elif sys.platform == "linux":
        yield {"preexec_fn": _obey_permissions}
    else:
        pytest.skip("permissions do not stop root")
    for folder, _, _ in os.walk(tmp_path):
        os.chmod(folder, 0o755)


def test_a_read_only_history_can_be_read_and_refuses_to_be_written(
    folder: Path, tmp_path: Path, bound: dict[str, object]
) -> None:
    store = tmp_path / "store"
    (folder / "a").write_text("1\n")
    done("--store", store, "scan", cwd=folder)
    for path in (store, *store.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    for command in (["status"], ["log"], ["show", "a"], ["diff", "op:1"], ["verify"], ["log", "--json"]):
        assert done(*command, cwd=folder, **bound)
    for command in (["scan"], ["restore", "a@1"], ["undo"], ["revert", "op:1"]):
        said = refusal(run(*command, cwd=folder, **bound))
        assert str(store) in said, said
    assert {path.name: path.read_bytes() for path in store.iterdir()} == before


def test_a_history_that_may_not_be_read_is_one_sentence(
    folder: Path, tmp_path: Path, bound: dict[str, object]
) -> None:
    store = tmp_path / "store"
    done("--store", store, "scan", cwd=folder)
    (store / "workspace.db").chmod(0)
    for command in (["status"], ["log"], ["scan"], ["verify"]):
        assert run(*command, cwd=folder, **bound).status == 1
    store.chmod(0)
    for command in (["status"], ["log"], ["scan"], ["verify"], ["doctor"]):
        result = run(*command, cwd=folder, **bound)
        assert result.status == 1
        assert len(result.said.splitlines()) == 1


def test_a_folder_that_may_not_be_entered_is_one_sentence(tmp_path: Path, bound: dict[str, object]) -> None:
    closed = tmp_path / "closed" / "below"
    closed.mkdir(parents=True)
    closed.parent.chmod(0)
    for command in (["-C", str(closed), "scan"], ["-C", str(closed), "log"], ["-C", str(closed), "doctor"]):
        refusal(run(*command, cwd=tmp_path, **bound))


# -- pipes and interrupts


@pytest.mark.parametrize("command", [["log", "-n", "0"], ["log", "--json"], ["show", "big"], ["diff", "op:1^"]])
def test_a_reader_that_leaves_ends_the_program_quietly(folder: Path, command: list[str]) -> None:
    with Workspace.open(folder) as work, work.batch():
        work.write("big", b"a line of text\n" * 100_000)
        for number in range(2000):
            work.write("a", b"%d" % number)
    process = start(*command, cwd=folder)
    assert process.stdout
    assert process.stdout.read(1)
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) in (1, -signal.SIGPIPE)


def test_a_closed_standard_output_is_not_a_traceback(kept: Path) -> None:
    for command in ("log", "log --json", "show a", "status"):
        script = f"{' '.join(WUKONG)} {command} >&-"
        result = subprocess.run(["sh", "-c", script], cwd=kept, capture_output=True, check=False)
        assert b"Traceback" not in result.stderr


@linux
def test_ctrl_c_stops_with_status_130_and_harms_nothing(wukong: Call, kept: Path) -> None:
    (kept / "a").write_text("3\n")
    lock = Lock(store_of(kept))
    process = start("scan", cwd=kept)
    assert opened(process, store_of(kept) / "lock")  # it waits for us
    process.send_signal(signal.SIGINT)
    result = end(process)
    lock.release()
    assert (result.status, result.out) == (130, b"")
    assert result.said.split() == ["Stopped."]
    assert wukong("verify").status == 0
    assert wukong("scan").status == 0


def test_ctrl_c_while_it_is_loaded_is_quiet_too() -> None:
    script = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "workspace.store.location":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from wukong_tui import main
main()
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")


def test_ctrl_c_at_a_question_does_nothing(kept: Path) -> None:
    for typed, status in ((b"\x03", 130), (b"\x04", 1)):
        ended, screen = on_terminal(*WUKONG, "restore", "a@1", cwd=kept, answers=[(b"[Y/n]: ", typed)])
        assert ended == status
        assert screen.endswith(b"Stopped.\r\n")
        assert (kept / "a").read_text() == "2\n"


def test_a_no_does_nothing_and_a_yes_goes_on(kept: Path) -> None:
    ended, screen = on_terminal(*WUKONG, "restore", "a@1", cwd=kept, answers=[(b"[Y/n]: ", b"n\n")])
    assert ended == 1
    assert screen.endswith(b"wukong: Nothing was done.\r\n")
    assert (kept / "a").read_text() == "2\n"
    ended, _ = on_terminal(*WUKONG, "restore", "a@1", cwd=kept, answers=[(b"[Y/n]: ", b"\n")])
    assert ended == 0
    assert (kept / "a").read_text() == "1\n"
    ended, screen = on_terminal(*WUKONG, "revert", "-y", "op:3", cwd=kept)
    assert ended == 0
    assert (kept / "a").read_text() == "2\n"


# -- two writers


@linux
def test_a_second_writer_waits_for_the_first(kept: Path) -> None:
    (kept / "a").write_text("3\n")
    lock = Lock(store_of(kept))
    process = start("scan", cwd=kept)
    assert opened(process, store_of(kept) / "lock")
    assert process.poll() is None
    lock.release()
    assert end(process).text.splitlines()[0] == "  edit   a@3  +1 −1"


def test_a_second_writer_that_waited_long_enough_says_who_is_in_its_way(kept: Path) -> None:
    lock = Lock(store_of(kept))
    said = refusal(run("scan", cwd=kept))
    assert said == f"Process {os.getpid()} is writing to this workspace; wait for it or stop it, then try again."
    assert done("log", cwd=kept).count("op:") == 2
    lock.release()


def test_several_writers_at_once_lose_nothing(kept: Path) -> None:
    (kept / "a").write_text("3\n")
    results = [end(process) for process in [start("scan", cwd=kept) for _ in range(4)]]
    assert [result.status for result in results] == [0] * 4
    assert sorted(result.text.splitlines()[-1] for result in results) == [
        *["Nothing had changed."] * 3,
        "Recorded 1 change as op:3.",
    ]
    assert done("verify", cwd=kept).startswith("Sound: 3 entries, 3 versions, ")


# -- odd surroundings


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"LC_ALL": "nonsense"}, {}])
def test_any_locale_will_do(kept: Path, variables: dict[str, str]) -> None:
    (kept / os.fsdecode("ü\udcff".encode("utf-8", "surrogateescape"))).touch()
    env = {"PATH": os.environ["PATH"], "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"], **variables}
    for command in (["scan"], ["log"], ["status"], ["undo"], ["diff", "op:3"]):
        result = run(*command, cwd=kept, env=env)
        assert result.status == 0, result.said


def test_a_user_without_a_name_still_acts(kept: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k not in ("LOGNAME", "USER", "LNAME", "USERNAME")}
    assert done("undo", cwd=kept, env=env)


def test_an_error_of_the_system_is_one_sentence(wukong: Call, kept: Path) -> None:
    store = kept / "a" / "b"
    said = refusal(wukong("--store", str(store), "scan"))
    assert said == f"The history in {store} cannot be written: Not a directory."
