"""The prompt: what is typed is what is sent, nothing typed is lost, and where it goes is always named."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot

from widgets.completion import SlashCommand, asked, completed
from widgets.draft import Draft, drawn, edited, row_of, rows_of, vertical
from widgets.match import Names
from widgets.prompt import LIMIT, ROWS, PromptInput
from widgets.sheet import Sheet

COMMANDS = (
    SlashCommand("session", "begin one"),
    SlashCommand("sessions", "choose one"),
    SlashCommand("model", "choose a model", "NAME"),
    SlashCommand("back", "one version back", "[COUNT]"),
)
HOSTILE = "a\x1b]52;c;aGk=\x07b \u202egnp.exe \x9b31m [/nope] [@click=app.quit]x\x00"


class Desk(App[None]):
    """A pane, and the prompt under it."""

    CSS = "Screen { layout: vertical; }"

    def __init__(self) -> None:
        super().__init__()
        self.prompt = PromptInput()
        self.prompt.commands = COMMANDS
        self.prompt.paths = ["README.md", "docs/plan.md", "docs/my notes.md", "src/main.py"]
        self.said: list[tuple[str, ...]] = []

    def compose(self) -> ComposeResult:
        yield Sheet()
        yield self.prompt

    def on_mount(self) -> None:
        self.prompt.focus()

    def on_prompt_input_submitted(self, message: PromptInput.Submitted) -> None:
        self.said.append(("sent", message.text))

    def on_prompt_input_command(self, message: PromptInput.Command) -> None:
        self.said.append(("command", message.name, message.argument))

    def on_prompt_input_refused(self, message: PromptInput.Refused) -> None:
        self.said.append(("refused", message.sentence))

    def on_prompt_input_grown(self, message: PromptInput.Grown) -> None:
        self.prompt.styles.height = self.prompt.rows

    def on_prompt_input_paths_wanted(self, message: PromptInput.PathsWanted) -> None:
        self.said.append(("paths",))

    def shown(self) -> list[str]:
        """What stands in the prompt's rows."""
        prompt = self.prompt
        return [prompt.render_line(y).text for y in range(prompt.size.height)]

    def offered(self) -> list[str]:
        return [item.title for item in self.prompt.choices.choices] if self.prompt.choices.display else []


async def typed(pilot: Pilot[None], text: str) -> None:
    keys = {" ": "space", "/": "slash", "@": "at", "\\": "backslash", "\n": "ctrl+j", '"': "quotation_mark"}
    await pilot.press(*(keys.get(character, character) for character in text))


async def test_enter_sends_and_the_prompt_is_empty_again() -> None:
    app = Desk()
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "write it")
        await pilot.press("enter", "enter")
        assert app.said == [("sent", "write it")]
        assert app.prompt.text == ""
        assert app.prompt.history == ["write it"]


@pytest.mark.parametrize("key", ["ctrl+j", "shift+enter", "alt+enter"])
async def test_other_enters_begin_a_line(key: str) -> None:
    app = Desk()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("a", key, "b", "enter")
        assert app.said == [("sent", "a\nb")]


async def test_a_backslash_at_the_end_begins_a_line() -> None:
    app = Desk()
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "a\\")
        await pilot.press("enter", "b", "enter")
        assert app.said == [("sent", "a\nb")]


async def test_it_grows_to_six_rows_and_then_scrolls_with_the_cursor() -> None:
    app = Desk()
    async with app.run_test(size=(80, 24)) as pilot:
        for line in range(1, 11):
            assert app.prompt.size.height == min(line, ROWS)
            await typed(pilot, f"line{line}\n")
            await pilot.pause()
        assert [row[2:8].strip() for row in app.shown()] == ["line6", "line7", "line8", "line9", "line10", ""]
        assert app.shown()[0].startswith("⋮")
        await pilot.press("ctrl+home")
        await pilot.pause()
        assert app.shown()[0].startswith("> line1")
        await pilot.press("enter")
        await pilot.pause()
        assert app.prompt.size.height == 1


async def test_the_target_is_always_named() -> None:
    app = Desk()
    async with app.run_test(size=(60, 20)) as pilot:
        assert app.shown()[0].rstrip().endswith("→ LIVE")
        for target in ("→ branch from op 4,217", "→ s12"):
            app.prompt.target = target
            await pilot.pause()
            assert app.shown()[0].rstrip().endswith(target)
        await typed(pilot, "word " * 40)
        await pilot.pause()
        assert app.shown()[0].rstrip().endswith("→ s12")
        assert all(cell_len(row) == 60 for row in app.shown())


async def test_walking_the_history_keeps_the_draft_and_what_was_changed_on_the_way() -> None:
    app = Desk()
    app.prompt.history = ["first", "second\nline"]
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "draft")
        await pilot.press("up")
        assert app.prompt.text == "second\nline"
        await pilot.press("up")
        assert app.prompt.text == "first"
        await pilot.press("up", "x")
        assert app.prompt.text == "firstx"
        await pilot.press("down")
        assert app.prompt.text == "second\nline"
        await pilot.press("up", "up")
        assert app.prompt.text == "firstx"
        await pilot.press("down", "down", "down")
        assert app.prompt.text == "draft"
        await pilot.press("down")
        assert app.prompt.text == "draft"
        assert app.prompt.history == ["first", "second\nline"]


async def test_arrows_move_between_lines_before_they_walk_the_history() -> None:
    app = Desk()
    app.prompt.history = ["old"]
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "one\ntwo")
        await pilot.press("up")
        assert app.prompt.text == "one\ntwo"
        await pilot.press("up")
        assert app.prompt.text == "old"


async def test_a_recalled_command_opens_no_list_that_takes_the_arrows() -> None:
    app = Desk()
    app.prompt.history = ["first", "/model"]
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("up")
        assert (app.prompt.text, app.offered()) == ("/model", [])
        await pilot.press("up")
        assert app.prompt.text == "first"


async def test_typing_is_undone_and_redone() -> None:
    app = Desk()
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "one two")
        await pilot.press("ctrl+u", "ctrl+z")
        assert app.prompt.text == "one two"
        await pilot.press("ctrl+y")
        assert app.prompt.text == ""
        app.prompt.put("other")
        await pilot.press("ctrl+z", "ctrl+z")
        assert app.prompt.text == "one two"


async def test_commands_are_offered_taken_and_given() -> None:
    app = Desk()
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "/mo")
        assert app.offered() == ["/model"]
        popup = app.prompt.choices.region
        assert (popup.bottom, popup.height) == (app.prompt.region.y, 1)
        await pilot.press("tab")
        assert app.prompt.text == "/model "
        await typed(pilot, "big one")
        await pilot.press("enter")
        assert app.said == [("command", "model", "big one")]


async def test_enter_gives_a_command_that_is_all_there() -> None:
    app = Desk()
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "/session")
        assert app.offered() == ["/session", "/sessions"]
        await pilot.press("enter")
        assert app.said == [("command", "session", "")]


async def test_a_slip_in_a_command_is_not_sent_but_a_path_is() -> None:
    app = Desk()
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "/zzqq now")
        await pilot.press("enter")
        assert app.said[0][0] == "refused"
        assert app.prompt.text == "/zzqq now"
        app.prompt.put("/etc/hosts is odd")
        await pilot.press("enter")
        assert app.said[1:] == [("sent", "/etc/hosts is odd")]


async def test_documents_are_found_and_quoted_where_they_need_it() -> None:
    app = Desk()
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "see @plan")
        assert ("paths",) in app.said
        assert app.offered()[0] == "docs/plan.md"
        await pilot.press("enter")
        assert app.prompt.text == "see @docs/plan.md "
        await typed(pilot, "@notes")
        await pilot.press("tab")
        assert app.prompt.text == 'see @docs/plan.md @"docs/my notes.md" '


async def test_arrows_choose_and_esc_closes_only_the_list() -> None:
    app = Desk()
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "/s")
        await pilot.press("down", "down", "down", "tab")
        assert app.prompt.text == "/sessions "
        await pilot.press("ctrl+u")
        await typed(pilot, "/s")
        assert app.prompt.close_popup()
        assert not app.prompt.close_popup()
        await typed(pilot, "e")
        assert app.offered() == []
        assert app.prompt.text == "/se"
        await pilot.press("ctrl+u", "slash", "escape")
        assert (app.offered(), app.prompt.text) == ([], "/")


async def test_one_hundred_thousand_documents_are_searched_beside_the_keys() -> None:
    app = Desk()
    app.prompt.paths = [f"src/part{n % 90}/module_{n}.py" for n in range(100_000)]
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "@module_77123")
        async with asyncio.timeout(20):
            while app.offered()[:1] != ["src/part83/module_77123.py"]:
                await pilot.pause(0.01)
        await pilot.press("enter")
        assert app.prompt.text == "@src/part83/module_77123.py "


async def test_hostile_bytes_are_drawn_and_sent_as_they_are() -> None:
    app = Desk()
    async with app.run_test(size=(80, 24)) as pilot:
        app.prompt.paths = [f"evil{HOSTILE}"]
        app.prompt.post_message(events.Paste(f"x\r\n\t{HOSTILE}"))
        await pilot.pause()
        drawn_rows = "".join(app.shown())
        assert not any(ord(character) < 32 or character in "\x9b\u202e" for character in drawn_rows)
        assert "␛]52" in drawn_rows
        assert "[/nope]" in drawn_rows
        await pilot.press("enter")
        assert app.said == [("sent", f"x\n\t{HOSTILE}")]
        await typed(pilot, "@evil")
        popup = app.prompt.choices
        assert "␛]52" in popup.render_line(0).text
        assert "\x1b" not in popup.render_line(0).text


async def test_more_than_a_prompt_takes_is_refused_and_nothing_is_lost() -> None:
    app = Desk()
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "keep")
        app.prompt.post_message(events.Paste("x" * (LIMIT + 1)))
        await pilot.pause()
        assert app.said[0][0] == "refused"
        assert app.prompt.text == "keep"


async def test_tab_and_esc_go_on_where_the_prompt_has_no_use_for_them() -> None:
    app = Desk()
    seen: list[str] = []

    class Watching(Desk):
        def on_key(self, event: events.Key) -> None:
            seen.append(event.key)

    app = Watching()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("a", "escape", "pageup", "left")
        assert seen == ["escape", "pageup"]


async def test_typing_sends_only_the_cells_that_change() -> None:
    class Counted(PromptInput):
        sent = 0

        def refresh(self, *regions: Region, **options: Any) -> Counted:
            self.sent += sum(region.area for region in regions) if regions else self.size.area
            super().refresh(*regions, **options)
            return self

    app = Desk()
    app.prompt = prompt = Counted()
    async with app.run_test(size=(80, 24)) as pilot:
        await typed(pilot, "abc")
        prompt.sent = 0
        await pilot.press("d")
        assert prompt.sent == 2  # the letter and the cursor
        prompt.redraw()
        assert prompt.sent == 2
        assert "abcd" in app.shown()[0]


# -- without a screen


@given(st.text(alphabet="ab \n\té漢👨\u200d\u0301\x1b", max_size=80), st.integers(2, 30))
@settings(max_examples=200, deadline=None)
def test_rows_hold_the_whole_text_within_the_width(text: str, width: int) -> None:
    rows = rows_of(text, width)
    assert "".join(text[row.start : row.end] for row in rows) == text.replace("\n", "")
    for at in range(len(text) + 1):
        row = rows[row_of(rows, at)]
        assert row.start <= at <= row.end
    if "\x1b" not in text and "\u200d" not in text and "\t" not in text:
        assert all(cell_len(drawn(text[row.start : row.end])) <= width for row in rows)


@given(
    st.text(alphabet="ab \né漢👨\u200d\u0301", max_size=40),
    st.lists(st.sampled_from(["left", "right", "ctrl+left", "ctrl+right", "home", "end", "ctrl+home", "ctrl+end"])),
)
@settings(max_examples=200, deadline=None)
def test_moving_never_changes_the_text_or_leaves_it(text: str, keys: list[str]) -> None:
    draft = Draft(text, len(text) // 2)
    for key in keys:
        moved = edited(draft, key, None)
        assert moved is not None
        draft = moved
        assert draft.text == text
        assert 0 <= draft.at <= len(text)


@pytest.mark.parametrize("word", ["हिन्दी", "cafe\u0301s", "naïve"])
def test_marks_belong_to_the_word_of_their_letter(word: str) -> None:
    assert Draft(f"a {word}", 2 + len(word)).word_left == 2
    assert Draft(f"{word} a", 0).word_right == len(word)


def test_a_family_is_one_character() -> None:
    family = "👨\u200d👩\u200d👧"
    draft = Draft(f"a{family}", 1 + len(family))
    assert edited(draft, "backspace", None) == Draft("a", 1)


def test_up_and_down_keep_to_the_column() -> None:
    text = "one two three four"
    draft = Draft(text, 13)
    up = vertical(draft, 10, -1)
    assert rows_of(text, 10)[1].start == 8
    assert up == Draft(text, 5)
    assert vertical(Draft(text, 5), 10, -1) is None


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("/mo", "mo"),
        ("see @do", "do"),
        ('@"my no', "my no"),
        ("a@b", None),
        ("/mo x", None),
        ("@", ""),
        ("x /mo", None),
    ],
)
def test_what_is_being_named(text: str, letters: str | None) -> None:
    query = asked(Draft(text, len(text)))
    assert (query.letters if query else None) == letters


def test_a_name_goes_where_its_letters_were() -> None:
    draft = Draft("see @pl and go", 7)
    query = asked(draft)
    assert query is not None
    assert completed(draft, query, "plan.md") == Draft("see @plan.md  and go", 13)


def test_names_that_hold_the_words_come_first_and_slips_are_forgiven() -> None:
    names = Names(["docs/changes.md", "src/scheduler.py", "src/schedule_test.py", "README.md"])
    assert names.best("schedul", 5)[:2] == [1, 2]
    assert names.best("shceduler", 1) == [1]
    assert names.best("", 2) == [0, 1]
    assert names.best("zzzzqq", 5) == []
    assert names.best("README", 5, lambda: True) == []
