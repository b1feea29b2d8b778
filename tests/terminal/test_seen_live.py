"""What others change in the folder, on a real terminal: seen on opening, and while the office is open."""

from __future__ import annotations

import os

import pytest

from tests.runtime.hosting import Place, ended
from workspace import History, Workspace

from .live import Terminal
from .rig import office_command


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=str)
def test_the_office_shows_what_changed_before_it_was_opened_and_what_changes_now(
    size: tuple[int, int], place: Place
) -> None:
    notes = place.root / "notes.md"
    notes.write_text("the first line\n")
    with Workspace.open(place.root) as work:
        work.scan()
    notes.write_text("while nobody looked\n")
    with Terminal(office_command(place.root), cwd=place.root, size=size) as terminal:
        terminal.until("→ LIVE").type("ctrl+t").until("← → step").type(b"4")
        terminal.until("while nobody looked")
        (place.root / "new.md").write_text("saved by rename\n")
        os.replace(place.root / "new.md", notes)
        terminal.until("saved by rename")
        with ended(place.host):
            assert terminal.leave() == 0
    with History.open(place.root) as history:
        assert [version.change for version in history.history("notes.md")] == ["create", "edit", "edit"]
        assert history.find("new.md") is None


def test_where_nothing_is_watched_the_office_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WUKONG_WATCH", "off")
    (place.root / "notes.md").write_text("the first line\n")
    with Workspace.open(place.root) as work:
        work.scan()
    with Terminal(office_command(place.root), cwd=place.root, size=(120, 40)) as terminal:
        terminal.until("Outside edits show up only after /scan")
        assert terminal.leave() == 0
