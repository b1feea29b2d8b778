"""Deterministic histories that look like the work on a program: functions, small edits, a changelog.

The same seed gives the same bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

STEMS = (
    "account batch buffer button cache cell channel client column config content cursor daemon default delta device "
    "document driver edge element entry error event field filter format frame graph group handler header index input "
    "item journal kernel label layer layout limit line link list loader lock marker message method model module name "
    "node number object offset option order output owner packet page panel parent parser path pattern payload pixel "
    "place point policy pool port prefix process profile query queue range reader record region render report request "
    "result return rule sample scheme scope screen search section segment server session shape signal size slice "
    "socket source stack state status step store stream string style suffix symbol table target task template thread "
    "time timer title token trace tree update user value vector version view widget window worker writer zone"
).split()
VERBS = (
    "add apply build check clear close collect compare compute copy count create decode delete draw drop encode ensure "
    "expand find flush format get handle insert join keep load make match merge move normalize open parse pop push put "
    "read reduce refresh remove render replace reset resolve restore save scan select send set sort split start stop "
    "store sync take test trim update validate visit wait walk wrap write"
).split()
ENGLISH = (
    "the a of to and in is that for it as with on be by this are from or an not which when if one all what where "
    "before after until unless because only each every other same new old first last next empty valid known missing"
).split()
ENDINGS = ("", "s", "_id", "_size", "_name", "_count", "_at", "_map", "2", "_list")


@dataclass
class Commit:
    """Files as they are afterwards (None: deleted), and renames as old to new path."""

    message: str
    time: int
    files: dict[str, bytes | None] = field(default_factory=dict)
    renames: dict[str, str] = field(default_factory=dict)


class Author:
    """Writes and edits source text, one random choice after the other."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def name(self) -> str:
        pick = self.random.random
        stem = STEMS[int(len(STEMS) * pick() ** 2)]  # some words are on everyone's lips
        return stem + (ENDINGS[int(len(ENDINGS) * pick())] if pick() < 0.4 else "")

    def call(self) -> str:
        return f"{self.random.choice(VERBS)}_{self.name()}"

    def sentence(self) -> str:
        choice, pick = self.random.choice, self.random.random
        words = [choice(ENGLISH) if pick() < 0.55 else self.name() for _ in range(self.random.randrange(5, 13))]
        return " ".join(words).capitalize()

    def statement(self) -> str:
        a, b, c, number = self.name(), self.name(), self.call(), self.random.randrange(200)
        forms = (
            f"{a} = self.{c}({b})",
            f"{a} = {c}({b}, {number})",
            f'if {a} is None:\n            raise ValueError(f"{self.sentence()}: {{{b}}}")',
            f"for {a} in {b}.{c}():\n            self.{b}.append({a})",
            f"self._{a} = {b}",
            f"return self.{c}({a}, {b}={b})",
            f"assert {a}.{b} == {number}",
            f"# {self.sentence()}.",
            f"with self._{a}.{c}() as {b}:\n            {b}.{self.call()}({number})",
        )
        return "        " + self.random.choice(forms)

    def function(self) -> list[bytes]:
        head = f"    def {self.call()}(self, {self.name()}: {self.random.choice(('int', 'str', 'bytes', 'float'))}):"
        body = [self.statement() for _ in range(self.random.randrange(2, 14))]
        text = "\n".join((head, f'        """{self.sentence()}."""', *body, ""))
        return [line.encode() + b"\n" for line in text.split("\n")]

    def program(self, lines: int) -> list[bytes]:
        out = [f"import {self.name()}\n".encode() for _ in range(self.random.randrange(2, 9))]
        while len(out) < lines:
            if self.random.random() < 0.2:
                out += [b"\n", f"class {self.name().title()}{self.name().title()}:\n".encode()]
            out += self.function()
        return out[:lines]

    def edit(self, text: Sequence[bytes]) -> list[bytes]:
        """One edit as people and agents make them: mostly small, in one place."""
        random, out = self.random, list(text)
        kind, at = random.random(), random.randrange(len(out) + 1)
        if kind < 0.45 or len(out) < 8:
            out[at : at + 1] = [self.statement().encode() + b"\n"]
        elif kind < 0.65:
            out[at : at + random.randrange(1, 5)] = [
                self.statement().encode() + b"\n" for _ in range(random.randrange(1, 8))
            ]
        elif kind < 0.82:
            out[at:at] = self.function()
        elif kind < 0.93:
            del out[at : at + random.randrange(1, 9)]
        elif kind < 0.97:
            old, new = self.name().encode(), self.name().encode()
            out = [line.replace(old, new) for line in out]
        else:
            size = random.randrange(3, 30)  # a block moves
            block = out[at : at + size]
            del out[at : at + size]
            to = random.randrange(len(out) + 1)
            out[to:to] = block
        return out

    def length(self) -> int:
        """Lines of a source file: many short ones, a few very long."""
        return min(int(self.random.lognormvariate(4.6, 0.9)) + 5, 4_000)


def history(seed: int, versions: int, *, start: int = 1_700_000_000) -> Iterator[Commit]:
    """Commits until about ``versions`` states of documents were made, growing a program from nothing.

    A few files get most edits; now and then one is renamed or deleted; a changelog grows at its head.
    """
    author, random = Author(seed), Random(seed + 1)
    files: dict[str, list[bytes]] = {"CHANGELOG.md": [b"# Changelog\n"]}
    hot: list[str] = []
    made = number = 0

    def fresh() -> str:
        while True:
            path = f"src/{STEMS[int(random.random() * 20)]}/{author.name()}_{author.name()}.py"
            if path not in files:
                return path

    while made < versions:
        number += 1
        commit = Commit(author.sentence(), start + number * 600)
        for _ in range(min(int(random.expovariate(0.5)) + 1, 40)):
            chance = random.random()
            if not hot or chance < 0.06:
                path = fresh()
                files[path] = author.program(author.length())
                hot.append(path)
            elif chance < 0.065 and len(hot) > 10:
                path = hot.pop(random.randrange(len(hot)))
                if path in commit.files:
                    hot.append(path)
                    continue
                del files[path]
                commit.files[path] = None
                continue
            elif chance < 0.075:
                place = random.randrange(len(hot))
                old, path = hot[place], fresh()
                if old in commit.files:
                    continue
                files[path] = author.edit(files.pop(old))
                hot[place] = path
                commit.renames[old] = path
            else:
                path = hot[int(len(hot) * random.random() ** 3)]
                files[path] = author.edit(files[path]) or [b"\n"]
            commit.files[path] = b"".join(files[path])
        if random.random() < 0.3:
            log = files["CHANGELOG.md"]
            log[1:1] = [b"\n", f"- {author.sentence()} (#{number})\n".encode()]
            commit.files["CHANGELOG.md"] = b"".join(log)
        made += len(commit.files)
        yield commit


def fast_import(commits: Iterable[Commit]) -> Iterator[bytes]:
    """The commits as a stream for ``git fast-import``."""
    for commit in commits:
        message = commit.message.encode()
        yield b"commit refs/heads/main\ncommitter bench <bench@example.invalid> %d +0000\n" % commit.time
        yield b"data %d\n%s\n" % (len(message), message)
        for old, new in commit.renames.items():
            yield f"R {old} {new}\n".encode()
        for path, data in commit.files.items():
            if data is None:
                yield f"D {path}\n".encode()
            else:
                yield f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n"
    yield b"done\n"
