"""A yes in the office: to exactly what was shown, by who has read it, and to nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.wukong_tui.sitting import Beside, Still, agree, go, press, rest, seat, send, sitting, until
from tests.wukong_tui.story import Story, told
from wukong_tui.screens.preview import PreviewScreen


@pytest.fixture
def story(tmp_path: Path) -> AsyncIterator[Story]:
    with told(tmp_path) as story:
        story.finish("done")
        story.work.end(story.prompt)
        yield story


async def asked(pilot: Pilot[None], key: str) -> None:
    """Ask for an act; what it would do is shown."""
    send(pilot, key)
    await until(pilot, lambda: isinstance(seat(pilot).screen, PreviewScreen))


async def told_in_the_bar(pilot: Pilot[None], key: str, sentence: str) -> None:
    """Press a key, after which one sentence is said and nothing is asked."""
    app = seat(pilot)
    send(pilot, key)
    await until(pilot, lambda: sentence in app.state.notice)
    assert len(app.screen_stack) == 1


async def test_the_moment_that_is_shown_is_the_moment_that_is_restored(story: Story) -> None:
    before = story.work.store.journal.operation(story.prompt)
    begun = before.id
    was = {path: version.state for path, version in story.work.tree(cursor=begun).items()}
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t", "left_curly_bracket")
        assert app.state.cursor == begun != before.last
        await asked(pilot, "R")
        assert f"documents as they were at entry {begun}" in app.text
        await agree(pilot)
        await until(pilot, lambda: "U undoes it" in app.state.notice)
        assert {path: version.state for path, version in story.work.tree().items()} == was
        await asked(pilot, "U")
        assert f"restore entry {begun} · by ann" in app.text


async def test_what_changed_while_it_was_read_is_shown_again_and_not_done(story: Story) -> None:
    book = story.root / "book.py"
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        await asked(pilot, "U")
        first = app.screen
        book.write_text("# mine\n" + book.read_text())
        mine = book.read_bytes()
        await agree(pilot)
        await until(pilot, lambda: isinstance(app.screen, PreviewScreen) and app.screen is not first)
        assert "look again" in app.state.notice
        assert book.read_bytes() == mine
        await agree(pilot)
        await until(pilot, lambda: "Undo: 1 document" in app.state.notice)
        assert book.read_text().startswith("# mine\n")


async def test_an_enter_at_once_takes_nothing_back(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        before = story.work.cursor
        await press(pilot, "ctrl+t")
        await asked(pilot, "U")
        screen = app.screen
        assert isinstance(screen, PreviewScreen)
        screen._calm = 60
        await press(pilot, "enter", "enter")
        assert app.screen is screen
        assert "typed while this was opening" in app.text
        await press(pilot, "escape")
        assert story.work.cursor == before


@pytest.mark.parametrize("keys", [["j"], ["ctrl+t"]])
async def test_who_goes_on_before_the_preview_is_there_gets_none(story: Story, keys: list[str]) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        send(pilot, "U", *keys)
        await until(pilot, lambda: "Undo was dropped because" in app.state.notice)
        await rest(pilot)
        assert len(app.screen_stack) == 1


async def test_a_prompt_that_edited_nothing_is_taken_out_and_the_next_undo_goes_on(story: Story) -> None:
    older = story.prompt
    story.say("What time is it?")
    story.ask("Late.", None)
    story.work.end(story.prompt)
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        await asked(pilot, "U")
        assert f"Undo: op:{story.prompt} prompt What time is it? · by ann" in app.text
        assert "the prompt is taken out of the conversation" in app.text
        await agree(pilot)
        await until(pilot, lambda: "Y redoes it" in app.state.notice)
        await asked(pilot, "U")
        assert f"Undo: op:{older} prompt Now report" in app.text
        await press(pilot, "escape")
        await asked(pilot, "Y")
        assert "comes back into the conversation" in app.text
        await agree(pilot)
        await until(pilot, lambda: "U undoes it" in app.state.notice)


async def test_revert_says_what_it_cannot_take_out(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        await go(pilot, "op:68")
        await told_in_the_bar(pilot, "V", "Nothing to take out: later edits cover all that")
        await go(pilot, f"op:{story.prompt}")
        await asked(pilot, "V")
        assert f"Revert: op:{story.prompt} prompt Now report to the house. · by ann" in app.text
        await press(pilot, "escape")
        model = story.work.store.journal.model_calls(story.work.cursor)[0]
        await go(pilot, f"op:{model}")
        await told_in_the_bar(pilot, "V", f"op:{model} model opus-5 changed no document.")
        await press(pilot, "G")
        await asked(pilot, "U")
        await agree(pilot)
        await until(pilot, lambda: "Y redoes it" in app.state.notice)
        await told_in_the_bar(pilot, "V", "That is an undo; Y redoes it.")


async def test_what_is_still_at_work_is_not_previewed(story: Story) -> None:
    story.say("Go on.")
    story.write("new.md", "new\n")
    async with sitting(story) as pilot:
        await press(pilot, "ctrl+t")
        await told_in_the_bar(pilot, "U", f"op:{story.prompt} is still at work;")


async def test_numbers_are_taken_as_they_are_shown(story: Story) -> None:
    for number in range(1_100):
        story.work.write("long.txt", f"{number}\n".encode())
    async with sitting(story) as pilot:
        app: Still = seat(pilot)
        assert isinstance(app.backend, Beside)
        await press(pilot, "ctrl+t")
        await go(pilot, "op:1,050")
        assert app.state.cursor == 1_050
        await go(pilot, "long.txt@1,002")
        assert app.pane("document")._page.number == 1_002
        await go(pilot, "1,001")
        assert app.pane("document")._page.number == 1_001
        await go(pilot, "-1,000")
        assert app.pane("document")._page.number == 1
