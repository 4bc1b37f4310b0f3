"""The sums kept of a closed day say what its charges say, whatever is asked of them; a wrong one is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import pytest

from cardcore.ids import ChargeId
from cardcore.journal import OutcomeKind
from cardcore.money import Fen
from server.corrections.refunds import Refunded, RefundOrder, refund
from server.database import Database
from server.ledger import invariants
from server.reports import sums, sums_repository
from server.reports.sums import Dimension, ReportRefusal, Scope, SumRow
from tests.server.reports.lunch import Lunch

DAY = date(2026, 3, 4)
SCOPES = (
    Scope(DAY, DAY), Scope(date(2026, 3, 1), date(2026, 3, 31)),
    Scope(DAY, DAY, category="staff"), Scope(DAY, DAY, department="d03"), Scope(DAY, DAY, till="t04", meal="lunch"),
)  # fmt: skip
ASKED: tuple[tuple[Dimension, ...], ...] = (
    (), *((one,) for one in Dimension), (Dimension.MONTH, Dimension.MEAL, Dimension.DEPARTMENT, Dimension.STALL),
    (Dimension.DAY, Dimension.CATEGORY, Dimension.HOUR, Dimension.TILL),
)  # fmt: skip


@pytest.fixture
def lunch(database: Database) -> Iterator[Lunch]:
    played = Lunch(database)
    played.play()
    system, site = played.system, played.site
    ((charge,),) = played.small.rows("select id from charge where revision = 0 and till_id = 't01' order by at limit 1")
    order = RefundOrder(system.ids.uuid7(), ChargeId(charge), Fen(300), "wrong dish")
    assert isinstance(database.write(lambda session: refund(session, system, site, order, "test")), Refunded)
    yield played
    played.taps.close()


def everything(lunch: Lunch) -> list[Sequence[SumRow]]:
    def read(scope: Scope, dimensions: Sequence[Dimension]) -> Sequence[SumRow]:
        found = lunch.database.read(lambda session: sums.charge_sums(session, lunch.site, scope, dimensions, 1))
        assert not isinstance(found, ReportRefusal)
        return found.page.rows

    return [read(scope, dimensions) for scope in SCOPES for dimensions in ASKED]


def keep(lunch: Lunch) -> None:
    lunch.database.write(lambda session: sums_repository.keep_day(session, lunch.site, DAY))


def test_kept_sums_say_what_the_charges_say(lunch: Lunch) -> None:
    before = everything(lunch)
    assert any(row.refunded for rows in before for row in rows)
    for _ in range(2):  # closed, and closed again
        keep(lunch)
        assert lunch.small.rows("select count(*) > 1 from charge_sum") == [(True,)]
        assert everything(lunch) == before


def test_a_reopened_day_is_summed_from_its_charges_again(lunch: Lunch) -> None:
    keep(lunch)
    lunch.database.write(lambda session: sums_repository.forget_from(session, lunch.site, DAY))
    seen = everything(lunch)
    lunch.outcome(lunch.tap(0, "t04"), OutcomeKind.SERVED, 1000)
    assert everything(lunch) != seen


def test_a_closed_day_is_read_from_its_sums_and_a_wrong_one_is_found(lunch: Lunch, database: Database) -> None:
    keep(lunch)
    assert database.read(lambda session: invariants.inv_d03_day_sums_are_their_charges(session, lunch.site)) == []
    database.write(lambda session: session.exec_driver_sql("delete from charge_sum where till_id = 't04'"))
    (row,) = everything(lunch)[0]
    assert row.charges == 3
    (wrong,) = database.read(lambda session: invariants.inv_d03_day_sums_are_their_charges(session, lunch.site))
    assert (wrong.subject, wrong.detail["kept"], wrong.detail["charges"]) == ("2026-03-04", 3, 4)
