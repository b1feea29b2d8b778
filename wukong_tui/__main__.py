"""``python -m wukong_tui`` is ``wukong``."""

from wukong_tui.cli import main

main()
