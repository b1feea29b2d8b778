"""``wukong models``: the models that can be asked from here."""

from __future__ import annotations

import click

from wukong_tui.cli.common import ACCENT, columns, emit, json_option, say
from wukong_tui.cli.place import Place


@click.command()
@json_option
@click.pass_obj
def models(place: Place, as_json: bool) -> None:
    """The models that can be asked from here, and which one would be."""
    from runtime.models.choose import available

    found = available()
    for candidate in found:
        if as_json:
            emit(
                {
                    "model": candidate.name,
                    "why": candidate.why,
                    "window": candidate.window,
                    "usd_per_million": candidate.price,
                    "chosen": candidate.chosen,
                }
            )
        else:
            columns(("* " if candidate.chosen else "  ", ACCENT), f"{candidate.name:40} {candidate.why}", cut=True)
    if not found and not as_json:
        say("No model: set a provider's key in the environment, start a local server, or give --model cassette:FILE.")
