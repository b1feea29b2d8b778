"""The explanation on screen: it fits every width, scrolls, copies, and draws whatever it is given as text."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip

from themes import load
from widgets.paint import Ink, strip
from widgets.sheet import Sheet
from widgets.why import Account, Fate, Made, Past, Tokens, WhyCause, WhyDecision, WhyNeed, WhyPage, WhyPane, rows
from workspace.kinds import Outcome

MADE = Made(652, 667, "revert failed attempt at Fill the floor", "agent", "s1", "14:03:22", "2 h ago", "It failed.")
EDIT = Made(651, 661, "write floor.txt", "agent", "s1", "14:03:20", "2 h ago")
CAUSES = (
    WhyCause("prompt", 2, "Store the bottles; keep the fire lane free.", "ann", "14:01:07"),
    WhyCause(
        "attempt",
        8,
        "Fill the floor",
        step=1,
        attempt=1,
        check="floor.txt forbids 'E #'",
        outcome=Outcome.FAILED,
        why="Row E.",
    ),
    WhyCause("loop", 11, "program fill", times=10_000),
    WhyCause("call", 661, "write floor.txt"),
)
BEHIND = Account(
    EDIT, CAUSES, WhyDecision("allowed by a person", "ann", "14:01:10", 7),
    (Tokens("attempt 1 of step 1", 8, "2,520 + ~100"), Tokens("the prompt", 2, "1 calls ?")),
    (Fate("failed", "attempt 1 of step 1 failed: Row E.", 8), Fate("reverted", "reverted by agent", 667)),
)  # fmt: skip
PAGE = WhyPage(
    "floor.txt", 13_002, 5, "E ....",
    Account(
        MADE, (CAUSES[0], WhyCause("call", 667, "revert failed attempt")), None, (BEHIND.tokens[1],),
        (Fate("stands", "still there"),),
    ),
    BEHIND, "What it took back", (Past(2, 651, 650, EDIT, "E ####"), Past(1, 1, 1, EDIT, "")),
)  # fmt: skip


def text(page: WhyPage | None, width: int = 90) -> str:
    drawn = ("".join(text for text, _ in line).rstrip() for line in rows(page, width))
    return "\n".join(drawn).replace("\xa0", " ")


class Counted(WhyPane):
    """A sheet that counts how often it drew."""

    refreshed = 0

    def refresh(self, *regions: Region, **how: bool) -> Self:
        self.refreshed += 1
        return super().refresh(*regions, **how)


class Shown(App[None]):
    """A sheet alone on its screen, which counts what it asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = 0

    def compose(self) -> ComposeResult:
        yield Counted(id="why")

    def on_sheet_wanted(self, _: Sheet.Wanted) -> None:
        self.wanted += 1

    @property
    def sheet(self) -> Counted:
        return self.query_one(Counted)

    def screen_text(self) -> list[str]:
        return [self.sheet.render_line(y).text.rstrip() for y in range(self.sheet.size.height)]


def test_everything_is_told_from_the_line_down_to_what_stood_there_before() -> None:
    assert text(PAGE).splitlines() == [
        " 5 ▸ E ....",
        "",
        " changed by @652 revert failed attempt at Fill the floor",
        "            agent · s1 · 14:03:22 · 2 h ago · op:667",
        "            It failed.",
        " became     ✓ still there",
        "",
        " What it took back " + "─" * 70,
        " made by    @651 write floor.txt",
        "            agent · s1 · 14:03:20 · 2 h ago · op:661",
        "",
        " prompt  Store the bottles; keep the fire lane free. op:2",
        " │  ann · 14:01:07",
        " └─ step 1  Fill the floor op:8",
        "    │  check floor.txt forbids 'E #'",
        "    │  attempt 1 ✗ failed: Row E.",
        "    └─ loop  program fill × 10,000 op:11",
        "       └─ call  write floor.txt op:661",
        "",
        " decision   allowed by a person · ann · 14:01:10",
        " tokens     2,520 + ~100  attempt 1 of step 1",
        "            1 calls ?  the prompt",
        " became     ✗ attempt 1 of step 1 failed: Row E. op:8",
        "            ↩ reverted by agent op:667",
        "",
        " Earlier in this place " + "─" * 66,
        " @2…651 × 650  write floor.txt · agent · 2 h ago",
        "   E ####",
        " @1  write floor.txt · agent · 2 h ago",
        "   (an empty line)",
    ]


def test_what_is_not_known_yet_is_said() -> None:
    assert "Searching earlier versions" in text(WhyPage("a", 3, 1, "x", None, pending=True))
    assert text(WhyPage("a", 3, 1, "x", BEHIND, pending=True)).endswith("…")
    assert text(None) == " Nothing to explain here."


def test_a_version_as_a_whole_has_no_line() -> None:
    drawn = text(WhyPage("floor.txt", 3, None, "", BEHIND, story=(Past(1, 2, 2, EDIT, None),)))
    assert drawn.startswith(" ▸ floor.txt@3")
    assert "Earlier versions" in drawn


@pytest.mark.parametrize("width", [30, 40, 58, 90])
def test_it_fits_every_width(width: int) -> None:
    deep = Account(EDIT, CAUSES[:2] + CAUSES[2:3] * 20, BEHIND.decision, BEHIND.tokens, BEHIND.fates)
    wide = WhyPage("階段/" * 30, 1, 1_000_000, "階段" * 200, deep, BEHIND, "What it took back", PAGE.story)
    for page in (PAGE, wide):
        assert all(sum(cell_len(span) for span, _ in line) <= width for line in rows(page, width))


def test_only_the_line_itself_has_the_accent() -> None:
    accented = [span for line in rows(PAGE, 90) for span, style in line if "accent" in style.split()]
    assert accented == ["▸ ", "E ...."]


@pytest.mark.parametrize(
    "hostile", ["\x1b[2J\x1b]0;x\x07", "\u202eabc", "a\rb\nc\td", "\x9b31m", "e\u0301" * 50, "\udc80"]
)
def test_hostile_text_is_drawn_as_text(hostile: str) -> None:
    made = Made(1, 1, hostile, hostile, hostile, "14:00:00", "1 s ago", hostile)
    told = Account(
        made,
        (WhyCause("attempt", 1, hostile, step=1, attempt=1, check=hostile, outcome=Outcome.FAILED, why=hostile),),
        WhyDecision(hostile, hostile), (Tokens(hostile, 1, "?"),), (Fate("failed", hostile, 1),),
    )  # fmt: skip
    page = WhyPage(hostile, 1, 1, hostile, told, told, hostile, (Past(1, 1, 1, made, hostile),))
    ink = Ink(load("light"))
    drawn: list[Strip] = [strip(line, 40, ink) for line in rows(page, 40)]
    for line in drawn:
        assert line.cell_length == 40
        assert not set(line.text) & {"\x1b", "\x07", "\x9b", "\r", "\n", "\t", "\u202e", "\udc80"}


async def test_the_sheet_asks_for_another_line_and_shows_it_from_its_beginning() -> None:
    app = Shown()
    async with app.run_test(size=(60, 12)) as pilot:
        app.sheet.show(PAGE)
        await pilot.pause()
        assert app.screen_text()[0].endswith("floor.txt@13,002 line 5 ─")
        assert app.screen_text()[1] == " 5 ▸ E ...."
        before = app.wanted
        app.sheet.ask(4)
        app.sheet.move(3)
        await pilot.pause()
        assert (app.wanted, app.sheet.need()) == (before + 1, WhyNeed(4))
        assert "changed by" in app.screen_text()[1] or "agent" in app.screen_text()[1]
        app.sheet.ask(4)
        await pilot.pause()
        assert app.wanted == before + 1
        app.sheet.ask(None)
        app.sheet.show(PAGE)
        await pilot.pause()
        assert app.screen_text()[1] == " 5 ▸ E ...."


async def test_it_scrolls_to_its_end_and_no_further() -> None:
    app = Shown()
    async with app.run_test(size=(60, 12)) as pilot:
        app.sheet.show(PAGE)
        app.sheet.end()
        await pilot.pause()
        assert app.screen_text()[-1] == "   (an empty line)"
        app.sheet.page(1)
        assert app.screen_text()[-1] == "   (an empty line)"
        app.sheet.page(-1)
        assert app.screen_text()[-1] != "   (an empty line)"
        app.sheet.home()
        assert app.screen_text()[1] == " 5 ▸ E ...."
        assert "fire lane free. op:2" in app.sheet.copied()


async def test_the_same_page_again_draws_nothing() -> None:
    app = Shown()
    async with app.run_test(size=(60, 12)) as pilot:
        app.sheet.show(PAGE)
        await pilot.pause()
        before = app.sheet.refreshed
        app.sheet.show(replace(PAGE))
        assert app.sheet.refreshed == before
        app.sheet.show(replace(PAGE, line=6))
        assert app.sheet.refreshed == before + 1
