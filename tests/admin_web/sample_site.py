"""Sample rows, and a site in the middle of lunch made of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from cardcore.access.items import Product
from cardcore.ids import CardId, ChargeId, DeviceId, PersonId
from cardcore.journal import OutcomeKind
from cardcore.money import Fen
from cardcore.reasons import Reason
from server.live.feed import LiveTap
from server.live.repository import Holder, Place
from server.reports.rows import (
    CardRow,
    CardStatus,
    ChargeRow,
    ChargeState,
    DayFigures,
    DeviceRow,
    HourFigures,
    PersonRow,
    ReaderRow,
)
from tests.admin_web.fakes import (
    NOW,
    TODAY,
    FakeCards,
    FakeCharges,
    FakeDevices,
    FakeLive,
    FakeOverview,
    FakePeople,
    FakeSite,
    an_id,
)


def an_event(number: int, reason: Reason = Reason.GRANTED, **changes: object) -> LiveTap:
    event = LiveTap(
        id=number,
        tap_id=an_id(10_000 + number),
        at=NOW + timedelta(seconds=number),
        reason=reason,
        place=Place("Lane 3", "3 号通道", is_inward=True),
        holder=Holder("张伟", "财政局"),
        card_masked="pkoc:…1a2b",
        amount=None,
        is_offline=False,
        is_late=False,
        outcome=None,
        place_id="g03",
    )
    return replace(event, **changes)  # type: ignore[arg-type]


def a_card(number: int, person: PersonRow | None, status: CardStatus = CardStatus.ISSUED) -> CardRow:
    return CardRow(
        id=CardId(an_id(2_000 + number)),
        number_masked=f"…{number:04d}",
        product=Product.COMBINED,
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


def a_device(number: int, *, is_online: bool = True, readers: tuple[ReaderRow, ...] = ()) -> DeviceRow:
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


def a_reader(number: int, *, is_online: bool = True, is_secure: bool | None = True) -> ReaderRow:
    return ReaderRow(f"R{number}", f"{number} 号通道", is_online, is_secure, NOW - timedelta(minutes=5))


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
        overview=FakeOverview(DayFigures(3_665, 3_402, 35, 0, 1_118, Fen(312_480), hours, refusals)),
        live=FakeLive(
            [
                an_event(1, outcome=OutcomeKind.PASSED),
                an_event(
                    2,
                    Reason.CHARGED,
                    place=Place("Till 1", "一号窗口", is_inward=None),
                    amount=Fen(220),
                    is_offline=True,
                ),
                an_event(3, Reason.NO_ACCESS_NOW, holder=Holder("刘洋", "创新中心 · 云启科技有限公司")),
                an_event(
                    4,
                    Reason.CARD_LOST,
                    holder=Holder("李娜", "民政局"),
                    place=Place("North square 1", "北广场 1 号通道", is_inward=True),
                ),
                an_event(5, Reason.CARD_UNKNOWN, holder=None, place=Place("Lane 3", "3 号通道", is_inward=False)),
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
