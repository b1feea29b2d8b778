"""Every screen at three sizes in both themes, as text files beside this one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.office.sitting import Still, press, rest, sitting
from tests.office.story import told
from tests.snapshots.paper import Album
from wukong_tui.demo import BANNER, Scene

SIZES = ((200, 60), (120, 40), (80, 24))


class Walk:
    """A walk through the screens by keys; each stop is a snapshot."""

    def __init__(self, pilot: Pilot[None], album: Album) -> None:
        assert isinstance(pilot.app, Still)
        self.pilot, self.album, self.app = pilot, album, pilot.app

    async def press(self, *keys: str) -> None:
        await press(self.pilot, *keys)

    async def type(self, text: str) -> None:
        """Type a text, in which a line feed is a new line of the prompt."""
        names = {" ": "space", "\n": "ctrl+j"}
        await self.pilot.press(*(names.get(character, character) for character in text))
        await rest(self.pilot)

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            await self.pilot.pause(0.005)
        await rest(self.pilot)

    async def go(self, where: str) -> None:
        """Go where an address leads."""
        await self.press("colon")
        await self.type(where)
        await self.press("enter")

    def take(self, title: str) -> None:
        self.album.take(title, self.app)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_screen_is_as_it_was(tmp_path: Path, size: tuple[int, int], theme: str) -> None:
    album = Album(f"{size[0]}x{size[1]}-{theme}")
    every = theme == "dark" or size == SIZES[1]
    with told(tmp_path) as story:
        moments = story.moments
        async with sitting(story, size, theme=theme) as pilot:
            walk = Walk(pilot, album)
            await typing(walk)
            await documents(walk, moments)
            await panes(walk, moments)
            if every:
                await dialogs(walk, moments)
                story.wait_for_an_answer()
                await walk.press("escape", "G")
                await walk.until(lambda: len(walk.app.screen_stack) == 2)
                walk.take("approval")
    if every:
        await empty(tmp_path / "empty", size, theme, album)
        await rehearsed(tmp_path / "demo", size, theme, album)
    album.close()


async def typing(walk: Walk) -> None:
    """WORK: live, and what stands in the prompt."""
    walk.take("work")
    await walk.type("Count the bottles in row A,\nthen those in row E.\nWrite both down.")
    walk.take("prompt-of-three-lines")
    walk.app.prompt.clear()
    await walk.type("See @bo")
    await walk.until(lambda: bool(walk.app.prompt.choices.display))
    walk.take("completion-of-a-document")
    walk.app.prompt.clear()
    await walk.type("/m")
    walk.take("completion-of-a-command")
    walk.app.prompt.clear()
    await walk.press("ctrl+t")


async def documents(walk: Walk, moments: dict[str, int]) -> None:
    """TIME: the document in all of its ways."""
    await walk.go(f"op:{moments['again'] - 20}")
    walk.take("time-in-a-loop")
    await walk.press("d")
    walk.take("diff-in-a-loop")
    await walk.go("book.py@4")
    walk.take("diff")
    await walk.press("d")
    walk.take("side-by-side")
    await walk.press("d", "b", "j", "j", "j", "j", "j", "j")
    walk.take("blame")
    await walk.press("w")
    walk.take("why")
    await walk.press("escape", "b")
    await walk.go("rules.md")
    walk.take("markdown")
    await walk.go("stock.tsv")
    walk.take("wide-characters-and-tabs")
    await walk.go("label.png")
    walk.take("binary")
    await walk.go("book.py@2")
    walk.take("deleted")


async def panes(walk: Walk, moments: dict[str, int]) -> None:
    """TIME: the other panes with the focus, and one alone."""
    await walk.press("G")
    for pane in ("talk", "plan", "meter", "timeline"):
        walk.app.looking.focus(pane)
        await rest(walk.pilot)
        await walk.press("k")
        walk.take(f"focus-{pane}")
    await walk.go(f"op:{moments['failed']}")
    walk.take("a-failed-attempt")
    walk.app.looking.focus("talk")
    await walk.press("z")
    walk.take("zoom")
    await walk.press("z")
    walk.app.looking.focus("document")
    await rest(walk.pilot)


async def dialogs(walk: Walk, moments: dict[str, int]) -> None:
    """The windows over it."""
    await walk.press("question_mark")
    walk.take("help")
    await walk.press("escape", "ctrl+p")
    walk.take("palette")
    await walk.type("und")
    walk.take("palette-found")
    await walk.press("escape", "colon")
    walk.take("go-to")
    await walk.type("book.py@2")
    walk.take("go-to-typed")
    await walk.press("escape", "f")
    walk.take("filter")
    await walk.type("model")
    await walk.press("enter")
    walk.take("timeline-filtered")
    await walk.press("f", "enter")
    await walk.go(f"op:{moments['failing']}")
    await walk.pilot.press("R")
    await walk.until(lambda: len(walk.app.screen_stack) == 2)
    walk.take("preview-of-restore")
    await walk.press("escape", "ctrl+t")
    await walk.type("Try row A.")
    await walk.press("enter")
    walk.take("branch")
    await walk.press("escape")
    walk.app.prompt.clear()
    walk.app.acting.do_sessions(None)
    await walk.until(lambda: len(walk.app.screen_stack) == 2)
    walk.take("sessions")
    await walk.press("escape", "ctrl+t")


async def empty(folder: Path, size: tuple[int, int], theme: str, album: Album) -> None:
    """A workspace in which nothing has happened yet, live and looked at."""
    folder.mkdir()
    with told(folder, whole=False) as story:
        async with sitting(story, size, theme=theme) as pilot:
            walk = Walk(pilot, album)
            walk.take("empty")
            await walk.press("ctrl+t", "left")
            walk.take("empty-time")


class Telling:
    """A rehearsal that has come to one scene and stays there."""

    banner = BANNER
    over = True

    def __init__(self, app: Still) -> None:
        self.app = app

    def at(self, *_: Any) -> Scene:
        return Scene("failed", "4  The check fails", "600 bottles stand in the fire lane. The attempt is taken back.")

    async def begin(self) -> None:
        self.app.looking.switch_to("time")

    def told(self, now: Scene) -> None:
        self.app.pane("caption").tell(now.title, now.caption)


async def rehearsed(folder: Path, size: tuple[int, int], theme: str, album: Album) -> None:
    """The demo with what it tells."""
    folder.mkdir()
    with told(folder) as story:
        async with sitting(story, size, theme=theme, rehearsal=Telling) as pilot:
            walk = Walk(pilot, album)
            await walk.go(f"op:{story.moments['failed']}")
            walk.take("demo")
