"""A month locks when it is whole; days are reopened by two people, audited, and closed again under a new revision."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from cardcore.ids import ApprovalId, StaffId
from cardcore.journal import OutcomeKind
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal
from server.approvals.operations import OPERATIONS
from server.close import months, run
from server.close.findings import FindingFilter, find, settle
from server.close.models import CloseRefusal, DayClose
from server.close.months import REOPEN, Reopen
from server.database import Database
from tests.server.close.counting_house import DAY, CountingHouse

LAST = date(2026, 3, 31)


@pytest.fixture
def house(database: Database) -> Iterator[CountingHouse]:
    house = CountingHouse(database)
    house.play()
    house.outcome(house.journal.records[-1], OutcomeKind.SERVED, 1500)
    house.next_morning()
    house.state_all(t01=(2, 2700), t04=(1, 1000))
    house.closed()
    yield house
    house.taps.close()


def lock(house: CountingHouse, actor: StaffId | None = None) -> CloseRefusal | None:
    return house.database.write(
        lambda session: months.lock_month(session, house.system, house.site, DAY, actor or house.clerk)
    )


def close_month(house: CountingHouse) -> None:
    house.clock.advance(days=30)
    made = list(run.close_through(house.database, house.system, house.site, LAST, house.clerk, without_silent=True))
    assert all(isinstance(one, DayClose) for one in made)


def settle_all(house: CountingHouse) -> None:
    while True:
        page = house.database.read(
            lambda session: find(session, house.site, FindingFilter(from_day=DAY, through_day=LAST), 1)
        )
        for finding in page.rows:
            house.database.write(
                lambda session, at=finding.id: settle(  # type: ignore[misc]
                    session, house.system, house.site, at, house.clerk, "the kitchen was shut"
                )
            )
        if not page.has_next:
            return


def ask(house: CountingHouse, wanted: Reopen) -> ApprovalId:
    made = house.database.write(
        lambda session: approvals.ask(
            session, house.system, house.site, house.clerk, REOPEN, wanted, "a till's clock was a day ahead"
        )
    )
    assert not isinstance(made, ApprovalRefusal), made
    return made


def approve(house: CountingHouse, approval: ApprovalId, checker: StaffId) -> ApprovalRefusal | None:
    read = house.database.read(lambda session: approvals.get(session, house.site, approval))
    assert read is not None
    return house.database.write(
        lambda session: approvals.approve(session, house.system, house.site, approval, (checker, read.seen), OPERATIONS)
    )


def outcome(house: CountingHouse) -> str:
    return str(house.rows("select outcome from approval order by asked_at desc limit 1")[0][0])


def test_c66_a_month_locks_only_when_it_is_whole(house: CountingHouse) -> None:
    assert lock(house) is CloseRefusal.DAYS_NOT_CLOSED
    close_month(house)
    assert lock(house, house.cashier) is CloseRefusal.NOT_ALLOWED
    assert lock(house) is CloseRefusal.FINDINGS_OPEN
    settle_all(house)
    assert lock(house) is None
    assert lock(house) is None
    assert house.rows("select month_locked_through from books") == [(LAST,)]
    assert house.rows("select count(*) from audit where action = 'month_locked'") == [(1,)]


def test_c66_reopening_takes_two_people_and_is_audited(house: CountingHouse) -> None:
    first = house.closed()
    approval = ask(house, Reopen(DAY))
    assert approve(house, approval, house.clerk) is ApprovalRefusal.SAME_PERSON
    assert approve(house, approval, house.cashier) is ApprovalRefusal.NOT_ALLOWED
    assert approve(house, approval, house.auditor) is None
    assert house.rows("select closed_through from books") == [(None,)]
    assert house.rows("select count(*) from day_balance") == [(0,)]
    assert house.rows("select reason from audit where action = 'days_reopened'") == [
        ("a till's clock was a day ahead",)
    ]
    again = house.closed()
    assert (again.revision, again.figures["accounts"]) == (1, first.figures["accounts"])
    assert again.previous == first.hash
    assert house.rows("select state from day_close order by revision") == [("reopened",), ("closed",)]


def test_later_days_are_reopened_with_it(house: CountingHouse) -> None:
    house.clock.advance(days=2)
    list(run.close_through(
        house.database, house.system, house.site, DAY + timedelta(days=2), house.clerk, without_silent=True,
    ))  # fmt: skip
    approve(house, ask(house, Reopen(DAY + timedelta(days=1))), house.auditor)
    assert house.rows("select closed_through from books") == [(DAY,)]
    assert house.rows("select count(*) from day_close where state = 'reopened'") == [(2,)]


def test_a_locked_month_needs_its_lock_taken_off(house: CountingHouse) -> None:
    close_month(house)
    settle_all(house)
    lock(house)
    assert approve(house, ask(house, Reopen(LAST)), house.auditor) is ApprovalRefusal.OPERATION_REFUSED
    assert outcome(house) == CloseRefusal.MONTH_LOCKED
    house.clock.advance(minutes=1)
    assert approve(house, ask(house, Reopen(LAST, unlock=True)), house.auditor) is None
    assert house.rows("select closed_through, month_locked_through from books") == [(LAST - timedelta(days=1), None)]


def test_a_day_that_is_not_closed_cannot_be_reopened(house: CountingHouse) -> None:
    approve(house, ask(house, Reopen(DAY + timedelta(days=9))), house.auditor)
    assert outcome(house) == CloseRefusal.NOT_CLOSED
