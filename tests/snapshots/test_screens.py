"""Every screen at three sizes in both themes, as text files beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.snapshots.paper import Album, close
from tests.wukong_tui.sitting import Still, go, press, rest, send, sitting, until, write
from tests.wukong_tui.story import told
from wukong_tui.demo import BANNER, Scene

SIZES = ((200, 60), (120, 40), (80, 24))


class Walk:
    """A walk through the screens by keys; each stop is a snapshot."""

    def __init__(self, pilot: Pilot[None], album: Album, light: Album | None = None) -> None:
        assert isinstance(pilot.app, Still)
        self.pilot, self.album, self.light, self.app = pilot, album, light, pilot.app

    async def take(self, title: str) -> None:
        """Take a snapshot of the screen, and of the same in the light."""
        self.album.take(title, self.app)
        if self.light is not None:
            self.app.paint("light")
            await rest(self.pilot)
            self.light.take(title, self.app)
            self.app.paint("dark")
            await rest(self.pilot)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_screen_is_as_it_was(tmp_path: Path, size: tuple[int, int]) -> None:
    name = f"{size[0]}x{size[1]}"
    dark, light = Album(f"{name}-dark"), Album(f"{name}-light", like=f"{name}-dark")
    with told(tmp_path) as story:
        async with sitting(story, size) as pilot:
            walk = Walk(pilot, dark, light)
            await typing(walk)
            await documents(walk, story.moments)
            await panes(walk, story.moments)
    await empty(tmp_path / "empty", size, dark, light)
    await rehearsed(tmp_path / "demo", size, dark, light)
    close(dark, light)


@pytest.mark.parametrize(
    ("size", "theme"), [*((size, "dark") for size in SIZES), (SIZES[1], "light")],
    ids=lambda given: given if isinstance(given, str) else f"{given[0]}x{given[1]}",
)  # fmt: skip
async def test_every_dialog_is_as_it_was(tmp_path: Path, size: tuple[int, int], theme: str) -> None:
    album = Album(f"{size[0]}x{size[1]}-{theme}-dialogs")
    with told(tmp_path) as story:
        async with sitting(story, size, theme=theme) as pilot:
            walk = Walk(pilot, album)
            await dialogs(walk, story.moments)
            story.wait_for_an_answer()
            await press(walk.pilot, "G")
            await until(walk.pilot, lambda: len(walk.app.screen_stack) == 2)
            await walk.take("approval")
    close(album)


async def typing(walk: Walk) -> None:
    """WORK: live, and what stands in the prompt."""
    await walk.take("work")
    await write(walk.pilot, "Count the bottles in row A,\nthen those in row E.\nWrite both down.")
    await walk.take("prompt-of-three-lines")
    walk.app.prompt.clear()
    await write(walk.pilot, "See @bo")
    await until(walk.pilot, lambda: bool(walk.app.prompt.choices.display))
    await walk.take("completion-of-a-document")
    walk.app.prompt.clear()
    await write(walk.pilot, "/m")
    await walk.take("completion-of-a-command")
    walk.app.prompt.clear()
    walk.app.notify_person(
        "No model is available: set a key such as ANTHROPIC_API_KEY, start a local server such as Ollama, or name a"
        " model: --model, or /model in the office (`cassette:FILE` plays a rehearsed one)."
    )
    await rest(walk.pilot)
    await walk.take("a-long-notice")
    await press(walk.pilot, "ctrl+t")


async def documents(walk: Walk, moments: dict[str, int]) -> None:
    """TIME: the document in all of its ways."""
    await go(walk.pilot, f"op:{moments['again'] - 20}")
    await walk.take("time-in-a-loop")
    await press(walk.pilot, "d")
    await walk.take("diff-in-a-loop")
    await go(walk.pilot, "book.py@4")
    await walk.take("diff")
    if walk.app.size.width >= 100:
        await press(walk.pilot, "z", "d")
        await walk.take("side-by-side")
        await press(walk.pilot, "z")
    walk.app.pane("document").show_as("content")
    await press(walk.pilot, "b", "j", "j", "j", "j", "j", "j")
    await walk.take("blame")
    await press(walk.pilot, "w")
    await walk.take("why")
    await press(walk.pilot, "escape", "b")
    await go(walk.pilot, "rules.md")
    await walk.take("markdown")
    await go(walk.pilot, "stock.tsv")
    await walk.take("wide-characters-and-tabs")
    await go(walk.pilot, "label.png")
    await walk.take("binary")
    await go(walk.pilot, "book.py@2")
    await walk.take("deleted")


async def panes(walk: Walk, moments: dict[str, int]) -> None:
    """TIME: the other panes with the focus, and one alone."""
    await press(walk.pilot, "G")
    for pane in ("talk", "plan", "meter", "timeline"):
        walk.app.navigation.focus(pane)
        await rest(walk.pilot)
        await press(walk.pilot, "k")
        await walk.take(f"focus-{pane}")
    await go(walk.pilot, f"op:{moments['failed']}")
    await walk.take("a-failed-attempt")
    walk.app.navigation.focus("talk")
    await rest(walk.pilot)
    await press(walk.pilot, "z")
    await walk.take("zoom")
    await press(walk.pilot, "z")
    walk.app.navigation.focus("document")
    await rest(walk.pilot)


async def dialogs(walk: Walk, moments: dict[str, int]) -> None:
    """The windows over it."""
    await press(walk.pilot, "ctrl+t", "question_mark")
    await walk.take("help")
    await press(walk.pilot, "escape", "ctrl+p")
    await walk.take("palette")
    await write(walk.pilot, "und")
    await walk.take("palette-found")
    await press(walk.pilot, "escape", "colon")
    await walk.take("go-to")
    await write(walk.pilot, "book.py@2")
    await walk.take("go-to-typed")
    await press(walk.pilot, "escape", "f")
    await walk.take("filter")
    await write(walk.pilot, "model")
    await press(walk.pilot, "enter")
    await walk.take("timeline-filtered")
    await press(walk.pilot, "f", "enter")
    await go(walk.pilot, f"op:{moments['failing']}")
    send(walk.pilot, "R")
    await until(walk.pilot, lambda: len(walk.app.screen_stack) == 2)
    await walk.take("preview-of-restore")
    await press(walk.pilot, "escape", "ctrl+t")
    await write(walk.pilot, "Try row A.")
    await press(walk.pilot, "enter")
    await walk.take("branch")
    await press(walk.pilot, "escape")
    walk.app.prompt.clear()
    walk.app.windows.sessions()
    await until(walk.pilot, lambda: len(walk.app.screen_stack) == 2)
    await walk.take("sessions")
    await press(walk.pilot, "escape", "ctrl+t")


async def empty(folder: Path, size: tuple[int, int], dark: Album, light: Album) -> None:
    """A workspace in which nothing has happened yet, live and looked at."""
    folder.mkdir()
    with told(folder, whole=False) as story:
        async with sitting(story, size) as pilot:
            walk = Walk(pilot, dark, light)
            await walk.take("empty")
            await press(walk.pilot, "ctrl+t", "left")
            await walk.take("empty-time")


class Telling:
    """A rehearsal that has come to one scene and stays there."""

    banner = BANNER
    over = True

    def __init__(self, app: Still) -> None:
        self.app = app

    def at(self, *_: Any) -> Scene:
        return Scene("failed", "4  The check fails", "600 bottles stand in the fire lane. The attempt is taken back.")

    async def begin(self) -> None:
        self.app.navigation.switch_to("time")

    def told(self, now: Scene) -> None:
        self.app.caption.tell(now.title, now.caption)


async def rehearsed(folder: Path, size: tuple[int, int], dark: Album, light: Album) -> None:
    """The demo with what it tells."""
    folder.mkdir()
    with told(folder) as story:
        async with sitting(story, size, rehearsal=Telling) as pilot:
            walk = Walk(pilot, dark, light)
            await go(walk.pilot, f"op:{story.moments['failed']}")
            await walk.take("demo")
