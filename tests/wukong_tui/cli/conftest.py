"""The program called inside the test's own process, where speed matters more than the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wukong_tui.cli.program import Done
from wukong_tui.cli import main

Call = Callable[..., Done]


@pytest.fixture
def wukong(folder: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    """Call the program in ``folder``, or ``at`` another."""

    def call(*args: str | Path, at: Path = folder) -> Done:
        before = Path.cwd()
        os.chdir(at)
        monkeypatch.setattr(sys, "argv", ["wukong", *map(str, args)])
        capfdbinary.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            os.chdir(before)
        out, err = capfdbinary.readouterr()
        assert b"Traceback" not in err
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, out, err)

    return call
