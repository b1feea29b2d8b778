"""Types: what the type checker is not told, it cannot check."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("workspace", "runtime", "wukong_tui", "widgets", "themes")
MOST = 59
"""Uses of ``Any``: JSON at the borders, what litellm gives, and the values of programs. It only ever gets smaller."""


def uses(source: str) -> int:
    """How often a module uses ``Any``, in annotations, aliases or anywhere else."""
    return sum(
        (isinstance(node, ast.Name) and node.id == "Any") or (isinstance(node, ast.Attribute) and node.attr == "Any")
        for node in ast.walk(ast.parse(source))
    )


def test_any_is_rare() -> None:
    found = {
        str(path.relative_to(ROOT)): count
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if (count := uses(path.read_text("utf-8")))
    }
    assert sum(found.values()) <= MOST, sorted(found.items(), key=lambda item: -item[1])


def test_all_kinds_of_use_are_counted() -> None:
    assert uses("from typing import Any") == 0
    assert uses("x: Any\ndef f(a: list[Any], *b: typing.Any) -> dict[str, Any]: ...\nY = Any") == 5
