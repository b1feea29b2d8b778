"""Every action, asked for by its name, does something that a person can see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.wukong_tui.sitting import go, press, rest, seat, send, sitting, until, write
from tests.wukong_tui.story import Story, told
from wukong_tui.actions.table import ACTIONS, COMMANDS


@pytest.fixture
def story(tmp_path: Path) -> AsyncIterator[Story]:
    with told(tmp_path) as story:
        yield story


BEFORE = {
    "up": ["j", "j", "j"], "page-up": ["pagedown"], "top": ["end"], "left": [">", ">"], "open": ["5"],
    "document": ["5"], "next-pane": ["4"], "close": ["z"], "live": [], "redo": [], "untype": ["x"],
    "plan": ["1"],
}  # fmt: skip
"""Keys after which an action has something to do."""
AFTER = {"go-to": "op:20", "search": "bottle", "filter": "plan", "send": "book two more", "mode": "everything"}
"""What follows the name of an action where it needs something."""


def seen(pilot: Pilot[None]) -> list[Any]:
    """What a person sees, but for the bottom row, in which the name is typed."""
    app = seat(pilot)
    state = app.state
    panes = app.rows[:-1] if len(app.screen_stack) == 1 else []
    return [
        panes, state.cursor, state.live, state.focus, state.zoom, state.notice, state.document,
        len(app.screen_stack), app.look_theme.name, app.playback.player.playing, app.prompt.text, app._exit,
    ]  # fmt: skip


@pytest.mark.parametrize("name", [action.name for action in ACTIONS])
async def test_every_action_can_be_typed_by_its_name_and_does_something(story: Story, name: str) -> None:
    story.work.write("wide.txt", b"wide " * 100)
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        await go(pilot, "wide.txt" if name in ("left", "right") else "book.py")
        if name not in ("left", "right"):
            await go(pilot, "op:60")
        for key in BEFORE.get(name, []):
            send(pilot, key)
            if key.isdigit():
                await until(pilot, lambda: app.state.count == "")
            await rest(pilot)
        mode = app.state.mode
        await press(pilot, "ctrl+t")
        app.state.notice = ""
        app.say()
        before = seen(pilot)
        await write(pilot, f"/{name} {AFTER.get(name, '')}")
        await press(pilot, "enter")
        await until(pilot, lambda: app.state.mode == mode if name == "switch" else seen(pilot) != before)
        if name == "leave":
            assert app._exit


async def test_the_palette_offers_every_action_and_carries_out_what_is_chosen(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+p")
        await write(pilot, "this pane alone")
        await press(pilot, "enter")
        assert app.state.zoom
        assert app.state.mode == "time"
        await press(pilot, "ctrl+p")
        await write(pilot, "which model to ask")
        await press(pilot, "enter")
        assert (app.state.mode, app.prompt.text) == ("work", "/model ")


async def test_a_command_that_takes_nothing_is_not_given_with_words_behind_it(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await write(pilot, "/plan the work of tomorrow")
        await press(pilot, "enter")
        assert app.state.notice.startswith("/plan takes nothing after it")
        assert app.prompt.text == "/plan the work of tomorrow"
        assert app.state.focus == "document"


async def test_a_number_behind_a_name_says_how_often(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await press(pilot, "ctrl+t")
        await go(pilot, "floor.txt")
        newest = app.panes.document._page.number
        await press(pilot, "ctrl+t")
        await write(pilot, "/back 20")
        await press(pilot, "enter")
        await rest(pilot)
        assert app.panes.document._page.number == newest - 20
        await press(pilot, "ctrl+t")
        await write(pilot, "/back twice")
        await press(pilot, "enter")
        assert app.state.notice.startswith("/back takes a number after it")


async def test_f1_and_help_by_name_stay_with_what_is_typed(story: Story) -> None:
    async with sitting(story) as pilot:
        app = seat(pilot)
        await write(pilot, "/help")
        await press(pilot, "enter")
        assert len(app.screen_stack) == 2
        assert app.state.mode == "work"


def test_every_action_is_a_command_of_the_prompt() -> None:
    assert {command.name for command in COMMANDS} == {action.name for action in ACTIONS}
    assert len(COMMANDS) == len(ACTIONS)
