"""The one sanitizer: text from anywhere as something a terminal only draws.

Control bytes become visible, so that no content, name or message is ever terminal code.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def visible(text: str | bytes, *, lines: bool = False, tab: str | None = None) -> str:
    """``text`` with every control, direction override and lone surrogate drawn visibly.

    C0 bytes become control pictures (``␛``), others an escape (``\\x9b``, ``\\u202e``).
    ``lines`` keeps line feeds; ``tab`` replaces tabs, which otherwise become ``␉``.
    Bytes are read as UTF-8; what is not is shown as ``\\xff``.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if tab is not None:
        text = text.replace("\t", tab)
    if text.isascii() and text.isprintable():
        return text
    if lines:
        return "\n".join(_UNSAFE.sub(_draw, line) for line in text.split("\n"))
    return _UNSAFE.sub(_draw, text)


def _draw(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
