"""Providers' keys: from the environment, else from the user's keyring. They are never stored or logged."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

SERVICE = "wukong"
"""The name under which a keyring holds keys: ``keyring set wukong ANTHROPIC_API_KEY``."""


def find(name: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The key called ``name`` and where it comes from; None where there is none."""
    value = environ.get(name, "").strip()
    if value:
        return value, f"{name} is set"
    held = _in_keyring(name)
    return (held, f"{name} is in the keyring") if held else None


def _in_keyring(name: str) -> str | None:
    try:
        keyring = importlib.import_module("keyring")
        held = keyring.get_password(SERVICE, name)
    except Exception:  # noqa: BLE001 - not installed, no backend, locked: then there is no key
        return None
    return str(held).strip() if held else None
