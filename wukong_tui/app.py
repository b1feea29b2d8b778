"""The office on the screen: panes, the frames that fill them, and where keys and events go."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.geometry import Region
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.worker import Worker, WorkerState

from runtime.protocol import Advanced, Delta, Event
from themes import Theme, load
from widgets.bar import Bar, Divider, Notice
from widgets.caption import Caption
from widgets.look import textual_theme
from widgets.paint import Ink, Line
from widgets.pane import AnyPane
from widgets.plan import PlanPane
from widgets.prompt import PromptInput
from widgets.scrubber import ScrubberPane
from widgets.sheet import Sheet
from widgets.timeline import TimelinePane
from workspace.errors import WorkspaceError
from workspace.visible import visible
from wukong_tui import error_log
from wukong_tui.actions.answering import Answering
from wukong_tui.actions.keyboard import Keyboard
from wukong_tui.actions.navigation import Navigation
from wukong_tui.actions.playback import Playback
from wukong_tui.actions.prompting import Prompting
from wukong_tui.actions.searching import Searching
from wukong_tui.actions.table import BY_NAME, COMMANDS
from wukong_tui.actions.undo_actions import UndoActions
from wukong_tui.actions.windows import Windows
from wukong_tui.frames import status_bar
from wukong_tui.frames.backend import Backend
from wukong_tui.frames.flying import Flying
from wukong_tui.frames.frame import Frame, FrameRequest, Move
from wukong_tui.frames.layout import PANES, Arrangement, arrange
from wukong_tui.frames.loop import PACE, FrameLoop
from wukong_tui.frames.panes import Panes
from wukong_tui.frames.state import OfficeState, Permissions
from wukong_tui.textual_adapter.app import AdaptedApp

if TYPE_CHECKING:
    from wukong_tui.actions.rehearsal import Rehearsal
    from wukong_tui.demo import Demo
    from wukong_tui.frames.frames import Frames

NOTICED = 10.0
"""Seconds for which a sentence stays in the bar, unless a key comes before."""
AGES = 10.0
"""Seconds after which ages are told again."""
LETTING_GO = 2.0
"""Seconds that leaving waits for the host at most."""
HINT = "say what you want done · / commands · @ documents · ctrl+t looks · F1 help"


class Desktop(Screen[None]):
    """The screen of the office; where the keys go is seen in the titles, it is not all sent again."""

    focused = Reactive["Widget | None"](None, repaint=False)


class Office(AdaptedApp):
    """The terminal office of one workspace."""

    CSS = """
    Screen { layers: base; overflow: hidden; }
    Screen > * { position: absolute; display: none; }
    """
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    BINDINGS = []  # noqa: RUF012 - keys come from the table of actions
    ESCAPE_TO_MINIMIZE = False

    keyboard: Keyboard
    navigation: Navigation
    playback: Playback
    searching: Searching
    undo_actions: UndoActions
    windows: Windows
    prompting: Prompting
    answering: Answering

    def __init__(self, root: Path, store: Path | None = None, *, theme: str = "dark", model: str | None = None,
                 permissions: Permissions = "ask") -> None:  # fmt: skip
        super().__init__()
        self.root = root
        self.state = OfficeState()
        self.look_theme: Theme = load(theme)
        self.model_name = model
        self.permissions: Permissions = permissions
        self.frame: Frame | None = None
        self.panes = Panes()
        self.keyboard = Keyboard(self)
        self.navigation = Navigation(self)
        self.playback = Playback(self)
        self.searching = Searching(self)
        self.undo_actions = UndoActions(self)
        self.windows = Windows(self)
        self.prompting = Prompting(self)
        self.answering = Answering(self)
        self.backend = Backend(root, store, self.told, attached=self.prompting.attached, gone=self.host_gone)
        self.loop = FrameLoop(self.draw, backlog=lambda: self.backlog, failed=self.frame_failed)
        self.rehearsal: Rehearsal | None = None
        self.drawn = asyncio.Event()
        """Set once a frame was drawn."""
        self.asked_since = 1 << 62
        """The entry after which approvals may wait for an answer."""
        self._noticed = 0.0
        self._arrangement: Arrangement | None = None
        self._frames: Frames | None = None
        self._flying = Flying()
        self._streaming = False
        self._said: list[Line] = []
        """The notice that the bar has no room for."""

    # -- what is on the screen

    def get_default_screen(self) -> Screen[None]:
        """The screen under all dialogs."""
        return Desktop(id="_default")

    def compose(self) -> ComposeResult:
        """Every pane, arranged by ``place``."""
        yield Bar(id="bar")
        yield Caption(id="caption", banner=self.rehearsal.banner if self.rehearsal else "")
        yield from self.panes.all
        yield Divider(id="rule-0")
        yield Divider(id="rule-1")
        yield PromptInput(id="prompt")
        yield Notice(id="notice")

    def pane(self, name: str) -> AnyPane:
        """A pane by its name."""
        return self.panes[name]

    @property
    def bar(self) -> Bar:
        return self.screen_stack[0].get_widget_by_id("bar", Bar)

    @property
    def caption(self) -> Caption:
        return self.screen_stack[0].get_widget_by_id("caption", Caption)

    @property
    def prompt(self) -> PromptInput:
        return self.screen_stack[0].get_widget_by_id("prompt", PromptInput)

    def place(self) -> None:
        """Put everything where the size of the screen and the focus want it."""
        width, height = self.size
        state = self.state
        rows = self.prompt.rows if state.mode == "work" else 1
        now = arrange(
            width, height, state.focus, zoom=state.zoom, prompt=rows, side=state.side,
            caption=self.rehearsal is not None, why=self.windows.explaining, notice=len(self._said),
        )  # fmt: skip
        if now == self._arrangement:
            return
        self._arrangement = now
        regions = dict(now.regions)
        regions |= {f"rule-{index}": rule for index, rule in enumerate(now.rules)}
        with self.batch_update():
            for widget in self.screen_stack[0].children:
                put(widget, regions.get(widget.id or ""))
        self.wake()

    def visible_panes(self) -> list[str]:
        """The names of what a frame has to fill."""
        regions = self._arrangement.regions if self._arrangement else {}
        return [name for name in (*PANES, "scrubber", "why") if name in regions]

    def paint(self, theme: str) -> None:
        """Draw with another theme."""
        self.look_theme = load(theme)
        self.register_theme(textual_theme(self.look_theme))
        self.theme = textual_theme(self.look_theme).name
        ink = Ink(self.look_theme)
        for sheet in self.screen_stack[0].query(Sheet):
            sheet.paint(ink)
        self.prompt.paint(ink)

    # -- frames

    def wake(self, *moves: Move) -> None:
        """Make a frame soon, with these moves of the cursor before it."""
        self.loop.press(*moves)

    async def draw(self, moves: list[Move]) -> None:
        """Make the next frame and show it. Raises WorkspaceError."""
        self.show(await self.make(moves))

    def now(self) -> int:
        """The time from which ages are told, in microseconds since 1970."""
        return time.time_ns() // 1000

    async def make(self, moves: list[Move]) -> Frame:
        """The next frame."""
        state, frames = self.state, self._frames
        assert frames is not None
        ask = FrameRequest(
            state.cursor, state.live, state.session, state.document, state.pinned, state.branch, tuple(moves),
            frames.loads(self.visible_panes()), self.asked_since, self.now(),
        )  # fmt: skip
        return await self.backend.read(lambda history: frames.make(history, ask))

    def show(self, frame: Frame) -> None:
        """Draw a frame; each pane sends the cells that changed."""
        self.opened()
        state, look = self.state, frame.look
        state.cursor, state.newest, state.live = look.cursor, look.newest, look.live
        state.document, state.pinned = look.document, frame.pinned
        state.session = state.session or look.session
        self.frame = frame
        if frame.notice:
            state.notice, self._noticed = frame.notice, time.monotonic()
        with self.batch_update():
            for show in frame.pages:
                show()
            self.say()
            if frame.told is not None and self.rehearsal is not None:
                self.rehearsal.told(frame.told)
        if frame.asked_since == self.asked_since:  # else a host told of older ones meanwhile
            self.asked_since = frame.approvals[0].operation - 1 if frame.approvals else look.newest
            self.answering.approve(frame.approvals)
        if self.windows.explaining:
            self.windows.explain_line()
        self.drawn.set()
        if frame.again:
            self.wake()

    def frame_failed(self, error: Exception) -> None:
        """A frame could not be made or drawn: that is no reason to go."""
        if isinstance(error, WorkspaceError):
            self.opened()
            self.notify_person(str(error))
        elif self.is_headless:
            raise error
        else:
            self.trouble(error)

    def say(self) -> None:
        """Say in the bar and beside the prompt where one is."""
        speed = self.navigation.momentum.label or self.playback.player.label
        shown = status_bar.bar(self.state, self.frame, self.root, self.size, speed, len(self.answering.waiting))
        self.bar.say(*shown)
        said = status_bar.notice(self.state, shown[1], self.size.width)
        if said != self._said:
            self._said = said
            self.screen_stack[0].get_widget_by_id("notice", Notice).say(said)
            self.place()
        self.prompt.target = status_bar.target(self.state)
        self.prompt.rest(status_bar.hints(self.size.width) if self.state.mode == "time" else None)

    def notify_person(self, text: str) -> None:
        """Say one sentence in the bar, and whole above the prompt where the bar has no room, until the next key."""
        self.state.notice = text
        self._noticed = time.monotonic()
        self.say()

    def forget_notice(self) -> None:
        """Take away what has been in the bar for a while."""
        if self.state.notice and time.monotonic() - self._noticed > NOTICED:
            self.state.notice = ""
            self.say()

    # -- events of the host

    def told(self, event: Event) -> None:
        """Something happened: the journal grew, or text came."""
        if isinstance(event, Advanced):
            self.loop.wake()
        elif isinstance(event, Delta):
            if not self._flying.take(event):
                self.beside(self.backend.attach(), "attach", exclusive=True)
            elif not self._streaming:
                self._streaming = True
                self.set_timer(PACE, self._stream)

    def host_gone(self) -> None:
        """The host has left or was killed; the next command starts another one."""
        self._flying.clear()
        self.notify_person("The host is gone; everything acknowledged is recorded.")
        self.loop.wake()

    def _stream(self) -> None:
        self._streaming = False
        for operation, text in self._flying.newest():
            self.panes.talk.stream(operation, text)

    # -- what goes wrong

    def trouble(self, error: BaseException) -> None:
        """Say that something of ours failed; the office goes on, and its log has the rest."""
        where = error_log.note_down(self.backend.folder, error)
        self.notify_person(f"Something went wrong: {type(error).__name__}. {where} has the rest; nothing is lost.")

    def last_words(self, error: BaseException) -> str:
        """One sentence: what runs goes on, and what is written is safe."""
        where = error_log.note_down(self.backend.folder, error)
        return f"The office ended: {type(error).__name__}. What runs goes on, nothing is lost; {where} has the rest."

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Something done beside the keys has failed."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            error = event.worker.error
            if isinstance(error, WorkspaceError):
                self.notify_person(str(error))
            else:
                self.trouble(error)

    def beside(self, work: Coroutine[None, None, object], group: str, *, exclusive: bool = False) -> None:
        """Do something beside the keys; where it fails, the office goes on."""
        self.run_worker(work, group=group, exclusive=exclusive, exit_on_error=False)

    # -- Textual

    async def on_mount(self) -> None:
        """Draw the first frame as soon as the history is open."""
        if not self.is_headless:  # who ends it from outside gets the terminal back as it was too
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        self.paint(self.look_theme.name)
        self.place()
        self.navigation.switch_to("work")
        self.set_interval(0.1, self.navigation.release_keys)
        self.set_interval(1.0, self.forget_notice)
        self.set_interval(AGES, self.loop.wake)
        self.prompt.hint = HINT
        self.say()
        self.prompt.commands = COMMANDS
        self.call_after_refresh(self._start)

    def _start(self) -> None:
        """Begin to make frames, once the empty panes are drawn: what that takes has to be loaded first."""
        self.beside(self._begin(), "frames", exclusive=True)

    async def _begin(self) -> None:
        from wukong_tui.frames.frames import Frames  # after the first frame is drawn: it brings the database

        self._frames = Frames(self.panes)
        try:
            await self.backend.open()
        except WorkspaceError as error:
            self.exit(return_code=1, message=Text(f"wukong: {visible(str(error))}"))
            return
        if self.rehearsal is not None:
            self._frames.story = self.rehearsal.at
            self.beside(self.rehearsal.begin(), "rehearsal")
        else:
            self.beside(self.prompting.look_around(), "folder")
        self.wake()
        self.beside(self.prompting.remember(), "history")
        await self.loop.run()

    async def on_unmount(self) -> None:
        """Detach; what runs goes on."""
        with suppress(WorkspaceError, TimeoutError):
            await asyncio.wait_for(self.prompting.let_go(), LETTING_GO)
        with suppress(WorkspaceError):
            await self.backend.close()

    def on_resize(self, event: events.Resize) -> None:
        """Arrange again at any moment."""
        self.resized()
        self.call_later(self.arrange_anew)  # this handler runs before the one that takes the new size

    def arrange_anew(self) -> None:
        """Put everything where the new size wants it, and fill it."""
        self.place()
        self.wake()

    def on_sheet_wanted(self, message: Sheet.Wanted) -> None:
        """A pane needs another page."""
        self.wake()

    def on_prompt_input_submitted(self, message: PromptInput.Submitted) -> None:
        """Somebody said something."""
        self.prompting.submit(message.text)

    def on_prompt_input_command(self, message: PromptInput.Command) -> None:
        """Somebody typed the name of an action."""
        self.keyboard.do_by_name(BY_NAME[message.name], message.argument)

    def on_prompt_input_refused(self, message: PromptInput.Refused) -> None:
        """Something could not be typed."""
        self.notify_person(message.sentence)

    def on_prompt_input_grown(self) -> None:
        """The prompt wants more rows, or fewer."""
        self.place()

    def on_prompt_input_paths_wanted(self) -> None:
        """A document is about to be named."""
        self.beside(self.prompting.offer_paths(), "paths", exclusive=True)

    def on_timeline_pane_chosen(self, message: TimelinePane.Chosen) -> None:
        """Somebody chose an act in the timeline."""
        self.navigation.go_to_entry(message.entry)

    def on_scrubber_pane_chosen(self, message: ScrubberPane.Chosen) -> None:
        """Somebody chose a place on the bar."""
        self.navigation.go_to_entry(message.entry)

    def on_plan_pane_chosen(self, message: PlanPane.Chosen) -> None:
        """Somebody chose an attempt."""
        self.navigation.go_to_entry(message.entry)

    async def on_event(self, event: events.Event) -> None:
        """Keys go to the table of actions first; what it does not take goes on to what has the focus."""
        if isinstance(event, events.Key) and not event.is_forwarded and self.keyboard.take(event):
            return
        await super().on_event(event)

    async def action_quit(self) -> None:
        """Leave; what runs goes on."""
        self.exit()


def put(widget: Widget, region: Region | None) -> None:
    """Show a widget in a region, or not at all."""
    styles = widget.styles
    if region is None:
        styles.display = "none"
        return
    styles.display = "block"
    styles.offset = (region.x, region.y)
    styles.width, styles.height = region.width, region.height


def run(
    root: Path, store: Path | None = None, *, demo: Demo | None = None, resume: bool = False, theme: str = "dark",
    model: str | None = None, permissions: Permissions = "ask",
) -> int:  # fmt: skip
    """Open the office of ``root`` on this terminal until the person leaves; the exit status."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # without its terminal it is nobody's, also where `nohup` began it
    app = Office(root, store, theme=theme, model=model, permissions=permissions)
    if demo is not None:
        from wukong_tui.actions.rehearsal import Rehearsal

        app.rehearsal = Rehearsal(app, demo, resume=resume)
    app.run()
    return app.return_code or 0
