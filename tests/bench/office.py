"""The interface through a real terminal: steps, first frames, bytes, and keys beside agents at work."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from runtime.host.client import Client
from runtime.protocol import Open, Prompt, Stop
from tests.runtime.office import turn, write_cassette
from tests.terminal.live import Line
from workspace import Act, Workspace

from . import streaming
from .lab import Lab
from .measure import Row, Target, duration, percentile

SIZE = (200, 60)
EMPTY = (
    "from textual.app import App\nclass Empty(App):\n    pass\nEmpty().run()\n"
)  # fmt: skip
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # both start from compiled modules, as where they are installed
WUKONG = (sys.executable, "-P", "-m", "wukong_tui")
QUIET = 0.08
"""Seconds without output after which an answer to a key is complete."""


def rows(lab: Lab) -> Iterator[Row]:
    lab.say("a workspace of many versions")
    root, store, count = _workspace(lab)
    yield from _first_frame(lab, root, store, count)
    yield from _steps(lab, root, store, count)
    yield from _agents(lab)
    yield from _streaming(lab)


def _workspace(lab: Lab) -> tuple[Path, Path, int]:
    """One document of 10,000 lines, of which every version changes one, in a workspace of its own."""
    root, store = lab.folder / "office", lab.folder / "office-store"
    root.mkdir()
    count = lab.scaled(100_000, 5_000)
    lines = [f"line {number} of a long document, as lines go\n".encode() for number in range(10_000)]
    with Workspace.open(root, store=store) as work:
        made = 0
        while made < count:
            with work.batch():
                for _ in range(500):
                    at = 5_000 + made % 20
                    lines[at] = f"line {at} as it stands after {made} edits, or so\n".encode()
                    work.write("long.txt", b"".join(lines), act=Act(kind="edit", name="one line"))
                    made += 1
    return root, store, made


def _open(root: Path, store: Path) -> Line:
    return Line([*WUKONG, "-C", root, "--store", store], cwd=root, size=SIZE)


def _first_frame(lab: Lab, root: Path, store: Path, count: int) -> Iterator[Row]:
    """From the start of the process to the frame that shows the document, and the memory it takes then."""
    ours, whole, theirs, memory = [], [], [], []
    for _ in range(lab.scaled(11, 5)):
        start = time.monotonic()
        with Line([sys.executable, "-c", EMPTY], cwd=root, size=SIZE) as empty:
            while len(empty.raw) < 2_000:
                empty.read(0.01)
            theirs.append(empty.last - start)
            empty.settle()
            bare = _memory(empty.process.pid)
        start = time.monotonic()
        with _open(root, store) as office:
            while b"Timeline" not in office.raw:
                office.read(0.01)
            ours.append(office.last - start)
            while b"long.txt" not in office.raw:
                office.read(0.01)
            whole.append(office.last - start)
            office.settle()
            memory.append((_memory(office.process.pid), bare))
    ratio = median(ours) / median(theirs)
    what = f"first frame, {count:,} versions, beside an empty Textual app"
    yield Row(what, duration(median(ours)), duration(median(theirs)), ratio, Target(1.5))
    yield Row("first frame with its document", duration(median(whole)), duration(median(theirs)),
              median(whole) / median(theirs))  # fmt: skip
    used, bare = median(m for m, _ in memory), median(b for _, b in memory)
    yield Row("memory then", f"{used / 1e6:.0f} MB", f"{bare / 1e6:.0f} MB", used / bare, Target(2.0))


def _steps(lab: Lab, root: Path, store: Path, count: int) -> Iterator[Row]:
    """One version back, key to last byte, beside one line down in the same pane; in turns."""
    with _open(root, store) as office:
        while b"long.txt" not in office.raw:
            office.read(0.05)
        office.settle(0.5)
        office.type("ctrl+t", "4").settle(0.8)
        for _ in range(80):
            office.type("j")
        office.settle(0.8)
        stepped, scrolled, sent, moved = [], [], [], []
        for _ in range(lab.scaled(200, 60)):
            seconds, size = _pressed(office, "left")
            stepped.append(seconds)
            sent.append(size)
            seconds, size = _pressed(office, "j")
            scrolled.append(seconds)
            moved.append(size)
    ours, theirs = percentile(stepped, 95), percentile(scrolled, 95)
    yield Row(
        f"one step back, key to last byte, p95, {SIZE[0]}×{SIZE[1]}, 10,000 lines, {count:,} versions;"
        " beside one line of scrolling", duration(ours), duration(theirs), ours / theirs, Target(2.0),
    )  # fmt: skip
    yield Row("bytes of a step, beside those of scrolling", f"{median(sent):,.0f}", f"{median(moved):,.0f}",
              median(sent) / median(moved))  # fmt: skip


def _pressed(line: Line, key: str) -> tuple[float, int]:
    """Seconds from a key to the last byte that it caused, and how many bytes."""
    start = time.monotonic()
    line.type(key)
    size = line.settle(QUIET)
    return max(0.0, line.last - start), size


def _streaming(lab: Lab) -> Iterator[Row]:
    lab.say("streaming a reply")
    figures = streaming.figures(lab.quick)
    for number in (1, 20):
        ours, theirs = figures["talk"][f"cpu_{number}"], figures["markdown"][f"cpu_{number}"]
        what = f"CPU to show a streamed reply of 1.9 kB, turn {number}, beside one Markdown widget of Textual"
        target = Target(1 / 20) if number == 20 else None
        yield Row(what, duration(ours), duration(theirs), ours / theirs, target)


def _agents(lab: Lab) -> Iterator[Row]:
    """A hundred sessions at work in the host, about a turn a second each, and keys pressed beside them."""
    count = lab.scaled(100, 30)
    lab.say(f"{count} agents at work")
    root, store = lab.folder / "agents", lab.folder / "agents-store"
    root.mkdir()
    (root / "floor.txt").write_text("a floor\n" * 40, "utf-8")
    with Workspace.open(root, store=store) as work:
        work.scan()
    said = "I look once more, and write down what I see, word by word. " * 2
    turns = [turn(said, ("write", {"path": f"note-{n % 9}.txt", "text": f"{n}\n" * 20})) for n in range(60)]
    cassette = write_cassette(lab.folder / "agents.toml", [*turns, turn("Done.")])
    cassette.write_text(f"pace = {len(said)}\n{cassette.read_text('utf-8')}", "utf-8")
    stop, ready = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_work(root, store, cassette, count, ready, stop)))
    thread.start()
    try:
        ready.wait(60)
        with _open(root, store) as office:
            while b"floor.txt" not in office.raw and b"note-" not in office.raw:
                office.read(0.05)
            office.type("ctrl+t", "4")
            waited = []
            for _ in range(lab.scaled(200, 60)):
                deadline = time.monotonic() + 0.05
                while time.monotonic() < deadline:
                    office.read(0.01)
                start = time.monotonic()
                office.type("n")
                seen = len(office.raw)
                while b"searched" not in office.raw[seen:] and time.monotonic() < start + 5:
                    office.read(0.005)
                waited.append(time.monotonic() - start)
                office.type("d")
    finally:
        stop.set()
        thread.join()
    answer = percentile(waited, 95)
    yield Row(f"{count} agents at work: a key's first answer, p95", duration(answer), "", None,
              Target(0.05, seconds=True), answer)  # fmt: skip


async def _work(
    root: Path, store: Path, cassette: Path, count: int, ready: threading.Event, stop: threading.Event
) -> None:
    """Keep sessions at work in the host of a workspace."""
    async with Client.connect(root, store=store) as client:
        for number in range(count):
            session = await client.call(Open(model=f"cassette:{cassette}", mode="auto"))
            await client.call(Prompt(session, f"Look after the floor, {number}."))
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.1)
        await client.call(Stop())


def _memory(process: int) -> int:
    """Resident bytes of a process (Linux)."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
