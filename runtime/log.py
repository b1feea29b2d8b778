"""What goes into a host's log: what happened to it, never a prompt, a document's text or a key."""

from __future__ import annotations

import logging
import traceback


def logger(name: str) -> logging.Logger:
    """The log of one part of the host; ``runtime.host.launch`` says where it is written."""
    return logging.getLogger(f"wukong.{name}")


def where(error: BaseException) -> str:
    """The kind of an error and the lines of code it came through: its message may hold a document's text."""
    return f": {type(error).__name__}\n" + "".join(traceback.format_tb(error.__traceback__))
