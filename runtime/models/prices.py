"""What models cost and how much they can read: litellm's bundled table, read without importing litellm."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from workspace import Usage

WINDOW = 128_000
"""Tokens of context assumed of a model that the table does not know."""

_ABOVE = re.compile(r"(\w+)_above_(\d+)k_tokens")


@cache
def litellm_folder() -> Path | None:
    """Where litellm is installed; None where it is not."""
    spec = importlib.util.find_spec("litellm")
    places = spec.submodule_search_locations if spec is not None else None
    return Path(places[0]) if places else None


@cache
def _table() -> Mapping[str, Mapping[str, object]]:
    folder = litellm_folder()
    try:
        text = (folder / "model_prices_and_context_window_backup.json").read_bytes() if folder else b"{}"
    except OSError:
        return {}
    table: dict[str, Mapping[str, object]] = json.loads(text)
    return table


def names() -> tuple[str, ...]:
    """All chat models of the table."""
    return tuple(name for name, entry in _table().items() if entry.get("mode") in ("chat", "responses"))


def entry(name: str) -> Mapping[str, object] | None:
    """The table's entry for ``provider/model`` or ``model``; None where there is none.

    A model that is listed without its provider counts only if that provider is its own:
    what another server charges under the same name is not known.
    """
    found = _table().get(name)
    if found is None and "/" in name:
        provider, _, model = name.partition("/")
        found = _table().get(model)
        if found is not None and found.get("litellm_provider") != provider:
            return None
    return found


def window(name: str) -> int:
    """Tokens of context of a model; WINDOW where the table does not know."""
    known = (entry(name) or {}).get("max_input_tokens")
    return int(known) if isinstance(known, int | float) and known > 0 else WINDOW


def per_million(name: str) -> tuple[float, float] | None:
    """USD per million tokens in and out, for a short request; None where the price is not known."""
    rates = _rates(entry(name) or {}, 1)
    return None if rates is None else (round(rates["input"] * 1e6, 6), round(rates["output"] * 1e6, 6))


def cost(name: str, usage: Usage, written: int = 0) -> int | None:
    """What usage costs in 1e-9 USD; None where the price or the usage is not known.

    ``written`` counts input tokens that were put into the provider's cache, at its price for
    that. Cached tokens that nobody reported are charged in full: the most it can be.
    """
    if usage.input is None or usage.output is None:
        return None
    rates = _rates(entry(name) or {}, usage.input)
    if rates is None:
        return None
    cached, thought = usage.cached or 0, usage.reasoning or 0
    plain = max(usage.input - cached - written, 0)
    said = max(usage.output - thought, 0)
    dollars = (
        plain * rates["input"]
        + cached * rates["cached"]
        + written * rates["written"]
        + said * rates["output"]
        + thought * rates["reasoning"]
    )
    return round(dollars * 1e9)


def _rates(entry: Mapping[str, Any], asked: int) -> dict[str, float] | None:
    """USD per token for a request of ``asked`` input tokens: a long one costs more, all of it."""
    tier = _tier(entry.get("tiered_pricing"), asked)
    listed: dict[str, Any] = dict(tier if tier is not None else entry)
    if tier is None:
        long = [(int(m[2]) * 1000, m[1], value) for key, value in entry.items() if (m := _ABOVE.fullmatch(key))]
        rising = sorted(long, key=lambda row: row[0])
        listed |= {key: value for threshold, key, value in rising if asked > threshold and value is not None}
    given, taken = listed.get("input_cost_per_token"), listed.get("output_cost_per_token")
    if given is None or taken is None:
        return None
    cached, written = listed.get("cache_read_input_token_cost"), listed.get("cache_creation_input_token_cost")
    thought = listed.get("output_cost_per_reasoning_token")
    return {
        "input": float(given),
        "output": float(taken),
        "cached": float(given if cached is None else cached),
        "written": float(given if written is None else written),
        "reasoning": float(taken if thought is None else thought),
    }


def _tier(tiers: object, asked: int) -> Mapping[str, Any] | None:
    if not isinstance(tiers, list) or not tiers:
        return None
    ordered = sorted(tiers, key=lambda tier: tier.get("range", [0, 0])[0])
    fitting = [tier for tier in ordered if tier.get("range", [0, 0])[0] < asked]
    chosen: Mapping[str, object] = fitting[-1] if fitting else ordered[0]
    return chosen
