"""The server's services, in memory: a small site that the page tests look at and change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import ParamSpec, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from admin_web.ports import PageServices
from admin_web.settings import LiveLimits, PageSettings
from cardcore.ids import CardId, PersonId, SiteId, StaffId, TillId
from cardcore.money import Fen
from server.cards.service import CardChange
from server.database import ReadSession, WriteSession
from server.live.feed import LiveTap
from server.live.repository import Place
from server.reports.paging import PAGE_ROWS, Page
from server.reports.rows import (
    BlockReason,
    CardHistoryRow,
    CardRow,
    CardStatus,
    CardView,
    ChargeFilter,
    ChargeRow,
    ChargesFound,
    ChargeState,
    DayFigures,
    DeviceRow,
    PersonRow,
    PersonView,
    PurseKind,
    PurseRow,
)
from server.secrets_file import secrets_from
from server.staff.passwords import Passwords
from server.staff.roles import Permission
from server.staff.service import StaffView
from server.staff.sign_in import DIRECT, Opening, SessionView, SignInOutcome, SignInResult
from server.system import System

Given = ParamSpec("Given")
Answer = TypeVar("Answer")
Row = TypeVar("Row")

NOW = datetime(2026, 11, 20, 4, 3, 5, tzinfo=UTC)
"""12:03:05 on the site."""
TODAY = date(2026, 11, 20)
SHANGHAI = ZoneInfo("Asia/Shanghai")
PASSWORD = "a long enough password"
EVERYTHING = frozenset(Permission)


def an_id(number: int) -> UUID:
    """Return a recognisable id."""
    return UUID(int=0x0199_0000_0000_7000_8000_0000_0000_0000 + number)


class FixedClock:
    """Stands still unless a test moves it."""

    def __init__(self) -> None:
        self.at = NOW
        self.ms = 0

    def now(self) -> datetime:
        return self.at

    def monotonic_ms(self) -> int:
        return self.ms


class CountingIds:
    """Ids in order."""

    def __init__(self) -> None:
        self.count = 0

    def uuid7(self) -> UUID:
        self.count += 1
        return an_id(900_000 + self.count)

    def random_bytes(self, count: int) -> bytes:
        return bytes(count)


class RunHere:
    """Runs the function in place."""

    async def __call__(self, function: Callable[Given, Answer], /, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        await asyncio.sleep(0)
        return function(*args, **kwargs)


def paged(rows: list[Row], number: int) -> Page[Row]:
    start = (number - 1) * PAGE_ROWS
    return Page(tuple(rows[start : start + PAGE_ROWS]), number, len(rows) > start + PAGE_ROWS, len(rows))


@dataclass
class FakeSignIn:
    """One administrator, and whoever a test adds."""

    permissions: frozenset[Permission] = EVERYTHING
    sessions: dict[str, datetime] = field(default_factory=dict)
    opened: int = 0
    failures: int = 0
    activities: list[bool] = field(default_factory=list)
    is_throttled: bool = False

    @property
    def staff(self) -> StaffView:
        return StaffView(StaffId(an_id(1)), "wang", "王芳", self.permissions)

    def verify(self, login: str, password: str, address: str) -> SignInResult:
        assert address
        if self.is_throttled:
            return SignInResult(SignInOutcome.THROTTLED, retry_after_s=610)
        if (login, password) == (self.staff.login, PASSWORD):
            return SignInResult(SignInOutcome.ACCEPTED, self.staff)
        self.failures += 1
        return SignInResult(SignInOutcome.REFUSED)

    def open_session(self, staff_id: StaffId, opening: Opening = DIRECT) -> str:
        assert not opening.waits_for
        assert staff_id == self.staff.id
        self.opened += 1
        token = f"session-{self.opened:032d}"
        self.sessions[token] = NOW
        return token

    def close_session(self, token: str) -> None:
        self.sessions.pop(token, None)

    def session(self, token: str, *, is_activity: bool) -> SessionView | None:
        self.activities.append(is_activity)
        return SessionView(self.staff, self.sessions[token]) if token in self.sessions else None


@dataclass
class FakeCards:
    """Cards that can be blocked."""

    rows: list[CardRow] = field(default_factory=list)
    change: CardChange = CardChange.DONE
    calls: list[tuple[str, CardId, BlockReason | None, StaffId]] = field(default_factory=list)
    history: tuple[CardHistoryRow, ...] = (CardHistoryRow(NOW - timedelta(days=90), CardStatus.ISSUED, "李强"),)

    def search(self, text: str, page: int) -> Page[CardRow]:
        return paged([row for row in self.rows if text in row.number_masked + (row.person_name or "")], page)

    def get(self, card_id: CardId) -> CardView | None:
        row = next((row for row in self.rows if row.id == card_id), None)
        return CardView(row, ("pkoc",), self.history) if row is not None else None

    def block(self, card_id: CardId, reason: BlockReason, actor: StaffId) -> CardChange:
        self.calls.append(("block", card_id, reason, actor))
        return self._set(card_id, CardStatus(reason.value))

    def unblock(self, card_id: CardId, actor: StaffId) -> CardChange:
        self.calls.append(("unblock", card_id, None, actor))
        return self._set(card_id, CardStatus.ISSUED)

    def _set(self, card_id: CardId, status: CardStatus) -> CardChange:
        if self.change is CardChange.DONE:
            self.rows = [replace(row, status=status) if row.id == card_id else row for row in self.rows]
            self.history = (CardHistoryRow(NOW, status, "王芳"), *self.history)
        return self.change


@dataclass
class FakePeople:
    """People by name."""

    rows: list[PersonRow] = field(default_factory=list)
    cards: FakeCards = field(default_factory=FakeCards)
    purses: tuple[PurseRow, ...] = (
        PurseRow(PurseKind.SUBSIDY, 123_456),
        PurseRow(PurseKind.CASH, -320),
        PurseRow(PurseKind.COUNT, 12),
    )

    def search(self, text: str, page: int) -> Page[PersonRow]:
        return paged([row for row in self.rows if text in row.name + row.number + row.department], page)

    def get(self, person_id: PersonId) -> PersonView | None:
        row = next((row for row in self.rows if row.id == person_id), None)
        if row is None:
            return None
        return PersonView(row, tuple(card for card in self.cards.rows if card.person_id == person_id), self.purses)


@dataclass
class FakeCharges:
    """Charges of a day."""

    rows: list[ChargeRow] = field(default_factory=list)
    asked: list[ChargeFilter] = field(default_factory=list)

    def search(self, wanted: ChargeFilter, page: int) -> ChargesFound:
        self.asked.append(wanted)
        rows = [row for row in self.rows if row.business_day == wanted.day]
        if wanted.person_id is not None:
            rows = [row for row in rows if row.person_id == wanted.person_id]
        in_force = sum(row.amount for row in rows if row.state is not ChargeState.REVERSED)
        return ChargesFound(paged(rows, page), Fen(in_force))

    def tills(self) -> Mapping[TillId, str]:
        return {TillId("till-1"): "一号窗口", TillId("till-2"): "二号窗口"}


@dataclass
class FakeDevices:
    """Reader daemons."""

    rows: tuple[DeviceRow, ...] = ()

    def list(self) -> tuple[DeviceRow, ...]:
        return self.rows


@dataclass
class FakeLive:
    """A feed that a test pushes events into; any number of subscribers."""

    events: list[LiveTap] = field(default_factory=list)
    subscribed_after: list[int] = field(default_factory=list)
    is_lost: bool = False

    def __post_init__(self) -> None:
        self._news = asyncio.Condition()

    def recent(self, count: int) -> tuple[LiveTap, ...]:
        return tuple(self.events[-count:])

    def places(self) -> dict[str, Place]:
        return {"g03": Place("Lane 3", "3 号通道", is_inward=True), "t01": Place("Till 1", "一号窗口", is_inward=None)}

    async def subscribe(self, after_id: int) -> AsyncIterator[LiveTap]:
        self.subscribed_after.append(after_id)
        while True:
            async with self._news:
                while not self.is_lost and self._newest_id() <= after_id:
                    await self._news.wait()
            if self.is_lost:
                self.is_lost = False
                message = "the bus is gone"
                raise ConnectionError(message)
            for event in [event for event in self.events if event.id > after_id]:
                after_id = event.id
                yield event

    def _newest_id(self) -> int:
        return self.events[-1].id if self.events else 0

    async def push(self, event: LiveTap) -> None:
        self.events.append(event)
        async with self._news:
            self._news.notify_all()

    async def lose(self) -> None:
        self.is_lost = True
        async with self._news:
            self._news.notify_all()


@dataclass
class FakeOverview:
    """Today's counts."""

    day_figures: DayFigures = field(default_factory=lambda: DayFigures(0, 0, 0, 0, 0, Fen(0), (), {}))
    asked: list[date] = field(default_factory=list)

    def figures(self, day: date) -> DayFigures:
        self.asked.append(day)
        return self.day_figures


class NoChance(CountingIds):
    """Ids in order, and bytes that are no secret."""

    def random_bytes(self, count: int) -> bytes:
        return bytes(count)


class NoDatabase:
    """Behind pages that fakes serve there is no database: `tests.admin_web.real_site` has one."""

    def read(self, call: Callable[[ReadSession], Answer]) -> Answer:
        message = f"{call} asks a database"
        raise LookupError(message)

    def write(self, call: Callable[[WriteSession], Answer]) -> Answer:
        message = f"{call} asks a database"
        raise LookupError(message)


@dataclass
class FakeSite:
    """All fakes together, empty."""

    clock: FixedClock = field(default_factory=FixedClock)
    sign_in: FakeSignIn = field(default_factory=FakeSignIn)
    overview: FakeOverview = field(default_factory=FakeOverview)
    live: FakeLive = field(default_factory=FakeLive)
    people: FakePeople = field(default_factory=FakePeople)
    charges: FakeCharges = field(default_factory=FakeCharges)
    devices: FakeDevices = field(default_factory=FakeDevices)

    @property
    def cards(self) -> FakeCards:
        return self.people.cards

    def services(self) -> PageServices:
        return PageServices(
            run=RunHere(),
            ids=CountingIds(),
            database=NoDatabase(),
            system=System(self.clock, NoChance()),
            site_id=SiteId(an_id(1)),
            secrets=secrets_from(bytes(range(1, 33)), NoChance()),
            passwords=Passwords(NoChance(), memory_kib=8, time_cost=1),
            sign_in=self.sign_in,
            overview=self.overview,
            live=self.live,
            people=self.people,
            cards=self.cards,
            charges=self.charges,
            devices=self.devices,
        )


def settings(live: LiveLimits | None = None) -> PageSettings:
    return PageSettings("城东行政中心", SHANGHAI, live=live if live is not None else LiveLimits())
