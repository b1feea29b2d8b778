"""What status says of files that likely hold secrets and that commands see."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Call


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_status_names_secrets_that_commands_see_because_git_tracks_them(wukong: Call, folder: Path) -> None:
    (folder / ".env").write_text("mine")
    (folder / "test.key").write_text("for tests")
    for words in (["init", "-q"], ["add", "-f", "test.key"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    wukong("scan")
    (line,) = [line for line in wukong("status").text.splitlines() if line.startswith("Commands see")]
    assert line.endswith(": test.key.")
