"""The conversation pane: it stays where it is read, draws only what changed, and copies what is meant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot

from themes import load
from widgets.paint import Ink
from widgets.talk import TalkPage, TalkPane
from widgets.talk_items import Details, TalkItem, Touched, duration, lay
from workspace.kinds import Outcome

REPLY = "Some words.\n\n```py\na = 1\nb = 2\n```\n\nAnd the end."


class Seen(TalkPane):
    """The pane, with what it has sent to be drawn and asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.regions: list[Region] = []
        self.whole = 0
        self.asked = 0

    def refresh(self, *regions: Region, **more: Any) -> Seen:
        self.regions += regions
        self.whole += not regions
        super().refresh(*regions, **more)
        return self


class Stage(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.talk = Seen()

    def compose(self) -> ComposeResult:
        yield self.talk

    def on_sheet_wanted(self, message: TalkPane.Wanted) -> None:
        self.talk.asked += 1


def item(
    entry: int, kind: Any = "reply", text: str = "Some words.", outcome: Outcome | None = Outcome.DONE, **more: Any
) -> TalkItem:
    return TalkItem(entry, entry, kind, text, 0, outcome, apart=more.pop("apart", True), **more)


def turns(count: int) -> tuple[TalkItem, ...]:
    return tuple(
        item(10 * n + k, "prompt" if k == 0 else "reply", f"{'Question' if k == 0 else 'Answer'} {n}")
        for n in range(1, count + 1)
        for k in (0, 1)
    )


def page(*items: TalkItem, **more: Any) -> TalkPage:
    cursor = more.pop("cursor", items[-1].entry + 1 if items else 0)
    return TalkPage(cursor, more.pop("live", True), "s1", "m1", items=items, **more)


@asynccontextmanager
async def shown(first: TalkPage, width: int = 40, height: int = 12) -> AsyncIterator[tuple[Seen, Pilot[None]]]:
    stage = Stage()
    async with stage.run_test(size=(width, height)) as pilot:
        stage.talk.focus()
        stage.talk.show(first)
        await pilot.pause()
        yield stage.talk, pilot


def screen(talk: TalkPane) -> list[str]:
    return [talk.render_line(y).text.rstrip() for y in range(talk.size.height)]


async def test_it_stays_at_the_end_while_more_is_said() -> None:
    async with shown(page(*turns(20))) as (talk, _):
        assert screen(talk)[-1] == "  Answer 20"
        talk.show(page(*turns(21)))
        assert screen(talk)[-1] == "  Answer 21"
        talk.stream(300, "It begins")
        assert screen(talk)[-1] == "  It begins"


async def test_scrolled_up_it_stays_where_it_was_and_says_how_much_is_below() -> None:
    async with shown(page(*turns(20))) as (talk, _):
        talk.page(-1)
        before = screen(talk)
        assert before[0].endswith("↓ 5 more ─")
        talk.stream(300, "It begins")
        talk.show(page(*turns(22)))
        assert screen(talk)[1:] == before[1:]
        assert "↓ 10 more" in screen(talk)[0]  # with what is in flight
        talk.end()
        assert screen(talk)[-1] == "  It begins"


async def test_walking_down_to_the_end_follows_it_again() -> None:
    async with shown(page(*turns(20))) as (talk, _):
        talk.move(-30)
        assert "more" in screen(talk)[0]
        talk.move(30)
        assert "more" not in screen(talk)[0]
        talk.show(page(*turns(21)))
        assert screen(talk)[-1] == "  Answer 21"


async def test_the_line_of_the_keys_is_always_on_the_screen() -> None:
    async with shown(page(*turns(9))) as (talk, _):
        for lines in (-1, -1, -5, -50, 3, 20, 50, -7, 1):
            talk.move(lines)
            window = [(found.entry, line) for found, line in talk._window()]
            assert talk._here is None or talk._here in window
            assert len(window) == 11


async def test_a_reply_does_not_jump_when_it_ends() -> None:
    async with shown(page(*turns(3), cursor=33), height=30) as (talk, _):
        talk.stream(40, REPLY)
        before = screen(talk)
        ended = page(*turns(3), item(40, "reply", REPLY), cursor=42)
        talk.show(ended)
        assert screen(talk) == before
        assert not talk._said


async def test_while_text_comes_only_its_last_rows_are_drawn() -> None:
    async with shown(page(*turns(3), cursor=33), height=40) as (talk, pilot):
        talk.stream(40, "A paragraph.\n\nAnd one that")
        await pilot.pause()
        talk.regions.clear()
        whole = talk.whole
        for at in range(1, 12):
            talk.stream(40, "A paragraph.\n\nAnd one that" + " grows and so"[:at])
        assert talk.whole == whole
        assert {region.height for region in talk.regions} == {1}
        assert len({region.y for region in talk.regions}) == 1
        assert sum(region.width for region in talk.regions) < 30


async def test_the_same_page_drawn_again_sends_nothing() -> None:
    async with shown(page(*turns(20))) as (talk, pilot):
        await pilot.pause()
        talk.regions.clear()
        whole = talk.whole
        talk.show(page(*turns(20)))
        talk.stream(5, "")
        assert not talk.regions
        assert talk.whole == whole


async def test_text_in_flight_is_not_shown_when_looking_back() -> None:
    async with shown(page(*turns(2))) as (talk, _):
        talk.stream(90, "Now")
        talk.show(page(*turns(2), live=False))
        assert "  Now" not in screen(talk)


async def test_it_asks_for_more_when_the_page_runs_out() -> None:
    async with shown(page(*turns(20), first=False), height=12) as (talk, pilot):
        await pilot.pause()
        talk.asked = 0
        talk.move(-3)
        await pilot.pause()
        assert talk.asked == 0
        for _ in range(6):
            talk.page(-1)
        await pilot.pause()
        assert talk.asked > 0
        assert talk.need().at == talk._window()[0][0].entry


async def test_a_page_that_does_not_fill_the_screen_is_asked_for_again_and_larger() -> None:
    async with shown(page(*turns(20)[-4:], first=False), height=30) as (talk, pilot):
        await pilot.pause()
        before, rows = talk.asked, talk.need().rows
        talk.show(page(*turns(20)[-5:], first=False))
        await pilot.pause()
        assert talk.asked > before
        assert talk.need().rows > rows


async def test_the_beginning_is_gone_to_even_where_it_is_not_loaded() -> None:
    async with shown(page(*turns(20)[10:], first=False)) as (talk, pilot):
        talk.home()
        await pilot.pause()
        assert talk.need().at == 0
        talk.show(page(*turns(20)[:12], last=False))
        assert screen(talk)[2] == "❯ Question 1"
        assert screen(talk)[0].endswith("+ more ─")


async def test_a_call_is_a_row_and_unfolds() -> None:
    call = item(12, "call", "edit a.txt", seconds=0.3, tokens="1,204", touched=Touched(1, "a.txt", 2, 1))
    async with shown(page(*turns(1), call), width=58) as (talk, pilot):
        assert screen(talk)[-6] == "✓ edit a.txt" + " " * 21 + "+2 −1  1,204 tok  300 ms"
        talk.move(-1)
        talk.end()
        talk.choose()
        await pilot.pause()
        assert talk.need().details >= {12}
        result = "\n".join(f"line {n}" for n in range(40))
        talk.show(page(*turns(1), replace(call, details=Details("path: a.txt", result))))
        rows = screen(talk)
        assert "  │ line 11" in rows
        assert "  │ … 28 more lines" in rows
        assert talk.copied() == f"edit a.txt\npath: a.txt\n{result}"
        talk.choose()
        assert "  │ line 11" not in screen(talk)


async def test_what_is_copied_is_what_the_keys_are_at() -> None:
    async with shown(page(item(5, "prompt", "Do *it*."), item(6, "reply", REPLY)), height=20) as (talk, _):
        assert talk.copied() == REPLY
        talk.move(-3)
        assert talk.copied() == "a = 1\nb = 2"
        talk.move(-50)
        assert talk.copied() == "Do *it*."


async def test_a_drag_selects_characters_and_a_click_chooses() -> None:
    async with shown(page(item(5, "prompt", "Do it."), item(6, "reply", "Some **bold** words.")), height=20) as (
        talk,
        pilot,
    ):
        assert screen(talk)[2:5] == ["❯ Do it.", "", "  Some bold words."]
        await pilot.mouse_down(talk, offset=(5, 2))
        await pilot.hover(talk, offset=(11, 4))
        await pilot.mouse_up(talk, offset=(11, 4))
        assert talk.copied() == "it.\n\nSome bold"
        styles = {segment.style for segment in talk.render_line(4) if segment.text.strip() == "bold"}
        assert styles <= {talk.ink.style("strong select")}
        await pilot.click(talk, offset=(3, 2))
        assert talk.copied() == "Do it."
        await pilot.click(talk, offset=(8, 4))
        assert talk.copied() == "Some **bold** words."


async def test_a_selection_is_the_same_words_at_another_width() -> None:
    text = "words that go on and on, so that they are broken where the pane ends"
    async with shown(page(item(6, "reply", text)), width=58) as (talk, pilot):
        talk._marked = ((6, 6), (6, 23))
        assert talk.copied() == "that go on and on"
        await pilot.resize_terminal(24, 12)
        await pilot.pause()
        assert talk.copied() == "that go on and on"
        lit = [s.text for y in range(12) for s in talk.render_line(y) if s.style == talk.ink.style("select")]
        assert [part.strip() for part in lit] == ["that go on and", "on"]


@pytest.mark.parametrize(
    ("state", "words"),
    [("none", "Say what you want done; enter sends it."), ("before", "No messages yet at this point.")],
)
async def test_an_empty_conversation_says_what_to_do(state: Any, words: str) -> None:
    async with shown(TalkPage(state=state), width=58) as (talk, _):
        assert f"  {words}" in screen(talk)
        talk.move(1)
        talk.page(-1)
        talk.home()
        talk.end()
        talk.choose()
        assert talk.copied() == ""


@pytest.mark.parametrize("width", [12, 40, 90])
async def test_hostile_text_is_drawn_as_text(width: int) -> None:
    bad = "\x1b]52;c;AAAA\x07 \x9b31m \u202e[/nope] [@click=app.x]漢\u0301\x00\r\n- \t\x7f"
    details = Details(bad, bad)
    kinds = (
        "prompt",
        "reply",
        "call",
        "note",
        "approval",
        "attempt",
        "lesson",
        "plan",
        "taken",
        "outcome",
        "summary",
    )
    items = [
        item(n, kind, bad, said=bad, tokens=bad, touched=Touched(1, bad, 1, None), details=details, undone=n % 2 == 0)
        for n, kind in enumerate(kinds, 1)
    ]
    async with shown(replace(page(*items), session=bad, model=bad), width=width, height=90) as (talk, _):
        talk._open.update(range(20))
        talk._laid.clear()
        talk._laid_for.clear()
        talk.redraw()
        for y in range(90):
            line = talk.render_line(y)
            assert line.cell_length == width == sum(segment.cell_length for segment in line)
            assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c == "\u202e" for c in line.text)


async def test_another_theme_draws_everything_again() -> None:
    async with shown(page(*turns(2))) as (talk, _):
        talk.paint(Ink(load("light")))
        assert talk.render_line(3).text.strip() in ("Question 1", "❯ Question 1", "")
        grounds = {segment.style.bgcolor.name for segment in talk.render_line(3) if segment.style}  # type: ignore[union-attr]
        assert grounds == {"#faf8f3"}


async def test_another_session_begins_at_its_end() -> None:
    async with shown(page(*turns(20))) as (talk, _):
        talk.page(-2)
        talk.show(replace(page(*turns(20)), session="s2"))
        assert screen(talk)[-1] == "  Answer 20"


def test_rows_fit_in_any_width() -> None:
    row = item(3, "call", "edit some/long/path/to/a.txt", seconds=3.1, tokens="12,204", count=10_000,
               touched=Touched(3, None, 1_204, 88), outcome=Outcome.FAILED, said="Because.")  # fmt: skip
    for width in range(8, 100):
        laid = lay(row, width)
        assert all(sum(len(text) for text, _ in r.line(width)) <= max(4, width - 3) for r in laid.rows)
    wide = "".join(text for text, _ in lay(row, 90).rows[0].line(87))
    assert wide.startswith("edit some/long/path/to/a.txt")
    assert "failed  × 10,000  3 documents  +1,204 −88" in wide


def test_durations_are_short() -> None:
    given = [0, 0.04, 0.9999, 3.14, 125, 4200]
    assert [duration(s) for s in given] == ["0 ms", "40 ms", "1.0 s", "3.1 s", "2 min 5 s", "1 h 10 min"]
