"""The picture of the office in the README: `python -m tests.picture` makes the demo and takes it anew."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "office.svg"
SIZE = (200, 56)
MOMENT = "op:9000"
"""In the middle of the second attempt: aisle after aisle fills, the fire lane stays free."""


async def take(folder: Path) -> str:
    """The screen of the office that looks at a demo which was played to its end, as SVG."""
    from wukong_tui.app import Office
    from wukong_tui.demo import make, play
    from wukong_tui.frames.backend import Backend

    demo = make(folder, paced=False)
    await play(demo)
    app = Office(Path.home() / "warehouse")
    app.backend = Backend(demo.root, demo.store, app.told)
    async with app.run_test(size=SIZE) as pilot:
        await shown(app)
        app.navigation.switch_to("time")
        app.navigation.go_to("floor.txt")
        await shown(app)
        app.navigation.go_to(MOMENT)
        for _ in range(8):
            app.pane("document").move(1)
        app.windows.explain()
        for _ in range(40):
            await shown(app)
            await asyncio.sleep(0.05)
        await pilot.pause()
        return app.export_screenshot(title="wukong")


async def shown(app: object) -> None:
    """Wait for another frame."""
    before = app.frame  # type: ignore[attr-defined]
    app.wake()  # type: ignore[attr-defined]
    while app.frame is before:  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)


def kept(svg: str) -> str:
    """The picture without fonts from elsewhere."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace")
    return svg.replace("<text ", '<text xml:space="preserve" ')


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = str(Path(folder) / "state")
        picture = kept(asyncio.run(take(Path(folder) / "warehouse")))
    PICTURE.write_text(picture, "utf-8")


if __name__ == "__main__":
    main()
