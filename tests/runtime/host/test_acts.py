"""Acts of people: what is restored is what was shown, what is done what was previewed; what cannot be is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.host import acts
from runtime.labels import label
from tests.wukong_tui.story import SESSION, Story, told
from workspace import Act, WorkspaceError
from workspace.errors import Changed
from workspace.operations.addresses import resolve


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with told(tmp_path) as story:
        story.finish("done")
        story.work.end(story.prompt)
        yield story


def do(story: Story, name: str, **arguments: Any) -> dict[str, Any]:
    return acts.perform(story.work, name, arguments, "ann")


def tree(story: Story, cursor: int | None = None) -> dict[str, Any]:
    return {path: version.state for path, version in story.work.tree(cursor=cursor).items()}


def on_disk(story: Story) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in story.root.iterdir() if not file.name.startswith(".")}


def said(story: Story, name: str, **arguments: Any) -> str:
    with pytest.raises(WorkspaceError) as refused:
        do(story, name, **arguments)
    return str(refused.value)


# -- restoring an entry


def test_a_restore_of_any_entry_brings_back_exactly_what_was_there(story: Story) -> None:
    work, kinds = story.work, set()
    for cursor in range(1, work.cursor + 1):
        entry = work.store.journal.entry(cursor)
        kinds.add((entry.kind, entry.phase))
        do(story, "restore", cursor=cursor)
        assert tree(story) == tree(story, cursor), cursor
        contents = {path: work.content(version) for path, version in work.tree(cursor=cursor).items()}
        assert on_disk(story) == contents, cursor
    assert {("prompt", 1), ("attempt", 2), ("capability", 3), ("scan", 0), ("revert", 0)} <= kinds


def test_a_restore_is_named_by_its_entry_unless_the_operation_means_the_same(story: Story) -> None:
    work = story.work
    for cursor in range(2, work.cursor + 1):
        name = do(story, "restore", cursor=cursor, dry_run=True)["name"]
        entry = work.store.journal.entry(cursor)
        if entry.phase in (0, 2):
            assert name == f"op:{cursor}"
            assert resolve(work, name).cursor == cursor
        else:
            assert name == f"entry {cursor}"
    do(story, "restore", cursor=story.prompt)
    assert work.operation(work.cursor).name == f"entry {story.prompt}"


@pytest.mark.parametrize("cursor", [0, -1, 100_000, "12", True])
def test_what_is_no_entry_is_not_restored(story: Story, cursor: Any) -> None:
    assert said(story, "restore", cursor=cursor).startswith(f"There is no entry {cursor}; the newest is ")


# -- what was previewed


@pytest.mark.parametrize("name", ["restore", "revert", "undo"])
def test_what_has_changed_since_the_preview_is_not_done(story: Story, name: str) -> None:
    given: dict[str, Any] = {
        "restore": {"cursor": story.moments["planned"]},
        "revert": {"operations": [f"op:{story.prompt}"]},
        "undo": {"session": SESSION},
    }[name]
    shown = do(story, name, **given, dry_run=True)
    book = story.root / "book.py"
    book.write_text(book.read_text() + "\n# mine\n")
    before = on_disk(story)
    with pytest.raises(Changed, match="has changed since you looked; look again"):
        do(story, name, **given, expect=shown["expect"])
    assert on_disk(story) == before
    again = do(story, name, **given, dry_run=True)
    assert again["expect"] != shown["expect"]
    do(story, name, **given, expect=again["expect"])
    assert on_disk(story) != before


def test_what_has_nothing_to_do_with_it_may_change_meanwhile(story: Story) -> None:
    shown = do(story, "undo", session=SESSION, dry_run=True)
    (story.root / "else.txt").write_text("new\n")
    done = do(story, "undo", session=SESSION, target=f"op:{shown['target']}", expect=shown["expect"])
    assert [version["document"] for version in done["versions"]] == ["book.py"]


def test_a_yes_is_none_to_what_was_not_shown_as_uncertain(story: Story) -> None:
    work = story.work
    command = work.begin(Act(kind="run", name="make", detail={}))
    (story.root / "book.py").write_text("made\n")
    work.end(command, captured=True)
    shown = do(story, "revert", operations=[f"op:{command}"], dry_run=True)
    assert shown["uncertain"] == []
    unsure = work.begin(Act(kind="run", name="make", detail={"attribution": "probable"}))
    (story.root / "rules.md").write_text("made\n")
    work.end(unsure, captured=True)
    both = [f"op:{command}", f"op:{unsure}"]
    with pytest.raises(Changed):
        do(story, "revert", operations=both, consent=True, expect=shown["expect"])
    shown = do(story, "revert", operations=both, dry_run=True)
    assert shown["uncertain"] == ["rules.md"]
    do(story, "revert", operations=both, consent=True, expect=shown["expect"])


def test_what_is_undone_already_is_not_undone_again_by_an_old_yes(story: Story) -> None:
    story.say("What time is it?")
    story.work.end(story.prompt)
    shown = do(story, "undo", session=SESSION, dry_run=True)
    given = {"session": SESSION, "target": f"op:{shown['target']}", "expect": shown["expect"]}
    do(story, "undo", **given)
    assert said(story, "undo", **given) == f"op:{shown['target']} is undone already."


# -- what edited nothing


def test_a_prompt_that_edited_nothing_is_undone_and_the_next_undo_goes_on(story: Story) -> None:
    older = story.prompt
    story.say("What time is it?")
    story.ask("Late.", None)
    story.work.end(story.prompt)
    shown = do(story, "undo", session=SESSION, dry_run=True)
    assert (shown["target"], shown["touched"]) == (story.prompt, [])
    assert shown["note"] == "No document changes; the prompt is taken out of the conversation."
    do(story, "undo", session=SESSION, target=f"op:{shown['target']}", expect=shown["expect"])
    assert do(story, "undo", session=SESSION, dry_run=True)["target"] == older
    back = do(story, "redo", session=SESSION, dry_run=True)
    assert back["note"] == "No document changes; the prompt comes back into the conversation."
    assert back["about"] == [{"operation": story.prompt, "label": "prompt What time is it?", "actor": "ann"}]
    do(story, "redo", session=SESSION, target=f"op:{back['target']}", expect=back["expect"])
    assert do(story, "undo", session=SESSION, dry_run=True)["target"] == story.prompt


def test_an_undo_at_another_desk_counts_in_the_session(story: Story) -> None:
    first = do(story, "undo")["target"]
    assert first == story.prompt
    assert do(story, "undo", session=SESSION, dry_run=True)["target"] < first


# -- what is refused


def test_an_undo_is_not_reverted_but_redone(story: Story) -> None:
    undo = do(story, "undo", session=SESSION)["operation"]
    for more in ({}, {"dry_run": True}):
        why = said(story, "revert", operations=[f"op:{undo}"], **more)
        assert why == f"op:{undo} is an undo; `wukong redo` brings again what it took."
    redo = do(story, "redo", session=SESSION)["operation"]
    assert said(story, "revert", operations=[f"op:{redo}"]).startswith(f"op:{redo} is a redo; `wukong undo`")


def test_reverting_what_changed_nothing_says_so(story: Story) -> None:
    model = story.work.store.journal.model_calls(story.work.cursor)[0]
    shown = do(story, "revert", operations=[f"op:{model}"], dry_run=True)
    assert (shown["touched"], shown["note"]) == ([], f"op:{model} model opus-5 changed no document.")


def test_reverting_what_later_edits_cover_says_so(story: Story) -> None:
    do(story, "revert", operations=[f"op:{story.prompt}"])
    shown = do(story, "revert", operations=[f"op:{story.prompt}"], dry_run=True)
    assert shown["touched"] == []
    assert shown["note"].startswith(f"Nothing to take out: later edits cover all that op:{story.prompt} prompt Now")


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_is_still_at_work_is_refused_before_it_is_previewed(story: Story, dry_run: bool) -> None:
    story.say("Go on.")
    story.write("new.md", "new\n")
    for name, given in (("undo", {"session": SESSION}), ("revert", {"operations": [str(story.prompt)]})):
        why = said(story, name, **given, dry_run=dry_run)
        assert why == f"op:{story.prompt} is still at work; wait for it or interrupt it, then take it back."


# -- names


def test_acts_are_named_so_that_they_read_well(story: Story) -> None:
    story.outside("rules.md", b"mine\n")
    work = story.work
    assert label(work.operation(work.cursor)) == "edited outside"
    do(story, "restore", cursor=story.prompt, **{"as": SESSION})
    name = do(story, "undo", session=SESSION)["name"]
    assert name == f"restore of entry {story.prompt}"
    assert label(work.operation(work.cursor)) == f"undo restore of entry {story.prompt}"


def test_numbers_are_taken_as_they_are_shown(story: Story) -> None:
    for number in range(1_100):
        story.work.write("long.txt", f"{number}\n".encode())
    newest = story.work.cursor
    assert do(story, "restore", address="long.txt@1,050", dry_run=True)["name"] == "long.txt@1050"
    shown = do(story, "revert", operations=[f"op:{newest:,}"], dry_run=True)
    assert shown["about"][0]["operation"] == newest
    assert do(story, "restore", address=f"op:{newest - 1:,}", dry_run=True)["name"] == f"op:{newest - 1}"
    for wrong in ("op:1,2", "op:1234,567", "op:,123", "op:1,234,"):
        assert "names no operation" in said(story, "revert", operations=[wrong])
