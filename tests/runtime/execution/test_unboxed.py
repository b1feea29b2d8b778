"""Without a sandbox nothing runs but what is known by its digest, to the last byte."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import wukong_tui.demo
from runtime.execution import bubblewrap, known_programs, limits, sandbox
from tests.runtime.office import begin, office, operations, prompt, told, turn, write_cassette
from wukong_tui.demo import floor

CASSETTE = tomllib.loads((Path(wukong_tui.demo.__file__).parent / "cassette.toml").read_text("utf-8"))
CALLS = [call for turn in CASSETTE["turn"] for call in turn.get("call", ())]
FIRST = next(call["arguments"]["text"] for call in CALLS if call["name"] == "write")
MENDING = next(call["arguments"] for call in CALLS if call["name"] == "edit")
SECOND = FIRST.replace(MENDING["old"], MENDING["new"])


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine without bubblewrap."""
    monkeypatch.setattr(limits, "PROGRAMS", str(tmp_path / "nothing here"))
    monkeypatch.setattr(bubblewrap, "WHEEL", "no_such_package")
    sandbox.available.cache_clear()
    assert sandbox.available() is not None
    yield
    sandbox.available.cache_clear()


def test_what_is_known_is_what_the_demo_writes_and_nothing_more() -> None:
    assert FIRST != SECOND
    assert {hashlib.sha256(text.encode()).hexdigest() for text in (FIRST, SECOND)} == known_programs.KNOWN


@pytest.mark.parametrize(
    "text",
    ["", FIRST + "\n", FIRST.rstrip(), " " + FIRST, FIRST.replace("\n", "\r\n"), FIRST.replace("3_000", "3000"),
     FIRST + "import os\n", "\ufeff" + FIRST, FIRST[:-1] + "\udc8a"],
)  # fmt: skip
async def test_any_other_text_is_refused_however_like_it_is(
    folder: Path, tmp_path: Path, bare: None, text: str
) -> None:
    (folder / "floor.txt").write_text(floor.empty(), "utf-8")
    (folder / "manifest.csv").write_text("aisle\n")
    (folder / "book.py").write_bytes(text.encode("utf-8", "surrogateescape"))
    raw = json.dumps({"text": text})
    calls = [("program", {"path": "book.py"}), ("program", raw), ("run", {"command": "python3 book.py"})]
    script = write_cassette(tmp_path / "tape.toml", [turn("", *calls), turn("Done.")])
    async with office(folder, script) as desk:
        assert (await prompt(desk, await begin(desk))).outcome == "done"
        made = await operations(desk, "capability")
        assert [call.outcome for call in made] == ["refused"] * 3
        assert not any(known_programs.LABEL in (call.name or "") for call in made)
    assert (folder / "floor.txt").read_text("utf-8") == floor.empty()


async def test_a_known_program_runs_and_says_that_nothing_is_around_it(
    folder: Path, tmp_path: Path, bare: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "json.py").write_text("raise SystemExit('the environment of the host came along')\n")
    (folder / "wk.py").write_text("raise SystemExit('a module of the workspace was imported')\n")
    monkeypatch.setenv("PYTHONPATH", str(trap))
    (folder / "floor.txt").write_text(floor.empty(), "utf-8")
    (folder / "manifest.csv").write_text("aisle\n")
    script = write_cassette(tmp_path / "tape.toml", [turn("", ("program", {"text": FIRST})), turn("Done.")])
    async with office(folder, script) as desk:
        session = await begin(desk)
        assert (await prompt(desk, session)).outcome == "done"
        (program,) = [call for call in await operations(desk, "capability") if call.detail.get("capability")]
        assert (program.outcome, program.detail["sandbox"]) == ("done", False)
        assert (program.name or "").startswith("NO SANDBOX program")
        assert "3,000 bottles booked" in told(desk, session)[-2]["content"]
    assert sum(floor.counted((folder / "floor.txt").read_text("utf-8")).values()) == 3_000


@pytest.mark.skipif(sandbox.available() is not None, reason="no sandbox works here")
async def test_where_a_sandbox_works_it_is_used_for_known_programs_too(folder: Path, tmp_path: Path) -> None:
    (folder / "floor.txt").write_text(floor.empty(), "utf-8")
    (folder / "manifest.csv").write_text("aisle\n")
    script = write_cassette(tmp_path / "tape.toml", [turn("", ("program", {"text": FIRST})), turn("Done.")])
    async with office(folder, script) as desk:
        assert (await prompt(desk, await begin(desk))).outcome == "done"
        (program,) = [call for call in await operations(desk, "capability") if call.detail.get("capability")]
        assert known_programs.LABEL not in (program.name or "")
        assert program.outcome == "done"


async def test_no_other_text_gets_past_the_last_door(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a sandbox"):
        await known_programs.run(None, "print()", scratch=tmp_path, seconds=1)  # type: ignore[arg-type]
