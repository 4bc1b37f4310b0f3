"""Nothing enters a closed day: late records are posted today and name theirs, and the database refuses anybody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, timedelta

import psycopg
import pytest

from cardcore.journal import OutcomeKind
from server.close import run
from server.close.findings import FindingFilter, find
from server.close.models import Finding
from server.database import Database
from server.ledger import invariants
from tests.server.close.counting_house import DAY, CountingHouse

TODAY = DAY + timedelta(days=1)


@pytest.fixture
def house(database: Database) -> Iterator[CountingHouse]:
    house = CountingHouse(database)
    house.play()
    house.outcome(house.journal.records[-1], OutcomeKind.SERVED, 1500)
    yield house
    house.taps.close()


def late_meal(house: CountingHouse, amount: int = 1000) -> None:
    """Upload, the morning after, a meal that a till served alone the day before."""
    now, house.clock.at = house.clock.at, house.clock.at - timedelta(hours=20)
    tap = house.journal.add(house.intent(3, "t04"))
    outcome = house.journal.add(house.served(tap, amount))
    house.clock.at = now
    house.taps.process([house.journal.upload([tap, outcome])])


def posted(house: CountingHouse) -> list[tuple[date, date | None, int, int]]:
    """Return posting day, event day, revision and amount of what was posted after the close."""
    return house.rows(
        "select business_day, event_day, revision, amount_fen from charge where posted_at >= %s order by revision",
        house.clock.at,
    )


def test_c66_a_late_record_posts_today_and_names_its_day(house: CountingHouse) -> None:
    house.next_morning()
    house.state_all(t01=(2, 2700), t04=(2, 2000))
    closed = house.closed()
    late_meal(house)
    assert posted(house) == [(TODAY, DAY, 0, 1000)]
    assert house.rows("select distinct business_day from transfer where posted_at >= %s", house.clock.at) == [(TODAY,)]
    assert house.closed() == closed
    house.clock.advance(days=1)
    second = house.closed(TODAY, without_silent=True)
    assert second.figures["late"] == [{"event_day": str(DAY), "meals": 1, "fen": 1000}]
    found = house.database.read(lambda session: invariants.all_invariants(session, house.site))
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_a_late_record_makes_the_tills_total_of_its_day_equal(house: CountingHouse) -> None:
    house.next_morning()
    house.state_all(t01=(2, 2700), t04=(2, 2000))
    house.closed()
    assert [row.kind for row in open_findings(house)] == ["till_total"]
    late_meal(house)
    run.reconcile_day(house.database, house.system, house.site, DAY)
    assert open_findings(house) == []


def test_a_late_reversal_posts_today(house: CountingHouse) -> None:
    tap = house.tap(3, "t01")
    house.next_morning()
    house.closed(without_silent=True)
    house.outcome(tap, OutcomeKind.NOT_CONFIRMED)
    assert posted(house) == [(TODAY, DAY, 1, 1200)]
    ((counted,),) = house.rows(
        "select sum(count) from meal_count where account_id = %s and business_day = %s",
        house.small.holders[3].account, DAY,
    )  # fmt: skip
    assert counted == 0


def test_a_late_meal_counts_for_the_day_it_was_eaten(house: CountingHouse) -> None:
    house.next_morning()
    house.closed(without_silent=True)
    late_meal(house)
    rows = house.rows(
        "select business_day, count from meal_count where account_id = %s", house.small.holders[3].account
    )
    assert rows == [(DAY, 1)]


def test_a_record_of_an_open_day_keeps_its_day(house: CountingHouse) -> None:
    house.next_morning()
    late_meal(house)
    assert posted(house) == [(DAY, None, 0, 1000)]


@pytest.mark.parametrize("role", ["", "set role onecard_app"])
@pytest.mark.parametrize("table", ["transfer", "charge"])
def test_the_database_refuses_a_posting_in_a_closed_day(house: CountingHouse, table: str, role: str) -> None:
    house.next_morning()
    house.closed(without_silent=True)
    named = house.rows("select attname from pg_attribute where attrelid = %s::regclass and attnum > 0", table)
    columns = ", ".join(row[0] for row in named if row[0] not in {"id", "seq"})
    again = f"insert into {table} (id, {'seq, ' if table == 'charge' else ''}{columns}) select gen_random_uuid(),"
    again += f" {'seq + 1000, ' if table == 'charge' else ''}{columns} from {table} where business_day = %s limit 1"
    with psycopg.connect(house.database.url) as connection:
        if role:
            connection.execute(role)
        with pytest.raises(psycopg.errors.SerializationFailure, match="closed business day"):
            connection.execute(again, (DAY,))


def test_who_writes_while_the_day_is_shut_is_waited_for(house: CountingHouse) -> None:
    """A writer that began before the mark was set is in the close's figures; it cannot slip in behind them."""
    house.next_morning()
    with psycopg.connect(house.database.url) as writer:
        writer.execute(
            "insert into transfer"
            " (id, site_id, kind, from_account, to_account, amount_fen, business_day, at, posted_at, actor)"
            " select gen_random_uuid(), site_id, 'cash_move', from_account, to_account, 77, business_day, at,"
            " posted_at, 'test' from transfer where kind = 'charge' limit 1"
        )
        made: list[object] = []
        closer = threading.Thread(target=lambda: made.append(house.close(without_silent=True)))
        closer.start()
        waiting = "select count(*) from pg_locks where not granted and mode = 'ShareLock'"
        with psycopg.connect(house.database.url, autocommit=True) as looking:
            while looking.execute(waiting).fetchone() != (1,):
                pass
        assert made == []
        assert house.rows("select state from day_close") == [("closing",)]
        writer.commit()
        closer.join(20)
    assert len(made) == 1
    ((held,),) = house.rows(
        "select count(*) from transfer t join day_close c on c.business_day >= t.business_day where t.amount_fen = 77"
        " and t.note = '' and c.state = 'closed'"
    )
    assert held == 1


def open_findings(house: CountingHouse) -> list[Finding]:
    wanted = FindingFilter(from_day=DAY)
    return list(house.database.read(lambda session: find(session, house.site, wanted, 1)).rows)
