"""The command line: ``wukong`` and ``wk``. Exit status 0 done, 1 refused or failed, 2 wrong usage."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import click

from workspace.errors import WorkspaceError
from workspace.visible import visible
from wukong_tui.cli.options import given, office_options
from wukong_tui.cli.place import Place, on_a_terminal

MODULES: Mapping[str, str] = {
    **{name: name for name in (
        "blame", "branch", "checkout", "demo", "diff", "doctor", "host", "lessons", "log", "merge", "models",
        "office", "pending", "restore", "revert", "run", "scan", "sessions", "show", "status", "tokens",
        "undo", "verify",
    )},
    "import": "import_git",
    "redo": "undo",
}  # fmt: skip
"""The module of each command: it is loaded when the command is given."""


class Commands(click.Group):
    """The commands, loaded one by one: opening the office loads no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(MODULES)

    def get_command(self, ctx: click.Context | None, cmd_name: str) -> click.Command | None:
        if cmd_name not in MODULES:
            return None
        module = import_module(f".{MODULES[cmd_name]}", __name__)
        found = vars(module).values()
        return next(value for value in found if isinstance(value, click.Command) and value.name == cmd_name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.option("-C", "directory", metavar="DIR", type=click.Path(path_type=Path, readable=False), default=Path(),
              help="Work in DIR instead of here.")  # fmt: skip
@click.option("--store", metavar="DIR", type=click.Path(path_type=Path, readable=False), default=None,
              help="Keep the history in DIR instead of your state directory.")  # fmt: skip
@office_options
@click.version_option(package_name="wukong-tui", prog_name="wukong")
@click.pass_context
def cli(context: click.Context, /, directory: Path, store: Path | None, **office_only: object) -> None:
    """Alone, it opens the office on this terminal; --model, --theme, --yes and --read-only are for that.

    Every edit of every document is kept, whoever made it, and can be taken back.

    Addresses: PATH, PATH@12 (version), PATH@-1 (its parent), PATH@{10m ago},
    @{14:03:22} (all documents at a time), op:12 (after an operation), op:12^ (before it),
    branch:NAME, branch:NAME:PATH. A path starts from where you are.
    """
    context.obj = Place(directory, store)
    named = [name for name in office_only if given(context, name)]
    if context.invoked_subcommand is None:
        if not named and not on_a_terminal():
            raise click.exceptions.NoArgsIsHelpError(context)
        office = cli.get_command(context, "office")
        assert office is not None
        context.invoke(office, **office_only)
    elif named:
        option = f"--{named[0].replace('_', '-')}"
        raise click.UsageError(f"{option} in front of a command is the office's; write it after the command's name.")


def main() -> None:
    """Run the command line; what goes wrong is one sentence on standard error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 gets escapes
    name = Path(sys.argv[0]).name
    try:
        status = cli.main(prog_name="wukong" if name == "__main__.py" else name, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.message, err=True)
        status = 2
    except click.UsageError as error:
        usage = f"{error.ctx.get_usage()}\n" if error.ctx else ""
        click.echo(f"{usage}wukong: {visible(error.format_message())}", err=True)
        status = 2
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        interrupted = isinstance(error.__context__ or error, KeyboardInterrupt)
        click.echo("Stopped.", err=True)
        status = 130 if interrupted else 1
    except click.ClickException as error:
        status = _fail(error.message)
    except WorkspaceError as error:
        status = _fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nobody to tell
        status = 1
    except OSError as error:
        if os.environ.get("WUKONG_DEBUG"):
            raise
        status = _fail(f"{os.fsdecode(error.filename)}: {error.strerror}." if error.filename else f"{error}.")
    except Exception as error:
        if os.environ.get("WUKONG_DEBUG"):
            raise
        status = _fail(f"{type(error).__name__}: {error} (WUKONG_DEBUG=1 shows where.)")
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> int:
    click.echo(f"wukong: {visible(message)}", err=True)
    return 1
