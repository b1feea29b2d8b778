"""Names of models: what a person means, and how a person speaks of one."""

from __future__ import annotations

import os
from pathlib import Path

CASSETTE = "cassette:"


def meant(name: str | None) -> str | None:
    """The model that is meant here, for a host that has another folder and another environment."""
    name = name or os.environ.get("WUKONG_MODEL")
    if name is not None and name.startswith(CASSETTE):
        return CASSETTE + str(Path(name.removeprefix(CASSETTE)).absolute())
    return name


def spoken(name: str) -> str:
    """A model as a person speaks of it: a cassette by its file, without the folders."""
    return f"{Path(name.removeprefix(CASSETTE)).name} (rehearsed)" if name.startswith(CASSETTE) else name
