"""The terminal's side of Textual: keys right after escape, a mouse that reports no motion, a slow line."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable
from functools import partial

from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import XTermParser
from textual.drivers import linux_driver
from textual.message import Message

from widgets.prompt import LIMIT

ESCAPE, BEGIN, END = "\x1b", "\x1b[200~", "\x1b[201~"
"""Escape, and what a terminal puts around a paste."""
CARET = "circumflex_accent"
KEPT = LIMIT
"""Characters of a paste that are kept, and one more, so that it is seen to be too long."""


class KeyParser(XTermParser):
    """Reads escape and a key right after it as these two keys, and a paste as text whatever it holds.

    A terminal sends the same bytes for ``alt+h`` as for escape and then ``h``; here escape
    closes what is open and no letter has a meaning with alt, so that none is ever swallowed.
    A paste is gathered here: Textual reads keys in it, so that pasted text could press enter,
    and takes every character of it apart.
    """

    _before, _held = "", ""
    """What may be the beginning of a paste, and of its end."""
    _pasted: list[str] | None = None
    """The parts of a paste that has begun, and how many characters of it are still kept."""
    _room = 0

    def feed(self, data: str) -> Iterable[Message]:
        """What this input means; of a paste the first KEPT + 1 characters. Raises ParseError after the last input."""
        if not data:
            yield from _escapes(super().feed(data))
            return
        data, self._held = self._held + data, ""
        while data:
            if self._pasted is None:
                at = (self._before + data).find(BEGIN)
                end = len(data) if at < 0 else at + len(BEGIN) - len(self._before)
                self._before = (self._before + data[:end])[-len(BEGIN) + 1 :] if at < 0 else ""
                keys, data = data[:end], data[end:]
                if at >= 0:
                    self._pasted, self._room = [], KEPT + 1
                yield from _escapes(super().feed(keys))
                continue
            at = data.find(END)
            end = at if at >= 0 else len(data) - _partial(data)
            self._pasted.append(data[: min(end, self._room)])
            self._room -= len(self._pasted[-1])
            if at < 0:
                self._held = data[end:]
                return
            # To Textual, which has seen the beginning, it is an empty paste: it goes on with keys.
            list(super().feed(END))
            yield events.Paste("".join(self._pasted).replace("\x00", ""))
            self._pasted, data = None, data[at + len(END) :]

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        if alt and sequence == "\r":
            yield events.Key("alt+enter", None)
            return
        if len(sequence) == 2 and sequence in ANSI_SEQUENCES_KEYS and sequence[1].isprintable():
            alt, sequence = True, sequence[1]  # a pair that Textual takes for a motion by words
        if alt:
            yield events.Key("escape", ESCAPE)
        for event in super()._sequence_to_key_events(sequence):
            yield _Caret(event.key, event.character) if event.key == CARET else event


class _Caret(events.Key):
    """A caret that was typed: of an escape that another one follows Textual makes a caret, too."""


def _escapes(messages: Iterable[Message]) -> Iterable[Message]:
    """Messages with the escapes that Textual has made a caret of."""
    for message in messages:
        if isinstance(message, events.Key) and message.key == CARET:
            yield events.Key(CARET, "^") if isinstance(message, _Caret) else events.Key("escape", ESCAPE)
        else:
            yield message


def _partial(data: str) -> int:
    """How many characters at the end may be the beginning of the end of a paste."""
    return next((n for n in range(min(len(END) - 1, len(data)), 0, -1) if END.startswith(data[-n:])), 0)


def lenient(_: str) -> Callable[[], codecs.IncrementalDecoder]:
    """A decoder of UTF-8 that reads any other byte as ``\ufffd``: nothing typed or pasted ends the program."""
    return partial(codecs.getincrementaldecoder("utf-8"), "replace")


class Driver(linux_driver.LinuxDriver):
    """A terminal whose mouse reports clicks, drags and the wheel, and not every motion."""

    def _enable_mouse_support(self) -> None:
        if self._mouse:
            self.write("\x1b[?1000h\x1b[?1002h\x1b[?1006h")
            self.flush()

    def _disable_mouse_support(self) -> None:
        if self._mouse:
            self.write("\x1b[?1006l\x1b[?1002l\x1b[?1000l")
            self.flush()

    def run_input_thread(self) -> None:
        linux_driver.XTermParser = KeyParser  # type: ignore[attr-defined]  # it has no other place for one
        linux_driver.getincrementaldecoder = lenient  # type: ignore[attr-defined,assignment]  # nor for this
        super().run_input_thread()


def backlog(driver: object) -> int:
    """Writes that wait for the terminal to take them: more than a few mean a slow line."""
    thread = getattr(driver, "_writer_thread", None)
    return thread._queue.qsize() if thread is not None else 0
