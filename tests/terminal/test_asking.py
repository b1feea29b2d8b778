"""What an agent may do without asking, and approvals that come at any moment: on real terminals, with a real host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.hosting import Place
from tests.runtime.office import turn, write_cassette
from workspace import History, Workspace
from workspace.errors import Changed

from .live import Terminal
from .rig import at, office_command


@pytest.fixture
def begun(place: Place) -> Place:
    """A workspace with a history."""
    (place.root / "notes.md").write_text("notes\n")
    with Workspace.open(place.root) as work:
        work.scan()
    return place


def rehearsed(place: Place, *turns: dict[str, object]) -> str:
    """A cassette of these turns, as a model's name."""
    return f"cassette:{write_cassette(place.root.parent / 'asked.toml', turns)}"


def outcomes(root: Path, kind: str) -> list[tuple[str | None, str | None]]:
    """The acts of a kind and how they ended."""
    with History.open(root) as history:
        made = [history.operation(id_) for id_ in history.store.journal.of_kind(kind)]
        return [(operation.name, operation.outcome) for operation in made]


def test_an_old_session_may_do_only_what_this_office_lets_it(begun: Place) -> None:
    write = ("write", {"path": "evil.txt", "text": "x\n"})
    model = rehearsed(begun, turn("First."), turn("Second.", write), turn("Could not."))
    with Terminal(office_command(begun.root, "--yes", "--model", model), cwd=begun.root, size=(200, 60)) as terminal:
        terminal.until("→ LIVE").type(b"Begin.\r").until("First.")
        assert terminal.leave() == 0
    with Terminal(office_command(begun.root, "--read-only"), cwd=begun.root, size=(200, 60)) as terminal:
        terminal.until("→ LIVE").type(b"Write it.\r").until("Could not.")
        terminal.until("read-only")
        assert terminal.leave() == 0
    assert not (begun.root / "evil.txt").exists()
    assert ("write evil.txt refused", "refused") in outcomes(begun.root, "capability") or any(
        outcome == "refused" for _, outcome in outcomes(begun.root, "capability")
    )


def test_every_approval_is_asked_also_after_it_was_put_off_and_behind_a_dialog(begun: Place) -> None:
    one, two = (("write", {"path": f"{name}.txt", "text": "x\n"}) for name in ("one", "two"))
    model = rehearsed(begun, turn("Two things.", one, two), turn("Both done."))
    with Terminal(office_command(begun.root, "--model", model), cwd=begun.root, size=(200, 60)) as terminal:
        terminal.until("→ LIVE").type(b"Do both.\r").until("one.txt").settle(0.6)
        terminal.type("esc").until("ctrl+o")
        assert "1 waiting" in terminal.rows[0]
        terminal.type("ctrl+p").until("Actions").type("esc").until(lambda t: "Actions" not in t.text)
        terminal.type("ctrl+o").until("with exactly this?").settle(0.6)
        terminal.type("y").until(lambda t: "two.txt" in t.text and "with exactly this?" in t.text).settle(0.6)
        terminal.type("n").settle(0.3)
        terminal.type(b"No second file.\r").until("Both done.")
        assert terminal.leave() == 0
    assert (begun.root / "one.txt").exists()
    assert not (begun.root / "two.txt").exists()
    assert [outcome for _, outcome in outcomes(begun.root, "approval")] == ["done", "refused"]


def test_an_approval_that_somebody_else_answers_goes_away(begun: Place) -> None:
    model = rehearsed(begun, turn("One.", ("write", {"path": "one.txt", "text": "x\n"})), turn("Done."))
    command = office_command(begun.root, "--model", model)
    with Terminal(command, cwd=begun.root, size=(200, 60)) as first:
        first.until("→ LIVE").type(b"Do it.\r").until("with exactly this?")
        with Terminal(command, cwd=begun.root, size=(200, 60)) as second:
            second.until("with exactly this?").settle(0.6)
            second.type("y").until("Done.")
            first.until(lambda t: "with exactly this?" not in t.text).until("Done.")
            assert second.leave() == 0
        assert first.leave() == 0


def test_a_branch_from_an_earlier_moment_takes_the_documents_along_where_that_is_chosen(begun: Place) -> None:
    writes = [("write", {"path": "plan.md", "text": f"{word}\n"}) for word in ("one", "two")]
    model = rehearsed(begun, turn("", writes[0]), turn("First done."), turn("", writes[1]), turn("Second done."))
    with Terminal(office_command(begun.root, "--yes", "--model", model), cwd=begun.root, size=(200, 60)) as terminal:
        terminal.until("→ LIVE").type(b"Begin.\r").until("First done.").type(b"Go on.\r").until("Second done.")
        with History.open(begun.root) as history:
            second = history.store.journal.of_kind("prompt")[1]
        terminal.type("ctrl+t").until("← → step").type(":").until("─ Go to")
        at(terminal.type(f"op:{second - 1}".encode(), "enter"), second - 1)
        terminal.type("ctrl+t").type(b"Another way.\r").until("begin a branch, documents too")
        terminal.type("r").until("plan.md").settle(0.6)
        assert (begun.root / "plan.md").read_text() == "two\n"
        (begun.root / "plan.md").write_text("mine\n")
        terminal.type("enter").until(str(Changed())[:30]).settle(0.6)
        assert (begun.root / "plan.md").read_text() == "mine\n"
        terminal.type("enter").until(lambda t: t.text.count("Second done.") == 1 and "Another way." in t.text)
        terminal.until(lambda t: "Go on." not in t.text)
        assert terminal.leave() == 0
    with History.open(begun.root) as history:
        (restore,) = history.store.journal.of_kind("restore")
        assert b"mine\n" in {history.content(made) for made in history.history("plan.md")}
        assert len(history.store.journal.of_kind("session")) == 2
        (version,) = history.store.versions.of_operation(restore)
        assert history.content(version) == b"one\n"
        last = history.operation(history.store.journal.of_kind("prompt")[-1])
        assert history.operation(restore).session == last.session != history.operation(second).session


def test_a_history_that_cannot_be_read_is_one_sentence(begun: Place) -> None:
    with History.open(begun.root) as history:
        path = history.store.folder / "workspace.db"
    path.write_bytes(b"no database" * 500)
    with Terminal(office_command(begun.root), cwd=begun.root, size=(80, 24)) as terminal:
        terminal.ended()
        assert terminal.process.returncode == 1
        assert b"Traceback" not in terminal.raw
        assert b"wukong: " in terminal.raw
