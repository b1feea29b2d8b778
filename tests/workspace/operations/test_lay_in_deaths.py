"""A process that dies at any step of laying in, with a person writing at the same time: nothing of anybody's is lost.

The process is a real one and dies without a word. What opening and the next start make of it is held against every
content that anybody had written: it is on disk, in a version, or kept.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from tests.workspace.upper import Command, begin
from workspace import Act, Workspace, WorkspaceError
from workspace.kinds import Kind, Outcome
from workspace.operations.lay_in import lay_in
from workspace.operations.verify import verify
from workspace.store.engine import connect
from workspace.store.store import FILE
from workspace.working_copy import waiting

DIED = 9
DOCUMENTS = ("a", "b", "d/x", "d/y", "e/z")
OUTSIDE = ("one.log", "two.log", "ignored/p", ".env")


def _text(chance: Random, who: str) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(6)) + b"%s %016x\n" % (who.encode(), chance.getrandbits(64))


def _make(root: Path, chance: Random) -> tuple[set[bytes], set[bytes]]:
    """A workspace; the contents of its documents, and of what no version holds."""
    written: tuple[set[bytes], set[bytes]] = set(), set()
    for path in (*DOCUMENTS, *OUTSIDE):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        data = _text(chance, "before")
        (root / path).write_bytes(data)
        written[path in OUTSIDE].add(data)
    (root / ".gitignore").write_bytes(b"*.log\nignored/\n")
    return written


def _change(command: Command, chance: Random) -> set[bytes]:
    """What the command did: contents of documents, which are to be found whatever happens."""
    written = set()
    for path in chance.sample(DOCUMENTS, 3):
        kind = chance.choice(["edit", "remove", "move"])
        if kind == "edit":
            data = (command.work.root / path).read_bytes() + _text(chance, "agent")
            command.write(path, data)
            written.add(data)
        elif kind == "remove":
            command.remove(path)
        else:
            command.move(path, f"moved/{path.replace('/', '-')}")
    for n in range(chance.randrange(3)):
        data = _text(chance, "agent")
        command.write(f"new/{n}", data)
        written.add(data)
    for path in chance.sample(OUTSIDE, 2):
        if chance.random() < 0.5:
            command.remove(path)
        else:
            command.write(path, _text(chance, "agent"))
    command.write("made.log", _text(chance, "agent"))
    command.write("pkg/__pycache__/x.pyc", b"cache")
    return written


def _person(root: Path, chance: Random) -> list[str]:
    """An editor saves one file, by a rename or in place; what it wrote, and what it overwrote itself ("-")."""
    path = root / chance.choice((*DOCUMENTS, *OUTSIDE))
    old = path.read_bytes() if path.is_file() else b""
    data = old + _text(chance, "person")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if chance.random() < 0.7:
            new = path.with_name(".wukong-tmp-editor")
            new.write_bytes(data)
            new.rename(path)
        else:
            path.write_bytes(data)
    except OSError:
        return []
    return [f"+{data.hex()}", f"-{old.hex()}"]


def _dies(root: Path, store: Path, seed: int, last: int, told: Path, keep: Path | None = None) -> bool:
    """Lay in, in a process that dies at step ``last``; whether it died. ``keep``: the files at each step go there."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, DIED), code
        return code == DIED
    try:
        chance = Random(seed)
        steps = 0

        def step(_: str) -> None:
            nonlocal steps
            steps += 1
            if keep is not None:
                _link_all(root.parent, keep / str(steps))
            if steps == last:
                os._exit(DIED)
            if keep is None and chance.random() < 0.1:
                with told.open("a") as file:
                    file.writelines(f"{line}\n" for line in _person(root, chance))

        work = Workspace.open(root, store=store)
        (one,) = waiting.waiting(store)
        work.repository.step = step
        lay_in(work, one.upper, _act(work, one.upper.operation))
        waiting.forget(one.upper)
        shutil.rmtree(one.upper.folder)
        work.end(one.upper.operation)
        work.abandon()
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - it must not go on as the test
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(3)


def _act(work: Workspace, operation: int) -> Act:
    first = work.store.journal.entry(operation)
    return Act(kind=first.kind, name=first.name, actor=first.actor, session=first.session, operation=operation)


def _start_again(root: Path, store: Path) -> Workspace:
    """Open, and lay in what the dead process had left, as the host does when it starts."""
    work = Workspace.open(root, store=store)
    for one in waiting.waiting(store):
        lay_in(work, one.upper, _act(work, one.upper.operation))
        waiting.forget(one.upper)
        shutil.rmtree(one.upper.folder)
        work.end(one.upper.operation, Outcome.INTERRUPTED)
    return work


def _held(work: Workspace) -> set[bytes]:
    """The digests of all that is on disk, in versions, or kept."""
    folders = (work.root, work.folder / "kept")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    found = {sha256(path.read_bytes()).digest() for path in files}
    return found | {row[0] for row in work.store.db.execute("SELECT digest FROM content WHERE data IS NOT NULL")}


def _check(work: Workspace, written: set[bytes]) -> None:
    held = _held(work)
    lost = [data for data in written if sha256(data).digest() not in held]
    assert not lost, lost
    assert verify(work.store).problems == ()
    work.scan()
    assert work.differences() == []
    left = [path for path in work.root.rglob(".wukong-tmp-*") if path.name != ".wukong-tmp-editor"]
    assert left == []
    assert not list((work.folder / "overlays" / "sets").iterdir())


def _round(top: Path, seed: int, last: int) -> bool:
    """One scenario that dies at one step; whether it did."""
    chance = Random(seed)
    root, store = top / "work", top / "store"
    root.mkdir(parents=True)
    written, outside = _make(root, chance)
    work = Workspace.open(root, store=store)
    work.scan()
    command = begin(work)
    written |= _change(command, chance)
    work.abandon()
    told = top / "told"
    told.touch()
    died = _dies(root, store, seed, last, told)
    recorded = set(written)
    written |= outside
    for line in told.read_text().split():
        data = bytes.fromhex(line[1:])
        if line[0] == "+":
            written.add(data)
        elif data not in recorded:
            written.discard(data)  # a person's own, overwritten by them
    work = _start_again(root, store)
    try:
        _check(work, written)
        with_undo = work.operation(command.upper.operation)
        assert with_undo.kind == Kind.CAPABILITY
        with suppress(WorkspaceError):  # a conflict with what the person did: nothing was written
            work.undo(target=with_undo.id)
        _check(work, written)
    finally:
        work.close()
    shutil.rmtree(top)
    return died


FILES = ("work", "store/overlays", "store/kept")


def _link_all(top: Path, to: Path) -> None:
    """What the file system holds now, by the same inodes."""
    for name in FILES:
        if (top / name).is_dir():
            shutil.copytree(top / name, to / name, symlinks=True, copy_function=_link)


def _link(source: str, target: str) -> None:
    os.link(source, target, follow_symlinks=False)


def _cut(top: Path, seed: int, last: int) -> bool:
    """The power fails at a step: commits are synced, files are as they were at some step since the last sync."""
    chance = Random(seed)
    root, store = top / "work", top / "store"
    root.mkdir(parents=True)
    written, outside = _make(root, chance)
    work = Workspace.open(root, store=store)
    work.scan()
    command = begin(work)
    written |= _change(command, chance)
    work.settle()
    work.abandon()
    keep = top / "keep"
    _link_all(top, keep / "0")
    died = _dies(root, store, seed, last, top / "told", keep)
    at = chance.randrange(last + 1)
    if died:
        for name in FILES:
            shutil.rmtree(top / name, ignore_errors=True)
            if (keep / str(at) / name).is_dir():
                shutil.move(keep / str(at) / name, top / name)
        with closing(connect(store / FILE)) as database:
            database.execute("UPDATE meta SET value = 'another run of the machine' WHERE key = 'boot'")
        work = _start_again(root, store)
        try:
            _check(work, written | outside)
        finally:
            work.close()
    shutil.rmtree(top)
    return died


def _die_everywhere(
    tmp_path: Path, seeds: range, every: Callable[[int], bool], act: Callable[[Path, int, int], bool] = _round
) -> int:
    deaths = 0
    for seed in seeds:
        last = 1
        while True:
            if every(last):
                if not act(tmp_path / f"{seed}-{last}", seed, last):
                    break
                deaths += 1
            last += 1
    return deaths


def test_a_death_at_any_step_of_laying_in_loses_nothing(tmp_path: Path) -> None:
    deaths = _die_everywhere(tmp_path, range(3), lambda last: last % 3 == 1)
    assert deaths > 20


def test_a_power_cut_at_any_step_of_laying_in_loses_nothing(tmp_path: Path) -> None:
    cuts = _die_everywhere(tmp_path, range(50, 53), lambda last: last % 3 == 1, _cut)
    assert cuts > 15


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_thousand_power_cuts_between_every_two_steps_lose_nothing(tmp_path: Path) -> None:
    cuts = _die_everywhere(tmp_path, range(200, 262), lambda last: True, _cut)
    print(f"{cuts:,} power cuts, nothing lost")
    assert cuts >= 1000


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_thousand_deaths_between_every_two_steps_lose_nothing(tmp_path: Path) -> None:
    deaths = _die_everywhere(tmp_path, range(100, 162), lambda last: True)
    print(f"{deaths:,} deaths, nothing lost")
    assert deaths >= 1000
