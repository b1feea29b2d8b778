"""What the tests of the office on a terminal share: tmux, and panes that are compared with the database."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runtime.planning import plan
from runtime.usage import meter
from tests.wukong_tui.cli.program import WUKONG
from widgets.paint import clip
from widgets.talk import TalkNeed
from workspace import History, Version
from workspace.visible import visible
from wukong_tui.frames.layout import PaneName, arrange
from wukong_tui.views import Look
from wukong_tui.views.talk import TalkView

from .live import Terminal

PROJECT = Path(__file__).parents[2]
SIZES = [(200, 60), (120, 40), (80, 24)]
SIGNS = {"todo": "·", "doing": "▸", "done": "✓", "failed": "✗"}
_AT = re.compile(r"TIME\s+(?:op )?([\d,]+)/([\d,]+)")
_ROW = re.compile(r"^[ ▸] *(\d+) ([ +~−])[ ▎](.*)$")
_STEP = re.compile(r"^([·▸✓✗]) +(\d+) (.*?)(?:  +\S+)?$")


def demo_command(root: Path) -> list[str | Path]:
    """The command that opens the demo in ``root`` again."""
    return [*WUKONG, "-C", root, "demo", "--resume"]


def office_command(root: Path, *options: str) -> list[str | Path]:
    """The command that opens the office of ``root``."""
    return [*WUKONG, "-C", root, "office", *options]


def cursor_of(text: str) -> int | None:
    """The cursor that a screen says it is at; None where it is LIVE."""
    found = _AT.search(text)
    return int(found[1].replace(",", "")) if found else None


def at(terminal: Terminal, cursor: int) -> Terminal:
    """Wait until the bar shows this cursor and the screen stands still."""
    terminal.until(lambda t: cursor_of(t.rows[0]) == cursor)
    terminal.settle()
    return terminal


def live(terminal: Terminal) -> Terminal:
    """Wait until the bar says LIVE and the screen stands still."""
    terminal.until(lambda t: t.rows[0].endswith("LIVE") and cursor_of(t.rows[0]) is None)
    terminal.settle()
    return terminal


@contextmanager
def tmux(*command: str | Path, cwd: Path, size: tuple[int, int]) -> Iterator[Callable[..., str]]:
    """A program in a tmux of its own; yields a function that calls tmux and returns what it printed."""
    folder = tempfile.mkdtemp(prefix="wk")
    environment = {**os.environ, "TMUX_TMPDIR": folder, "TERM": "xterm-256color"}
    for name in ("TMUX", "COLUMNS", "LINES", "NO_COLOR", "TEXTUAL"):
        environment.pop(name, None)

    def call(*words: str) -> str:
        line = ["tmux", "-L", "wukong", "-f", "/dev/null", *words]
        return subprocess.run(line, env=environment, cwd=cwd, check=True, capture_output=True, text=True).stdout

    columns, rows = (str(number) for number in size)
    call("new-session", "-d", "-x", columns, "-y", rows, *map(str, command), ";", "set", "-g", "status", "off")
    try:
        yield call
    finally:
        subprocess.run(["tmux", "-L", "wukong", "kill-server"], env=environment, check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def attached(call: Callable[..., str], cwd: Path, size: tuple[int, int]) -> Iterator[Terminal]:
    """A terminal that is attached to a tmux; leaving it detaches."""
    folder = call("display-message", "-p", "#{socket_path}").strip()
    with Terminal(["tmux", "-u", "-S", folder, "attach"], cwd=cwd, size=size, environment={"TMUX": ""}) as terminal:
        yield terminal


# -- panes


def pane_rows(terminal: Terminal, name: str, focus: PaneName = "document", **how: object) -> list[str]:
    """The rows of a pane on the screen, its title first; none where it is not shown."""
    columns, lines = terminal.size
    regions = arrange(columns, lines, focus, **how).regions  # type: ignore[arg-type]
    if name not in regions:
        return []
    x, y, width, height = regions[name]
    return [terminal.cut(row, x, width).rstrip() for row in range(y, y + height)]


class Panes:
    """Compares what panes show at a cursor with what the database says of it."""

    def __init__(self, history: History, session: str | None = None, *, caption: bool = False) -> None:
        self.history = history
        self.session = session
        self.caption = caption
        self.checked: set[str] = set()
        """The panes that were compared at least once."""
        self._talks = TalkView()

    def check(self, terminal: Terminal, cursor: int, document: int, focus: PaneName = "document") -> None:
        """Compare every pane that is on the screen; each difference is a failure that shows the screen."""
        try:
            self._bar(terminal, cursor)
            for name in ("document", "plan", "meter", "talk", "timeline"):
                rows = pane_rows(terminal, name, focus, caption=self.caption)
                if rows:
                    getattr(self, f"_{name}")(rows, cursor, document)
                    self.checked.add(name)
        except AssertionError as error:
            raise AssertionError(f"{error}\nat op {cursor:,}:\n{terminal.text}") from error

    def check_live(self, terminal: Terminal, document: int) -> None:
        """Compare what is LIVE."""
        self.check(terminal, self.history.cursor, document)

    def _bar(self, terminal: Terminal, cursor: int) -> None:
        newest = self.history.cursor
        if "LIVE" in terminal.rows[0] and cursor == newest:
            return
        assert f"{cursor:,}/{newest:,}" in terminal.rows[0]
        if terminal.size[0] > 80 and cursor < newest:
            assert f"LIVE +{newest - cursor:,}" in terminal.rows[0]

    def _document(self, rows: Sequence[str], cursor: int, document: int) -> None:
        version = self.history.store.versions.at(document, 1, cursor)
        if version is None:
            assert "it starts at op" in " ".join(rows)
            return
        assert re.search(rf"@{version.number:,}\b", rows[0]), f"the title is not of @{version.number:,}"
        same_rows(rows[1:], self.history, version)

    def _plan(self, rows: Sequence[str], cursor: int, _: int) -> None:
        found = plan.at(self.history, self.session, cursor) if self.session else None
        if found is None:
            assert "No " in " ".join(rows)
            return
        shown = {int(match[2]): match[1] for row in rows[1:] if (match := _STEP.match(row))}
        wanted = {step.number: SIGNS[step.state] for step in found.steps}
        assert shown
        assert shown.items() <= wanted.items(), f"plan shows {shown}, it is {wanted}"
        if (doing := found.current) is not None:
            assert doing.number in shown
        done = sum(step.state == "done" for step in found.steps)
        assert f"{done} of {len(found.steps)}" in rows[0]

    def _meter(self, rows: Sequence[str], cursor: int, _: int) -> None:
        total = meter.total(meter.calls(self.history, session=self.session, cursor=cursor))
        if not total.calls:
            return
        known = total.reported + total.estimated
        wanted = f"{'~' if total.estimated else ''}{known:,}" + (" + ?" if total.unknown else "")
        assert f" {wanted if known else '?'} ─" in rows[0], f"the meter's total is not {wanted}"

    def _talk(self, rows: Sequence[str], cursor: int, document: int) -> None:
        history = self.history
        look = Look(cursor, history.cursor, False, self.session, document, 1, 0)
        items = self._talks.load(history, look, TalkNeed(60, 60)).items
        said = [row.strip() for row in rows[1:] if row.strip()]
        if not items:
            assert said[-1].endswith(".")
            return
        last = items[-1]
        if last.count:
            made = history.store.journal.caused(last.operation, after=last.operation, upto=cursor)
            assert f"× {made:,}" in said[-1], f"the last row of the conversation says not × {made:,}"
        else:
            words = re.findall(r"\w+", visible(last.text))
            word = words[-1:] if last.kind in ("reply", "prompt") else words[:1]  # the end of a label may be cut
            assert not word or word[0] in " ".join(said[-4:]), f"the conversation does not end with {word}"

    def _timeline(self, rows: Sequence[str], cursor: int, _: int) -> None:
        marked = [row for row in rows[1:] if re.match(r"▸ \d\d:\d\d", row)]
        assert len(marked) == 1, "not one row of the timeline is marked"
        number = int(marked[0].split()[-1].replace(",", ""))
        entry = self.history.store.journal.entry(cursor)
        ends_prompt = entry.kind == "prompt" and entry.operation != cursor
        held = set(self.history.store.journal.children(entry.operation)) if ends_prompt else set()
        assert number in held | set(ancestry(self.history, cursor)), f"op {number} is marked"


def ancestry(history: History, cursor: int) -> list[int]:
    """The operation at the cursor and what caused it, innermost first."""
    journal = history.store.journal
    operation: int | None = journal.entry(cursor).operation
    found = []
    while operation is not None:
        found.append(operation)
        operation = journal.operation(operation, history.cursor).parent
    return found


def same_rows(rows: Sequence[str], history: History, version: Version) -> None:
    """Each row of the document pane shows the line of this version that its number says."""
    lines = history.content(version).split(b"\n") if version.exists else []
    found = [match for row in rows if (match := _ROW.match(row.ljust(12)))]
    assert found or not any(lines), "the document shows no rows"
    numbers = [int(match[1]) for match in found]
    assert numbers == sorted(set(numbers))
    for match in found:
        line = visible(lines[int(match[1]) - 1].rstrip(b"\r"), tab="    ")
        shown = match[3].rstrip()
        whole = clip(line, len(shown)) == shown or line.rstrip() == shown
        assert whole, f"line {match[1]} is {line!r}, shown as {shown!r}"
