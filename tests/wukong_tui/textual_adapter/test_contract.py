"""What the adapter needs of Textual's private parts: when an update of Textual changes one, it shows here first."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from rich.console import Console
from textual import _ansi_sequences, _compositor, _xterm_parser, events
from textual.app import App, ComposeResult
from textual.drivers import linux_driver
from textual.drivers._writer_thread import WriterThread
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from tests.terminal.live import Terminal
from tests.wukong_tui.textual_adapter.sample import Keys, Sample
from wukong_tui.textual_adapter.cell_updates import CroppedUpdate, Opening
from wukong_tui.textual_adapter.terminal import Driver, KeyParser, backlog, lenient

HERE = Path(__file__).parents[3]


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """The sample on a real terminal, drawn and at rest."""
    command = [sys.executable, "-m", "tests.wukong_tui.textual_adapter.sample"]
    with Terminal(command, cwd=HERE, size=(160, 10)) as terminal:
        terminal.until("waiting 0")
        yield terminal


class Watched(Sample):
    """The sample, keeping what it was to display."""

    def __init__(self) -> None:
        super().__init__()
        self.displayed: list[object] = []

    def _display(self, screen: Screen[object], renderable: Any) -> None:
        self.displayed.append(renderable)
        super()._display(screen, renderable)


# -- _compositor: ChopsUpdate, LayoutUpdate, CompositorUpdate.render_segments; App._display


async def test_the_compositor_makes_partial_updates_of_the_class_that_we_put_there() -> None:
    app = Watched()
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.pause()
        app.displayed.clear()
        app.query_one(Keys).refresh(Region(3, 1, 5, 1))
        await pilot.pause()
        (update,) = app.displayed
        assert isinstance(update, CroppedUpdate)
        assert [(y, first, last) for y, first, last in update.spans] == [(1, 3, 8)]
        assert len(update.chops) == len(update.chop_ends) == 4
        assert all(isinstance(strip, Strip | None) for row in update.chops for strip in row.values())
        sent = update.render_segments(Console(width=20))
        assert sent.startswith("\x1b[2;4H")
        assert re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", sent) == "ting "


async def test_a_whole_update_has_strips_and_a_region() -> None:
    app = Watched()
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.pause()
        update = app.screen._compositor.render_update(full=True)
        assert isinstance(update, _compositor.LayoutUpdate)
        assert update.region == Region(0, 0, 20, 4)
        assert [Strip.join(list(row)).cell_length for row in update.strips] == [20] * 4


async def test_what_is_displayed_goes_through_the_application_as_an_update_of_the_compositor() -> None:
    app = Watched()
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.pause()
        app.displayed.clear()
        app.query_one(Keys).refresh()
        await pilot.pause()
        assert any(isinstance(shown, _compositor.CompositorUpdate) for shown in app.displayed)


async def test_while_opening_the_same_screen_is_sent_once() -> None:
    app = Watched()
    async with app.run_test(size=(20, 4)) as pilot:
        await pilot.pause()
        opening, console = Opening(), Console(width=20)
        update = app.screen._compositor.render_update(full=True)
        assert update is not None
        assert "waiting" in opening.render(update, console)
        assert opening.render(update, console) == ""


# -- App._fatal_error, _exception, _exit_renderables, _close_messages_no_wait


def test_an_error_ends_the_application_with_its_last_words_and_no_traceback(terminal: Terminal) -> None:
    assert terminal.type("!").ended() != 0
    after = bytes(terminal.raw).rpartition(b"\x1b[?1049l")[2]
    assert b"Sample ended: broken on purpose." in after
    assert b"Traceback" not in after


# -- _xterm_parser.XTermParser, _ansi_sequences; linux_driver's names for the parser and the decoder


def test_the_driver_reads_keys_with_our_parser(terminal: Terminal) -> None:
    terminal.type(b"\x1bh\x1b(\x1b\r")
    terminal.until("keys escape h escape left_parenthesis alt+enter")


def test_bytes_that_are_not_utf_8_end_nothing(terminal: Terminal) -> None:
    terminal.type(b"\xff\xfe", "a")
    terminal.until(" a")
    assert terminal.process.poll() is None


def test_the_parser_calls_what_we_override() -> None:
    assert issubclass(KeyParser, _xterm_parser.XTermParser)
    assert inspect.signature(_xterm_parser.XTermParser._sequence_to_key_events).parameters.keys() == {
        "self", "sequence", "alt",
    }  # fmt: skip
    assert "\x1bb" in _ansi_sequences.ANSI_SEQUENCES_KEYS
    assert "_sequence_to_key_events" in inspect.getsource(_xterm_parser.XTermParser.parse)


def test_the_driver_has_one_place_for_its_parser_and_one_for_its_decoder() -> None:
    source = inspect.getsource(linux_driver.LinuxDriver.run_input_thread)
    assert "XTermParser(" in source
    assert 'getincrementaldecoder("utf-8")()' in source
    assert lenient("utf-8")().decode(b"a\xffb") == "a\ufffdb"


# -- LinuxDriver._mouse, _enable_mouse_support, _disable_mouse_support


def test_the_mouse_reports_clicks_and_drags_and_no_motion(terminal: Terminal) -> None:
    assert terminal.leave() == 0
    raw = bytes(terminal.raw)
    assert b"\x1b[?1000h\x1b[?1002h\x1b[?1006h" in raw
    assert b"\x1b[?1006l\x1b[?1002l\x1b[?1000l" in raw
    assert b"\x1b[?1003h" not in raw


def test_the_driver_asks_for_the_mouse_by_the_names_that_we_override() -> None:
    for name in ("_enable_mouse_support", "_disable_mouse_support"):
        assert name in vars(linux_driver.LinuxDriver)
        assert name in vars(Driver)
    assert "self._mouse" in inspect.getsource(linux_driver.LinuxDriver._enable_mouse_support)


# -- LinuxDriver._writer_thread and its queue; App._driver


def test_writes_that_the_terminal_has_not_taken_are_counted(tmp_path: Path) -> None:
    class Slow:
        """A driver whose terminal takes nothing."""

    driver: Any = Slow()
    assert backlog(driver) == 0
    with (tmp_path / "out").open("w") as out:
        driver._writer_thread = WriterThread(out)
        for text in "abc":
            driver._writer_thread.write(text)
        assert backlog(driver) == 3


def test_a_line_that_is_slow_is_seen_by_the_application(terminal: Terminal) -> None:
    terminal.type("#")
    terminal.until("keys number_sign")
    waiting = re.search(r"waiting (\d+)", terminal.text)
    assert waiting is not None
    assert int(waiting[1]) > 3


# -- Widget._on_focus and _on_blur, which a sheet's own handlers stand in for


def test_a_sheet_stops_what_a_widget_does_with_the_focus() -> None:
    assert "refresh" in inspect.getsource(Widget._on_focus)
    assert "refresh" in inspect.getsource(Widget._on_blur)


async def test_a_sheet_that_takes_the_keys_is_not_refreshed_as_a_whole() -> None:
    class Counted(Keys):
        whole = 0

        def refresh(self, *regions: Region, **more: bool) -> Self:
            self.whole += not regions
            return super().refresh(*regions, **more)

    sheet = Counted()
    sheet._on_focus(events.Focus())
    assert sheet.whole == 1
    sheet.on_focus(events.Focus())
    sheet.on_blur(events.Blur())
    assert sheet.whole == 1

    class Two(App[None]):
        def compose(self) -> ComposeResult:
            yield Keys(id="one")
            yield Counted(id="two")

    app = Two()
    async with app.run_test(size=(40, 8)) as pilot:
        app.query_one("#one").focus()
        await pilot.pause()
        two = app.query_one(Counted)
        two.whole = 0
        await two._on_message(events.Focus())
        assert (two.has_focus, two.whole) == (True, 0)
