"""The folder that a demo works in: made fresh, named by a number, found again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from runtime.protocol import Open
from workspace import Act, History, NotFound, Workspace, WorkspaceError
from workspace.kinds import Kind
from workspace.store.location import FILE, store_of
from wukong_tui.demo import floor

PROMPT = "Book 10,000 bottles in"
"""What is asked of the agent; the screen types it by itself."""
CASSETTE = "cassette.toml"
MANIFEST = "aisle,bays,bottles\n"
_HERE = Path(__file__).parent
_NAME = re.compile(r"wukong-demo-(\d+)")


@dataclass(frozen=True, slots=True)
class Demo:
    """A warehouse to book bottles into: its folder, its history, and the cassette that is played there."""

    root: Path
    store: Path
    prompt: str = PROMPT

    @property
    def cassette(self) -> Path:
        """The demo's own copy of the replies: it goes on when the program has been installed anew."""
        return self.store / CASSETTE

    def opening(self) -> Open:
        """The command that begins the conversation of the demo."""
        return Open(model=f"cassette:{self.cassette}", mode="auto")

    def session(self, history: History) -> str | None:
        """The conversation of the demo, once there is one."""
        begun = history.store.journal.of_kind(Kind.SESSION)
        return history.operation(begun[0]).session if begun else None


def home() -> Path:
    """Where demos are made unless somebody says otherwise: the user's state directory, in nobody's way."""
    return Path(platformdirs.user_state_path("wukong")) / "demos"


def make(parent: Path | None = None, *, store: Path | None = None, paced: bool = True) -> Demo:
    """Make a fresh folder ``wukong-demo-N`` in ``parent``, by default ``home()``, and the first entry of its history.

    Without ``paced`` replies come at once. Raises WorkspaceError.
    """
    parent = parent or home()
    if store is not None and (store / FILE).exists():
        raise WorkspaceError(f"{store} holds a history already; the demo needs one of its own.")
    try:
        root = _fresh(parent)
        (root / "floor.txt").write_text(floor.empty(), "utf-8")
        (root / "rules.md").write_bytes((_HERE / "rules.md").read_bytes())
        (root / "manifest.csv").write_text(MANIFEST, "utf-8")
    except OSError as error:
        raise WorkspaceError(f"The demo cannot be put into {parent}: {error.strerror}.") from error
    with Workspace.open(root, store=store) as work:
        work.scan(Act(kind=Kind.SCAN, name="an empty warehouse"))
        demo = Demo(root, work.folder)
    text = (_HERE / CASSETTE).read_text("utf-8")
    if not paced:
        text = re.sub(r"^pace = .*\n", "", text, flags=re.MULTILINE)
    demo.cassette.write_text(text, "utf-8")
    return demo


def again(parent: Path | None = None, *, store: Path | None = None) -> Demo:
    """The newest demo in ``parent``, or ``parent`` itself if it is one. Raises NotFound."""
    parent = parent or home()
    found = [parent] if _NAME.fullmatch(parent.name) else []
    if parent.is_dir():
        named = [(int(match[1]), path) for path in parent.iterdir() if (match := _NAME.fullmatch(path.name))]
        found += [path for _, path in sorted(named, reverse=True)]
    for root in found:
        try:
            folder = store or store_of(root.resolve())
        except NotFound:
            continue
        if folder is not None and (folder / CASSETTE).is_file():
            return Demo(root.resolve(), folder.resolve())
    raise NotFound(f"There is no demo in {parent}; `wukong demo` makes one.")


def _fresh(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    number = max((int(match[1]) for path in parent.iterdir() if (match := _NAME.fullmatch(path.name))), default=0)
    while True:
        number += 1
        root = parent.resolve() / f"wukong-demo-{number}"
        try:
            root.mkdir()
            return root
        except FileExistsError:
            continue
