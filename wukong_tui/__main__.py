"""``python -m wukong_tui`` is ``wukong``."""

from wukong_tui import main

main()
