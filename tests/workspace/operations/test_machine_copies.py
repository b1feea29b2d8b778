"""Several working copies of one repository, each on its branch, against the naive model.

Agents act in any of them, one by one and in common transactions; people edit in all of them
at the worst moment; branches are merged; the process dies at any point.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.workspace.model import Crash, Model, Outside, People, Points, crash, leftovers, reopen, snapshot
from tests.workspace.operations.test_machine import BASE, WHOLE, changes, names, outside_edits, places, points
from workspace import History, Version, Workspace, WorkspaceError
from workspace.operations.verify import verify

COPIES = ("main", "one", "two")
BARE = "bare"
"""A branch that has no folder."""

copies = st.sampled_from(COPIES)
branches = st.sampled_from((*COPIES, BARE))
plans = st.one_of(
    st.none(), st.none(),
    st.lists(st.tuples(points, st.none() | st.tuples(copies, outside_edits)), min_size=1, max_size=2),
)  # fmt: skip
"""What happens during an act, and where: None is death."""


class Copies(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="copies-"))
        self.store = self.top / "store"
        (self.top / "main").mkdir()
        self.model = Model()
        self.people = {name: People(self.top / name) for name in COPIES}
        self.count = 0
        self.works = {"main": reopen(self.top / "main", self.store)}

    def teardown(self) -> None:
        self.works["main"].close()
        for name in COPIES:
            with History.open(self.top / name, store=self.store) as fresh:
                assert fresh.branch.name == name
                self.model.learn(fresh)
        with History.open(self.top / "main", store=self.store) as fresh:
            assert verify(fresh.store).problems == ()
            self.model.check_versions(fresh)
            for branch, cursor in self.model.other_trees:
                self.model.check_tree(fresh, cursor, branch)
        shutil.rmtree(self.top)

    @initialize()
    def begin(self) -> None:
        main = self.works["main"]
        for path in ("a", "b", "d/x"):
            main.write(path, BASE)
        for name in COPIES[1:]:
            self.works[name] = main.checkout(self.top / name, name)
        main.fork(BARE)
        self.works[BARE] = main.on(BARE)
        self._check(quiet=True)

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

    def _points(self, plan: Any) -> Points:
        def happens(drawn: Any) -> Callable[[], None]:
            return crash if drawn is None else lambda: self.people[drawn[0]].do(self._outside(drawn[1]))

        return Points({point: happens(drawn) for point, drawn in plan or ()})

    @property
    def _quiet(self) -> bool:
        return not any(people.dirty for people in self.people.values())

    def _act(self, call: Callable[[], Any], plan: Any = None) -> Any:
        quiet = not plan and self._quiet
        for people in self.people.values():
            people.moved.clear()
            people.ever.update(snapshot(people.root).values())
        try:
            with self._points(plan).watch(self.works["main"]):
                result = call()
        except Crash:
            self._recover()
            return Crash
        except WorkspaceError as error:
            result = error
        self._check(quiet)
        return result

    def _recover(self) -> None:
        self.works["main"].abandon()
        main = reopen(self.top / "main", self.store)
        self.works = {"main": main, **{name: main.on(name) for name in (*COPIES[1:], BARE)}}
        for name in COPIES:
            assert not leftovers(self.top / name)
        self._check(False)

    def _check(self, quiet: bool) -> None:
        model = self.model
        new = model.learn(self.works["main"])
        if quiet:
            strange = [v for v in new if model.kinds[v.entry] == "outside"]
            assert not strange, f"an edit was recorded that nobody made: {strange}"
        for people in self.people.values():
            people.check_nothing_lost(model)
        for name in COPIES:
            work, people = self.works[name], self.people[name]
            stuck = {version.path for version in work.unplaced()} | {s.path for s in work.coverage()}
            differing = model.differing(people.root, work.branch.id)
            people.dirty |= {path for path in differing if any(path.startswith(f"{f}/") for f in people.moved)}
            assert differing <= people.dirty | stuck, f"{name} is not what the history says: {differing}"
            people.dirty &= differing

    def _head(self, work: Workspace, path: str) -> Version | None:
        heads = self.model.of(work.branch.id).values()
        return next((h for h in heads if h.exists and h.path == path), None)

    # -- agents

    @rule(name=branches, path=names, how=changes, plan=plans)
    def write(self, name: str, path: str, how: list[tuple[str, int]], plan: Any) -> None:
        work = self.works[name]
        head = self._head(work, path)
        data = self._edited(self.model.bytes_of(head) if head else BASE, how)
        clean = not plan and self._quiet
        made = self._act(lambda: work.write(path, data), plan)
        if clean and isinstance(made, Version):
            assert made.branch == work.branch.id or made == head
            assert work.content(made) == data

    @rule(name=branches, path=names, to=names, plan=plans)
    def move(self, name: str, path: str, to: str, plan: Any) -> None:
        work = self.works[name]
        self._act(lambda: work.move(path, to), plan)

    @rule(name=branches, path=names, plan=plans)
    def delete(self, name: str, path: str, plan: Any) -> None:
        work = self.works[name]
        self._act(lambda: work.delete(path), plan)

    @rule(acts=st.lists(st.tuples(branches, names, changes), min_size=2, max_size=4), plan=plans)
    def batch(self, acts: list[Any], plan: Any) -> None:
        """Acts on several branches in one transaction: all or none of them after a death."""
        before = self.model.cursor

        def call() -> None:
            with self.works["main"].batch():
                for name, path, how in acts:
                    work = self.works[name]
                    head = work.find(path)
                    with suppress(WorkspaceError):  # one that is refused leaves the others
                        work.write(path, self._edited(work.content(head) if head else BASE, how))

        self._act(call, plan)
        assert self.model.cursor >= before

    @rule(name=branches, plan=plans)
    def undo(self, name: str, plan: Any) -> None:
        work = self.works[name]
        tree, clean = self.model.tree(work.branch.id), not plan and self._quiet
        if isinstance(self._act(work.undo, plan), WorkspaceError) and clean:
            assert self.model.tree(work.branch.id) == tree

    @rule(name=branches, other=branches, plan=plans)
    def merge(self, name: str, other: str, plan: Any) -> None:
        if name == other:
            return
        ours, theirs, clean = self.works[name], self.works[other], not plan and self._quiet
        tree = self.model.tree(ours.branch.id)
        done = self._act(lambda: ours.merge(other), plan)
        if not clean or done is Crash:
            return
        if isinstance(done, WorkspaceError):
            if not ours.unplaced():
                assert self.model.tree(ours.branch.id) == tree, "refused, but something was written"
            return
        assert ours.merge(other) is None
        back = self._act(lambda: theirs.merge(name))
        assert not isinstance(back, WorkspaceError), f"what was merged conflicts on the way back: {back}"
        assert self.model.tree(theirs.branch.id) == self.model.tree(ours.branch.id)

    # -- people

    @rule(name=copies, edits=st.lists(outside_edits, min_size=1, max_size=3))
    def edit_outside(self, name: str, edits: list[Any]) -> None:
        self.people[name].do(*(self._outside(drawn) for drawn in edits))

    @rule(name=copies, plan=plans)
    def scan(self, name: str, plan: Any) -> None:
        work, people = self.works[name], self.people[name]
        done = self._act(work.scan, plan)
        if done is Crash or plan or isinstance(done, Exception):
            return
        people.check_recorded(self.model)
        assert work.differences() == []
        people.dirty.clear()

    # -- ends and beginnings

    @rule(name=copies)
    def close_a_copy_and_open_it_again(self, name: str) -> None:
        if name != "main":
            self.works[name].close()
            self.works[name] = self.works["main"].on(name)
        self._check(False)

    @rule(name=copies, at=places)
    def open_from_a_copy(self, name: str, at: int) -> None:
        """Another process begins in any of the folders, and writes to a branch whose folder is not open."""
        self.works["main"].close()
        with reopen(self.top / name, self.store) as work:
            assert work.branch.name == name
            with work.on(BARE) as bare:
                bare.write("a", self._edited(BASE, [("insert", at)]))
        main = reopen(self.top / "main", self.store)
        self.works = {"main": main, **{other: main.on(other) for other in (*COPIES[1:], BARE)}}
        self._check(False)

    @rule(name=copies, edits=st.lists(outside_edits, max_size=2))
    def die(self, name: str, edits: list[Any]) -> None:
        self.people[name].do(*(self._outside(drawn) for drawn in edits))
        self._recover()

    # -- always

    @invariant()
    def nothing_acknowledged_has_changed(self) -> None:
        work, cursor = self.works["main"], self.model.cursor
        self.model.check_versions(work, range(cursor, cursor + 5))
        for at in {cursor, cursor // 2 + 3}:
            if at in self.model.trees:
                self.model.check_tree(work, at)
        for branch, at in [key for key in self.model.other_trees if key[1] in (cursor, cursor * 2 // 3)]:
            self.model.check_tree(work, at, branch)


def _run(examples: int, steps: int, *, fixed: bool) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Copies,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=fixed,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_history_of_several_working_copies_loses_nothing() -> None:
    _run(25, 20, fixed=True)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_any_long_history_of_several_working_copies_loses_nothing() -> None:
    _run(2000, 40, fixed=False)
