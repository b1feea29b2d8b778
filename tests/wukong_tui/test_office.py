"""The whole office: where keys go, what moves the cursor and what never does, taking back, and staying awake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.wukong_tui.sitting import Still, agree, go, press, rest, seat, send, sitting, until, write
from tests.wukong_tui.story import Story, told
from wukong_tui.frames.layout import PANES

WIDE, MEDIUM, NARROW = (200, 60), (120, 40), (80, 24)


@pytest.fixture
def story(tmp_path: Path) -> AsyncIterator[Story]:
    with told(tmp_path) as story:
        yield story


def focused(pilot: Pilot[None]) -> str | None:
    """The pane that the keys go to."""
    widget = seat(pilot).screen_stack[0].focused
    return widget.id if widget is not None else None


def shown(app: Still) -> tuple[int, str]:
    """The version and the path that the document pane shows."""
    page = app.pane("document")._page
    return page.number, page.path


# -- where keys go


async def test_keys_1_to_5_lead_to_the_panes_once_no_count_follows(story: Story) -> None:
    async with sitting(story, NARROW) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        for digit, pane in zip("12354", [*PANES[:3], PANES[4], PANES[3]], strict=True):
            send(pilot, digit)
            await until(pilot, lambda pane=pane: focused(pilot) == pane)
            assert app.state.focus == pane
            assert app.state.count == ""
            assert pane in app.visible_panes()


@pytest.mark.parametrize(
    ("size", "around"),
    [
        (WIDE, ["document", "timeline", "talk", "plan", "meter", "document"]),
        (MEDIUM, ["document", "timeline", "plan", "meter", "document"]),
        (NARROW, ["document", "timeline", "talk", "plan", "meter", "document"]),
    ],
)
async def test_tab_goes_around_the_panes_and_shift_tab_back(
    story: Story, size: tuple[int, int], around: list[str]
) -> None:
    async with sitting(story, size) as pilot:
        await press(pilot, "ctrl+t")
        seen = [focused(pilot)]
        for _ in around[1:]:
            await press(pilot, "tab")
            seen.append(focused(pilot))
        assert seen == around
        back = [focused(pilot)]
        for _ in around[1:]:
            await press(pilot, "shift+tab")
            back.append(focused(pilot))
        assert back == around[::-1]


async def test_ctrl_t_switches_between_typing_and_looking_and_keeps_what_was_typed(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await write(pilot, "hjkl G4")
        assert (app.prompt.text, app.state.live, focused(pilot)) == ("hjkl G4", True, "prompt")
        await press(pilot, "ctrl+t")
        assert (app.state.mode, focused(pilot)) == ("time", "document")
        assert "type" in app.rows[-1] or "step" in app.rows[-1]
        await press(pilot, "j", "left", "ctrl+t")
        assert (app.state.mode, focused(pilot), app.prompt.text) == ("work", "prompt", "hjkl G4")
        assert f"→ branch from op {app.state.cursor:,}" in app.rows[-1]
        await press(pilot, "ctrl+t")
        send(pilot, "ctrl+t", "x", "y")
        await rest(pilot)
        assert (focused(pilot), app.prompt.text) == ("prompt", "hjkl G4xy")


# -- the cursor


async def test_a_count_before_a_step_goes_so_many_versions(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        await go(pilot, "floor.txt")
        newest = shown(app)[0]
        send(pilot, "2", "0", "left")
        await rest(pilot)
        assert shown(app) == (newest - 20, "floor.txt")
        assert not app.state.live
        send(pilot, "2", "0", "right")
        await rest(pilot)
        assert shown(app) == (newest, "floor.txt")


async def test_a_count_that_is_too_large_goes_to_the_end_and_says_so_at_the_next_step(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        await go(pilot, "floor.txt")
        send(pilot, *"99999999", "h")
        await rest(pilot)
        assert shown(app) == (1, "floor.txt")
        await press(pilot, "h")
        assert "This is the first version of this document." in app.rows[0]
        await press(pilot, "j")
        assert "This is the first version" not in app.rows[0]


async def test_operations_prompts_and_plan_steps_are_stepped_to(story: Story) -> None:
    async with sitting(story) as pilot:
        app, journal = seat(pilot), story.work.store.journal
        await press(pilot, "ctrl+t", "comma")
        assert (app.state.live, app.state.cursor) == (False, journal.moment(story.work.cursor, -1))
        await press(pilot, "left_curly_bracket")
        assert journal.entry(app.state.cursor).kind == "prompt"
        await press(pilot, "left_curly_bracket")
        first = app.state.cursor
        assert journal.of_kind("prompt")[0] == first
        await press(pilot, "right_parenthesis")
        assert app.state.cursor == journal.of_kind("attempt")[0]
        await press(pilot, "left_parenthesis")
        assert "There is no attempt at a plan step before this." in app.rows[0]
        await press(pilot, "g")
        assert app.state.cursor == 1
        await press(pilot, "G")
        assert (app.state.live, app.state.cursor) == (True, story.work.cursor)


async def test_two_apostrophes_go_back_and_forth(story: Story) -> None:
    """One alone does nothing; twice there and back is where one was."""
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t", "apostrophe", "apostrophe")
        assert "You have not jumped from anywhere yet." in app.rows[0]
        await go(pilot, "op:68")
        await go(pilot, "op:20")
        await press(pilot, "apostrophe", "apostrophe")
        assert app.state.cursor == 68
        await press(pilot, "apostrophe", "apostrophe")
        assert app.state.cursor == 20
        await press(pilot, "G", *["apostrophe"] * 4)
        assert app.state.live


@pytest.mark.parametrize(
    ("typed", "cursor", "document"),
    [
        ("2", None, (2, "book.py")),
        ("-1", None, (3, "book.py")),
        ("op:68", 68, None),
        ("14:16", 53, None),
        ("15m ago", 71, None),
        ("first", 1, None),
        ("rules.md", None, (2, "rules.md")),
        ("rules.md@1", None, (1, "rules.md")),
    ],
)
async def test_a_colon_leads_to_each_kind_of_address(
    story: Story, typed: str, cursor: int | None, document: tuple[int, str] | None
) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        await go(pilot, typed)
        if cursor is not None:
            assert app.state.cursor == cursor
        if document is not None:
            assert shown(app) == document


@pytest.mark.parametrize("typed", ["99", "1h ago", "op:9999", "25:00", "nothing.txt", "rules.md@77"])
async def test_an_address_that_leads_nowhere_is_told_and_moves_nothing(story: Story, typed: str) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        before = app.rows[1:]
        await go(pilot, typed)
        assert app.state.live
        assert app.state.notice.endswith(".")
        assert app.rows[1:] == before


# -- closing


async def test_esc_closes_the_topmost_thing_and_never_moves_the_cursor(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await write(pilot, "See @bo")
        await until(pilot, lambda: bool(app.prompt.choices.display))
        await press(pilot, "escape")
        assert (app.prompt.choices.display, app.prompt.text, app.state.mode) == (False, "See @bo", "work")
        await press(pilot, "escape", "escape")
        assert (app.prompt.text, app.state.mode) == ("See @bo", "work")
        app.prompt.clear()
        await press(pilot, "ctrl+t")
        await go(pilot, "op:68")
        await press(pilot, "z", "w")
        assert app.windows.explaining
        await press(pilot, "question_mark", "escape")
        assert len(app.screen_stack) == 1
        await press(pilot, "9")
        assert app.state.count == "9"
        for gone in (
            lambda: not app.state.count,
            lambda: not app.windows.explaining,
            lambda: not app.state.zoom,
        ):
            if not gone():
                await press(pilot, "escape")
            assert gone()
        await press(pilot, "escape", "escape")
        assert (app.state.cursor, app.state.live, app.state.mode, focused(pilot)) == (68, False, "time", "document")


async def test_a_digit_is_a_pane_once_it_can_be_no_count(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        await press(pilot, "2")
        await until(pilot, lambda: focused(pilot) == "plan")
        send(pilot, "3", "question_mark")
        await rest(pilot)
        assert (app.state.focus, len(app.screen_stack)) == ("meter", 2)
        await press(pilot, "escape")
        send(pilot, "4", "escape")
        await rest(pilot)
        send(pilot, "1", "2", "z")
        await rest(pilot)
        assert (app.state.focus, app.state.zoom, app.state.count) == ("meter", True, "")


@pytest.mark.parametrize("key", ["question_mark", "ctrl+p", "colon", "slash", "f"])
async def test_a_dialog_takes_the_keys_and_gives_them_back(story: Story, key: str) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t", "2")
        await until(pilot, lambda: focused(pilot) == "plan")
        before = app.rows
        await press(pilot, key)
        assert len(app.screen_stack) == 2
        await press(pilot, "left", "g" if key != "question_mark" else "G", "escape")
        assert len(app.screen_stack) == 1
        assert (app.state.live, focused(pilot)) == (True, "plan")
        assert app.rows == before


# -- taking back


async def test_an_undo_is_previewed_done_and_redone_to_the_same_bytes(story: Story) -> None:
    book, rules = story.root / "book.py", story.root / "rules.md"
    story.finish("done")
    story.work.end(story.prompt)
    was = book.read_bytes(), rules.read_bytes()
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        send(pilot, "U")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        assert "Undo: op:124 prompt Now report to the house." in app.text
        assert book.read_bytes() == was[0]
        await press(pilot, "escape")
        assert book.read_bytes() == was[0]
        send(pilot, "U")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await agree(pilot)
        await until(pilot, lambda: len(app.screen_stack) == 1 and "Undo: 1 document" in app.text)
        assert b"BAYS = 40  # in each row\n" in book.read_bytes()
        send(pilot, "Y")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await agree(pilot)
        await until(pilot, lambda: len(app.screen_stack) == 1 and "Redo: 1 document" in app.text)
        assert (book.read_bytes(), rules.read_bytes()) == was


async def test_a_restore_is_previewed_done_and_undone(story: Story) -> None:
    floor = story.root / "floor.txt"
    was = floor.read_bytes()
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t", "R")
        await until(pilot, lambda: "You are LIVE" in app.text)
        await go(pilot, f"op:{story.moments['planned']}")
        send(pilot, "R")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        assert "Restore: documents as they were at op:10" in app.text
        assert floor.read_bytes() == was
        await agree(pilot)
        await until(pilot, lambda: len(app.screen_stack) == 1 and "Restore: 3 documents" in app.text)
        assert app.state.live
        assert not (story.root / "book.py").exists()
        assert floor.read_bytes() != was
        send(pilot, "U")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await agree(pilot)
        await until(pilot, lambda: len(app.screen_stack) == 1 and "Undo: 3 documents" in app.text)
        assert floor.read_bytes() == was


async def test_typing_while_looking_back_offers_a_branch_and_loses_nothing(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        await go(pilot, "op:68")
        await press(pilot, "ctrl+t")
        await write(pilot, "Try row A.")
        assert "→ branch from op 68" in app.rows[-1]
        await press(pilot, "enter")
        assert len(app.screen_stack) == 2
        assert "Looking at op 68" in app.text
        await press(pilot, "escape")
        assert (app.prompt.text, app.state.cursor) == ("Try row A.", 68)


# -- staying awake


async def test_held_keys_make_few_frames_go_faster_and_stop(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        await go(pilot, "floor.txt")
        await press(pilot, "colon", "1", "enter")
        frames = app.made
        send(pilot, *["l"] * 40)
        await rest(pilot)
        assert app.made - frames <= 12
        assert shown(app)[0] >= 41
        there = app.state.cursor
        await until(pilot, lambda: app.navigation.momentum.label == "")
        assert app.state.cursor == there
        version = shown(app)[0]
        await press(pilot, "h")
        assert shown(app)[0] == version - 1


async def test_live_follows_what_happens_and_looking_back_stays(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        story.write("report.md", "# Report\n\nRow A is full.\n")
        app.backend.advance()
        await until(pilot, lambda: "report.md" in app.rows[1])
        assert app.state.cursor == story.work.cursor
        await press(pilot, "ctrl+t")
        await go(pilot, "op:68")
        before = app.rows[2:30]
        story.write("report.md", "# Report\n\nRow A is full, row E is empty.\n")
        app.backend.advance()
        await until(pilot, lambda: app.state.newest == story.work.cursor)
        assert (app.state.cursor, app.state.live) == (68, False)
        assert f"LIVE +{story.work.cursor - 68}" in app.rows[0]
        assert app.rows[2:30] == before


async def test_the_screen_may_become_any_size_at_any_moment(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t", "5")
        await until(pilot, lambda: focused(pilot) == "timeline")
        await go(pilot, "op:68")
        for size in (NARROW, (40, 12), WIDE, (100, 30), (20, 5), MEDIUM):
            send(pilot, "k", "j")
            await pilot.resize_terminal(*size)
            await rest(pilot)
            assert (app.state.cursor, focused(pilot), app.state.focus) == (68, "timeline", "timeline")
            assert len(app.rows) == size[1]
            timeline = app.screen.get_widget_by_id("timeline")
            await until(pilot, lambda at=timeline, rows=size[1]: at.region.bottom <= rows)


async def test_offered_documents_are_looked_for_once(story: Story) -> None:
    async with sitting(story) as pilot:
        app, wanted = seat(pilot), []
        offer = app.prompting.offer_paths

        async def counted() -> None:
            wanted.append(app.prompt.text)
            await offer()

        app.prompting.offer_paths = counted
        await write(pilot, "See @bo")
        await until(pilot, lambda: bool(app.prompt.choices.display))
        await pilot.pause(0.1)
        assert len(wanted) == 1


async def test_a_sentence_too_long_for_the_bar_stands_whole_above_the_prompt_until_the_next_key(story: Story) -> None:
    async with sitting(story, size=(80, 24)) as pilot:
        app = seat(pilot)
        before = app.rows
        sentence = "No model is available: " + "set a key, or start a server on this machine, or name one, " * 3
        app.notify_person(f"{sentence.strip()}\nAll of it.")
        await rest(pilot)
        shown = app.rows[-5:-1]
        assert " ".join(row.strip() for row in shown) == f"{sentence.strip()} All of it."
        assert app.rows[1:-5] == before[1:-5]
        await write(pilot, "x")
        assert app.prompt.text == "x"
        assert app.rows[1:-1] == before[1:-1]
        app.notify_person("It fits.")
        await rest(pilot)
        assert "It fits." in app.rows[0]


async def test_who_went_on_while_a_search_ran_stays_where_they_are(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        study, slow = app.backend.study, asyncio.Event()

        async def late(query: Any) -> Any:
            found = await study(query)
            await slow.wait()
            return found

        app.backend.study = late  # type: ignore[method-assign]
        await press(pilot, "ctrl+t", "slash")
        send(pilot, *"bottles", "enter", "2", "0", "left")
        while app.state.live or len(app.screen_stack) > 1:
            await pilot.pause(0.002)
        there = app.state.cursor
        slow.set()
        await until(pilot, lambda: "n goes to the next one" in app.text)
        assert app.state.cursor == there
        await press(pilot, "n")
        assert app.state.cursor in {entry for entry, _ in app.state.hits}
