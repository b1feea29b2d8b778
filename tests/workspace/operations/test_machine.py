"""A workspace against a naive model that keeps full copies of everything.

Random acts of agents, of people who edit files behind our back and at the worst moment,
and deaths of the process at any point. After every step: nothing that was acknowledged
changed, nothing that anybody made is lost, and the files are what the history says.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.workspace.model import (
    Crash,
    Model,
    Outside,
    People,
    Points,
    Seen,
    Tree,
    crash,
    leftovers,
    reopen,
    snapshot,
)
from workspace import Act, History, NotFound, Version, WorkspaceError
from workspace.operations.verify import verify

BASE = b"".join(b"line %d of the beginning\n" % n for n in range(8))
NAMES = ["a", "b", "c", "d/x", "d/y", "ü \n", os.fsdecode(b"\xff\x1b[0m"), "d", "d/y/z"]
WHOLE = [BASE, b"", b"\0\1 binary", b"no line end", b"one\r\ntwo\r\n", b"\xff\xfe\n", BASE.upper(), BASE * 40]

KINDS = [
    "write", "append", "insert", "insert", "change", "change", "replace", "truncate", "delete", "rename", "chmod",
    "symlink", "folder", "pipe", "clear",
]  # fmt: skip

names = st.sampled_from(NAMES)
places = st.integers(0, 11)
changes = st.lists(
    st.tuples(st.sampled_from(["insert", "insert", "change", "remove", "whole"]), places), min_size=1, max_size=3
)
outside_edits = st.builds(
    lambda kind, path, to, at, whole: (kind, path, to, at, whole),
    st.sampled_from(KINDS),
    names, names, places, st.sampled_from([None, None, *WHOLE]),
)  # fmt: skip
points = st.one_of(
    st.tuples(st.just("step"), st.integers(0, 9)),
    st.tuples(st.just("call"), st.integers(0, 20)),
    st.tuples(st.just("look"), st.integers(0, 20)),
)
plans = st.one_of(
    st.none(), st.none(), st.lists(st.tuples(points, st.none() | outside_edits), min_size=1, max_size=3)
)
"""What happens during an act, and where: None is death."""

Plan = list[tuple[tuple[str, int], Any]] | None


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="machine-"))
        self.root, self.store = self.top / "work", self.top / "store"
        self.root.mkdir()
        self.model, self.people = Model(), People(self.root)
        self.forks: list[tuple[int, int]] = []
        self.count = 0
        self.work = reopen(self.root, self.store)

    def teardown(self) -> None:
        self.work.close()
        with History.open(self.root, store=self.store) as fresh:
            assert verify(fresh.store).problems == ()
            self.model.learn(fresh)
            self.model.check_versions(fresh)
            for cursor in self.model.trees:
                self.model.check_tree(fresh, cursor)
        shutil.rmtree(self.top)

    # -- inside

    def _line(self) -> bytes:
        self.count += 1
        letters = "".join(chr(97 + (self.count * 7919 * (n + 3) ** 3 >> 3) % 26) for n in range(12))
        return f"{letters} {self.count}\n".encode()

    def _edited(self, data: bytes, how: list[tuple[str, int]]) -> bytes:
        for kind, at in how:
            lines = data.splitlines(keepends=True)
            if kind == "whole":
                data = WHOLE[at % len(WHOLE)]
                continue
            if kind == "insert":
                lines.insert(at % (len(lines) + 1), self._line())
            elif lines:
                lines[at % len(lines)] = self._line() if kind == "change" else b""
            data = b"".join(lines)
        return data

    def _outside(self, drawn: Any) -> Outside:
        kind, path, to, at, whole = drawn
        return Outside(kind, path, to, self._line() if whole is None else whole, at)

    def _points(self, plan: Plan) -> Points:
        def happens(drawn: Any) -> Callable[[], None]:
            return crash if drawn is None else lambda: self.people.do(self._outside(drawn))

        return Points({point: happens(drawn) for point, drawn in plan or ()})

    def _act(self, call: Callable[[], Any], plan: Plan = None) -> Any:
        """Do something; what it returned, the error that refused it, or Crash if the process died."""
        quiet = not plan and not self.people.dirty
        self.people.moved.clear()
        self.people.ever.update(snapshot(self.root).values())
        try:
            with self._points(plan).watch(self.work):
                result = call()
        except Crash:
            self._recover(None, quiet=quiet or (not self.people.dirty))
            return Crash
        except WorkspaceError as error:
            result = error
        self._check(quiet)
        return result

    def _check(self, quiet: bool) -> None:
        model, people = self.model, self.people
        new = model.learn(self.work)
        if quiet:
            strange = [v for v in new if model.kinds[v.entry] in ("outside", "merge")]
            assert not strange, f"an edit was recorded that nobody made: {strange}"
        people.ever.update(snapshot(self.root).values())
        for version in new:
            if model.kinds[version.entry] in ("outside", "scan") and version.mode is not None:
                _, mode, data = model.states[version.document, version.number]
                assert (mode, data) in people.ever, "a state was recorded that no file had"
        people.check_nothing_lost(model)
        stuck = self._known_to_differ()
        differing = model.differing(self.root)
        people.dirty |= {path for path in differing if any(path.startswith(f"{f}/") for f in people.moved)}
        assert differing <= people.dirty | stuck, f"not what the history says: {differing - people.dirty - stuck}"
        people.dirty &= differing

    def _known_to_differ(self) -> set[str]:
        """Paths where the workspace itself says that the file is not the head."""
        return {version.path for version in self.work.unplaced()} | {s.path for s in self.work.coverage()}

    def _recover(self, plan: Plan, *, quiet: bool) -> None:
        before = self.model.cursor
        self.work.abandon()
        while True:
            try:
                self.work = reopen(self.root, self.store, self._points(plan))
                break
            except Crash:
                plan = None
        if quiet and not plan:
            entries = self.work.store.journal.entries(after=before)
            strange = [v for e in entries if e.kind in ("outside", "merge") for v in self._versions(e.id)]
            assert not strange, f"recovery recorded an edit that nobody made: {strange}"
        assert not leftovers(self.root)
        self._check(False)

    def _versions(self, entry: int) -> list[Version]:
        return self.work.store.versions.of_entries(entry, entry)

    def _version(self, at: int) -> Version | None:
        known = list(self.model.versions.values())
        return known[-1 - at * at % len(known)] if known else None

    def _head(self, path: str) -> Version | None:
        return next((h for h in self.model.heads.values() if h.exists and h.path == path), None)

    # -- agents

    @initialize()
    def begin(self) -> None:
        for path in ("a", "b", "d/x"):
            self._act(lambda path=path: self.work.write(path, BASE))

    @rule(path=names, how=changes, plan=plans)
    def write(self, path: str, how: list[tuple[str, int]], plan: Plan) -> None:
        head = self._head(path)
        clean = path not in self.people.dirty and not plan
        data = self._edited(self.model.bytes_of(head) if head else BASE, how)
        made = self._act(lambda: self.work.write(path, data), plan)
        if clean and isinstance(made, Version):
            assert self.work.content(made) == data
            assert made.path == path
            if head is not None:
                same = head == made
                assert made.document == head.document
                assert same or made.parent == head.number
        if made is not Crash:
            self._check_merged(self.model.bytes_of(head) if head else b"", data, made, plan)

    @rule(path=names, how=changes, at=places, plan=plans)
    def write_after_reading_an_older_version(
        self, path: str, how: list[tuple[str, int]], at: int, plan: Plan
    ) -> None:
        head = self._head(path)
        if head is None:
            return
        old = [v for v in self.model.versions.values() if v.document == head.document]
        read = old[-1 - at % len(old)]
        data = self._edited(self.model.bytes_of(read), how)
        made = self._act(lambda: self.work.write(path, data, read=read.number), plan)
        if made is not Crash:
            self._check_merged(self.model.bytes_of(read), data, made, plan, self.model.bytes_of(head))

    def _check_merged(self, base: bytes, data: bytes, made: Any, plan: Plan, ours: bytes = b"") -> None:
        """What both sides added is in the outcome, whoever they are."""
        if not isinstance(made, Version):
            return
        result = self.model.bytes_of(made)
        if b"\0" in base + data + result or result == data:
            return
        for line in {*data.splitlines(), *ours.splitlines()} - {*base.splitlines()}:
            assert line in result, f"{line!r} was merged away"

    @rule(path=names, to=names, plan=plans)
    def move(self, path: str, to: str, plan: Plan) -> None:
        head, quiet = self._head(path), not plan and not self.people.dirty
        made = self._act(lambda: self.work.move(path, to), plan)
        if head and quiet and isinstance(made, Version):
            assert (made.document, made.content) == (head.document, head.content)

    @rule(path=names, plan=plans)
    def delete(self, path: str, plan: Plan) -> None:
        made = self._act(lambda: self.work.delete(path), plan)
        if isinstance(made, Version) and not plan:
            assert path not in self.model.tree()
            assert path not in snapshot(self.root)

    @rule(path=names, mode=st.sampled_from([0o600, 0o644, 0o755, 0o700]), plan=plans)
    def set_mode(self, path: str, mode: int, plan: Plan) -> None:
        made = self._act(lambda: self.work.set_mode(path, mode), plan)
        if isinstance(made, Version) and not plan and not (self.root / path).is_symlink():
            assert (self.root / path).stat().st_mode & 0o777 == mode

    @rule(
        acts=st.lists(
            st.tuples(st.sampled_from(["write", "write", "move", "delete", "mode"]), names, names, changes),
            min_size=2, max_size=5,
        ),
        plan=plans,
    )  # fmt: skip
    def batch(self, acts: list[Any], plan: Plan) -> None:
        work = self.work

        def one(kind: str, path: str, to: str, how: list[tuple[str, int]]) -> None:
            try:
                if kind == "write":
                    head = work.find(path)
                    work.write(path, self._edited(work.content(head) if head else BASE, how))
                elif kind == "move":
                    work.move(path, to)
                elif kind == "delete":
                    work.delete(path)
                else:
                    work.set_mode(path, 0o700)
            except WorkspaceError:
                pass  # one that is refused leaves the others

        def call() -> None:
            with work.batch():
                for act in acts:
                    one(*act)

        self._act(call, plan)

    @rule(path=names, to=names, plan=plans)
    def swap(self, path: str, to: str, plan: Plan) -> None:
        one, other = self._head(path), self._head(to)
        if one is None or other is None or one == other:
            return

        def call() -> None:
            with self.work.batch():
                self.work.move(path, "swapping~")
                self.work.move(to, path)
                self.work.move("swapping~", to)

        quiet = not plan and not self.people.dirty
        done = self._act(call, plan)
        if done is None and quiet:
            tree = self.model.tree()
            assert (tree[to][1], tree[path][1]) == (self.model.bytes_of(one), self.model.bytes_of(other))

    # -- people

    @rule(edits=st.lists(outside_edits, min_size=1, max_size=4))
    def edit_outside(self, edits: list[Any]) -> None:
        self.people.do(*(self._outside(drawn) for drawn in edits))

    @rule(plan=plans)
    def scan(self, plan: Plan) -> None:
        done = self._act(self.work.scan, plan)
        if done is Crash or plan:
            return
        if not isinstance(done, Exception):
            self.people.check_recorded(self.model)
            assert self.work.differences() == []
            assert self.model.differing(self.root) <= self._known_to_differ()
            self.people.dirty.clear()

    @rule(edits=st.lists(outside_edits, max_size=3), plan=plans)
    def command(self, edits: list[Any], plan: Plan) -> None:
        """A long operation whose work is found on disk when it ends."""
        operation = self.work.begin(Act(kind="call", name="run", actor="agent"))
        self.people.do(*(self._outside(drawn) for drawn in edits))
        done = self._act(lambda: self.work.end(operation, captured=True), plan)
        if done is not Crash and not isinstance(done, Exception):
            assert {v.operation for v in done} <= {operation}

    # -- taking back

    @rule(at=st.integers(0, 400), plan=plans)
    def restore(self, at: int, plan: Plan) -> None:
        cursor = at % (self.model.cursor + 1)
        wanted = self.model.trees[cursor]
        done = self._act(lambda: self.work.restore(cursor=cursor), plan)
        if isinstance(done, list) and not plan:
            assert self.model.tree() == wanted

    @rule(at=st.integers(0, 400), path=names, plan=plans)
    def restore_one_path(self, at: int, path: str, plan: Plan) -> None:
        cursor = at % (self.model.cursor + 1)
        wanted = self.model.trees[cursor].get(path)
        done = self._act(lambda: self.work.restore(cursor=cursor, paths=[path]), plan)
        if isinstance(done, list) and not plan:
            assert self.model.tree().get(path) == wanted

    @rule(at=places, plan=plans)
    def restore_a_version(self, at: int, plan: Plan) -> None:
        version = self._version(at)
        if version is None:
            return
        done = self._act(lambda: self.work.restore(version=version), plan)
        if isinstance(done, list) and not plan:
            _, mode, data = self.model.states[version.document, version.number]
            head = self.model.heads[version.document]
            assert (head.mode, self.model.bytes_of(head)) == (mode, data)

    @rule(at=places, plan=plans)
    def revert(self, at: int, plan: Plan) -> None:
        version = self._version(at)
        if version is not None:
            self._take_back(lambda: self.work.revert([version.operation], consent=True), [version.operation], plan)

    @rule(plan=plans)
    def undo(self, plan: Plan) -> None:
        tree, quiet = self.model.tree(), not plan and not self.people.dirty
        done = self._take_back(self.work.undo, None, plan)
        if quiet and done is not None and not isinstance(done, (Exception, type)):
            again = self._take_back(self.work.redo, None, None)
            assert not isinstance(again, NotFound)
            if not isinstance(again, Exception):
                assert self.model.tree() == tree

    @rule(plan=plans)
    def redo(self, plan: Plan) -> None:
        self._take_back(self.work.redo, None, plan)

    def _take_back(self, call: Callable[[], Any], operations: list[int] | None, plan: Plan) -> Any:
        quiet = not plan and not self.people.dirty
        before, tree = dict(self.model.heads), self.model.tree()
        cursor = self.model.cursor
        done = self._act(call, plan)
        if not quiet or done is Crash:
            return done
        if isinstance(done, WorkspaceError):
            if not self.work.unplaced():  # else it was done, but for what stands in its way
                assert self.model.tree() == tree, "refused, but something was written"
                assert self.model.cursor == cursor
            return done
        if operations is None:
            operations = [self.work.operation(done.id).detail["target"]]
        family = {m for o in operations for m in self.work.store.journal.family(self.work.operation(o).id)}
        made = [v for v in self.model.versions.values() if v.operation in family]
        for document in {v.document for v in made}:
            mine = [v for v in made if v.document == document]
            self._check_taken_back(before[document], mine)
        return done

    def _check_taken_back(self, head: Version, mine: list[Version]) -> None:
        model = self.model
        now = model.heads[head.document]
        numbers = {v.number for v in mine}
        oldest = mine[0]
        if head.number in numbers and len(mine) == 1:
            before = None if oldest.parent is None else model.states[head.document, oldest.parent]
            after = model.states[now.document, now.number]
            if before is None or before[1] is None:
                assert not now.exists
            else:
                assert after == before
            return
        changed: set[bytes] = set()
        for version in mine:
            parent = b"" if version.parent is None else model.states[version.document, version.parent][2]
            old, new = Counter(parent.splitlines()), Counter(model.bytes_of(version).splitlines())
            changed |= {*(old - new), *(new - old)}
        text = model.bytes_of(head)
        if now.exists and b"\0" not in text:
            for line in {*text.splitlines()} - changed:
                assert line in model.bytes_of(now), f"{line!r} went with another edit"

    # -- branches, ends and beginnings

    @rule(at=st.integers(0, 400))
    def fork(self, at: int) -> None:
        cursor = at % (self.model.cursor + 1)
        branch = self.work.fork(f"branch {len(self.forks)}", at=cursor)
        self.model.learn(self.work)
        self.forks.append((branch.id, cursor))

    @rule(edits=st.lists(outside_edits, max_size=2))
    def close_and_reopen(self, edits: list[Any]) -> None:
        quiet, before = not self.people.dirty, self.model.cursor
        self.work.close()
        self.people.do(*(self._outside(drawn) for drawn in edits))
        self.work = reopen(self.root, self.store)
        if quiet and not edits:
            assert self.work.cursor == before
        self._check(False)

    @rule(edits=st.lists(outside_edits, max_size=2), plan=plans)
    def die(self, edits: list[Any], plan: Plan) -> None:
        """The process ends without a word, people work on, and opening may be cut short too."""
        self.people.do(*(self._outside(drawn) for drawn in edits))
        self._recover(plan, quiet=not self.people.dirty and not plan)

    @rule()
    def settle(self) -> None:
        self._act(self.work.settle)

    # -- always

    @invariant()
    def nothing_acknowledged_has_changed(self) -> None:
        start = self.model.cursor
        self.model.check_versions(self.work, range(start, start + 5))
        for cursor in {self.model.cursor, self.model.cursor // 2, start * 7919 % (self.model.cursor + 1)}:
            self.model.check_tree(self.work, cursor)
        for branch, fork in self.forks[-2:]:
            versions = self.work.store.versions.tree(branch, self.model.cursor).values()
            found: Tree = {v.path: self._seen(v) for v in versions if v.exists}
            assert found == self.model.trees[fork]

    def _seen(self, version: Version) -> Seen:
        assert version.mode is not None
        return version.mode, self.work.content(version)


def _run(examples: int, steps: int, *, fixed: bool) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=fixed,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_history_of_acts_edits_and_deaths_loses_nothing() -> None:
    _run(60, 25, fixed=True)


def test_a_pipe_that_people_take_away_again_is_their_edit() -> None:
    machine = Machine()
    machine.begin()
    for kind in ("pipe", "clear"):
        machine.edit_outside([(kind, "a", "a", 0, None)])
        if kind == "pipe":
            machine.scan(None)
    machine.write("a", [("insert", 0)], None)
    machine.nothing_acknowledged_has_changed()
    machine.teardown()


def test_a_folder_that_people_rename_under_our_hands_takes_its_new_files_along() -> None:
    machine = Machine()
    machine.begin()
    again = ("write", "a", "a", 0, None)
    for edits in ([again], [again], [("write", "d/y", "a", 0, None), ("folder", "a", "a", 0, None)], [again]):
        machine.close_and_reopen(edits)
    machine.restore(199, None)
    machine.undo([(("step", 0), again), (("step", 3), ("rename", "d", "c", 0, None))])
    machine.scan(None)
    assert {"c/x", "c/y"} <= machine.work.tree().keys()
    machine.teardown()


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_any_long_history_of_acts_edits_and_deaths_loses_nothing() -> None:
    _run(5000, 40, fixed=False)
