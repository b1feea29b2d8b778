"""What loading each layer costs: nothing heavy is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

INTERFACE = ["textual", "rich"]
MODELS = ["litellm", "openai", "pydantic", "tiktoken", "httpx"]
GIT = ["dulwich"]
LOOP = ["asyncio", "aiosqlite", "ssl", "concurrent.futures"]


def loaded(statement: str, *names: str) -> list[str]:
    """Which of these modules a fresh interpreter has loaded after a statement."""
    script = f"import sys\n{statement}\nprint(*(name for name in {names!r} if name in sys.modules))"
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("import workspace", [*INTERFACE, *MODELS, *GIT, *LOOP]),
        ("import workspace.operations.git_import", [*INTERFACE, *MODELS, *GIT, *LOOP]),
        ("import workspace.operations.aio", [*INTERFACE, *MODELS, *GIT]),
        ("import runtime.protocol", [*INTERFACE, *MODELS, *GIT, *LOOP]),
        ("import wukong_tui", ["workspace", "click", *INTERFACE, *MODELS, *GIT, *LOOP]),
        ("import wukong_tui.cli", [*INTERFACE, *MODELS, *GIT, *LOOP, "subprocess"]),
        ("import wukong_tui.doctor", [*INTERFACE, *MODELS, *GIT]),
    ],
)
def test_importing_loads_nothing_heavy(statement: str, names: list[str]) -> None:
    assert loaded(statement, *names) == []


def test_these_tests_can_fail() -> None:
    assert loaded("import asyncio, dulwich, textual", "asyncio", "dulwich", "textual", "litellm") == [
        "asyncio",
        "dulwich",
        "textual",
    ]


def test_a_command_that_reads_loads_nothing_heavy_either() -> None:
    script = (
        "sys.argv = ['wukong', '--version']\nfrom wukong_tui.cli import main\ntry: main()\nexcept SystemExit: pass"
    )
    assert loaded(script, *INTERFACE, *MODELS, *GIT, *LOOP)[3:] == []
