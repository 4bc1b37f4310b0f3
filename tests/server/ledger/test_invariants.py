"""The invariants hold over a noon played through the tap path, and each names a row that was tampered with."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from cardcore.journal import OutcomeKind
from server.database import Database
from server.ledger import invariants
from tests.server.reports.lunch import Lunch


@pytest.fixture
def lunch(database: Database) -> Iterator[Lunch]:
    played = Lunch(database)
    played.play()
    yield played
    played.taps.close()


def violated(lunch: Lunch, *, drained: bool = False) -> set[str]:
    """Return the names of the invariants that do not hold."""
    found = lunch.database.read(lambda session: invariants.all_invariants(session, lunch.site, drained=drained))
    return {name.partition("_")[0] for name, violations in found.items() if violations}


def tamper(lunch: Lunch, *statements: str) -> None:
    """Change rows as nobody may: as the owner, with the triggers off."""
    with psycopg.connect(lunch.database.url) as connection:
        connection.execute("set session_replication_role = replica")
        for statement in statements:
            connection.execute(statement)


def test_all_hold_after_a_noon(lunch: Lunch) -> None:
    assert violated(lunch) == set()


def test_a_charge_without_an_outcome_is_wrong_only_when_all_is_drained(lunch: Lunch) -> None:
    assert violated(lunch, drained=True) == {"i04"}
    open_tap = lunch.journal.records[-1]
    lunch.outcome(open_tap, OutcomeKind.NOT_CONFIRMED, 1500)
    assert violated(lunch, drained=True) == set()


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("update purse set balance_fen = balance_fen - 1 where kind = 'cash'", {"i02"}),
        ("update ledger_account set unit = 'meal' where role = 'stall'", {"i01"}),
        ("delete from ledger_account where role = 'subsidy'", {"i01"}),
        ("delete from transfer where kind = 'reversal'", {"i02", "i03"}),
        ("update transfer set amount_fen = amount_fen + 1 where kind = 'charge'", {"i02", "i03"}),
        ("update charge set amount_fen = 1 where revision = 0 and offline", {"i03", "i04"}),
        ("update charge set amount_fen = 1 where revision = 1", {"i03"}),
        ("update charge set revision = 2 where revision = 0 and offline", {"i03"}),
        ("delete from charge where revision = 1", {"i03", "i04", "d02"}),
        ("update record set outcome = 'declined' where outcome = 'served' and offline", {"i04"}),
        ("update record set outcome = 'served' where outcome = 'cancelled'", {"i04"}),
        ("delete from record where seq = 3", {"i07"}),
        ("update record set previous = 'x' where seq = 3", {"i07", "i11"}),
        ("update record set previous = 'x' where seq = 1", {"i07", "i11"}),
        ("update record set body = 'x' where seq = 3", {"i11"}),
        ("update purse set floor_fen = 9999999", {"i05"}),
        ("update record set card_id = gen_random_uuid() where card_id is not null", {"d01"}),
        ("update record set person_id = gen_random_uuid() where person_id is not null", {"d01"}),
        ("update charge set stall_id = 'nowhere' where revision = 0 and offline", {"d01"}),
        ("update meal_count set count = count + 1", {"d02"}),
        ("delete from meal_count", {"d02"}),
        ("update device_epoch set acked_through = acked_through + 1", {"i07"}),
    ],
)
def test_what_was_tampered_with_is_found(lunch: Lunch, statement: str, broken: set[str]) -> None:
    tamper(lunch, statement)
    assert violated(lunch) == broken


def test_a_conflict_with_itself_is_found(lunch: Lunch) -> None:
    tamper(
        lunch,
        "insert into quarantine select gen_random_uuid(), site_id, device_id, epoch, seq, 'conflict', hash, previous,"
        " body, received_at from record where seq = 3",
    )
    assert violated(lunch) == {"i11"}


def test_two_charges_of_one_tap_are_found(lunch: Lunch) -> None:
    tamper(
        lunch,
        "insert into charge select gen_random_uuid(), site_id, device_id, epoch, seq, 2, null, account_id, person_id,"
        " till_id, stall_id, meal_id, business_day, amount_fen, offline, flag, at, posted_at"
        " from charge where revision = 0 and offline",
    )
    found = lunch.database.read(lambda session: invariants.inv_i03_one_charge_per_tap(session, lunch.site))
    assert {violation.detail["revision"] for violation in found} == {2}


def test_a_posting_view_that_forgot_a_side_would_be_found(lunch: Lunch) -> None:
    tamper(
        lunch,
        "create or replace view posting as select id as transfer_id, site_id, from_account as ledger_account_id,"
        " -amount_fen as amount_fen, from_balance_fen as balance_fen, business_day, posted_at from transfer",
    )
    assert "i01" in violated(lunch)
