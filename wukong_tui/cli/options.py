"""The options of the office: of the command, and of the program where it is given no command."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])

_OFFICE = (
    click.option("--model", default=None, metavar="NAME", help="The model to ask; `wukong models` lists them."),
    click.option("--theme", type=click.Choice(["dark", "light"]), default="dark", show_default=True,
                 help="The office's colours."),
    click.option("--yes", "-y", is_flag=True,
                 help="Let agents write and run commands in the sandbox without asking."),
    click.option("--read-only", is_flag=True, help="Let agents look and nothing else."),
)  # fmt: skip


def office_options(function: F) -> F:
    """Gives a command ``model``, ``theme``, ``yes`` and ``read_only``."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OFFICE), function)


def given(context: click.Context, name: str) -> bool:
    """Whether a person gave this parameter."""
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
