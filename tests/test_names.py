"""Names: a public class has one owner, so that whoever meets its name knows which one is meant."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("workspace", "runtime", "wukong_tui", "widgets", "themes")


def owners() -> dict[str, list[str]]:
    """Modules by the public classes that they define."""
    found: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(str(path.relative_to(ROOT)))
    return found


def test_no_public_class_has_two_owners() -> None:
    assert {name: modules for name, modules in owners().items() if len(modules) > 1} == {}
