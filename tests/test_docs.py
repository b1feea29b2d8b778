"""The documents say what is so: examples run, and what they point at exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def page(name: str) -> str:
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"there is no {name}")
    return path.read_text()


def test_the_readme_can_be_followed_from_the_start(tmp_path: Path) -> None:
    """Every ``console`` block, in order, in one shell that starts in an empty folder and stops at an error."""
    blocks = re.findall(r"^```console\n(.*?)^```$", page("README.md"), re.MULTILINE | re.DOTALL)
    assert blocks
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("wukong", "wk"):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m wukong_tui "$@"\n')
        (tools / name).chmod(0o755)
    folder = tmp_path / "empty"
    folder.mkdir()
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", "\n".join(blocks)],
        cwd=folder,
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_the_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", page("README.md"), re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "poem").mkdir()
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "README.md"])
def test_every_file_that_is_named_exists(name: str) -> None:
    text = page(name)
    named = set(re.findall(r"`([\w./-]+/[\w./-]*|[\w-]+\.(?:py|md|toml|txt))`", text))
    named = {path for path in named if path.split("/")[0] in os.listdir(ROOT)}
    assert named or name == "README.md"
    missing = sorted(path for path in named if not (ROOT / path).exists())
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_inside_the_project_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_say_nothing_of_the_machine_they_were_written_on(path: Path) -> None:
    assert not re.search(r"/(?:root|home/\w+)/|/tmp/\w", path.read_text())


def test_the_readme_names_every_command() -> None:
    from wukong_tui.cli import MODULES

    text = page("README.md")
    for name in MODULES:
        assert f"`wukong {name}" in text, f"README.md does not name wukong {name}"


def test_the_page_of_keys_is_the_table_of_actions() -> None:
    from wukong_tui.actions.table import page as keys

    assert page("docs/keys.md") == keys(), "`python -m wukong_tui.actions.table > docs/keys.md` brings it up to date"


def capability_rows() -> list[str]:
    """The table of docs/cassettes.md: each capability, and below it its arguments."""
    from runtime.tools.declared import declared

    rows = []
    for capability in declared():
        rows.append((f"`{capability.name}`", "", capability.summary))
        for name, kind in capability.parameters.items():
            options = " or ".join(f"`{option}`" for option in kind.get("enum", ()))
            type_ = kind["type"] if name in capability.required else f"{kind['type']}, may be left out"
            meaning = ": ".join(filter(None, (kind.get("description"), options)))
            rows.append((f"`{capability.name}` `{name}`", type_, meaning))
    return ["|" + "|".join(f" {cell} ".replace("|", "\\|").replace("  ", " ") for cell in row) + "|" for row in rows]


def test_the_page_of_cassettes_lists_every_capability_and_its_arguments() -> None:
    text = page("docs/cassettes.md").partition("\n## What a turn can call\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| .*", text, re.MULTILINE)[2:] == capability_rows()
