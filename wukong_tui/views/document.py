"""The Document pane's page: the version that a branch shows at the cursor, and what that version changed."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from runtime.labels import short_label, short_name
from widgets.code import lexer_for
from widgets.diffing import Layout, changes
from widgets.document import DocumentNeed, DocumentPage, DocumentRow, text_width
from workspace import History, Operation, Version, WorkspaceError
from workspace.amounts import age, plural, time_of_day
from workspace.entries import dated
from workspace.store.lines import Hunk, is_binary
from wukong_tui.views import Look
from wukong_tui.views.blame import BlameView
from wukong_tui.views.doclines import Body, Side
from wukong_tui.views.linemap import LineMap

MAPS = 6
"""Contents whose lines are remembered."""
CHANGES = 64
"""Versions whose changes are remembered, up to CHANGED hunks altogether."""
CHANGED = 100_000
OPERATIONS = 2_000
SHOWN_OF_LINK = 4_000


@dataclass(slots=True)
class _Change:
    """What one version changed; ``layouts`` are its diffs, unified and side by side, once asked for."""

    hunks: list[Hunk]
    layouts: dict[bool, Layout]


class DocumentView:
    """Makes pages of documents; its caches are bounded, its cost follows the window and the content's bytes."""

    def __init__(self, blame: BlameView | None = None) -> None:
        self.pending = False
        """Whether it is not known yet who made lines of the page that was loaded last: load it again."""
        self._blame = blame or BlameView()
        self._maps: OrderedDict[int | None, LineMap] = OrderedDict()
        self._changes: OrderedDict[tuple[int | None, int | None], _Change] = OrderedDict()
        self._operations: dict[int, Operation] = {}
        self._body = Body()

    def load(self, history: History, look: Look, need: DocumentNeed) -> DocumentPage:
        """The page of ``look.document`` at ``look.cursor``; what cannot be read is a sentence on it."""
        self.pending = False
        page = self._page(history, look, need)
        return self._blamed(history, look, page) if need.blame and page.rows else page

    def _blamed(self, history: History, look: Look, page: DocumentPage) -> DocumentPage:
        """The page with who made each of its lines, as far as that is known already."""
        version = history.store.versions.at(look.document or 0, look.branch, look.cursor)
        lines = [line for line in page.numbers if line is not None]
        if version is None or not lines:
            return page
        first = min(lines)
        made = self._blame.load(history, look, version, first, max(lines) + 1 - first)
        self.pending = self._blame.pending
        column = tuple("" if n is None or n - first >= len(made) else made[n - first] for n in page.numbers)
        return replace(page, blame=column)

    def _page(self, history: History, look: Look, need: DocumentNeed) -> DocumentPage:
        if look.document is None:
            return DocumentPage(need, sentence="No documents yet. Whatever is written appears here.")
        page = DocumentPage(need)
        try:
            versions = history.store.versions
            version = versions.at(look.document, look.branch, look.cursor)
            newest = versions.history(look.document, limit=1)
            if version is None:
                return self._absent(history, look, page)
            page = self._told(history, look, replace(page, newest=newest[0].number if newest else 0), version)
            return self._shown(history, version, page)
        except WorkspaceError as error:
            return replace(page, sentence=str(error))

    # -- what is told about the version

    def _absent(self, history: History, look: Look, page: DocumentPage) -> DocumentPage:
        first = history.store.versions.history(look.document or 0, limit=1, newest_first=False)
        if not first:
            return replace(page, sentence="No such document.")
        begin = first[0]
        where = "Not there yet" if begin.entry > look.cursor else "Not on this branch"
        return replace(page, path=begin.path, sentence=f"{where}: it starts at op {begin.operation:,}.")

    def _told(self, history: History, look: Look, page: DocumentPage, version: Version) -> DocumentPage:
        page = replace(page, path=version.path, number=version.number, change=version.change)
        page = replace(page, shown=(version.document, version.number, page.need.mode))
        try:
            operation = self._operation(history, version.operation)
            made = operation.started
            if version.entry != version.operation and dated(operation) is None:
                made = history.store.journal.entry(version.entry).time
            cause = self._cause(history, version, operation)
        except WorkspaceError:
            return page  # the content may be sound all the same
        return replace(page, when=time_of_day(made), age=_ago(look.now - made), cause=cause)

    def _cause(self, history: History, version: Version, operation: Operation) -> str:
        parts = [f"op {operation.id:,} {short_label(operation)}"]
        if version.added is not None and version.removed is not None:
            parts[0] += f" +{version.added:,} −{version.removed:,}"
        if who := short_name(operation.actor):
            parts.append(who)
        if operation.parent is not None:
            parts.append(short_label(self._operation(history, operation.parent)))
        return " · ".join(parts)

    def _operation(self, history: History, id_: int) -> Operation:
        if (known := self._operations.get(id_)) is not None:
            return known
        operation = history.operation(id_)
        if operation.outcome is not None:  # what still runs will say more later
            if len(self._operations) >= OPERATIONS:
                self._operations.clear()
            self._operations[id_] = operation
        return operation

    # -- what is shown of it

    def _shown(self, history: History, version: Version, page: DocumentPage) -> DocumentPage:
        need = page.need
        parent = None
        if version.parent is not None:
            parent = history.store.versions.get(version.document, version.parent)
        if need.mode == "content":
            if sentence := self._instead(history, version):
                return replace(page, sentence=sentence)
            new = self._map(history, version)
            try:
                old = self._map(history, parent)
                change = self._change(parent, version, old, new)
            except WorkspaceError:  # what was before is lost: what is now can still be shown
                old, change = LineMap(b""), _Change([], {})
            return self._content(page, version, change, new)
        if sentence := self._no_diff(history, parent, version):
            return replace(page, sentence=sentence)
        old, new = self._map(history, parent), self._map(history, version)
        return self._diff(page, version, self._change(parent, version, old, new), old, new)

    def _instead(self, history: History, version: Version) -> str:
        """What stands in place of the content where that is no text."""
        if not version.exists:
            return f"Deleted in version {version.number:,}; the version before still has its content."
        content = history.content(version)
        if version.state is not None and version.state.is_link:
            return f"link → {content[:SHOWN_OF_LINK].decode('utf-8', 'surrogateescape')}"
        if not content:
            return "empty"
        if is_binary(content):
            return f"{_kind(content)}, SHA-256 {_digest(history, version)}"
        return ""

    def _no_diff(self, history: History, parent: Version | None, version: Version) -> str:
        """What stands in place of a diff where there is none to show."""
        before = history.content(parent) if parent is not None and parent.exists else None
        after = history.content(version) if version.exists else None
        if before is not None and after is not None and before == after:
            was = parent.path if parent is not None and parent.path != version.path else ""
            if was:
                return f"Renamed from {was}; the content is the same."
            if parent is not None and parent.mode != version.mode:
                return f"Only its mode changed, from {_mode(parent)} to {_mode(version)}."
            return "The content is the same as before."
        if is_binary(before or b"") or is_binary(after or b""):
            digest = f", SHA-256 {_digest(history, version)}" if version.exists else ""
            if before is None:
                return f"new: {_kind(after or b'')}{digest}"
            return f"{_kind(before)} → {_kind(after) if after is not None else 'deleted'}{digest}"
        if not before and not after:
            return "Deleted; it was empty." if after is None else "empty"
        return ""

    def _content(self, page: DocumentPage, version: Version, change: _Change, new: LineMap) -> DocumentPage:
        need, body = page.need, page.need.body
        total = new.lines
        top, row = need.top, need.row
        if need.shown is None or need.shown[0] != version.document:
            top = row = 0
        elif need.shown[1] != version.number:
            row = need.line
        elif need.shown[2] != need.mode:
            top, row = max(0, need.line - (need.row - need.top)), need.line
        top, row = _clamped(top, row, total, body)
        if need.shown is None or need.shown[:2] != (version.document, version.number):
            top, row = _followed(change.hunks, top, row, total, body)
        top = _kept(top, row, body)
        digits = max(3, len(str(total)))
        side = Side(new, language=self._language(version, new))
        width = text_width(need, digits)
        return replace(
            page, top=top, row=row, total=total, digits=digits, new=new.content,
            rows=self._body.content(side, change.hunks, top, min(total, top + body), need.left, width),
            widest=side.widest,
        )  # fmt: skip

    def _diff(
        self, page: DocumentPage, version: Version, change: _Change, old: LineMap, new: LineMap
    ) -> DocumentPage:
        need, body = page.need, page.need.body
        layout = self._layout(change, old, need.mode == "split")
        top, row = need.top, need.row
        if need.shown is None or need.shown[:2] != (version.document, version.number):
            top = 0
            near = layout.row_of(need.line)
            row = near if near is not None and near < body else layout.first_change()
        elif need.shown[2] != need.mode:
            near = layout.row_of(need.line)
            row = near if near is not None else layout.first_change()
            top = row - (need.row - need.top) if near is not None else 0
        top, row = _clamped(top, row, layout.rows, body)
        top = _kept(top, row, body)
        digits = max(3, len(str(max(old.lines, new.lines))))
        language = self._language(version, new if new.lines else old)
        sides = Side(old, language=language, old=True), Side(new, language=language)
        rows: tuple[DocumentRow, ...] = self._body.diff(
            sides, change.hunks, list(layout.spots(top, top + body)), need.left, text_width(need, digits),
            split=need.mode == "split",
        )  # fmt: skip
        return replace(
            page, top=top, row=row, total=layout.rows, digits=digits, old=old.content, new=new.content, rows=rows,
            widest=max(side.widest for side in sides),
        )  # fmt: skip

    # -- what is remembered

    def _map(self, history: History, version: Version | None) -> LineMap:
        key = version.content if version is not None else None
        known = self._maps.get(key)
        if known is None:
            known = self._maps[key] = LineMap(history.content(version) if version is not None else b"")
        self._maps.move_to_end(key)
        while len(self._maps) > MAPS:
            self._maps.popitem(last=False)
        return known

    def _change(self, parent: Version | None, version: Version, old: LineMap, new: LineMap) -> _Change:
        key = (parent.content if parent is not None else None, version.content)
        known = self._changes.get(key)
        if known is None:
            same_kind = parent is None or parent.content != version.content
            binary = is_binary(old.content) or is_binary(new.content)
            known = _Change(
                changes(old.content, new.content, old.lines, new.lines) if same_kind and not binary else [], {}
            )
            self._changes[key] = known
        self._changes.move_to_end(key)
        while len(self._changes) > 1 and (
            len(self._changes) > CHANGES or sum(len(change.hunks) for change in self._changes.values()) > CHANGED
        ):
            self._changes.popitem(last=False)
        return known

    def _layout(self, change: _Change, old: LineMap, split: bool) -> Layout:
        if split not in change.layouts:
            change.layouts[split] = Layout(change.hunks, old.lines, split=split)
        return change.layouts[split]

    def _language(self, version: Version, lines: LineMap) -> str | None:
        if len(lines.content) > Body.LARGEST:
            return None
        return lexer_for(version.path, lines.content[:200].decode("utf-8", "replace"))


def _followed(changed: list[Hunk], top: int, row: int, total: int, body: int) -> tuple[int, int]:
    """Window and cursor such that a changed line is in view: as they are where one is already."""
    if changed:
        last = max(0, total - 1)
        in_view = [
            h for h in changed if min(h.new_start, last) < top + body and max(h.new_end, h.new_start + 1) > top
        ]
        if not in_view:
            top = max(0, min(changed[0].new_start - body // 3, total - body))
            in_view = changed[:1]
        if not top <= row < top + body:
            row = max(top, min(in_view[0].new_start, last))
    elif not top <= row < top + body:
        row = top
    return top, row


def _clamped(top: int, row: int, total: int, body: int) -> tuple[int, int]:
    return max(0, min(top, total - body)), max(0, min(row, total - 1))


def _kept(top: int, row: int, body: int) -> int:
    """The window moved as little as shows the cursor."""
    return max(min(top, row), row - max(0, body - 1))


def _kind(content: bytes) -> str:
    size = plural(len(content), "byte")
    return f"binary, {size}" if is_binary(content) else f"text, {size}"


def _digest(history: History, version: Version) -> str:
    return history.store.contents.digest_of(version.content).hex()[:16] + "…" if version.content is not None else ""


def _mode(version: Version) -> str:
    return f"{(version.mode or 0) & 0o777:03o}"


def _ago(microseconds: int) -> str:
    """An age in steps, so that it does not change at every frame."""
    if microseconds < 10_000_000:
        return "just now"
    return f"{age(microseconds - microseconds % 10_000_000 if microseconds < 60_000_000 else microseconds)} ago"
