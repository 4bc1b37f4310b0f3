"""One run: the whole site under one seed. Safety phase with faults, then the faults end, then everything must drain."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import msgspec

from cardcore.access.items import AccountState, CardState
from cardcore.journal import Body, Intent
from server.system import System
from tests.simulation import site_plan as plan
from tests.simulation.backend import Backend, CardSet, PriceSet
from tests.simulation.box import Box
from tests.simulation.chance import Chance, DrawnIds
from tests.simulation.faults import Saboteur
from tests.simulation.history import CardChange, History, Violation
from tests.simulation.hosts import MIDNIGHT, Host
from tests.simulation.invariants import AT_ANY_TIME, AT_THE_END, JournalRow, KnownPolicy, Remains, name_of
from tests.simulation.loop import EndlessError, StandstillError, VirtualLoop
from tests.simulation.model import Model, business_day
from tests.simulation.network import Network
from tests.simulation.people import Crowd
from tests.simulation.rogue import Rogue
from tests.simulation.server_site import ServerSite
from tests.simulation.silence import unexpected_errors
from tests.simulation.story import SAFETY_SECONDS, Deed, Event, Fault, Manner, Story
from tests.simulation.watching import Watcher

LIVENESS_SECONDS = 240.0
"""Within this after the last fault every queue is empty (I22): the longest back-off and the longest silence fit in."""
LOOK_SECONDS = 1.0
MAX_TRIES = 60
"""Connections a daemon may try in ten seconds, whatever is wrong."""
TRY_WINDOW_SECONDS = 10.0
HOURS = (12, 12, 12, 3.99, 23.99)
"""Local hours at which a run may begin: noon, shortly before the business day ends, shortly before midnight."""
MAX_SKEW_SECONDS = 90
ACCOUNT_STATES = {"freeze": AccountState.FROZEN, "close": AccountState.CLOSED, "open": AccountState.OPEN}

_salts = itertools.count(1)
MakeBackend = Callable[[System, random.Random, int], Backend]
_body: msgspec.json.Decoder[Body] = msgspec.json.Decoder(Body)


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended. `digest` is equal for two runs of one story; `reached` counts the rare states."""

    story: Story
    violations: tuple[Violation, ...]
    reached: Counter[str]
    digest: str
    lines: tuple[str, ...]
    simulated_seconds: float
    taps: int


class World:
    """Everything of one run."""

    def __init__(self, story: Story, loop: VirtualLoop, make_backend: MakeBackend, folder: Path) -> None:
        chance = Chance(story.seed)
        self.story = story
        self.variant = plan.variant_of(story.seed)
        self.loop = loop
        self.history = History(loop)
        begun = MIDNIGHT + timedelta(hours=chance.stream("begin").choice(HOURS))
        host = Host("server", loop, chance.stream("server"), begun)
        salt = next(_salts).to_bytes(3, "big")
        admin = System(host, DrawnIds(host, chance.stream("admin"), salt))
        self.backend = make_backend(admin, chance.stream("trouble"), story.seed)
        self.network = Network(loop, chance.stream("network"), self)
        self.server = ServerSite(host, self.network, self.backend, self.history, salt)
        skews = chance.stream("skews")
        self.boxes: dict[str, Box] = {}
        watcher = Watcher(self.network, self.server, self.history)
        for box_plan in plan.BOXES:
            box_host = Host(box_plan.name, loop, chance.stream(box_plan.name), begun)
            box_host.skew = timedelta(seconds=skews.uniform(-MAX_SKEW_SECONDS, MAX_SKEW_SECONDS))
            box_host.drift = skews.uniform(-1e-4, 1e-4)
            identity = self.backend.identities[box_plan.name]
            box = Box(box_plan, identity, box_host, self.network, folder / box_plan.name, self.history)
            watcher.watch(box)
            box.on_lost = partial(self.server.forget_policy, box_plan.name)
            self.boxes[box_plan.name] = box
        by_reader = {reader: box for box in self.boxes.values() for reader in box.plan.readers}
        credentials = {holder.name: holder.credential for holder in self.backend.holders}
        self._crowd = Crowd(by_reader, {**credentials, "stranger": plan.STRANGER}, self.variant)
        rogue_host = Host(plan.ROGUE.name, loop, chance.stream(plan.ROGUE.name), begun)
        rogue = Rogue(self.backend.identities[plan.ROGUE.name], rogue_host, self.network, self.history)
        self._saboteur = Saboteur(self.boxes, self.server, self.network, rogue)
        self._policies: dict[int, KnownPolicy] = {}
        self._holders = {holder.name: holder for holder in self.backend.holders}

    def arrived(self, daemon: str, direction: str, frame: bytes) -> None:
        """Pass on what came over the wire."""
        self.server.arrived(daemon, direction, frame)

    # --- the run ------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """Play the story to its end, and look at what is left."""
        begun = self.loop.time()
        self._note_policy()
        self.server.start()
        for box in self.boxes.values():
            box.start()
        tasks = [self.loop.create_task(self._event(begun, event)) for event in self.story.events]
        await asyncio.sleep(SAFETY_SECONDS)
        self._check(AT_ANY_TIME, self._remains())
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            task.result()
        self._saboteur.mend()
        self.history.note("faults end")
        waiting = await self._drained()
        if waiting:
            self.history.violate("I22", f"{LIVENESS_SECONDS:.0f} s after the last fault: {waiting}")
        for path in self.network.paths.values():
            self._bounded_tries(path.name, path.tries)
        for error in unexpected_errors():
            self.history.violate("unexpected", error)
        for box in self.boxes.values():
            box.every_refusal_was_explained()
        remains = self._remains()
        self._check(AT_THE_END, remains)
        self._reached(remains)

    async def _event(self, begun: float, event: Event) -> None:
        await asyncio.sleep(begun + event.at - self.loop.time())
        self.history.note(event.what.value, event.where, event.who)
        match event.what:
            case Manner():
                await self._crowd.visit(event)
            case Deed():
                await self._deed(event)
                if not self.backend.trouble.down:
                    self._note_policy()
            case Fault():
                self.history.reach(f"fault {event.what.value}")
                await self._saboteur.carry_out(event)

    async def _deed(self, event: Event) -> None:
        backend, holder = self.backend, self._holders.get(event.who)
        stream = random.Random(event.draw)
        if event.what is Deed.PRICE:
            backend.set_price(stream.choice((900, 1_200, 1_500)))
        elif event.what is Deed.OPEN_LANE:
            await self.server.open_lane("gate-1", event.where, f"nonce-{event.draw}")
        elif event.what is Deed.CLOSE_DAY:
            backend.close_day(business_day(self.server.host.now()) - timedelta(days=1))
        elif holder is None:
            return
        elif event.what in {Deed.LOST, Deed.FOUND}:
            state = CardState.LOST if event.what is Deed.LOST else CardState.ACTIVE
            if backend.set_card(holder, state):
                change = CardChange(self.loop.time(), holder.credential, state is CardState.ACTIVE)
                self.history.card_changes.append(change)
        elif holder.account is None:
            return
        elif event.what is Deed.TOP_UP:
            backend.top_up(holder, stream.choice((500, 2_000)))
        else:
            backend.set_account(holder, ACCOUNT_STATES[event.what.value])

    async def _drained(self) -> str:
        """Wait until every box has handed everything in; returns what still waits."""
        end = self.loop.time() + LIVENESS_SECONDS
        waiting = self._waiting()
        while waiting and self.loop.time() < end:
            await asyncio.sleep(LOOK_SECONDS)
            waiting = self._waiting()
        return waiting

    def _waiting(self) -> str:
        for name, box in self.boxes.items():
            if not box.host.up or box.daemon is None or box.port is None or not box.port.started:
                return f"{name} does not run"
            if not box.daemon.uplink.open:
                return f"{name} has no link"
            if box.daemon.recorder.failed:
                return f"{name} has not tried its disk again yet"
            if box.daemon.journal.pending:
                return f"{name} waits with {box.daemon.journal.pending} records"
            if box.journal_rows("SELECT 1 FROM open_tap LIMIT 1"):
                return f"{name} has an open tap"
        return ""

    # --- what is left -------------------------------------------------------------------------------------------

    def _remains(self) -> Remains:
        rogues = frozenset({UUID(self.backend.identities[plan.ROGUE.name].device)})
        model = Model(self.backend.holders, self.variant, rogues)
        model.replay(self.backend.log)
        devices = {name: UUID(identity.device) for name, identity in self.backend.identities.items()}
        journals = [
            JournalRow((devices[name], epoch, seq), bytes(digest), _body.decode(body))
            for name, box in self.boxes.items()
            for epoch, seq, digest, body in box.journal_rows("SELECT epoch, seq, hash, body FROM record ORDER BY 1, 2")
        ]
        lost = {devices[name] for name, box in self.boxes.items() if box.wiped}
        restored = self.server.restored_seconds is not None
        keys = {UUID(identity.device): identity.record_key for identity in self.backend.identities.values()}
        books = self.backend.books()
        return Remains(books, model, self.history, journals, devices, lost, restored, self._policies, rogues, keys)

    def _note_policy(self) -> None:
        """Keep what the newest version of the policy says."""
        version = self.backend.policy().version(self.backend.site)
        active = {change.credential: change.active for change in self.history.card_changes}
        refused = frozenset(credential for credential, is_active in active.items() if not is_active)
        prices = [one.amount for one in self.backend.log if isinstance(one, PriceSet)]
        self._policies[version] = KnownPolicy(prices[-1] if prices else plan.PRICE_FEN, refused)

    def _check(self, invariants: tuple[Callable[[Remains], object], ...], remains: Remains) -> None:
        for invariant in invariants:
            for problem in invariant(remains):  # type: ignore[attr-defined]
                self.history.violate(name_of(invariant), problem)

    def _bounded_tries(self, name: str, tries: list[float]) -> None:
        """Every retry is bounded in rate (I22)."""
        for index in range(len(tries) - MAX_TRIES):
            if tries[index + MAX_TRIES] - tries[index] < TRY_WINDOW_SECONDS:
                self.history.violate("I22", f"{name} tried {MAX_TRIES} connections in ten seconds")
                return

    def _reached(self, remains: Remains) -> None:
        history, books = self.history, remains.books
        for state, happened in (
            ("reversal", bool(remains.model.reversed)),
            ("late-list loss", bool(remains.model.late_losses)),
            ("quarantine conflict", any(row.why == "conflict" for row in books.quarantine)),
            ("epoch change", any(mark.closed for mark in books.marks)),
            ("overdrawn", any(charge.flag == "overdrawn" for charge in books.charges)),
            ("refused alone by a cap", any(_capped(row.body) for row in remains.journals)),
            ("commit unknown", bool(self.backend.trouble.met.get("unknown"))),
            ("lost race", bool(self.backend.trouble.met.get("retry"))),
            ("disk failed", any(box.disk.failed for box in self.boxes.values())),
            ("forged record set aside", any(row.why == "not_authentic" for row in books.quarantine)),
            ("day closed", bool(remains.model.closed)),
            ("meal of a closed day", _late_for_a_close(remains)),
            ("turned back inside", bool(remains.model.turned_back)),
            ("keyed amount charged", self.variant.keyed and any(_is_keyed(row.body) for row in remains.journals)),
            ("card refused", any(isinstance(one, CardSet) for one in self.backend.log)),
        ):
            if happened:
                history.reach(state)


def _capped(body: Body) -> bool:
    verdict = getattr(body, "verdict", None)
    return verdict is not None and verdict.reason.startswith("offline_")


def _is_keyed(body: Body) -> bool:
    return isinstance(body, Intent) and bool(body.amount)


def _late_for_a_close(remains: Remains) -> bool:
    """Tell whether a meal came in after its day was closed, and was posted into a later one."""
    model = remains.model
    booked = [(tap.day, tap.booked_at) for tap in model.taps.values() if tap.booked and tap.day and tap.booked_at]
    return any(day <= close.day and at > close.at for close in model.closed for day, at in booked)


def run_story(story: Story, make_backend: MakeBackend) -> RunResult:
    """Play one story in a loop of its own."""
    loop = VirtualLoop(Chance(story.seed).stream("turns"))
    folder = Path(tempfile.mkdtemp(prefix="onecard-sim-", dir=_fast_folder()))
    world: World | None = None
    unexpected_errors()
    collecting = gc.isenabled()
    gc.disable()
    try:
        asyncio.set_event_loop(loop)
        world = World(story, loop, make_backend, folder)
        try:
            loop.run_until_complete(world.play())
        except (StandstillError, EndlessError) as error:
            world.history.violate("I22", repr(error))
        except Exception as error:  # noqa: BLE001 - a fault of the simulation itself is a red seed, not the campaign's end
            world.history.violate("simulator", repr(error))
        history = world.history
        return RunResult(
            story, tuple(history.violations), history.reached, history.digest, tuple(history.lines),
            loop.time(), history.taps,
        )  # fmt: skip
    finally:
        loop.bury()
        asyncio.set_event_loop(None)
        loop.close()
        if world is not None:
            world.backend.close()
        shutil.rmtree(folder, ignore_errors=True)
        if collecting:
            gc.enable()


def _fast_folder() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - only empty files stand there
