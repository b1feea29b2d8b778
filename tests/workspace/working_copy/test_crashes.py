"""Death at every point: each kind of act is cut short wherever it can be, and the workspace opened again.

The points are the named steps of the write path and the moment before each system call that
changes the directory (or looks into it, in the long form). After opening again, all that was
acknowledged is there, the act happened wholly or not at all, the files are what the history
says, and what people did meanwhile is kept.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.workspace.model import (
    LINK_MODE,
    Crash,
    Model,
    Outside,
    People,
    Points,
    Seen,
    crash,
    is_barred,
    leftovers,
    reopen,
    snapshot,
)
from workspace import Act as Recorded
from workspace import History, Workspace, WorkspaceError
from workspace.operations.verify import verify
from workspace.store.engine import connect
from workspace.working_copy import files as files_module
from workspace.working_copy.recovery import torn

TEXT = b"".join(b"line %d\n" % n for n in range(12))
CHANGED = TEXT.replace(b"line 9\n", b"line nine, by the agent\n")


@dataclass
class Scene:
    """A workspace in a folder, a model of it, and people about."""

    top: Path
    root: Path = field(init=False)
    store: Path = field(init=False)
    model: Model = field(default_factory=Model)

    def __post_init__(self) -> None:
        self.root, self.store = self.top / "work", self.top / "store"
        self.root.mkdir(parents=True)
        self.people = People(self.root)
        self.work = self.open()

    def open(self, points: Points | None = None) -> Workspace:
        return reopen(self.root, self.store, points)


Act = Callable[[Scene], object]


@dataclass(frozen=True)
class Kind:
    """One kind of act: what is there before, what is done, and what people do at its first step."""

    before: Act
    act: Act
    meanwhile: tuple[Outside, ...] = ()
    atomic: bool = True
    quiet: bool = True


def _files(scene: Scene) -> None:
    for path in ("a", "b", "d/x", "d/y"):
        scene.work.write(path, TEXT + path.encode())


def _many(scene: Scene, count: int = 30) -> None:
    for version in range(2):
        with scene.work.batch():
            for n in range(count):
                scene.work.write(f"many/{n % 3}/{n}", TEXT + b"%d of %d\n" % (version, n))
    with scene.work.batch():
        scene.work.delete("many/0/0")
        scene.work.move("many/1/1", "elsewhere/1")
        scene.work.write("many/new", TEXT)


def _swap(scene: Scene) -> None:
    with scene.work.batch():
        scene.work.move("a", "between")
        scene.work.move("b", "a")
        scene.work.move("between", "b")


def _batch(scene: Scene) -> None:
    work = scene.work
    with work.batch():
        work.write("a", CHANGED)
        work.move("b", "d/b")
        work.write("b", b"new where another was\n")
        work.delete("d/x")
        work.set_mode("d/y", 0o600)
        work.write("e/f/g", b"deep\n")


def _give_away(scene: Scene) -> None:
    with scene.work.batch():
        scene.work.delete("a")
        scene.work.move("b", "a")


def _give_away_edited(scene: Scene) -> None:
    with scene.work.batch():
        scene.work.write("a", CHANGED)
        scene.work.move("a", "e")
        scene.work.move("b", "a")


def _around(scene: Scene) -> None:
    """Three names change places, and one goes from a file to a folder of its name."""
    work = scene.work
    with work.batch():
        work.move("a", "t")
        work.move("b", "a")
        work.move("d/x", "b")
        work.move("t", "d/x")
        work.move("d/y", "y")
        work.move("y", "c/y")


def _link(scene: Scene) -> None:
    (scene.root / "l").symlink_to("a")
    scene.work.scan()


def _scan_much(scene: Scene) -> None:
    scene.people.do(
        Outside("write", "new", data=b"new\n"), Outside("insert", "a", data=b"mine\n", at=2),
        Outside("rename", "b", "moved"), Outside("delete", "d/x"), Outside("chmod", "d/y", at=2),
    )  # fmt: skip


def _file_becomes_folder(scene: Scene) -> None:
    scene.work.write("s", b"a file\n")
    cursor = scene.work.cursor
    scene.work.delete("s")
    scene.work.write("s/inside", b"now a folder\n")
    scene.work.write("other", b"%d" % cursor)


BY_PERSON = b"a line by a person\n"
KINDS: dict[str, Kind] = {
    "first write": Kind(lambda s: None, lambda s: s.work.write("d/new", TEXT)),
    "edit": Kind(_files, lambda s: s.work.write("d/x", CHANGED)),
    "rename": Kind(_files, lambda s: s.work.move("d/x", "e/z")),
    "rename in the folder": Kind(_files, lambda s: s.work.move("a", "c")),
    "swap": Kind(_files, _swap),
    "round of names": Kind(_files, _around),
    "delete": Kind(_files, lambda s: s.work.delete("d/x")),
    "several acts": Kind(
        _files, lambda s: (s.work.write("a", CHANGED), s.work.move("a", "d/a"), s.work.delete("b")), atomic=False
    ),
    "mode": Kind(_files, lambda s: s.work.set_mode("a", 0o755)),
    "link to file": Kind(lambda s: (_files(s), _link(s)), lambda s: s.work.write("l", TEXT)),
    "file to link": Kind(
        lambda s: (_files(s), _link(s), s.work.write("l", TEXT)),
        lambda s: s.work.restore(version=s.work.version("l", 1)),
    ),
    "delete a link": Kind(lambda s: (_files(s), _link(s)), lambda s: s.work.delete("l")),
    "restore": Kind(_many, lambda s: s.work.restore(cursor=30)),
    "restore a file where a folder is": Kind(
        _file_becomes_folder, lambda s: s.work.restore(cursor=int(s.work.content(s.work.version("other", 1))))
    ),
    "restore everything away": Kind(_files, lambda s: s.work.restore(cursor=0)),
    "undo": Kind(lambda s: (_files(s), s.work.write("a", CHANGED)), lambda s: s.work.undo()),
    "redo": Kind(lambda s: (_files(s), s.work.write("a", CHANGED), s.work.undo()), lambda s: s.work.redo()),
    "undo of a batch": Kind(lambda s: (_files(s), _batch(s)), lambda s: s.work.undo()),
    "batch": Kind(_files, _batch),
    "scan": Kind(lambda s: (_files(s), _scan_much(s)), lambda s: s.work.scan(), quiet=False),
    "command": Kind(
        lambda s: (_files(s), s.work.begin(Recorded(kind="call", name="run")), _scan_much(s)),
        lambda s: s.work.end(s.work.cursor, captured=True),
        quiet=False,
    ),
    "fork": Kind(_files, lambda s: s.work.fork("other")),
    "settle": Kind(_files, lambda s: s.work.settle()),
    "edit where a file is already": Kind(
        lambda s: (_files(s), s.people.do(Outside("write", "new", data=BY_PERSON))),
        lambda s: _refused(lambda: s.work.write("new", TEXT)),
        quiet=False,
    ),
    "edit that merges": Kind(
        lambda s: (_files(s), s.people.do(Outside("insert", "d/x", data=BY_PERSON, at=2))),
        lambda s: s.work.write("d/x", CHANGED),
        quiet=False,
    ),
    "edit that conflicts": Kind(
        lambda s: (_files(s), s.people.do(Outside("change", "d/x", data=BY_PERSON, at=9))),
        lambda s: _refused(lambda: s.work.write("d/x", CHANGED)),
        quiet=False,
    ),
    "racing edit that merges": Kind(
        _files, lambda s: s.work.write("d/x", CHANGED), (Outside("insert", "d/x", data=BY_PERSON, at=2),)
    ),
    "racing edit that conflicts": Kind(
        _files, lambda s: s.work.write("d/x", CHANGED), (Outside("change", "d/x", data=BY_PERSON, at=9),)
    ),
    "racing new file": Kind(
        _files, lambda s: s.work.write("new", TEXT), (Outside("write", "new", data=BY_PERSON),)
    ),
    "racing delete": Kind(_files, lambda s: s.work.write("d/x", CHANGED), (Outside("delete", "d/x"),)),
    "racing rename": Kind(_files, lambda s: s.work.write("d/x", CHANGED), (Outside("rename", "d/x", "d/z"),)),
    "racing link": Kind(_files, lambda s: s.work.write("d/x", CHANGED), (Outside("symlink", "d/x"),)),
    "racing folder": Kind(_files, lambda s: s.work.write("d/x", CHANGED), (Outside("folder", "d/x"),)),
    "racing pipe": Kind(_files, lambda s: s.work.write("d/x", CHANGED), (Outside("pipe", "d/x"),)),
    "racing clear": Kind(_files, lambda s: s.work.write("d/x", CHANGED), (Outside("clear", "d"),)),
    "racing edit of a rename": Kind(
        _files, lambda s: s.work.move("a", "e"), (Outside("insert", "a", data=BY_PERSON, at=2),)
    ),
    "racing file at the new name": Kind(
        _files, lambda s: s.work.move("a", "e"), (Outside("write", "e", data=BY_PERSON),)
    ),
    "racing edit of a delete": Kind(
        _files, lambda s: s.work.delete("a"), (Outside("insert", "a", data=BY_PERSON, at=2),)
    ),
    "racing folder at a delete": Kind(_files, lambda s: s.work.delete("a"), (Outside("folder", "a"),)),
    "racing edit of a swap": Kind(_files, _swap, (Outside("insert", "a", data=BY_PERSON, at=2),)),
    "racing edit of a name that is given away": Kind(
        _files, _give_away, (Outside("insert", "a", data=BY_PERSON, at=2),)
    ),
    "racing conflict at a name that is given away": Kind(
        _files, _give_away_edited, (Outside("change", "a", data=BY_PERSON, at=9),)
    ),
    "racing edits of a batch": Kind(
        _files, _batch,
        (Outside("insert", "a", data=BY_PERSON, at=2), Outside("append", "b", data=BY_PERSON),
         Outside("change", "d/x", data=BY_PERSON, at=3), Outside("write", "e/f/g", data=BY_PERSON)),
    ),
    "racing edits of a restore": Kind(
        lambda s: _many(s, 6), lambda s: s.work.restore(cursor=6),
        tuple(Outside("insert", f"many/{n % 3}/{n}", data=BY_PERSON, at=n) for n in range(1, 5)),
    ),
}  # fmt: skip


def _refused(call: Callable[[], object]) -> None:
    with suppress(WorkspaceError):
        call()


# -- how


def _run(scene: Scene, kind: Kind, points: Points) -> bool:
    """Do the act among the points; whether it ended."""
    plan_first = points.plan.get(("step", 0))

    def first() -> None:
        scene.people.do(*kind.meanwhile)
        if plan_first is not None:
            plan_first()

    if kind.meanwhile:
        points.plan[("step", 0)] = first
    try:
        with points.watch(scene.work):
            _refused(lambda: kind.act(scene))
    except Crash:
        return False
    return True


def _prepared(top: Path, kind: Kind) -> Scene:
    scene = Scene(top)
    kind.before(scene)
    scene.work.settle()
    scene.model.learn(scene.work)
    scene.people.ever.update(snapshot(scene.root).values())
    return scene


def _points_of(top: Path, kind: Kind, looking: bool) -> list[tuple[str, int]]:
    scene, points = _prepared(top, kind), Points()
    _run(scene, kind, points)
    scene.work.abandon()
    return _chosen(points, looking)


def _chosen(points: Points, looking: bool) -> list[tuple[str, int]]:
    """The points worth dying at: all, or without those before a system call that only looks."""
    return [point for point in points.passed if looking or point[0] != "look"]


def _check(scene: Scene, kind: Kind, atomic: set[frozenset[tuple[str, Seen]]] | None = None) -> None:
    """All that must hold after a death and an opening."""
    work, model, people = scene.work, scene.model, scene.people
    acknowledged = dict(model.states)
    before = model.cursor
    model.learn(work)
    model.check_versions(work)
    assert acknowledged.items() <= model.states.items()
    assert leftovers(scene.root) == []
    people.check_nothing_lost(model)
    in_the_way = {v.path for v in work.unplaced()}
    assert all(is_barred(scene.root, path) for path in in_the_way)
    differing = model.differing(scene.root) - in_the_way
    assert differing <= people.dirty | people.went_along(differing), f"not what the history says: {differing}"
    made = work.store.versions.of_entries(before + 1, work.cursor)
    modes = {mode for _, mode, _ in acknowledged.values()} | {stat.S_IFREG | 0o755, stat.S_IFREG | 0o600}
    for version in made:
        if model.kinds[version.entry] in ("outside", "scan") and version.exists:
            _, mode, data = model.states[version.document, version.number]
            had = (mode, data) in people.ever or (mode in modes and any(data == seen for _, seen in people.ever))
            assert had, "a state was recorded that no file had"  # a mode is set on whatever stands there
    if not people.dirty:
        strange = [v for v in made if model.kinds[v.entry] in ("outside", "merge")]
        assert not strange, f"an edit was recorded that nobody made: {strange}"
        if atomic is not None:
            assert frozenset(model.tree().items()) in atomic, "half an act"
    work.scan()
    model.learn(work)
    people.check_recorded(model)
    people.check_nothing_lost(model)
    stuck = {v.path for v in work.unplaced()} | {s.path for s in work.coverage()}
    assert model.differing(scene.root) <= stuck
    assert work.differences() == []
    work.close()
    with History.open(scene.root, store=scene.store) as fresh:
        assert verify(fresh.store).problems == ()
        model.check_versions(fresh)
        for cursor in {*model.trees} & {0, 1, before // 2, before, before + 1, model.cursor}:
            model.check_tree(fresh, cursor)


def _outcomes(top: Path, kind: Kind) -> set[frozenset[tuple[str, Seen]]]:
    """The trees before and after the act, where nobody disturbs it."""
    scene = _prepared(top, kind)
    before = scene.model.tree()
    _refused(lambda: kind.act(scene))
    scene.model.learn(scene.work)
    after = scene.model.tree()
    scene.work.close()
    return {frozenset(before.items()), frozenset(after.items())}


def _die(top: Path, kind: Kind, point: tuple[str, int]) -> Scene | None:
    """A workspace whose process died at a point of an act; None where it was not reached."""
    scene = _prepared(top, kind)
    ended = _run(scene, kind, Points({point: crash}))
    scene.work.abandon()
    assert not ended or point[0] == "look"
    return None if ended else scene


def _crash_everywhere(tmp_path: Path, name: str, *, looking: bool, most: int, twice: int) -> int:
    """Die at the points of an act, then at ``twice`` points of each recovery; how often it died."""
    kind, deaths = KINDS[name], 0
    atomic = _outcomes(tmp_path / "outcomes", kind) if kind.atomic and not kind.meanwhile else None
    chance = random.Random(name)
    points = _points_of(tmp_path / "dry", kind, looking)
    for index, point in enumerate(points if len(points) <= most else sorted(chance.sample(points, most))):
        scene, counting = _die(tmp_path / f"{index}", kind, point), Points()
        if scene is None:
            continue
        scene.work = scene.open(counting)
        _check(scene, kind, atomic)
        deaths += 1
        again = _chosen(counting, looking)
        for second in chance.sample(again, min(twice, len(again))):
            scene = _die(tmp_path / f"{index}-{second[0]}-{second[1]}", kind, point)
            if scene is None:
                continue
            with suppress(Crash):
                scene.open(Points({second: crash})).abandon()
            scene.work = scene.open()
            _check(scene, kind, atomic)
            deaths += 1
    return deaths


@pytest.fixture(params=["exchange", "links"])
def renaming(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A system that exchanges two names in one call, and one that cannot."""
    if request.param == "links":
        monkeypatch.setattr(files_module, "_LIBC", None)
    return str(request.param)


@pytest.mark.parametrize("name", KINDS)
def test_death_at_any_point_loses_nothing(tmp_path: Path, name: str, renaming: str) -> None:
    most, twice = (14, 1) if renaming == "exchange" else (8, 0)
    deaths = _crash_everywhere(tmp_path, name, looking=False, most=most, twice=twice)
    print(f"{name}, {renaming}: {deaths} deaths")


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", KINDS)
def test_death_at_every_point_and_again_while_recovering_loses_nothing(
    tmp_path: Path, name: str, renaming: str
) -> None:
    deaths = _crash_everywhere(tmp_path, name, looking=True, most=250, twice=3)
    print(f"{name}, {renaming}: {deaths} deaths")


# -- people


MEDDLING = [
    Outside("insert", "", data=BY_PERSON, at=2), Outside("change", "", data=BY_PERSON, at=9),
    Outside("write", "", data=BY_PERSON), Outside("truncate", "", at=5), Outside("append", "", data=BY_PERSON),
    Outside("replace", "", data=BY_PERSON), Outside("delete", ""), Outside("rename", "", "r"),
    Outside("rename", "", "d/y"), Outside("chmod", "", at=2), Outside("symlink", ""), Outside("folder", ""),
    Outside("pipe", ""), Outside("clear", ""),
]  # fmt: skip
MEDDLED = ["edit", "rename", "rename in the folder", "swap", "round of names", "delete", "mode", "batch", "undo"]
MEDDLED += ["first write", "link to file", "file to link", "restore a file where a folder is", "several acts"]


@pytest.mark.parametrize("name", MEDDLED)
def test_people_who_edit_at_any_point_of_an_act_lose_nothing(tmp_path: Path, name: str) -> None:
    _meddle(tmp_path, name, times=15)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", MEDDLED)
def test_people_who_edit_all_the_time_lose_nothing(tmp_path: Path, name: str) -> None:
    _meddle(tmp_path, name, times=2000)


def _meddle(tmp_path: Path, name: str, times: int) -> None:
    """Edit files at one or two points of an act, some of the time die after that, and open again."""
    kind, chance = KINDS[name], random.Random(name)
    points = _points_of(tmp_path / "dry", kind, looking=True)
    for index in range(times):
        scene = _prepared(tmp_path / f"{index}", kind)
        plan: dict[tuple[str, int], Callable[[], None]] = {}
        edits = []
        for point in sorted(chance.sample(points, min(3, len(points))), key=points.index):
            if plan and chance.random() < 0.3:
                plan[point] = crash
                break
            edit = replace(
                chance.choice(MEDDLING), path=chance.choice(["a", "a", "b", "c", "d/x", "d/x", "e/z", "d", "l"])
            )
            edits.append(edit)
            plan[point] = lambda edit=edit: scene.people.do(edit)  # noqa: B023
        _run(scene, kind, Points(plan))
        scene.work.abandon()
        again = Points({("call", chance.randrange(12)): crash}) if index % 4 == 0 else None
        with suppress(Crash):
            scene.open(again).abandon()
        scene.work = scene.open()
        _check(scene, replace(kind, meanwhile=tuple(edits)))


def test_a_file_that_vanishes_during_a_scan_takes_no_other_with_it(tmp_path: Path) -> None:
    def before(scene: Scene) -> None:
        _files(scene)
        scene.work.write(".gitignore", b"*.o\n")  # it is read between listing the folder and looking at its files

    kind = Kind(before, lambda scene: scene.work.scan())
    for index, point in enumerate(_points_of(tmp_path / "dry", kind, looking=True)):
        scene = _prepared(tmp_path / f"{index}", kind)
        _run(scene, kind, Points({point: lambda scene=scene: scene.people.do(Outside("delete", "a"))}))
        scene.model.learn(scene.work)
        assert {"b", "d/x", "d/y", ".gitignore"} <= scene.model.tree().keys()
        scene.work.scan()
        scene.model.learn(scene.work)
        assert scene.model.tree().keys() == {"b", "d/x", "d/y", ".gitignore"}
        scene.work.close()


# -- power failures


class Disk(Points):
    """What a disk may hold after a power failure: for each name any state since the last sync.

    What was written since may be cut short, or zeros.
    """

    def __init__(self, root: Path, plan: dict[tuple[str, int], Callable[[], None]] | None = None) -> None:
        super().__init__(plan)
        self.root = root
        self.synced()

    def synced(self) -> None:
        self.whole = snapshot(self.root, ours=True)
        self.states = [self.whole]

    def reach(self, kind: str) -> None:
        if not self.quiet and kind != "look":
            self.states.append(snapshot(self.root, ours=True))
        super().reach(kind)

    def fail(self, chance: random.Random) -> None:
        """Leave what a power failure may leave."""
        states = [*self.states, snapshot(self.root, ours=True)]
        chosen = {path: chance.choice(states).get(path) for path in sorted({p for state in states for p in state})}
        for path in chosen:
            with suppress(FileNotFoundError, NotADirectoryError):
                (self.root / path).unlink()
        for path, seen in chosen.items():
            if seen is not None:
                with suppress(NotADirectoryError, FileExistsError):  # a name is a file or a folder
                    self._write(path, seen, chance)

    def _write(self, path: str, seen: Seen, chance: random.Random) -> None:
        (mode, data), where = seen, self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        if mode == LINK_MODE:
            where.symlink_to(data.decode())
        elif not where.is_dir():
            where.write_bytes(data if seen == self.whole.get(path) else self._remains(data, chance))
            where.chmod(mode & 0o777)

    def _remains(self, data: bytes, chance: random.Random) -> bytes:
        cut = chance.randrange(len(data) + 1)
        zeros = bytes(chance.randrange(len(data) - cut + 1))
        return chance.choice([data, data, b"", bytes(len(data)), data[:cut], data[:cut] + zeros])


def _other_boot(scene: Scene) -> None:
    """Make the last opening one of another run of the machine."""
    with closing(connect(scene.store / "workspace.db")) as database:
        database.execute("UPDATE meta SET value = 'another' WHERE key = 'boot'")


def _check_power_failure(scene: Scene, disk: Disk, chance: random.Random, *, again: bool) -> None:
    """Let the power fail, open again, and find the heads and nobody's edits."""
    scene.work.abandon()
    disk.fail(chance)
    _other_boot(scene)
    if again:
        with suppress(Crash):
            scene.open(Points({("call", chance.randrange(12)): crash})).abandon()
    scene.work = scene.open()
    _check(scene, KINDS["edit"])


QUIET = [name for name, kind in KINDS.items() if not kind.meanwhile and kind.quiet]


@pytest.mark.parametrize("name", QUIET)
def test_power_failure_at_any_point_brings_back_the_heads(tmp_path: Path, name: str) -> None:
    _fail_power(tmp_path, name, times=4)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", QUIET)
def test_many_power_failures_at_any_point_bring_back_the_heads(tmp_path: Path, name: str) -> None:
    _fail_power(tmp_path, name, times=300)


def _fail_power(tmp_path: Path, name: str, times: int) -> None:
    kind, chance = KINDS[name], random.Random(name)
    points = [*_points_of(tmp_path / "dry", kind, looking=False), ("never", 0)]
    for index in range(times):
        scene = _prepared(tmp_path / f"{index}", kind)
        disk = Disk(scene.root, {chance.choice(points): crash})
        scene.work._files.sync = disk.synced  # type: ignore[method-assign]
        _run(scene, kind, disk)
        _check_power_failure(scene, disk, chance, again=index % 2 == 1)


@pytest.mark.parametrize("seed", range(6))
def test_power_failure_after_many_acts_brings_back_the_heads(tmp_path: Path, seed: int) -> None:
    _many_acts_then_power_failure(tmp_path, seed)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_many_power_failures_after_many_acts_bring_back_the_heads(tmp_path: Path) -> None:
    for seed in range(1000):
        _many_acts_then_power_failure(tmp_path / f"{seed}", seed)


def _many_acts_then_power_failure(top: Path, seed: int) -> None:
    chance, names = random.Random(seed), ["a", "b", "c", "d/x", "d/y", "e/f/g"]
    scene = _prepared(top, Kind(_files, _files))
    disk, work = Disk(scene.root), scene.work
    work._files.sync = disk.synced  # type: ignore[method-assign]

    def one() -> None:
        path, other = chance.sample(names, 2)
        act = chance.choice(["write", "write", "write", "move", "delete", "mode", "restore", "undo", "settle"])
        if act == "write":
            work.write(path, TEXT[: chance.randrange(len(TEXT))] + b"%d\n" % chance.randrange(1000))
        elif act == "move":
            work.move(path, other)
        elif act == "delete":
            work.delete(path)
        elif act == "mode":
            work.set_mode(path, chance.choice([0o600, 0o644, 0o755]))
        elif act == "restore":
            work.restore(cursor=chance.randrange(work.cursor + 1))
        elif act == "undo":
            work.undo()
        elif chance.random() < 0.3:
            work.settle()

    with disk.watch(work):
        for _ in range(chance.randrange(2, 15)):
            _refused(one)
    _check_power_failure(scene, disk, chance, again=seed % 2 == 1)


def test_edits_of_people_survive_a_power_failure(tmp_path: Path) -> None:
    scene = _prepared(tmp_path, KINDS["edit"])
    scene.work.write("a", CHANGED)
    scene.people.do(Outside("insert", "a", data=BY_PERSON, at=3), Outside("append", "b", data=BY_PERSON))
    scene.work.abandon()
    _other_boot(scene)
    scene.work = scene.open()
    assert BY_PERSON in (scene.root / "a").read_bytes()
    assert CHANGED.splitlines()[9] in (scene.root / "a").read_bytes()
    _check(scene, KINDS["edit"])


@pytest.mark.parametrize(
    ("found", "written", "expected"),
    [
        (b"", b"text", True),
        (b"te", b"text", True),
        (b"te\0\0", b"text", True),
        (bytes(4), b"text", True),
        (b"text", b"text", False),
        (b"texts", b"text", False),
        (b"tent", b"text", False),
        (bytes(512) + b"b" * 10, b"a" * 512 + b"b" * 10, True),
        (b"a" * 512 + bytes(5) + b"c" * 5, b"a" * 512 + b"b" * 10, False),
    ],
)
def test_remains_are_told_from_edits(found: bytes, written: bytes, expected: bool) -> None:
    assert torn(found, written) is expected


def test_conflicts_found_on_opening_are_recorded_and_told_by_the_next_scan(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.work.write("a", TEXT)
    with suppress(Crash), Points({("step", 0): crash}).watch(scene.work):  # committed, and not yet put in place
        scene.work.write("a", CHANGED)
    theirs = TEXT.replace(b"line 9\n", b"line nine, by a person\n")
    (scene.root / "a").write_bytes(theirs)
    scene.work.abandon()
    scene.work = scene.open()
    assert (scene.root / "a").read_bytes() == theirs
    (entry,) = [e for e in scene.work.store.journal.entries(after=0) if e.kind == "conflict"]
    assert entry.outcome == "conflict"
    ((path, line, reason),) = entry.detail["conflicts"]
    assert (path, line) == ("a", 10)
    told = [(c.path, c.line, c.reason) for c in scene.work.scan().conflicts]
    assert told == [(path, line, reason)]
    assert scene.work.scan().conflicts == ()
    scene.work.close()
    scene.work = scene.open()
    assert scene.work.scan().conflicts == ()
    assert [e.kind for e in scene.work.store.journal.entries(after=entry.id)] == []
    assert verify(scene.work.store).ok
    scene.work.close()


def test_a_file_that_took_a_place_before_opening_is_told(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with suppress(Crash), Points({("step", 0): crash}).watch(scene.work):
        scene.work.write("a", TEXT)
    (scene.root / "a").write_bytes(b"theirs\n")
    scene.work.abandon()
    scene.work = scene.open()
    assert [(c.path, c.line) for c in scene.work.scan().conflicts] == [("a", None)]
    assert [e.kind for e in scene.work.store.journal.entries(after=0)] == ["edit", "outside", "conflict"]
    assert (scene.root / "a").read_bytes() == b"theirs\n"
    scene.work.close()


def test_a_merge_found_on_opening_is_no_conflict(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.work.write("a", TEXT)
    with suppress(Crash), Points({("step", 0): crash}).watch(scene.work):
        scene.work.write("a", CHANGED)
    (scene.root / "a").write_bytes(b"their first line\n" + TEXT)
    scene.work.abandon()
    scene.work = scene.open()
    assert (scene.root / "a").read_bytes() == b"their first line\n" + CHANGED
    assert scene.work.scan().conflicts == ()
    assert "conflict" not in {e.kind for e in scene.work.store.journal.entries(after=0)}
    scene.work.close()


# -- folders that are moved while a file is placed in them


def _moved(root: Path) -> None:
    (root / "d").rename(root / "r")


def _moved_with_a_link_left(root: Path) -> None:
    _moved(root)
    (root / "d").symlink_to("r")


def _moved_with_a_file_left(root: Path) -> None:
    _moved(root)
    (root / "d").write_text("here was d\n")


def _moved_beside_its_copy(root: Path) -> None:
    _moved(root)
    shutil.copytree(root / "r", root / "e")
    (root / "r").rename(root / "e" / "d")


MOVES = (_moved, _moved_with_a_link_left, _moved_with_a_file_left, _moved_beside_its_copy)


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__.strip("_"))
def test_what_an_exchange_displaced_is_found_in_a_folder_that_was_moved(
    tmp_path: Path, move: Callable[[Path], None]
) -> None:
    kind = Kind(_files, lambda s: s.work.write("d/x", CHANGED))
    edit = Outside("write", "d/x", data=BY_PERSON)
    first, *points = _points_of(tmp_path / "dry", kind, looking=False)
    for index, point in enumerate(points):
        scene = _prepared(tmp_path / f"{index}", kind)
        _run(scene, kind, Points({first: lambda scene=scene: scene.people.do(edit), point: crash}))  # type: ignore[misc]
        scene.work.abandon()
        move(scene.root)
        scene.work = scene.open()
        assert leftovers(scene.root) == []
        scene.work.scan()
        made = scene.work.store.versions.of_entries(1, scene.work.cursor)
        assert BY_PERSON in {scene.work.content(version) for version in made}
        assert verify(scene.work.store).problems == ()
        assert all(is_barred(scene.root, version.path) for version in scene.work.unplaced())
        scene.work.close()


def test_another_workspace_below_keeps_its_temporary_files(tmp_path: Path) -> None:
    kind = Kind(_files, lambda s: s.work.write("d/x", CHANGED))
    outer = _prepared(tmp_path, Kind(_files, lambda s: None))
    (outer.root / "inner").mkdir()
    inner = Scene(outer.root / "inner")
    _files(inner)
    inner.work.settle()
    points = _points_of(tmp_path / "dry", kind, looking=False)
    names: set[str] = set()
    for point in points:
        _run(inner, kind, Points({point: crash}))
        inner.work.abandon()
        before = snapshot(inner.root, ours=True)
        names |= {path for path in before if ".wukong-tmp" in path}
        _run(outer, kind, Points({points[len(points) // 2]: crash}))
        outer.work.abandon()
        outer.work = outer.open()
        assert snapshot(inner.root, ours=True) == before
        inner.work = inner.open()
        inner.work.write("d/x", TEXT)
        outer.work.write("d/x", TEXT)
    assert names, "no temporary file was left where one could be taken"


def test_a_tree_deeper_than_the_system_likes_does_not_keep_a_workspace_from_opening(tmp_path: Path) -> None:
    kind = Kind(_files, lambda s: s.work.write("d/x", CHANGED))
    scene = _prepared(tmp_path, kind)
    (scene.root / ".gitignore").write_text("deep/\n")
    handle = os.open(scene.root, os.O_RDONLY)
    try:
        for _ in range(1_500):
            os.mkdir("deep", dir_fd=handle)
            below = os.open("deep", os.O_RDONLY, dir_fd=handle)
            os.close(handle)
            handle = below
    finally:
        os.close(handle)
    points = _points_of(tmp_path / "dry", kind, looking=False)
    _run(scene, kind, Points({points[len(points) // 2]: crash}))
    scene.work.abandon()
    scene.work = scene.open()
    assert scene.work.content(scene.work.version("d/x", 2)) == CHANGED
    scene.work.close()
    subprocess.run(["rm", "-rf", scene.root / "deep"], check=True)
