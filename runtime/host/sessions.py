"""The office: sessions at work on one workspace, behind plain commands and events."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

from runtime import protocol
from runtime.agent.agent import Agent, carry_out
from runtime.dispatch.cause import Cause
from runtime.dispatch.policy import Policy
from runtime.dispatch.session import Allowed, Conversation, Session
from runtime.execution.change_set import recover
from runtime.execution.workplace import Site, Workplace, own_path
from runtime.host import acts
from runtime.host.approvals import Approvals
from runtime.host.toolset import native
from runtime.host.watching import Watching
from runtime.log import logger, where
from runtime.models.base import Model
from runtime.models.choose import choose
from runtime.protocol import Advanced, Command, Event
from runtime.tools.capability import Arguments, Effects
from runtime.usage import meter
from runtime.usage.budget import Budget, trusted
from workspace import Act, History, NotFound, Workspace, WorkspaceError
from workspace.entries import Fork, ModelEntry, SessionEntry
from workspace.errors import NeedsConsent
from workspace.kinds import Kind, Outcome
from workspace.operations.aio import Reader, Writer
from workspace.operations.workspace import check_not_too_wide
from workspace.working_copy.checkout import OUTSIDE, WATCHED
from workspace.working_copy.working_copy import Scanned

T = TypeVar("T")
Chooser = Callable[[str | None], Model]
_log = logger("sessions")


class Sessions:
    """One workspace's sessions, the only writer among them; see runtime.host.core.Core.

    ``choose`` makes the model of a name; ``principal`` is on whose behalf things happen.
    """

    def __init__(
        self, root: Path, store: Path | None = None, *, choose: Chooser = choose, principal: str | None = None
    ) -> None:
        self.root = root.resolve()
        self.principal = principal or _person()
        self._choose = choose
        self._writer = Writer(self.root, store=store)
        self._reader = Reader(self.root, store=store)
        self._sessions: dict[str, Session] = {}
        self._agents: dict[str, Agent] = {}
        self.approvals = Approvals(self.write, lambda: self.emit(Advanced(self._entry)))
        """What waits for a person's word."""
        self._workplaces: dict[str, Workplace] = {}
        self._site: Site | None = None
        self._showing = asyncio.Lock()
        self._shown = 0
        self._listeners: list[Callable[[Event], None]] = []
        self._texts: dict[int, str] = {}
        self._watching = Watching(self.root, self._snapshot)
        self._resuming = asyncio.Lock()
        self._entry = 0

    # -- the core that a server serves

    async def start(self) -> None:
        """Take the workspace's lock and recover what was cut short. Raises WorkspaceError."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._writer)
            await stack.enter_async_context(self._reader)
            self._entry = await self.read(lambda history: history.cursor)
            self._site = Site(self.root, self.store)
            await recover(self)
            await self._site.clear()
            stack.pop_all()
        self._watching.start()

    async def close(self) -> None:
        """Interrupt what runs, record it and let go of the workspace."""
        await self._watching.close()
        running = [session.running for session in self._sessions.values() if session.running]
        for session in self._sessions.values():
            session.queue.clear()
        for task in running:
            task.cancel()
        for session in self._sessions.values():
            session.gate.set()
        await asyncio.gather(*running, return_exceptions=True)
        for workplace in self._workplaces.values():
            await workplace.close()
        await self._reader.__aexit__(None, None, None)
        await self._writer.__aexit__(None, None, None)

    async def handle(self, command: Command) -> Any:
        """Carry out a command; the JSON value of its reply. Raises WorkspaceError."""
        match command:
            case protocol.Attach():
                return {"entry": self._entry, "texts": self._flying(), "sessions": self._listing(),
                        "approvals": self.approvals.listing()}  # fmt: skip
            case protocol.Open():
                return (await self._open(command)).name
            case protocol.Prompt(session=name, text=text):
                return await self._prompt(await self._session(name), text)
            case protocol.Interrupt(session=name):
                return self._interrupt(await self._session(name))
            case protocol.Hold(session=name, held=held):
                return self._hold(await self._session(name), held)
            case protocol.Answer():
                return self.approvals.answer(command)
            case protocol.Perform(name=name, arguments=arguments):
                return await self._perform(name, arguments)
            case protocol.Refresh():
                await self._watching.refresh()
                return self._seen()
            case protocol.Status():
                return {"pid": os.getpid(), "running": [s.name for s in self._sessions.values() if s.busy],
                        **self._seen()}  # fmt: skip
            case protocol.Stop(idle=idle):
                if idle and self.busy:
                    raise WorkspaceError("The host is at work.")
                return None
        raise WorkspaceError(f"There is no command {type(command).__name__}.")

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Tell ``listener`` of every event from now on; what ends that."""
        self._listeners.append(listener)

        def stop() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return stop

    def texts(self) -> list[tuple[int, str]]:
        """Operations in flight and the text so far."""
        return list(self._texts.items())

    @property
    def busy(self) -> bool:
        """Whether something runs or waits."""
        return any(session.busy or session.queue for session in self._sessions.values())

    # -- the host that sessions work at

    @property
    def store(self) -> Path:
        """The folder of the history."""
        return self._writer.folder

    async def write(self, act: Callable[[Workspace], T]) -> T:
        """Run an act in the writer's thread, grouped with others; its result once it is durable."""
        value = self._advance(await self._writer.act(lambda work: (act(work), work.cursor)))
        await self._show()
        return value

    async def alone(self, act: Callable[[Workspace], T]) -> T:
        """Run what cannot share a transaction."""
        value = self._advance(await self._writer.alone(lambda work: (act(work), work.cursor)))
        await self._show()
        return value

    async def patiently(self, act: Callable[[Workspace], T]) -> T:
        """Run one of many pieces of a large act, in turns with what others wait for."""
        return self._advance(await self._writer.patiently(lambda work: (act(work), work.cursor)))

    async def snapshot(self, act: Act = OUTSIDE) -> Scanned:
        """Record all that changed in the folder until now, while others go on writing; by default nobody's act."""
        scanned = await self._writer.snapshot(act)
        if scanned.operation is not None:
            self._advance((None, await self.read(lambda history: history.cursor)))
        return scanned

    async def read(self, query: Callable[[History], T]) -> T:
        """Run a query beside the writer."""
        return await self._reader.call(query)

    def still(self) -> AbstractAsyncContextManager[None]:
        """Inside, what changes in the folder is not recorded as seen from outside."""
        return self._watching.still()

    async def approve(
        self, cause: Cause, capability: str, effects: Effects, arguments: Arguments
    ) -> tuple[Allowed, str]:
        """Ask a person; what is allowed, and what they said. The approval is an operation."""
        return await self.approvals.ask(cause, capability, effects, arguments)

    def emit(self, event: Event) -> None:
        """Tell whoever watches."""
        for listener in list(self._listeners):
            listener(event)

    def streaming(self, operation: int, text: str | None) -> None:
        """Keep the text in flight of an operation; None when it is over."""
        if text is None:
            self._texts.pop(operation, None)
        else:
            self._texts[operation] = text

    async def _perform(self, name: str, arguments: Arguments) -> dict[str, object]:
        """Carry out an act of a person, before which the folder is looked at beside the writer."""
        if name == Kind.SCAN:
            done = await self.alone(lambda work: acts.perform(work, name, arguments, self.principal))
            self._watching.stale()  # it may say what is captured
            return done
        await self.alone(lambda work: acts.check_ended(work, name, arguments))
        await self.snapshot()

        def perform(work: Workspace) -> dict[str, object]:
            with work.looked():
                return acts.perform(work, name, arguments, self.principal)

        return await self.alone(perform)

    # -- sessions

    def session(self, name: str) -> Session:
        """A live session. Raises NotFound."""
        if name not in self._sessions:
            raise NotFound(f"Session {name} is not at work here.")
        return self._sessions[name]

    async def _open(self, command: protocol.Open) -> Session:
        if command.resume is not None:
            return await self._renew(await self._session(command.resume), command)
        asked, left = command.model, None
        if command.fork is not None:
            fork = command.fork
            left, model_there = await self.read(lambda history: _fork(history, fork))
            asked = asked or model_there
        model = await asyncio.to_thread(self._choose, asked)
        inside = command.inside or own_path(self.root)
        begun = SessionEntry(
            model.name, asked, command.mode, inside, command.max_tokens, command.max_cost, left, command.scope,
            command.overlay is not False, bool(command.secrets),
        )  # fmt: skip

        def begin(work: Workspace) -> str:
            name = f"s{work.store.journal.next_id()}"
            cause = Cause(self.principal, name, scope=command.scope)
            act = cause.act(Kind.SESSION, model.name, detail=begun.detail())
            work.record(act)
            return name

        name = await self.write(begin)
        return self._live(name, model, begun, self._entry if command.fork is None else command.fork)

    async def _renew(self, session: Session, command: protocol.Open) -> Session:
        """Go on with what a person says now: its permissions, and limits or a model if they name one."""
        session.policy.mode = command.mode
        if command.max_tokens is not None:
            session.budget.max_tokens = command.max_tokens
        if command.max_cost is not None:
            session.budget.max_cost = command.max_cost
        if command.overlay is not None:
            session.on_overlay = command.overlay
        if command.secrets is not None:
            session.secrets = command.secrets
        if command.model is not None and not session.busy:
            self._agents[session.name] = native(
                session, await asyncio.to_thread(self._choose, command.model), self.workplace(session)
            )
        model = self._agents[session.name].name
        settings = SessionEntry(
            model, command.model, session.policy.mode, session.inside, session.budget.max_tokens,
            session.budget.max_cost, on_overlay=session.on_overlay, secrets=session.secrets,
        )  # fmt: skip
        act = session.cause.act(Kind.SETTINGS, model, detail=settings.detail())
        await self.write(lambda work: work.record(act))
        return session

    async def _resume(self, name: str, model_name: str | None) -> Session:
        def look(history: History) -> tuple[SessionEntry, int, int, int]:
            ids = history.store.journal.of_kind(Kind.SESSION, session=name)
            if not ids:
                raise NotFound(f"There is no session {name}; `wukong sessions` lists them.")
            calls = meter.calls(history, session=name)
            spent = meter.total(calls)
            unsure = [c for c in calls if trusted(c.usage) is None and c.usage.estimated is None]
            kept = [c for c in unsure if c.outcome != Outcome.FAILED]
            tokens = spent.known + sum(ModelEntry.of(c).reserved for c in kept)
            entries = history.store.journal.of_session(name)
            settings = SessionEntry.of(history.operation(ids[0]))
            for id_ in history.store.journal.of_kind(Kind.SETTINGS, session=name)[-1:]:
                settings = settings.renewed(SessionEntry.of(history.operation(id_)))
            return settings, tokens, spent.cost, entries[-1].id

        settings, tokens, cost, looked = await self.read(look)
        model = await asyncio.to_thread(self._choose, model_name or settings.asked or settings.model)
        session = self._live(name, model, settings, looked)
        session.budget.tokens, session.budget.cost = tokens, cost
        return session

    def _live(self, name: str, model: Model, settings: SessionEntry, looked: int) -> Session:
        session = Session(
            name, self, Cause(self.principal, name, scope=settings.scope), Policy(settings.mode or "ask"),
            Budget(settings.max_tokens, settings.max_cost), settings.inside or own_path(self.root),
            Conversation(looked=looked), on_overlay=settings.on_overlay, secrets=settings.secrets,
        )  # fmt: skip
        self._agents[name] = native(session, model, self.workplace(session))
        self._sessions[name] = session
        return session

    def workplace(self, session: Session) -> Workplace:
        """Where a session's commands are executed."""
        if self._site is None:
            raise WorkspaceError("This host has not started.")
        if session.name not in self._workplaces:
            self._workplaces[session.name] = Workplace(session, self._site)
        return self._workplaces[session.name]

    async def _session(self, name: str) -> Session:
        async with self._resuming:
            return self._sessions.get(name) or await self._resume(name, None)

    async def _prompt(self, session: Session, text: str) -> int:
        first = next((line for line in text.splitlines() if line.strip()), "")
        act = session.cause.act(Kind.PROMPT, first.strip()[:120])
        payload = text.encode("utf-8", "replace")
        operation = await self.write(lambda work: work.begin(act, payload=payload))
        session.queue.append((operation, text))
        if not session.busy:
            session.running = asyncio.create_task(self._work(session), name=f"session {session.name}")
        return operation

    async def _work(self, session: Session) -> None:
        while session.queue:
            operation, text = session.queue.popleft()
            try:
                await carry_out(session, self._agents[session.name], operation, text)
            except Exception as error:  # noqa: BLE001 - its end cannot be recorded; whoever asks next is told why
                _log.error("session %s, op:%d could not be ended%s", session.name, operation, where(error))

    def _hold(self, session: Session, held: bool) -> bool:
        if held:
            session.gate.clear()
        else:
            session.gate.set()
        return held

    def _interrupt(self, session: Session) -> bool:
        if not session.busy or session.running is None:
            session.gate.set()
            return False
        waiting = list(session.queue)
        session.running.cancel()
        session.gate.set()
        session.queue.clear()
        if waiting:  # what was queued goes on after what was interrupted
            session.queue.extend(waiting)
            session.running.add_done_callback(lambda _: self._go_on(session))
        return True

    def _go_on(self, session: Session) -> None:
        if session.queue and not session.busy:
            session.running = asyncio.create_task(self._work(session), name=f"session {session.name}")

    # -- what is there

    def _advance(self, result: tuple[T, int]) -> T:
        value, entry = result
        if entry > self._entry:
            self._entry = entry
            self.emit(Advanced(entry))
        return value

    async def _show(self) -> None:
        """Let sessions whose processes live on an overlay see what was written to the workspace meanwhile."""
        live = [workplace for workplace in self._workplaces.values() if workplace.live]
        if not live:
            self._shown = self._entry
            return
        async with self._showing:
            first, self._shown = self._shown + 1, self._entry
            paths = await self.read(lambda history: _paths(history, first, self._shown))
            for workplace in live if paths else ():
                await workplace.show(paths, self._shown)

    async def _snapshot(self, within: Collection[str] | None) -> Scanned:
        if within is not None:
            return await self.alone(lambda work: work.catch_up(within, act=WATCHED))
        await self.alone(_check_meant)
        return await self.snapshot(WATCHED)

    def _seen(self) -> dict[str, object]:
        return {"watching": self._watching.mode, "why": self._watching.why}

    def _flying(self) -> list[dict[str, object]]:
        return [{"operation": operation, "text": text} for operation, text in self._texts.items()]

    def _listing(self) -> list[dict[str, object]]:
        return [
            {
                "session": s.name,
                "model": self._agents[s.name].name,
                "busy": s.busy,
                "queued": len(s.queue),
                "prompt": s.conversation.prompt.prompt if s.conversation.prompt else None,
                "held": not s.gate.is_set(),
            }
            for s in self._sessions.values()
        ]


def _paths(history: History, first: int, last: int) -> set[str]:
    """The paths that entries changed, those that documents moved away from included."""
    versions = history.store.versions
    paths = set()
    for version in versions.of_entries(first, last):
        paths.add(version.path)
        if version.parent is not None:
            paths.add(versions.get(version.document, version.parent).path)
    return paths


def _fork(history: History, entry: int) -> tuple[Fork, str | None]:
    """Where a session leaves another one, and the model that it asked there."""
    journal = history.store.journal
    session = journal.entry(entry).session
    if session is None:
        raise WorkspaceError(f"Entry {entry} belongs to no session; name one of a conversation.")
    ids = journal.of_kind(Kind.SESSION, session=session) + journal.of_kind(Kind.SETTINGS, session=session)
    model = None
    for said in (SessionEntry.of(history.operation(id_)) for id_ in ids if id_ <= entry):
        model = said.asked or (said.model if model is None else model)
    return Fork(session, entry), model


def _check_meant(work: Workspace) -> None:
    """Raises NeedsConsent where a person has to say first that all of the folder is meant."""
    try:
        check_not_too_wide(work.root)
    except NeedsConsent:
        if not work.tree():
            raise


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
