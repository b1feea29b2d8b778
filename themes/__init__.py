"""Themes as data: names of styles, and what each looks like."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

NAMES = (
    "text", "strong", "dim", "faint", "accent", "heading", "title", "rule", "here", "select", "bar", "live", "time",
    "ok", "warn", "fail", "added", "removed", "added-word", "removed-word", "fresh", "link", "quote", "code",
    "keyword", "string", "number", "comment", "function", "class", "operator",
)  # fmt: skip
"""Every style that the interface draws with; a theme has exactly these."""
SHIPPED = ("dark", "light")


@dataclass(frozen=True, slots=True)
class Theme:
    """A theme: ``styles`` are style definitions by name, as Rich reads them; ``ground`` is the background."""

    name: str
    dark: bool
    ground: str
    styles: Mapping[str, str]


def parse(text: str) -> Theme:
    """A theme from its TOML. Raises ValueError with a sentence that names what is missing or unknown."""
    record = tomllib.loads(text)
    missing = {"name", "dark", "ground", "styles"} - set(record)
    if missing:
        raise ValueError(f"The theme lacks {', '.join(sorted(missing))}.")
    styles = record["styles"]
    if lacking := set(NAMES) - set(styles):
        raise ValueError(f"The theme {record['name']} lacks the styles {', '.join(sorted(lacking))}.")
    if unknown := set(styles) - set(NAMES):
        raise ValueError(f"The theme {record['name']} has unknown styles: {', '.join(sorted(unknown))}.")
    return Theme(record["name"], bool(record["dark"]), record["ground"], styles)


@cache
def load(name: str) -> Theme:
    """The shipped theme of this name. Raises ValueError."""
    if name not in SHIPPED:
        raise ValueError(f"There is no theme {name}; there are {' and '.join(SHIPPED)}.")
    return parse((resources.files(__name__) / f"{name}.toml").read_text("utf-8"))
