"""Code as spans: the text is never changed, colours are right, nothing is too long or too odd."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widgets import code
from widgets.code import highlight, lexer_for, lexer_named

PYTHON = ["def area(r: float) -> float:  # of a circle", '    """Its area."""', "    return 3.14 * r", ""]


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a/b/x.py", "python"), ("Makefile", "make"), ("x.tar.gz", None), ("x.h", "c"), ("READme.MD", "markdown"),
        ("Dockerfile", "docker"), ("x.rs", "rust"), ("x.toml", "toml"), ("x.sh", "bash"), ("x.txt", None),
        ("nothing", None), ("", None), ("...", None), ("x.json", "json"), ("dir.py/x", None), ("x.ts", "typescript"),
    ],
)  # fmt: skip
def test_a_language_is_found_by_the_name(path: str, language: str | None) -> None:
    assert lexer_for(path) == language


@pytest.mark.parametrize(
    ("head", "language"),
    [
        ("#!/bin/sh\nx", "sh"), ("#!/usr/bin/env python3\n", "python3"), ("#!/usr/bin/env -S node\n", "javascript"),
        ("#! /usr/bin/perl5.36 -w\n", "perl"), ("#!/opt/none\n", None), ("plain", None), ("#!", None),
    ],
)  # fmt: skip
def test_a_language_is_found_by_the_interpreter(head: str, language: str | None) -> None:
    assert lexer_for("tool", head) == language


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("py", "python"),
        ("Python title=x", "python"),
        ("rs", "rust"),
        ("", None),
        ("klingon", None),
        ("text", None),
        ("yml", "yaml"),
        ("python3", "python3"),
    ],
)
def test_a_language_is_found_by_what_it_is_called(said: str, language: str | None) -> None:
    assert lexer_named(said) == language


def test_words_have_the_style_of_what_they_are() -> None:
    rows = highlight(PYTHON, "python")
    styles = {text.strip(): style for row in rows for text, style in row}
    assert styles["def"] == "keyword"
    assert styles["area"] == "function"
    assert styles["# of a circle"] == "comment"
    assert styles["3.14"] == "number"
    assert styles['"""Its area."""'] == "string"
    assert ["".join(text for text, _ in row) for row in rows] == PYTHON
    assert rows[3] == []


def test_a_string_over_several_lines_is_one_on_each() -> None:
    text = ['x = """', "def no():", '"""', "y = 1"]
    assert highlight(text, "python")[1] == [("def no():", "string")]


@pytest.mark.parametrize("language", ["python", "markdown", "html", "bash", "json", "diff", "make", "no such"])
@settings(max_examples=40, deadline=None)
@given(lines=st.lists(st.text(st.characters(exclude_characters="\n"), max_size=60), max_size=12))
def test_any_lines_come_back_whole(language: str, lines: list[str]) -> None:
    rows = highlight(lines, language)
    assert ["".join(text for text, _ in row) for row in rows] == lines


def test_too_much_is_left_plain_and_still_whole() -> None:
    long = "x = 1;" * 1_000_000
    assert highlight(["a = 1", long, "b = 2"], "python")[1] == [(long, "")]
    assert ("2", "number") in highlight(["a = 1", long, "b = 2"], "python")[2]
    many = ["value = 'text'"] * 100_000
    rows = highlight(many, "python")
    assert len(rows) == len(many)
    assert rows[-1] == [("value = 'text'", "")]
    assert ("'text'", "string") in rows[0]


def test_the_same_lines_are_read_once_and_nobody_can_spoil_them() -> None:
    first = highlight(PYTHON, "python")
    first[0].clear()
    again = highlight(PYTHON, "python")
    assert again[0]
    assert code._remembered.get(("python", tuple(PYTHON))) is not None


def test_pygments_is_loaded_when_code_is_first_shown() -> None:
    ask = "import sys, widgets.code; print('pygments' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "False"
