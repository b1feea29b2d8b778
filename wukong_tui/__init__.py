"""The program: command line, application and screens."""

from __future__ import annotations


def main() -> None:
    """Run the command line; an interrupt while it is still being loaded ends it quietly, with status 130."""
    try:
        from wukong_tui.loading import loading

        with loading():
            from wukong_tui.cli import main as run
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    run()
