"""The picker: what is chosen is what was typed, however many items there are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rich.cells import cell_len
from textual.app import App, ComposeResult

from themes import load
from widgets.choices import Choice, choice_line, title_width
from widgets.look import textual_theme
from widgets.paint import Ink, cells
from widgets.picker import PickerScreen
from widgets.sheet import Sheet

HOSTILE = "evil\x1b]52;c;x\x07 \u202e[/nope]"
ITEMS = [
    Choice("undo the newest act", "Take back", "U"),
    Choice("redo", "Take back", "Y"),
    Choice("this help", "Office", "?"),
]


class Desk(App[None]):
    def __init__(self, items: Sequence[Choice]) -> None:
        super().__init__()
        self.items = items
        self.chosen: list[int | None] = []

    def compose(self) -> ComposeResult:
        yield Sheet(ink=Ink(load("light")))

    def on_mount(self) -> None:
        self.push_screen(PickerScreen("Actions", self.items), self.chosen.append)

    def shown(self) -> list[str]:
        panel = self.screen.query_one("Panel")
        return [panel.render_line(y).text for y in range(panel.size.height)]


async def test_letters_filter_and_enter_chooses() -> None:
    app = Desk(ITEMS)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"redo", "enter")
        assert app.chosen == [1]


async def test_arrows_move_and_go_round() -> None:
    app = Desk(ITEMS)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("up")
        assert any("▸ this help" in row for row in app.shown())
        await pilot.press("down", "down", "enter")
        assert app.chosen == [1]


async def test_esc_and_nothing_found_choose_nothing() -> None:
    app = Desk(ITEMS)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"zzqq", "enter")
        assert app.chosen == []
        assert any("No matches." in row for row in app.shown())
        await pilot.press("tab", "escape")
        assert app.chosen == [None]


async def test_enter_waits_for_what_was_typed_among_one_hundred_thousand() -> None:
    app = Desk([Choice(f"src/module_{n}.py") for n in range(100_000)])
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*"module_4711", "enter")
        async with asyncio.timeout(20):
            while not app.chosen:
                await pilot.pause(0.01)
        assert app.chosen == [4711]


async def test_every_row_is_as_wide_as_the_box_in_every_size_with_hostile_names() -> None:
    app = Desk([*ITEMS, Choice(HOSTILE, HOSTILE, HOSTILE), Choice("漢字" * 60, "é" * 200, "k" * 90)])
    async with app.run_test(size=(40, 12)) as pilot:
        for size in ((40, 12), (80, 24), (200, 60)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            rows = app.shown()
            assert {cell_len(row) for row in rows} == {app.screen.query_one("Panel").size.width}
            assert not any(ord(character) < 32 or character == "\u202e" for row in rows for character in row)
            assert app.screen.query_one("Panel").region.bottom <= size[1]
        await pilot.press(*"nope", "enter")
        assert app.chosen == [3]


async def test_it_takes_the_colours_of_what_is_behind_it() -> None:
    app = Desk(ITEMS)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert app.screen.query_one("Panel", Sheet).ink.theme.name == "light"


def test_details_stand_in_one_column_and_keys_at_the_right() -> None:
    for width in (20, 40, 90):
        titles = title_width(ITEMS, width)
        lines = [choice_line(item, width, titles, chosen=False) for item in ITEMS]
        assert [cells(line) for line in lines] == [width] * 3
        texts = ["".join(text for text, _ in line) for line in lines]
        assert [text.rstrip()[-1] for text in texts] == ["U", "Y", "?"]
        assert len({len(text.rstrip()) for text in texts}) == 1


def test_themes_become_themes_of_textual() -> None:
    for name in ("dark", "light"):
        theme = load(name)
        made = textual_theme(theme)
        assert (made.dark, made.background, made.name) == (theme.dark, theme.ground, f"wukong-{name}")
        assert made.to_color_system().generate()["background"].lower() == theme.ground
