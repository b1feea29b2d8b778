"""Strings that would act on a terminal, and how to tell from what reached one whether any did."""

from __future__ import annotations

import re
import unicodedata

import pyte

HOSTILE: dict[str, bytes] = {
    "clipboard": b"\x1b]52;c;aGFja2Vk\x07",
    "title": b"\x1b]0;owned\x07",
    "title with st": b"\x1b]2;owned\x1b\\",
    "icon": b"\x1b]1;owned\x07",
    "hyperlink": b"\x1b]8;;http:evil\x1b\\click\x1b]8;;\x1b\\",
    "clear": b"\x1b[2J\x1b[Hclean",
    "blink": b"\x1b[5;41mred",
    "cursor up": b"\x1b[99A\x1b[2Kgone",
    "status report": b"\x1b[6n\x1b[c\x1b[5n",
    "alternate screen": b"\x1b[?1049h",
    "mouse": b"\x1b[?1000h\x1b[?1006h",
    "paste": b"\x1b[201~rm -rf",
    "window": b"\x1b[8;1;1t\x1b[21t",
    "reset": b"\x1bc",
    "charset": b"\x1b(0lqqk",
    "shift out": b"\x0elqqk",
    "dcs": b'\x1bP$q"p\x1b\\',
    "apc": b"\x1b_Ga=T\x1b\\",
    "pm": b"\x1b^pm\x1b\\",
    "sos": b"\x1bXsos\x1b\\",
    "c1 csi": "\x9b5;41mred".encode(),
    "c1 osc": "\x9d0;owned\x9c".encode(),
    "c1 dcs": "\x90$q\x9c".encode(),
    "c1 next line": "a\x85b".encode(),
    "raw c1": b"\x9b5;41mred\x9d0;owned\x9c",
    "enquiry": b"\x05",
    "bell": b"\x07",
    "xoff": b"\x13",
    "newline": b"a\nwukong: all is well",
    "carriage return": b"real\rfake",
    "backspace": b"real\x08\x08\x08\x08fake",
    "vertical": b"a\x0bb\x0cc",
    "tab": b"a\tb",
    "delete": b"a\x7fb",
    "markup": b"[/nope]",
    "markup link": b"[@click=app.quit]x[/]",
    "override": "\u202egnp.exe\u202c".encode(),
    "embedding": "\u202a\u202b\u202d".encode(),
    "isolate": "\u2066\u2067\u2068\u2069".encode(),
    "marks": "\u200e\u200f\u061c".encode(),
    "zero width": "pay\u200bpal\u2060\ufeff".encode(),
    "soft hyphen": "pay\u00adpal".encode(),
    "tags": "a\U000e0041\U000e0042".encode(),
    "line separators": "a\u2028b\u2029c".encode(),
    "annotation": "a\ufff9b\ufffac\ufffb".encode(),
    "surrogate bytes": b"\xed\xa0\x80\xed\xbf\xbf",
    "not utf-8": b"caf\xe9\xff\xfe",
    "overlong": b"\xc0\x9b\xe0\x80\x9b[31m",
    "cut short": b"a\xe2\x80",
    "spaces": b" lead and trail ",
    "dash": b"--yes",
    "option": b"-h\x1b[5m",
    "address": b"x@1\x1b[5m",
    "operation": b"op:1\x1b[5m",
    "time": b"@{now\x1b[5m}",
    "braces": b"{0}%s%n$(id)`id`",
}

FORMAT = {"\u200c", "\u200d"} | {chr(c) for c in (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2)}
"""Format characters that spelling needs, and those that are drawn."""

_OURS = re.compile(r"\x1b\[(?:0|1|2|31|32|36)m|\r\n")
_BAR = re.compile(r"\r?\x1b\[\?25[lh]|\r(?=[A-Z])")


def acting(raw: bytes, *, bar: bool = False) -> set[str]:
    """What of these bytes acts on a terminal and is not our own style or line end.

    ``bar``: a progress bar may also hide the cursor and go back to the start of its line.
    """
    text = _OURS.sub("", raw.decode("utf-8"))
    if bar:
        text = _BAR.sub("", text)
    return {
        char for char in text if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp", "Cf") and char not in FORMAT
    }


class Screen(pyte.Screen):
    """A terminal that remembers what it was made to do beside drawing."""

    def __init__(self, columns: int, lines: int) -> None:
        self.done: list[str] = []
        super().__init__(columns, lines)

    def write_process_input(self, data: str) -> None:
        self.done.append(f"answered {data!r}")

    def set_title(self, param: str) -> None:
        self.done.append(f"title {param!r}")

    def set_icon_name(self, param: str) -> None:
        self.done.append(f"icon {param!r}")

    def bell(self, *_: object) -> None:
        self.done.append("bell")

    def define_charset(self, code: str, mode: str) -> None:
        self.done.append(f"charset {code}{mode}")

    def erase_in_display(self, how: int = 0, *_: object, **__: object) -> None:
        self.done.append(f"erased {how}")

    def set_mode(self, *modes: int, **how: bool) -> None:
        if how.get("private") and modes != (25,):
            self.done.append(f"mode {modes}")
        super().set_mode(*modes, **how)


def drawn(raw: bytes, columns: int = 200) -> Screen:
    """A screen, tall enough for all of it, on which these bytes were drawn."""
    screen = Screen(columns, raw.count(b"\n") + len(raw) // columns + 10)
    screen.done.clear()
    pyte.ByteStream(screen).feed(raw)
    return screen
