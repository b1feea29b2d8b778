"""The demo: a warehouse, a cassette of replies, and what its screen needs to tell the story. No interface here."""

from wukong_tui.demo.estimate import one_by_one
from wukong_tui.demo.place import PROMPT, Demo, again, home, make
from wukong_tui.demo.play import BOTTLES, floor_of, play, result, succeeded
from wukong_tui.demo.scenes import BANNER, SCENES, Scene, scene

__all__ = [
    "BANNER", "BOTTLES", "PROMPT", "SCENES", "Demo", "Scene", "again", "floor_of", "home", "make", "one_by_one",
    "play", "result", "scene", "succeeded",
]  # fmt: skip
