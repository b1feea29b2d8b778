"""Recorded runs of real agents, and the source distributions that they were made on."""

from __future__ import annotations

import copy
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from runtime.execution import sandbox

from .provider import from_trajectory, trajectories

SOURCES = {"marshmallow-1343": "marshmallow==2.20.0", "marshmallow-1359": "marshmallow==3.0.0rc8"}
PROMPT = "Fix the issue that is described."


def name_of(path: Path) -> str:
    """The name of the run that a file holds."""
    return path.name.partition(".")[0]


RUNS = [path for path in trajectories() if name_of(path) in SOURCES]
needed = [
    pytest.mark.skipif(not RUNS, reason="there are no recorded runs here"),
    pytest.mark.skipif(sandbox.available() is not None, reason="no sandbox works here"),
    pytest.mark.timeout(900),
]
"""What a test of recorded runs is marked with."""


class Sources:
    """Source distributions, each fetched once into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def unpack(self, run: Path, folder: Path) -> None:
        """Put the code that a run was made on into a folder; the test is skipped where it cannot be fetched."""
        with tarfile.open(self._fetched(SOURCES[name_of(run)])) as tar:
            for member in tar:
                member.name = member.name.partition("/")[2]
                if member.name:
                    tar.extract(member, folder, filter="data")

    def _fetched(self, requirement: str) -> Path:
        archive = self._folder / f"{requirement.replace('==', '-')}.tar.gz"
        if not archive.exists():
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
            done = subprocess.run([*command, requirement], cwd=self._folder, capture_output=True, timeout=300)
            if done.returncode:
                pytest.skip(f"{requirement} cannot be fetched here")
        return archive


def replies(path: Path) -> list[dict[str, Any]]:
    """The run's replies; the last one hands in a patch by a call of its own, which is left out."""
    found = copy.deepcopy(from_trajectory(path))
    last = found[-1]["choices"][0]
    last["message"]["tool_calls"] = None
    last["finish_reason"] = "stop"
    return found
