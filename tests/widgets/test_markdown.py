"""Markdown as rows: what grows looks like what is whole, no text is lost, only the end is read again."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from widgets import markdown
from widgets.markdown import Markdown
from widgets.rows import FlowRow, flow, lit

TEXT = """\
# Report on *lanes*

Here is what was done, with `code` and [a link](https://example.org/x) and **bold words** that go on:
- a first item that is long enough to be broken in a narrow pane, surely
  - a nested one
- a second

1. one

2. two with

   a paragraph of its own
10. ten

| name | lines | note |
|:-----|------:|------|
| a.txt | 12 | short |
| verylongname.txt | 1,204 | a rather long cell that has to be broken somewhere |

```python
def f(x: int) -> str:
    return "a string that is quite long, longer than the pane is, indeed" + str(x)

# end
```

> quoted
> more

---
The last paragraph, ~~gone~~ <b>no tag</b> ![pic](p.png) &amp; *odd
"""
MARKS = st.sampled_from(
    ["# ", "- ", "1. ", "```", "```py", "~~~", "> ", "| a | b |", "|---|--:|", "---", "===", "**", "`", "[x](y)",
     "  ", "    ", "\t", "\n", "\n\n", "word ", "\x1b[31m", "漢字", "\u202e", "é", "<b>", "\\", "&lt;", "![", "]("]
)  # fmt: skip


def drawn(rows: list[FlowRow], width: int) -> list[str]:
    return ["".join(text for text, _ in row.line(width)).rstrip() for row in rows]


def shown(source: str, width: int = 58) -> list[str]:
    return drawn(Markdown(source).rows(width), width)


def test_blocks_look_like_what_they_are() -> None:
    rows = shown(TEXT)
    assert rows[0] == "Report on lanes"
    assert "• a first item that is long enough to be broken in a" in rows
    assert "  · a nested one" in rows
    assert "10. ten" in rows
    assert any(row.startswith("a.txt            │    12 │ short") for row in rows)
    assert " def f(x: int) -> str:" in rows
    assert "│ quoted more" in rows
    assert " ".join(rows[-2:]) == "The last paragraph, ~~gone~~ <b>no tag</b> [image: pic] &amp; *odd"


def test_styles_are_those_of_the_words() -> None:
    spans = {text.strip(): names for row in Markdown(TEXT).rows(160) for text, names in row.line(160)}
    assert spans["bold words"] == "strong"
    assert spans["code"] == "code"
    assert spans["a link"] == "link"
    assert spans["def"] == "code keyword"
    assert spans["# end"] == "code comment"


@pytest.mark.parametrize("width", [20, 40, 58, 90])
@pytest.mark.parametrize("seed", range(12))
def test_text_that_came_in_pieces_ends_as_if_it_had_come_at_once(width: int, seed: int) -> None:
    dice, growing, at = random.Random(seed), Markdown("", done=False), 0
    while at < len(TEXT):
        at += dice.randint(1, 12)
        growing.update(TEXT[:at])
        growing.rows(width)
    growing.update(TEXT, done=True)
    assert drawn(growing.rows(width), width) == shown(TEXT, width)
    assert growing.text() == Markdown(TEXT).text()


@settings(max_examples=150, deadline=None)
@given(parts=st.lists(MARKS | st.text(max_size=8), max_size=30), cuts=st.lists(st.integers(0, 200), max_size=6))
def test_any_text_can_come_in_any_pieces(parts: list[str], cuts: list[int]) -> None:
    source = "".join(parts)
    growing = Markdown("", done=False)
    for cut in sorted(cuts):
        growing.update(source[:cut])
        assert all(cell_len(row) <= 30 for row in drawn(growing.rows(30), 30))
    growing.update(source, done=True)
    assert drawn(growing.rows(30), 30) == shown(source, 30)


@settings(max_examples=150, deadline=None)
@given(parts=st.lists(MARKS | st.text(max_size=8), max_size=30))
def test_rows_are_the_characters_that_they_say(parts: list[str]) -> None:
    blocks = Markdown("".join(parts))
    text = blocks.text()
    for row in blocks.rows(24):
        if row.exact and row.size:
            assert "".join(part for part, _ in row.spans) == text[row.start : row.start + row.size]
        assert row.start + row.size <= len(text)


def test_a_carriage_return_is_no_line() -> None:
    assert shown("\r\r# ", 24) == shown("␍␍# ", 24)
    assert Markdown("a\r\nb").source == "a\r\nb"


@settings(max_examples=100, deadline=None)
@given(words=st.lists(st.from_regex(r"[a-z漢]{1,12}", fullmatch=True), min_size=1, max_size=40))
def test_no_word_is_lost(words: list[str]) -> None:
    said = " ".join(words)
    assert "".join(shown(said, 17)).replace(" ", "") == said.replace(" ", "")


def test_only_the_last_block_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real = markdown.read_blocks

    def counting(text: str, base: int) -> list[markdown.Block]:
        read.append(len(text))
        return real(text, base)

    monkeypatch.setattr(markdown, "read_blocks", counting)
    source = "A paragraph of some words.\n\n" * 400
    growing = Markdown("", done=False)
    for at in range(0, len(source), 16):
        growing.update(source[:at])
    assert max(read[-100:]) < 120


def test_rows_that_are_done_stay_the_same_objects() -> None:
    growing = Markdown("", done=False)
    growing.update("one\n\n```py\na = 1\nb = 2\nc")
    before = growing.rows(40)
    growing.update("one\n\n```py\na = 1\nb = 2\nc = 3\nd")
    after = growing.rows(40)
    assert all(a is b for a, b in zip(before[2:4], after[2:], strict=False))


def test_a_mark_that_is_not_finished_is_not_shown() -> None:
    growing = Markdown("", done=False)
    for source in ("Words\n-", "Words\n--", "Words\n```", "Words\n1."):
        growing.update(source)
        assert drawn(growing.rows(40), 40) == ["Words"]


def test_what_is_nested_too_deep_is_shown_as_written() -> None:
    assert "".join(shown(">" * 100 + " deep", 200)) == ">" * 100 + " deep"


@pytest.mark.parametrize(
    "source",
    ["[" * 20_000, "*a " * 10_000, "`" * 20_000, "![" * 10_000, ">" * 20_000, "- a\n" * 3_000, "漢" * 20_000,
     "| a | b |\n|---|---|\n" + "| x | y |\n" * 1_000, "```\n" + "x" * 40_000],
)  # fmt: skip
def test_hostile_text_does_not_stop_the_pane(source: str) -> None:
    start = time.process_time()
    assert Markdown(source).rows(58)
    assert time.process_time() - start < 20  # seconds: that it ends at all, not how fast


def test_a_table_too_narrow_for_its_columns_is_a_list() -> None:
    source = "| " + " | ".join("abcdef") + " |\n" + "|---" * 6 + "|\n| " + " | ".join(["longer words"] * 6) + " |"
    rows = shown(source, 24)
    assert rows[0] == "· a: longer words"
    assert rows[5] == "  f: longer words"


def test_characters_and_cells_are_found_from_each_other() -> None:
    row = FlowRow((("• ", "accent"),), (("漢字 ab", ""),), start=10, size=5)
    assert [row.at(cell) for cell in (0, 2, 3, 4, 6, 7, 90)] == [10, 10, 10, 11, 12, 13, 15]
    assert row.between(11, 13) == (4, 7)
    assert row.between(20, 30) is None
    assert lit([("• ", "accent"), ("漢字 ab", "")], 4, 7, "select") == [
        ("• ", "accent"), ("漢", ""), ("字 ", "select"), ("ab", ""),
    ]  # fmt: skip


def test_wide_characters_never_stand_across_the_edge() -> None:
    for width in (1, 2, 3, 7):
        rows = flow([("漢字漢字 and words", "")], width)
        limit = max(2, width)
        assert all(sum(cell_len(text) for text, _ in spans) <= limit for spans, _, _ in rows)
