"""The outline of a history: acts and what they caused, in pages; counts that are exact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from workspace import Act, Usage, Workspace
from workspace.operations import outline


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "work"
    folder.mkdir()
    with Workspace.open(folder, store=tmp_path / "store") as opened:
        yield opened


def call(work: Workspace, parent: int, text: str | None = None) -> int:
    operation = work.begin(Act(kind="capability", name="edit a.md", parent=parent))
    if text is not None:
        work.write("a.md", text.encode(), act=Act(kind="capability", parent=parent, operation=operation))
    work.end(operation)
    return operation


def test_what_one_act_caused_is_counted_once_whether_instant_or_long(work: Workspace) -> None:
    prompt = work.begin(Act(kind="prompt", name="p"))
    call(work, prompt, "1")
    call(work, prompt)
    work.record(Act(kind="note", parent=prompt))
    work.begin(Act(kind="capability", name="under way", parent=prompt))
    assert outline.caused(work.store, prompt, prompt, work.cursor) == 4
    assert len(outline.siblings(work.store, prompt)) == 4
    assert outline.caused(work.store, work.cursor + 1, 0, work.cursor) == 0


def test_counts_of_parts_add_up_where_calls_begin_in_one_and_end_in_another(work: Workspace) -> None:
    prompt = work.begin(Act(kind="prompt", name="p"))
    for n in range(6):
        call(work, prompt, str(n))
    for cut in range(prompt, work.cursor + 1):
        parts = outline.caused(work.store, prompt, prompt, cut), outline.caused(work.store, prompt, cut, work.cursor)
        assert sum(parts) == 6


def test_siblings_are_paged_from_either_end(work: Workspace) -> None:
    tops = [work.write("a.md", str(n).encode()).entry for n in range(5)]
    prompt = work.begin(Act(kind="prompt"))
    inner = [call(work, prompt) for _ in range(4)]
    assert outline.siblings(work.store, None) == [*tops, prompt]
    assert outline.siblings(work.store, None, after=tops[1], limit=2) == tops[2:4]
    assert outline.siblings(work.store, None, before=tops[3], newest_first=True, limit=2) == [tops[2], tops[1]]
    assert outline.siblings(work.store, prompt, before=inner[2], newest_first=True) == [inner[1], inner[0]]
    assert outline.parent_of(work.store, inner[0]) == prompt
    assert outline.parent_of(work.store, prompt) is None
    assert outline.parent_of(work.store, 999) is None


def test_the_calls_of_a_loop_are_one_row_per_document(work: Workspace) -> None:
    program = work.begin(Act(kind="capability", name="program"))
    for n in range(6):
        work.write(f"d{n % 2}.csv", f"{n}\n".encode(), act=Act(kind="capability", parent=program))
    lone = work.write("a.md", b"x\n").entry
    found = outline.edits(work.store, 0, work.cursor)
    first, second = work.document("d0.csv"), work.document("d1.csv")
    assert sorted(found) == [(program, first, 3, 2), (program, second, 3, 2), (lone, work.document("a.md"), 1, 0)]


def test_of_several_ends_of_a_model_call_the_newest_counts(work: Workspace) -> None:
    operation = work.begin(Act(kind="model", model="m"))
    assert outline.model_calls(work.store, 0, work.cursor) == []
    work.end(operation, usage=Usage(input=1))
    work.end(operation, "failed", usage=Usage(input=7), ref=b"id")
    assert outline.model_calls(work.store, 0, work.cursor) == [(operation, "failed", b"id", Usage(input=7))]


def test_density_and_firsts_are_by_bucket(work: Workspace) -> None:
    for n in range(1, 8):
        work.write("a.md", str(n).encode(), act=Act(kind="prompt" if n % 2 else "scan"))
    assert outline.density(work.store, 0, 7, 3) == [(0, 2), (1, 3), (2, 2)]
    assert outline.density(work.store, 4, 6, 3) == [(1, 1), (2, 1)]
    assert outline.firsts(work.store, ("prompt", "unheard of"), 0, 7, 3) == [1, 3, 7]


def test_endings_tell_what_is_still_open(work: Workspace) -> None:
    one, two = work.begin(Act(kind="attempt")), work.begin(Act(kind="attempt"))
    work.end(one, "failed")
    assert outline.endings(work.store, "attempt", 0, work.cursor) == [(one, 3, "failed"), (two, None, None)]


def test_a_search_takes_signs_as_they_are(work: Workspace) -> None:
    one = work.write("50%_off.md", b"x", act=Act(kind="edit", name="plain")).entry
    two = work.write("a.md", b"x", act=Act(kind="edit", name="back\\slash", actor="Ann")).entry

    def found(text: str) -> list[int]:
        return [id_ for id_, _ in outline.matching(work.store, text, 0, work.cursor)]

    assert found("50%_") == [one]
    assert found("%") == [one]
    assert found("_") == [one]
    assert found("k\\s") == [two]
    assert found("ann") == [two]
    assert found("edit") == [one, two]


def test_model_calls_are_found_where_they_end_and_operations_where_they_begin(work: Workspace) -> None:
    prompt = work.begin(Act(kind="prompt"))
    first, second = (work.begin(Act(kind="model", model="m", parent=prompt)) for _ in range(2))
    work.end(second, usage=Usage(input=2), ref=b"b")
    ended = work.cursor
    work.end(first, usage=Usage(input=1), ref=b"a")
    work.record(Act(kind="note", parent=prompt))
    assert outline.ended_calls(work.store, 0, ended) == [(second, "done", b"b", Usage(input=2))]
    assert outline.ended_calls(work.store, ended, work.cursor) == [(first, "done", b"a", Usage(input=1))]
    assert outline.begun(work.store, 0, ended) == {prompt: 2}
    assert outline.begun(work.store, ended, work.cursor) == {prompt: 1}
