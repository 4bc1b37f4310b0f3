"""Counts and sums by every dimension agree with each other, with the ledger, and with what was played."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import pytest

from cardcore.journal import OutcomeKind
from cardcore.money import Fen
from server.corrections.refunds import Refunded, RefundOrder, refund
from server.database import Database
from server.reports import books, sums
from server.reports.sums import Dimension, ReportRefusal, Scope, SumRow
from tests.server.reports.lunch import Lunch

DAY = date(2026, 3, 4)


@pytest.fixture
def lunch(database: Database) -> Iterator[Lunch]:
    played = Lunch(database)
    played.play()
    yield played
    played.taps.close()


def lines(lunch: Lunch, dimensions: Sequence[Dimension], scope: Scope | None = None) -> tuple[SumRow, ...]:
    found = lunch.database.read(
        lambda session: sums.charge_sums(session, lunch.site, scope or Scope(DAY, DAY), dimensions, 1)
    )
    assert not isinstance(found, ReportRefusal)
    return found.page.rows


def keyed(rows: Sequence[SumRow]) -> dict[str, tuple[int, int]]:
    return {"/".join(label.key for label in row.labels): (row.meals, row.net) for row in rows}


def test_c72_sums_by_stall_meal_till_hour(lunch: Lunch) -> None:
    assert keyed(lines(lunch, [Dimension.STALL])) == {"main": (2, 2700), "noodles": (1, 1000)}
    assert keyed(lines(lunch, [Dimension.TILL])) == {"t01": (2, 2700), "t04": (1, 1000)}
    assert keyed(lines(lunch, [Dimension.MEAL, Dimension.STALL])) == {
        "lunch/main": (2, 2700), "lunch/noodles": (1, 1000),
    }  # fmt: skip
    assert keyed(lines(lunch, [Dimension.HOUR])) == {"12": (1, 1200), "13": (2, 2500)}
    (row,) = lines(lunch, [])
    assert (row.charges, row.reversals, row.charged, row.reversed) == (4, 1, 4900, 1200)


def test_names_stand_beside_the_keys(lunch: Lunch) -> None:
    (first, _) = lines(lunch, [Dimension.STALL])
    assert (first.labels[0].name_en, first.labels[0].name_zh) == ("Main canteen", "主食堂")


@pytest.mark.parametrize("dimension", list(Dimension))
def test_every_dimension_adds_up_to_the_total(lunch: Lunch, dimension: Dimension) -> None:
    rows, (total,) = lines(lunch, [dimension]), lines(lunch, [])
    for part in ("charges", "reversals", "charged", "reversed"):
        assert sum(getattr(row, part) for row in rows) == getattr(total, part)


def test_the_scope_narrows(lunch: Lunch) -> None:
    assert keyed(lines(lunch, [Dimension.TILL], Scope(DAY, DAY, till="t04"))) == {"t04": (1, 1000)}
    assert lines(lunch, [Dimension.TILL], Scope(date(2026, 3, 5), date(2026, 3, 6))) == ()
    person = lunch.small.holders[0].person
    (row,) = lines(lunch, [Dimension.PERSON], Scope(DAY, DAY, person=person))
    assert row.net == 1200
    (staff,) = lines(lunch, [], Scope(DAY, DAY, category="staff"))
    (all_of_them,) = lines(lunch, [])
    assert 0 < staff.charges < all_of_them.charges


def test_s6_meals_a_month_by_meal_and_stall(lunch: Lunch) -> None:
    lunch.clock.advance(days=30)
    lunch.outcome(lunch.tap(0, "t01"), OutcomeKind.SERVED, 1200)
    year = Scope(date(2026, 1, 1), date(2026, 12, 31))
    found = keyed(lines(lunch, [Dimension.MONTH, Dimension.MEAL, Dimension.STALL], year))
    assert found == {
        "2026-03/lunch/main": (2, 2700), "2026-03/lunch/noodles": (1, 1000), "2026-04/lunch/main": (1, 1200),
    }  # fmt: skip
    units = lines(lunch, [Dimension.MONTH, Dimension.DEPARTMENT], year)
    assert sum(row.meals for row in units) == 4
    assert "工业和信息化局" in {row.labels[1].name_zh for row in units}


def test_refunds_count_in_their_own_day_and_never_twice(lunch: Lunch) -> None:
    ((charge,),) = lunch.small.rows("select id from charge where revision = 0 and offline")

    def give_back(amount: int) -> None:
        order = RefundOrder(lunch.system.ids.uuid7(), charge, Fen(amount), "wrong key")
        made = lunch.database.write(lambda session: refund(session, lunch.system, lunch.site, order, "test"))
        assert isinstance(made, Refunded), made

    give_back(300)
    assert keyed(lines(lunch, [Dimension.STALL]))["noodles"] == (1, 700)
    lunch.clock.advance(days=1)
    give_back(700)
    assert keyed(lines(lunch, [Dimension.STALL]))["noodles"] == (1, 700)
    (_, row) = lines(lunch, [Dimension.STALL], Scope(DAY, date(2026, 3, 5)))
    assert (row.meals, row.net, row.refunds, row.refunded) == (0, 0, 1, 1000)
    served = next(record for record in lunch.journal.records if b'"t04"' in record.body)
    lunch.outcome(served, OutcomeKind.CANCELLED, 1000)
    (_, row) = lines(lunch, [Dimension.STALL], Scope(DAY, date(2026, 3, 5)))
    assert (row.meals, row.net) == (0, 0)


def test_too_much_is_refused(lunch: Lunch) -> None:
    backwards = Scope(DAY, date(2026, 3, 3))
    found = lunch.database.read(lambda session: sums.charge_sums(session, lunch.site, backwards, [], 1))
    assert found is ReportRefusal.DAYS_OUT_OF_RANGE
    twice = [Dimension.DAY, Dimension.DAY]
    assert sums.refused(Scope(DAY, DAY), twice) is ReportRefusal.TOO_MANY_DIMENSIONS


def test_c73_the_trial_balance_is_zero_at_any_date(lunch: Lunch) -> None:
    before = lunch.database.read(lambda session: books.trial_balance(session, lunch.site, DAY, date(2026, 3, 3)))
    after = lunch.database.read(lambda session: books.trial_balance(session, lunch.site, DAY, DAY))
    for lines_of_day in (before, after):
        assert sum(line.closing for line in lines_of_day) == 0
        assert sum(line.debit for line in lines_of_day) == sum(line.credit for line in lines_of_day)
    stalls = {line.name: (line.debit, line.credit, line.closing) for line in after if line.role == "stall"}
    assert stalls == {"main": (1200, 3900, 2700), "noodles": (0, 1000, 1000)}
    later = lunch.database.read(
        lambda session: books.trial_balance(session, lunch.site, date(2026, 3, 5), date(2026, 3, 5))
    )
    assert {line.name: line.opening for line in later if line.role == "stall"} == {"main": 2700, "noodles": 1000}


def test_a_statement_ends_at_the_balance(lunch: Lunch) -> None:
    holder = lunch.small.holders[3]
    assert holder.account is not None
    account = holder.account
    found = lunch.database.read(lambda session: list(books.statement(session, lunch.site, account, DAY, DAY)))
    assert [line.amount for line in found if line.kind in {"charge", "reversal"}] == [-1200, 1200]
    by_purse = {line.purse: line.balance for line in found}
    assert Fen(sum(by_purse.values())) == lunch.small.balance(holder)
