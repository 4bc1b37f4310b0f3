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
from admin_web.rows import (
    PAGE_ROWS,
    BlockReason,
    CardChange,
    CardHistoryRow,
    CardProduct,
    CardRow,
    CardStatus,
    CardView,
    ChargeFilter,
    ChargeRow,
    ChargesFound,
    ChargeState,
    DayFigures,
    DeviceRow,
    Direction,
    HourFigures,
    LiveEvent,
    Page,
    Permission,
    PersonRow,
    PersonView,
    PurseKind,
    PurseRow,
    ReaderHealth,
    SessionView,
    SignInOutcome,
    SignInResult,
    StaffView,
    TapOutcome,
)
from admin_web.settings import LiveLimits, PageSettings
from cardcore.ids import CardId, ChargeId, DeviceId, PersonId, StaffId, TillId
from cardcore.money import Fen
from cardcore.reasons import Reason

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
    failures: int = 0
    activities: list[bool] = field(default_factory=list)
    is_throttled: bool = False

    @property
    def staff(self) -> StaffView:
        return StaffView(StaffId(an_id(1)), "wang", "王芳", self.permissions)

    def verify(self, login: str, password: str, address: str) -> SignInResult:
        assert address
        if self.is_throttled:
            return SignInResult(SignInOutcome.THROTTLED, retry_after_s=60)
        if (login, password) == (self.staff.login, PASSWORD):
            return SignInResult(SignInOutcome.ACCEPTED, self.staff)
        self.failures += 1
        return SignInResult(SignInOutcome.REFUSED)

    def open_session(self, staff_id: StaffId) -> str:
        assert staff_id == self.staff.id
        token = f"session-{len(self.sessions) + 1:032d}"
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

    events: list[LiveEvent] = field(default_factory=list)
    subscribed_after: list[int] = field(default_factory=list)
    is_lost: bool = False

    def __post_init__(self) -> None:
        self._news = asyncio.Condition()

    def recent(self, count: int) -> tuple[LiveEvent, ...]:
        return tuple(self.events[-count:])

    async def subscribe(self, after_id: int) -> AsyncIterator[LiveEvent]:
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

    async def push(self, event: LiveEvent) -> None:
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

    day_figures: DayFigures = field(default_factory=lambda: DayFigures(0, 0, 0, 0, Fen(0), (), {}))
    asked: list[date] = field(default_factory=list)

    def figures(self, day: date) -> DayFigures:
        self.asked.append(day)
        return self.day_figures


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


def an_event(number: int, reason: Reason = Reason.GRANTED, **changes: object) -> LiveEvent:
    event = LiveEvent(
        id=number,
        tap_id=an_id(10_000 + number),
        at=NOW + timedelta(seconds=number),
        reason=reason,
        place="3 号通道",
        direction=Direction.IN,
        person_name="张伟",
        department="财政局",
        card_masked="pkoc:…1a2b",
        amount=None,
        is_offline=False,
        outcome=None,
    )
    return replace(event, **changes)  # type: ignore[arg-type]


def a_card(number: int, person: PersonRow | None, status: CardStatus = CardStatus.ISSUED) -> CardRow:
    return CardRow(
        id=CardId(an_id(2_000 + number)),
        number_masked=f"…{number:04d}",
        product=CardProduct.COMBINED,
        status=status,
        person_id=person.id if person is not None else None,
        person_name=person.name if person is not None else None,
        department=person.department if person is not None else None,
        valid_until=date(2027, 12, 31) if number % 3 else None,
    )


def a_person(number: int, name: str, department: str) -> PersonRow:
    return PersonRow(PersonId(an_id(1_000 + number)), name, f"D{number:04d}", department, "在编", number % 7 != 6, 1)


def a_charge(number: int, person: PersonRow, state: ChargeState = ChargeState.POSTED) -> ChargeRow:
    return ChargeRow(
        id=ChargeId(an_id(3_000 + number)),
        at=NOW - timedelta(seconds=37 * number),
        business_day=TODAY,
        till="一号窗口" if number % 2 else "二号窗口",
        stall="第一食堂",
        meal="午餐",
        person_id=person.id,
        person_name=person.name,
        card_masked=f"…{number:04d}",
        amount=Fen(220 + 60 * (number % 4)),
        state=state,
        is_offline=number % 5 == 4,
    )


def a_device(number: int, *, is_online: bool = True, readers: tuple[ReaderHealth, ...] = ()) -> DeviceRow:
    return DeviceRow(
        id=DeviceId(an_id(4_000 + number)),
        name=f"闸机控制箱 {number}",
        is_online=is_online,
        last_seen=NOW - timedelta(seconds=3 if is_online else 1_900),
        snapshot_version=41 if number != 2 else 40,
        newest_snapshot_version=41,
        queue_length=0 if is_online else 312,
        readers=readers,
    )


def a_reader(number: int, *, is_online: bool = True, is_secure: bool | None = True) -> ReaderHealth:
    return ReaderHealth(f"R{number}", f"{number} 号通道", is_online, is_secure, NOW - timedelta(minutes=5))


def lunch_site() -> FakeSite:
    """Return a site in the middle of lunch: every page has something to show."""
    names = ("张伟", "王秀英", "李娜", "刘洋", "陈静", "杨帆", "赵磊", "黄丽", "周杰", "吴敏", "Anna Müller", "徐强")
    departments = ("财政局", "民政局", "人力资源和社会保障局", "创新中心 · 云启科技有限公司")
    people = [a_person(number, names[number % 12], departments[number % 4]) for number in range(60)]
    statuses = (CardStatus.ISSUED, CardStatus.ISSUED, CardStatus.ISSUED, CardStatus.LOST, CardStatus.EXPIRED)
    cards = FakeCards([a_card(number, person, statuses[number % 5]) for number, person in enumerate(people)])
    cards.rows.append(a_card(99, None, CardStatus.NOT_ISSUED))
    states = (ChargeState.POSTED, ChargeState.POSTED, ChargeState.AUTHORISED, ChargeState.POSTED, ChargeState.REVERSED)
    refusals = {Reason.CARD_LOST: 3, Reason.BALANCE_TOO_LOW: 17, Reason.NO_ACCESS_NOW: 9, Reason.CARD_UNKNOWN: 6}
    counts = ((7, 310, 4), (8, 1240, 12), (9, 460, 5), (10, 120, 1), (11, 890, 9), (12, 610, 4))
    hours = tuple(HourFigures(hour, granted, refused) for hour, granted, refused in counts)
    return FakeSite(
        overview=FakeOverview(DayFigures(3_665, 3_402, 35, 1_118, Fen(312_480), hours, refusals)),
        live=FakeLive(
            [
                an_event(1, outcome=TapOutcome.PASSED),
                an_event(2, Reason.CHARGED, place="一号窗口", direction=None, amount=Fen(220), is_offline=True),
                an_event(3, Reason.NO_ACCESS_NOW, person_name="刘洋", department="创新中心 · 云启科技有限公司"),
                an_event(4, Reason.CARD_LOST, person_name="李娜", department="民政局", place="北广场 1 号通道"),
                an_event(5, Reason.CARD_UNKNOWN, person_name=None, department=None, direction=Direction.OUT),
            ]
        ),
        people=FakePeople(people, cards),
        charges=FakeCharges([a_charge(number, people[number], states[number % 5]) for number in range(60)]),
        devices=FakeDevices(
            (
                a_device(1, readers=(a_reader(1), a_reader(2))),
                a_device(2, readers=(a_reader(3, is_online=False), a_reader(4, is_secure=False))),
                a_device(3, is_online=False, readers=(a_reader(5, is_online=False, is_secure=None),)),
            )
        ),
    )
