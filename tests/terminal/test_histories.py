"""The office on real histories: a changelog of 1,197 versions, a recorded agent run; stepping, blame and why."""

from __future__ import annotations

import asyncio
import os
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.host.sessions import Sessions
from runtime.models.provider import LiteLLM
from runtime.protocol import Open, Prompt
from tests.runtime.hosting import Place
from tests.runtime.provider import Provider
from tests.runtime.recorded import PROMPT, RUNS, Sources, name_of, needed, replies
from workspace import History, Version, Workspace
from workspace.operations.blame import Blame
from workspace.operations.git_import import import_git

from .live import Terminal
from .rig import SIZES, Panes, at, live, office_command, pane_rows

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("WUKONG_HISTORIES") or ROOT.parent / "shared" / "data")
BUNDLE = SHARED / "changelog-history.bundle"
STEPS = 10


@pytest.fixture
def changelog(place: Place) -> Place:
    """A workspace with an imported changelog."""
    if not BUNDLE.exists():
        pytest.skip("the history is not at hand")
    repository = place.root.parent / "repository"
    subprocess.run(["git", "clone", "-q", "--bare", str(BUNDLE), str(repository)], check=True, capture_output=True)
    listed = subprocess.run(["git", "bundle", "list-heads", str(BUNDLE)], check=True, capture_output=True, text=True)
    with Workspace.open(place.root) as work:
        import_git(work, repository, ref=listed.stdout.split()[0])
    return place


async def play(run: Path, root: Path) -> None:
    """Have a recorded run happen again in a workspace, over HTTP and in the sandbox."""
    async with Provider(replies(run), model="loopback") as provider:
        model = LiteLLM("openai/loopback", api_base=provider.url, api_key="sk-loopback")
        desk = Sessions(root, choose=lambda _: model)
        await desk.start()
        try:
            await desk.alone(lambda work: work.scan())
            session = await desk.handle(Open(mode="auto", inside="/testbed"))
            await desk.handle(Prompt(session, PROMPT))
            running = desk.session(session).running
            assert running is not None
            await running
        finally:
            await desk.close()


@pytest.fixture
def history(place: Place) -> Iterator[History]:
    with History.open(place.root) as found:
        yield found


def go(terminal: Terminal, text: str, cursor: int) -> None:
    """Go where an address leads."""
    terminal.type(":").until("─ Go to").type(text.encode(), "enter")
    at(terminal, cursor)


def open_document(terminal: Terminal, path: str) -> None:
    """Look at a document as it is."""
    terminal.until("→ LIVE").type("ctrl+t").until("← → step")
    terminal.type(":").until("─ Go to").type(path.encode(), "enter").until(f"─ {path[:8]}").settle()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_step_through_an_imported_history_shows_its_version(
    size: tuple[int, int], changelog: Place, history: History
) -> None:
    path = max(history.tree(), key=lambda name: len(list(history.history(name))))
    document = history.document(path)
    entries = [v.entry for v in history.store.versions.history(document, limit=5_000, newest_first=False)]
    assert len(entries) > 1_000
    panes = Panes(history)
    with Terminal(office_command(changelog.root), cwd=changelog.root, size=size) as terminal:
        open_document(terminal, path)
        number = len(entries)
        chance = random.Random(size[0])
        for _ in range(STEPS):
            far = chance.randrange(1, number // 4)
            terminal.type(f"{far}h".encode())
            number -= far
            at(terminal, entries[number - 1])
            panes.check(terminal, entries[number - 1], document)
        for key, by in ((b"1h", -1), (b"1l", 1), (b"1h1h1h", -3), (b"1l1l", 2)):
            terminal.type(key)
            number += by
            panes.check(at(terminal, entries[number - 1]), entries[number - 1], document)
        terminal.type(b"g")
        at(terminal, 1)
        live(terminal.type(b"G"))
        assert terminal.leave() == 0


def test_blame_and_why_of_an_imported_line_name_the_version_that_made_it(changelog: Place, history: History) -> None:
    path = max(history.tree(), key=lambda name: len(list(history.history(name))))
    document = history.document(path)
    versions = list(history.store.versions.history(document, limit=5_000, newest_first=False))
    with Terminal(office_command(changelog.root), cwd=changelog.root, size=(200, 60)) as terminal:
        open_document(terminal, path)
        for number in (len(versions) - 1, 600):
            version = versions[number - 1]
            go(terminal, str(number), version.entry)
            check_blame_and_why(terminal, history, version)
        assert terminal.leave() == 0


def check_blame_and_why(terminal: Terminal, history: History, version: Version, *says: str) -> int:
    """Compare the blame column and the explanation of the chosen line with the history; the version that made it.

    The explanation also ``says`` these.
    """
    known = Blame(history.store.versions, version)
    assert known.advance(0, known.count, seconds=60)
    made = known.origins(0, known.count)
    terminal.type(b"b").until(lambda t: re.match(r"@[\d,]*\d", blamed(t)[0]) is not None, patience=60.0)
    terminal.settle(2.5)
    column: str | None = None
    compared = 0
    for row in blamed(terminal):
        found = re.match(r"^(.{22}) .*?(\d+) [ +~−]", row.ljust(40))
        if found is None:
            continue
        column = found[1].strip() or column
        origin = made[int(found[2]) - 1]
        assert origin is not None
        assert column is not None
        assert column.startswith(f"@{origin.version:,} "), (column, origin, terminal.text)
        compared += 1
    assert compared > 10
    row = next(row for row in blamed(terminal) if "▸" in row)
    line = int(re.search(r"▸ *(\d+)", row)[1])  # type: ignore[index]
    terminal.type(b"b").settle()
    terminal.type(b"w").until("changed by", patience=60.0).settle(0.5)
    origin = made[line - 1]
    assert origin is not None
    assert re.search(rf"changed by +@{origin.version:,} ", terminal.text), terminal.text
    assert f"line {line:,}" in terminal.text
    assert all(words in terminal.text for words in says), terminal.text
    terminal.type("esc").until(lambda t: "─ Why" not in t.text).settle()
    return origin.version


def blamed(terminal: Terminal) -> list[str]:
    return pane_rows(terminal, "document")[1:]


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(run, id=name_of(run), marks=[*needed, *([pytest.mark.long] if run != RUNS[-1] else [])])
        for run in RUNS
    ],
)
async def test_a_recorded_run_is_stepped_through_and_explained(run: Path, place: Place, tmp_path: Path) -> None:
    Sources(tmp_path).unpack(run, place.root)
    await play(run, place.root)
    with History.open(place.root) as history:
        await asyncio.to_thread(look_through, place.root, history)


def look_through(root: Path, history: History) -> None:
    """Walk back through a run at sampled operations; then the blame and why of a source that it changed."""
    prompt = history.store.journal.of_kind("prompt")[-1]
    edited = [v for v in history.store.versions.of_entries(prompt, history.cursor) if v.number > 1]
    version = next(v for v in reversed(edited) if v.path.endswith(".py") and v.added)
    panes = Panes(history, history.operation(prompt).session)
    chance, cursor = random.Random(prompt), history.cursor
    with Terminal(office_command(root), cwd=root, size=(200, 60)) as terminal:
        open_document(terminal, version.path)
        for _ in range(STEPS):
            far = chance.randrange(1, max(2, (cursor - prompt) // 8))
            cursor = history.store.journal.moment(cursor, -far)
            at(terminal.type(f"{far},".encode()), cursor)
            panes.check(terminal, cursor, history.document(version.path))
        go(terminal, str(version.number), version.entry)
        assert check_blame_and_why(terminal, history, version, PROMPT) == version.number
        assert terminal.leave() == 0
    assert {"meter", "talk", "timeline", "document"} <= panes.checked
