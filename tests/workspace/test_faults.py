"""Disks that are full, read-only or failing: nothing is shown as saved that is not, and work goes on after."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import apsw
import pytest

from workspace import Act, Conflicted, Edit, History, State, Version, Workspace, WorkspaceError, schema
from workspace.errors import Failed
from workspace.store import FILE, Store
from workspace.verify import verify

from .recording_vfs import Change, Watched, broken, connect, full

Fault = Callable[[Change], None]
Kept = dict[tuple[int, int], bytes]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not stop root")


class Failing:
    """Raises an error at change ``first``, and at every later one too unless ``once``."""

    def __init__(self, first: int, error: Callable[[], apsw.Error], *, once: bool) -> None:
        self.first, self.error, self.once = first, error, once
        self.seen = 0
        self.struck = False

    def __call__(self, change: Change) -> None:
        self.seen += 1
        if self.seen == self.first or (self.seen > self.first and not self.once and change.kind == "write"):
            self.struck = True
            raise self.error()


KINDS = [pytest.param(full, False, id="disk full"), pytest.param(broken, True, id="input/output error")]


# -- the store, at every single write


@pytest.mark.parametrize(("error", "once"), KINDS)
def test_a_store_whose_disk_fails_at_any_write_keeps_exactly_what_it_acknowledged(
    tmp_path: Path, error: Callable[[], apsw.Error], once: bool
) -> None:
    for first in itertools.count(1):
        fault = Failing(first, error, once=once)
        if not _store_survives(tmp_path / str(first), fault):
            break
    assert first > 100, "the faults met less than the whole life of a store"


def _store_survives(folder: Path, fault: Failing) -> bool:
    """Live through one fault and check; False once the fault lies beyond the end of this life."""
    folder.mkdir()
    vfs = Watched(fault)
    kept: Kept = {}
    store: Store | None = None
    try:
        try:
            connection = connect(folder / FILE, vfs)
            schema.migrate(connection)  # type: ignore[arg-type]
            store = Store(connection)  # type: ignore[arg-type]
            heads: dict[int, Version] = {}
            for number in range(6):
                try:
                    kept |= _transaction(store, number, heads)
                except WorkspaceError as told:
                    assert "saved" in str(told)
                _assert_holds(store, kept)
        except WorkspaceError as told:
            assert str(told).endswith(".")
        vfs.before = lambda change: None
        if store is not None:
            kept |= _transaction(store, 6, heads)  # the disk is well again, and so is the store
            _assert_holds(store, kept)
            vfs.before = fault
            store.close()
    finally:
        vfs.unregister()
    again = Store.open(folder)
    _assert_holds(again, kept)
    assert verify(again).problems == ()
    again.close()
    return fault.struck


def _transaction(store: Store, number: int, heads: dict[int, Version]) -> Kept:
    """Two acts in one transaction: new texts and edits, large and small."""
    random = Random(number)
    new: dict[int, Version] = {}
    with store.transaction():
        for slot in (number % 3, 3):
            head = new.get(slot) or heads.get(slot)
            text = random.randbytes(9000 if number == 4 else 200) + (store.versions.bytes_of(head) if head else b"")
            content = store.contents.put(text, head.content if head else None)
            path = f"folder/{slot}"
            document, parent = (head.document, head.number) if head else (None, None)
            edit = Edit(document, path, State(path, 0o100644, content), parent)
            _, (new[slot],) = store.record(Act(actor="tester"), [edit], branch=1)
    heads |= new
    return {(v.document, v.number): store.versions.bytes_of(v) for v in new.values()}


def _assert_holds(store: Store, kept: Kept) -> None:
    rows = store.db.execute("SELECT document, number FROM version").fetchall()
    store.contents.clear_cache()
    assert {(d, n): store.versions.bytes_of(store.versions.get(d, n)) for d, n in rows} == kept
