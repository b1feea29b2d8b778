"""Choosing one of many: actions, sessions, documents, models, themes."""

from __future__ import annotations

from widgets.choices import Item
from widgets.picker import PickerScreen

__all__ = ["Item", "PickerScreen"]
