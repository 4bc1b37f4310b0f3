"""Tier 2's database: a real PostgreSQL, one transaction a call, with the troubles of one injected at its edge.

Every run is a site of its own in one database, so that nothing needs cleaning between runs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import QueuePool, create_engine

from cardcore.access.items import AccountState, CardState
from cardcore.calendar import Interval
from cardcore.canteen.selling import KEYED
from cardcore.ids import (
    AccountId,
    CardId,
    CategoryId,
    LaneId,
    LevelId,
    MealId,
    ScheduleId,
    SiteId,
    StaffId,
    StallId,
    TillId,
    TransferId,
    ZoneId,
)
from cardcore.journal import Purpose
from cardcore.money import Fen
from reader_daemon.identity import Identity
from server.access import service as access
from server.canteen import charging
from server.canteen import service as canteen
from server.cards import service as cards
from server.close.models import DayClose
from server.close.run import close_day
from server.database import Database, DatabaseUnavailableError, ReadSession, WriteSession, psycopg_url, sqlalchemy_url
from server.devices import service as devices
from server.devices.models import EnrolledDevice, EnrolmentCode
from server.devices.register import Register
from server.ledger import service as ledger
from server.link.policy_source import PolicySource
from server.people import service as people
from server.secrets_file import secrets_from
from server.staff import service as staff
from server.staff.passwords import Passwords
from server.staff.roles import Role
from server.system import System
from server.taps.arrivals import Arrival, Receipt
from server.taps.batcher import Processor
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.simulation import site_plan as plan
from tests.simulation.backend import (
    AccountSet,
    BatchDone,
    CardSet,
    Committed,
    DayClosed,
    Holder,
    MoneyAdded,
    PriceSet,
    Trouble,
)
from tests.simulation.books import Books
from tests.simulation.box import BoxPlan
from tests.simulation.postgres_books import read_books

Result = TypeVar("Result")
ACTOR = "simulation"
SESSION = "-c role=onecard_app -c timezone=UTC -c jit=off -c plan_cache_mode=force_generic_plan"


class TroubledConnection(psycopg.Connection[Any]):
    """The tap path's connection; its commits meet the run's trouble."""

    trouble: Trouble

    @contextmanager
    def transaction(self, *args: Any, **kwargs: Any) -> Iterator[psycopg.Transaction]:  # noqa: ANN401 - passed on
        with super().transaction(*args, **kwargs) as transaction:
            yield transaction
            if self.trouble.draws("retry"):
                raise psycopg.errors.SerializationFailure

    @contextmanager
    def pipeline(self) -> Iterator[psycopg.Pipeline]:
        inside = (
            self._pipeline is not None
        )  # `transaction` nests pipelines: only the end of the outermost is the commit
        with super().pipeline() as pipeline:
            yield pipeline
        if inside:
            return
        self.trouble.committed = True
        if self.trouble.draws("unknown"):
            message = "the connection was lost at the commit"
            raise psycopg.OperationalError(message)


class PatientDatabase(Database):
    """A database that waits for ever: how long a statement takes on this machine must change nothing in a run."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._engine = create_engine(
            sqlalchemy_url(url), poolclass=QueuePool, connect_args={"options": SESSION, "prepare_threshold": None}
        )


class TroubledDatabase(PatientDatabase):
    """A database that may be down."""

    def __init__(self, url: str, trouble: Trouble) -> None:
        super().__init__(url)
        self._trouble = trouble

    def read(self, call: Callable[[ReadSession], Result], *, stable: bool = False) -> Result:
        self._reach()
        return super().read(call, stable=stable)

    def write(self, call: Callable[[WriteSession], Result]) -> Result:
        self._reach()
        return super().write(call)

    def _reach(self) -> None:
        if self._trouble.down:
            message = "simulated outage"
            raise DatabaseUnavailableError(message)


class PostgresBackend:
    """Implements `tests.simulation.backend.Backend`."""

    def __init__(self, url: str, system: System, stream: random.Random, slug: str, variant: plan.Variant) -> None:
        """Write a new site into a migrated database."""
        self._url = url
        self._system = system
        self._slug = slug
        self._variant = variant
        self.trouble = Trouble(stream)
        self._database = TroubledDatabase(url, self.trouble)
        self._admin: Database = PatientDatabase(url)
        self._secrets = secrets_from(system.ids.random_bytes(32), system.ids)
        self._open: list[psycopg.Connection[Any]] = []
        self.key: Ed25519PrivateKey = self._secrets.identity
        self.log: list[Committed] = []
        self._closer: StaffId | None = None
        self.site: SiteId = self._admin.write(lambda session: self._write_site(session, slug))
        self.holders = tuple(
            self._admin.write(lambda session, holder=holder: self._write_holder(session, holder))  # type: ignore[misc]
            for holder in plan.HOLDERS
        )
        self.identities = {box.name: self._enrol(box) for box in (*plan.BOXES, plan.ROGUE)}

    # --- the site -----------------------------------------------------------------------------------------------

    def _write_site(self, session: WriteSession, slug: str) -> SiteId:
        system = self._system
        site = access.create_site(session, system, access.NewSite(slug, "Simulated", "模拟"), ACTOR)
        outside, inside = ZoneId(plan.OUTSIDE), ZoneId(plan.INSIDE)
        zones = [
            access.Zone(outside, "Outside", "院外"),
            access.Zone(inside, "Compound", "院内", passback=self._variant.passback),
        ]
        access.put_zones(session, system, site, zones, ACTOR)
        always = access.Schedule(ScheduleId("always"), "Always", "全天", (Interval(on_holidays=True),))
        level = access.AccessLevel(LevelId("all"), "All", "全部", always.id, (outside, inside))
        lanes = [
            access.Lane(
                LaneId(name), name, name, name, *((inside, outside) if name == plan.WAY_OUT else (outside, inside))
            )
            for name in plan.LANES
        ]
        canteen.put_stalls(session, system, site, [canteen.Stall(StallId("main"), "Main", "主")], ACTOR)
        tills = [
            canteen.Till(TillId(name), name, name, name, StallId("main")) for name in (*plan.TILLS, *plan.ROGUE.tills)
        ]
        meal = canteen.MealPeriod(MealId("lunch"), "Lunch", "午餐", *plan.LUNCH_SECONDS, plan.MEALS_A_DAY)
        people.put_category(session, system, site, CategoryId("staff"), people.Named("Staff", "职工"), ACTOR)
        for problem in (
            access.put_schedule(session, system, site, always, ACTOR),
            access.put_level(session, system, site, level, ACTOR),
            access.put_lanes(session, system, site, lanes, ACTOR),
            canteen.put_tills(session, system, site, tills, ACTOR),
            self._keyed(session, site),
            canteen.put_meals(session, system, site, [meal], ACTOR),
            canteen.put_tariffs(session, system, site, [canteen.Tariff(meal.id, Fen(plan.PRICE_FEN))], ACTOR),
        ):
            assert problem is None, problem
        for name in ("unknown_card", "closed_account"):
            ledger.ensure_ledger_account(session, system, site, "receivable", name)
        return site

    def _keyed(self, session: WriteSession, site: SiteId) -> object:
        """Let one till charge what is keyed, on sites where one does."""
        if not self._variant.keyed:
            return None
        till, keyed = TillId(plan.KEYED_TILL), charging.TillCharging(mode=KEYED)
        return charging.set_till_charging(session, self._system, site, till, keyed, ACTOR)

    def _write_holder(self, session: WriteSession, holder: plan.HolderPlan) -> Holder:
        system, site = self._system, self.site
        person = people.create_person(
            session, system, site, people.NewPerson(holder.name, holder.name, CategoryId("staff")), ACTOR
        )
        assert isinstance(person, UUID), person
        access.set_person_levels(session, system, site, person, {LevelId("all")}, ACTOR)
        card = cards.issue_card(
            session, system, site, cards.NewCard(holder.name, holder.product, (holder.credential,), person), ACTOR
        )
        assert isinstance(card, UUID), card
        account: UUID | None = None
        if holder.subsidy + holder.cash:
            opened = ledger.open_account(session, system, site, person, ACTOR)
            assert isinstance(opened, UUID), opened
            account = opened
            for amount, credit in ((holder.subsidy, ledger.credit_subsidy), (holder.cash, ledger.top_up)):
                if amount:
                    wanted = ledger.Credit(TransferId(system.ids.uuid7()), opened, Fen(amount))
                    credit(session, system, site, wanted, ACTOR)
        return Holder(
            holder.name, holder.credential, holder.product, person, card, account, holder.subsidy, holder.cash
        )

    def _enrol(self, box: BoxPlan) -> Identity:
        system = self._system
        key = Ed25519PrivateKey.from_private_bytes(system.ids.random_bytes(32))
        keys = (key.public_key().public_bytes_raw(), system.ids.random_bytes(32))
        purposes = frozenset({Purpose.GATE, Purpose.TILL})
        made = self._admin.write(
            lambda session: devices.make_code(session, system, self._slug, box.name, purposes, ACTOR)
        )
        assert isinstance(made, EnrolmentCode), made
        enrolled = self._admin.write(
            lambda session: devices.enrol(session, system, self._secrets, made.code, keys, ACTOR)
        )
        assert isinstance(enrolled, EnrolledDevice), enrolled
        places = ([LaneId(lane) for lane in box.lanes], [TillId(till) for till in box.tills])
        self._admin.write(
            lambda session: access.assign_device(session, system, self.site, enrolled.device, places, ACTOR)
        )
        server_key = self._secrets.identity_public
        return Identity(str(enrolled.device), str(self.site), box.name, key.private_bytes_raw(), keys[1], server_key)

    # --- for the server's process -------------------------------------------------------------------------------

    def devices(self, system: System) -> Register:
        return Register(self._database, system, self._secrets)

    def policy(self) -> PolicySource:
        return PolicySource(self._database)

    def processor(self, system: System) -> Processor:
        return TapService(PostgresTaps(self._connect), system)

    def _connect(self) -> psycopg.Connection[Any]:
        if self.trouble.down:
            message = "simulated outage"
            raise psycopg.OperationalError(message)
        connection = TroubledConnection.connect(psycopg_url(self._url), autocommit=True, options=SESSION)
        connection.trouble = self.trouble
        self._open.append(connection)
        return connection

    def process_died(self) -> None:
        for connection in self._open:
            connection.close()
        self._open.clear()

    def log_batch(self, at: datetime, arrivals: Sequence[Arrival], receipts: Sequence[Receipt | None]) -> None:
        self.log.append(BatchDone(at, tuple(arrivals), tuple(receipts)))

    # --- administrators -----------------------------------------------------------------------------------------

    def set_card(self, holder: Holder, state: CardState) -> bool:
        deed = (ACTOR, "")
        done = self._admin.write(
            lambda session: cards.change_state(session, self._system, self.site, CardId(holder.card), state, deed)
        )
        if done is not cards.CardChange.DONE:
            return False
        self.log.append(CardSet(holder.credential, state))
        return True

    def top_up(self, holder: Holder, amount: int) -> None:
        assert holder.account is not None
        credit = ledger.Credit(TransferId(self._system.ids.uuid7()), AccountId(holder.account), Fen(amount))
        booked = self._admin.write(lambda session: ledger.top_up(session, self._system, self.site, credit, ACTOR))
        if isinstance(booked, ledger.Booked):
            self.log.append(MoneyAdded(holder.account, amount))

    def set_price(self, amount: int) -> None:
        tariffs = [canteen.Tariff(MealId("lunch"), Fen(amount))]
        problem = self._admin.write(
            lambda session: canteen.put_tariffs(session, self._system, self.site, tariffs, ACTOR)
        )
        assert problem is None, problem
        self.log.append(PriceSet(amount))

    def set_account(self, holder: Holder, state: AccountState) -> None:
        assert holder.account is not None
        account = AccountId(holder.account)
        self._admin.write(
            lambda session: ledger.set_account_state(session, self._system, self.site, account, state, ACTOR)
        )
        self.log.append(AccountSet(account, state))

    def close_day(self, day: date) -> bool:
        """Close a day as finance would, whatever the tills say: a first close may be of any day that has ended."""
        if self._closer is None:
            self._closer = self._admin.write(self._hire)
        closed = close_day(self._admin, self._system, self.site, day, self._closer, without_silent=True)
        if not isinstance(closed, DayClose) or any(isinstance(one, DayClosed) and one.day >= day for one in self.log):
            return False
        self.log.append(DayClosed(day, self._system.clock.now()))
        return True

    def _hire(self, session: WriteSession) -> StaffId:
        passwords = Passwords(self._system.ids, memory_kib=8, time_cost=1)
        login = f"finance-{self._slug}"
        new = staff.NewStaff(login, "Finance", "correct horse battery", frozenset({Role.FINANCE}))
        hired = staff.create_staff(session, self._system, self.site, passwords, new, ACTOR)
        assert not isinstance(hired, staff.StaffRefusal), hired
        return hired

    # --- the books ----------------------------------------------------------------------------------------------

    def books(self) -> Books:
        with psycopg.connect(psycopg_url(self._url)) as connection:
            return read_books(connection, self.site)

    def back_up(self) -> None:
        """Keep nothing: tier 2 restores no database, tier 1 does."""

    def restore(self) -> bool:
        return False

    def close(self) -> None:
        self.process_died()
        self._database.close()
        self._admin.close()
