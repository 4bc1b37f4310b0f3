"""Closing a day: once, by two at once, with silent tills, with differences; signed by another person; chained."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from uuid import UUID

import psycopg
import pytest

from cardcore.ids import StaffId
from cardcore.journal import DeviceEvent, OutcomeKind, Record
from server.close import findings, run, service
from server.close.findings import FindingFilter, FindingRefusal
from server.close.models import SILENCE_DEADLINE, Cause, CloseRefusal, CloseState, DayClose, Finding, FindingKind
from server.database import Database
from server.staff.roles import Role
from tests.server.close.counting_house import DAY, CountingHouse

MOVED_PURSE_ONE_LESS = """
    update purse set balance_fen = balance_fen - 1
    where id = (select from_account from transfer where kind = 'charge' order by id limit 1)
"""
RESTING_PURSE_ONE_MORE = """
    update purse set balance_fen = balance_fen + 1 where id = (select id from purse u where not exists (
        select from transfer t where u.id in (t.from_account, t.to_account)) limit 1)
"""


@pytest.fixture
def house(database: Database) -> Iterator[CountingHouse]:
    """Play a lunch whose meals are all settled; the tills have not stated their totals yet."""
    house = CountingHouse(database)
    house.play()
    house.outcome(house.journal.records[-1], OutcomeKind.SERVED, 1500)
    yield house
    house.taps.close()


@pytest.fixture
def stated(house: CountingHouse) -> CountingHouse:
    house.next_morning()
    house.state_all(t01=(2, 2700), t04=(1, 1000))
    return house


def listed(house: CountingHouse, **wanted: object) -> list[Finding]:
    chosen = FindingFilter(**wanted)  # type: ignore[arg-type]
    return list(house.database.read(lambda session: findings.find(session, house.site, chosen, 1)).rows)


def event(house: CountingHouse) -> DeviceEvent:
    return DeviceEvent("daemon_started", "", "", house.journal.stamp())


def kinds(house: CountingHouse) -> list[str]:
    return sorted(finding.kind for finding in listed(house) if finding.business_day is not None)


class TestClosing:
    def test_c66_a_day_closes_once_with_its_figures(self, stated: CountingHouse) -> None:
        closed = stated.closed()
        assert closed.state is CloseState.CLOSED
        assert closed.figures["charges"] == {"charges": 4, "reversals": 1, "charged": 4900, "reversed": 1200}
        assert closed.figures["stalls"] == [
            {"stall": "main", "turnover": 3900, "refunds": 1200, "fees": 0, "payable": 2700, "paid": 0},
            {"stall": "noodles", "turnover": 1000, "refunds": 0, "fees": 0, "payable": 1000, "paid": 0},
        ]
        assert closed.figures["findings"] == {}
        rows = stated.rows("select * from day_close") + stated.rows("select * from day_balance order by 2")
        stated.clock.advance(hours=1)
        assert stated.closed() == closed
        assert rows == stated.rows("select * from day_close") + stated.rows("select * from day_balance order by 2")
        assert stated.rows("select count(*) from audit where action = 'day_closed'") == [(1,)]

    def test_two_operators_at_once_get_one_row(self, stated: CountingHouse) -> None:
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda who: stated.close(closer=who), [stated.clerk, stated.second] * 2))
        assert len({one.hash for one in made if isinstance(one, DayClose)}) == 1
        assert stated.rows("select count(*), max(revision) from day_close") == [(1, 0)]

    def test_a_close_cut_short_is_finished_by_the_next(self, stated: CountingHouse) -> None:
        stated.database.write(lambda session: service.begin(session, stated.system, stated.site, DAY, stated.clerk))
        assert stated.rows("select state from day_close") == [("closing",)]
        assert stated.closed().state is CloseState.CLOSED

    def test_days_close_in_order_and_only_after_their_end(self, house: CountingHouse) -> None:
        assert house.close() is CloseRefusal.NOT_ENDED
        house.next_morning()
        house.state_all(t01=(2, 2700), t04=(1, 1000))
        house.closed()
        house.clock.advance(days=3)
        assert house.close(DAY + timedelta(days=2)) is CloseRefusal.EARLIER_DAY_OPEN
        assert house.close(DAY - timedelta(days=1)) is CloseRefusal.BEFORE_THE_BOOKS
        through = run.close_through(
            house.database, house.system, house.site, DAY + timedelta(days=2), house.clerk, without_silent=True
        )
        assert [one.business_day for one in through if isinstance(one, DayClose)] == [
            date(2026, 3, 5),
            date(2026, 3, 6),
        ]

    def test_only_finance_closes(self, stated: CountingHouse) -> None:
        assert stated.close(closer=stated.cashier) is CloseRefusal.NOT_ALLOWED
        assert stated.rows("select count(*) from day_close") == [(0,)]

    def test_closes_chain(self, stated: CountingHouse) -> None:
        first = stated.closed()
        stated.clock.advance(days=1)
        second = stated.closed(DAY + timedelta(days=1), without_silent=True)
        assert second.previous == first.hash
        ((figures,),) = stated.rows("select figures from day_close where business_day = %s", second.business_day)
        assert second.hash == hashlib.sha256(bytes.fromhex(first.hash) + figures.encode()).hexdigest()


class TestSigning:
    def test_another_person_signs_once(self, stated: CountingHouse) -> None:
        assert stated.sign(stated.second) is CloseRefusal.NOT_CLOSED
        stated.closed()
        assert stated.sign(stated.clerk) is CloseRefusal.SAME_PERSON
        assert stated.sign(stated.cashier) is CloseRefusal.NOT_ALLOWED
        assert stated.sign(stated.auditor) is None
        assert stated.sign(stated.second) is CloseRefusal.ALREADY_SIGNED
        assert stated.closed().signed_by == f"staff:{stated.auditor}"


class TestTills:
    def test_c67_a_till_that_counts_otherwise_is_a_finding_with_its_numbers(self, house: CountingHouse) -> None:
        house.next_morning()
        house.state_all(t01=(3, 3900), t04=(1, 1000))
        house.closed()
        (finding,) = listed(house, from_day=DAY)
        assert (finding.kind, finding.subject) == ("till_total", "t01/lunch/box")
        assert (finding.detail["served"], finding.detail["till_served"]) == (2, 3)
        assert (finding.detail["fen"], finding.detail["till_fen"]) == (2700, 3900)
        assert finding.cause == Cause.CORRECTION
        assert finding.owner == Role.CANTEEN_MANAGER

    def test_c67_differences_are_listed_by_key(self, stated: CountingHouse) -> None:
        with psycopg.connect(stated.database.url) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute("update record set outcome = 'declined' where outcome = 'served' and offline")
        stated.closed()
        assert kinds(stated) == ["till_key"]
        (finding,) = listed(stated, from_day=DAY)
        assert finding.detail["charged_fen"] == 1000
        assert finding.detail["served_fen"] == 0

    def test_a_charge_without_an_outcome_is_named(self, stated: CountingHouse) -> None:
        stated.clock.at -= timedelta(hours=20)
        tap = stated.tap(5, "t01")
        stated.next_morning()
        stated.closed()
        found = {finding.kind: finding for finding in listed(stated, from_day=DAY)}
        assert set(found) == {"unconfirmed", "till_total"}
        assert found["unconfirmed"].subject.endswith(f"/{tap.seq}")

    def test_silent_tills_are_waited_for_and_then_listed(self, house: CountingHouse) -> None:
        house.next_morning()
        assert house.close() is CloseRefusal.TILLS_SILENT
        house.clock.at = house.clock.at.replace(hour=20) + SILENCE_DEADLINE
        closed = house.closed()
        assert closed.silent == ("t01", "t02", "t03", "t04")
        assert {finding.cause for finding in listed(house, from_day=DAY)} == {Cause.NO_STATEMENT}

    def test_silent_tills_can_be_left_out_at_once(self, house: CountingHouse) -> None:
        house.next_morning()
        assert house.closed(without_silent=True).silent == ("t01", "t02", "t03", "t04")

    def test_the_newest_statement_counts(self, stated: CountingHouse) -> None:
        stated.state("t01", 9, 9999)
        stated.state("t01", 2, 2700)
        assert stated.closed().figures["findings"] == {}


class TestLedger:
    def test_c69_yesterday_and_postings_make_today_for_every_account(self, stated: CountingHouse) -> None:
        closed = stated.closed()
        accounts = {(role, name): row for _, role, name, *row in closed.figures["accounts"]}
        opening, debit, credit, closing = accounts["stall", "main"]
        assert (opening, debit, credit, closing) == (0, 1200, 3900, 2700)
        assert all(row[3] == row[0] - row[1] + row[2] for row in accounts.values())
        assert sum(row[3] for row in accounts.values()) == 0
        stated.outcome(stated.tap(0, "t01"), OutcomeKind.SERVED, 500)
        stated.clock.advance(days=1)
        second = stated.closed(DAY + timedelta(days=1), without_silent=True)
        later = {(role, name): row for _, role, name, *row in second.figures["accounts"]}
        assert {key: row[0] for key, row in later.items()} == {key: row[3] for key, row in accounts.items()}
        assert [kind for kind in kinds(stated) if kind != "silent_till"] == []

    @pytest.mark.parametrize(
        ("statement", "found"),
        [
            (MOVED_PURSE_ONE_LESS, {"balance", "balance_chain"}),
            (RESTING_PURSE_ONE_MORE, {"balance"}),
            ("update transfer set from_balance_fen = from_balance_fen - 7 where kind = 'charge'", {"balance_chain"}),
            ("delete from transfer where kind = 'reversal'", {"balance", "balance_chain", "charge_booking"}),
            ("update transfer set amount_fen = amount_fen + 1 where kind = 'charge'",
             {"balance", "balance_chain", "charge_booking"}),
        ],
    )  # fmt: skip
    def test_what_was_tampered_with_is_found(self, stated: CountingHouse, statement: str, found: set[str]) -> None:
        with psycopg.connect(stated.database.url) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute(statement)
        stated.closed()
        assert set(kinds(stated)) == found
        assert {finding.cause for finding in listed(stated, from_day=DAY)} == {Cause.TAMPERED}

    def test_c68_a_gap_is_a_range_with_age_and_owner(self, stated: CountingHouse) -> None:
        missing = stated.journal.add(event(stated))
        after = stated.journal.add(event(stated))
        stated.taps.process([stated.journal.upload([after])])
        at = stated.clock.at
        stated.clock.advance(hours=3)
        stated.closed()
        (finding,) = [one for one in listed(stated, from_day=DAY) if one.kind == FindingKind.SEQUENCE_GAP]
        assert finding.subject == f"box/{stated.journal.epoch}/{missing.seq}-{missing.seq}"
        assert (finding.owner, finding.cause) == (Role.SYSTEM_ADMIN, Cause.RECORDS_MISSING)
        assert finding.age(stated.clock.at) == stated.clock.at - at == timedelta(hours=3)


class TestFindings:
    def test_c57_a_doubtful_record_is_settled_by_a_person_with_a_reason(self, stated: CountingHouse) -> None:
        record = stated.journal.records[3]
        forged = Record(record.seq, record.body.replace(b"t01", b"t02"), record.previous, bytes(32), record.mac)
        stated.taps.process([stated.journal.upload([forged])])
        (finding,) = [one for one in listed(stated) if one.kind == "quarantined"]
        assert finding.owner == Role.FINANCE

        def settle(actor: StaffId, why: str) -> FindingRefusal | None:
            return stated.database.write(
                lambda session: findings.settle(
                    session,
                    stated.system,
                    stated.site,
                    UUID(finding.id),
                    actor,
                    why,
                )
            )

        assert settle(stated.cashier, "why") is FindingRefusal.NOT_ALLOWED
        assert settle(stated.clerk, "  ") is FindingRefusal.EXPLANATION_MISSING
        assert settle(stated.clerk, "a test of the till's maker") is None
        assert settle(stated.clerk, "again") is FindingRefusal.SETTLED
        assert stated.rows("select count(*) from quarantine where closed_at is null") == [(0,)]
        assert stated.rows("select reason from audit where action = 'finding_settled'") == [
            ("a test of the till's maker",)
        ]

    def test_a_difference_that_is_gone_is_settled_by_itself(self, house: CountingHouse) -> None:
        house.next_morning()
        house.state_all(t01=(3, 3900), t04=(1, 1000))
        house.closed()
        house.state("t01", 2, 2700)
        run.reconcile_day(house.database, house.system, house.site, DAY)
        assert listed(house, from_day=DAY) == []
        (settled,) = listed(house, from_day=DAY, only_open=False)
        assert settled.closed_by == "system"
