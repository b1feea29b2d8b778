"""Demos and places that the tests on terminals share."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.hosting import Place, hosted
from wukong_tui.demo import Demo, make, play

from .rig import PROJECT


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A demo that was played to its end, for all who only look at it."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="wk") as sockets:
        patch.setenv("XDG_RUNTIME_DIR", sockets)
        patch.setenv("PYTHONPATH", str(PROJECT))
        demo = make(tmp_path_factory.mktemp("demos"), store=tmp_path_factory.mktemp("store") / "kept", paced=False)
        asyncio.run(play(demo))
        return demo


@pytest.fixture
def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A workspace whose hosts listen at a place of their own; none is left running."""
    with hosted(folder, monkeypatch) as found:
        yield found


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for hosts to listen at, where a workspace is somebody else's."""
    with tempfile.TemporaryDirectory(prefix="wk") as path:
        monkeypatch.setenv("XDG_RUNTIME_DIR", path)
        monkeypatch.setenv("PYTHONPATH", str(PROJECT))
        yield Path(path)
