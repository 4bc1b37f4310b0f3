"""The tap path on a real PostgreSQL: one decision a key, one charge a meal, books that agree with what happened."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import psycopg
import pytest
from psycopg import sql

from cardcore.access.items import AccountState, CardState
from cardcore.ids import CredentialKey
from cardcore.journal import OutcomeKind
from cardcore.reasons import Reason
from cardcore.wire.messages import RecordStatus
from server.database import connect_app
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.server.taps.small_site import LUNCH_FEN, Holder, Journal, SmallSite, card, make_site


@pytest.fixture
def small(postgres_url: str) -> SmallSite:
    return make_site(postgres_url)


@pytest.fixture
def service(small: SmallSite) -> Iterator[TapService]:
    service = TapService(PostgresTaps(lambda: connect_app(small.url)), small.system)
    yield service
    service.close()


def books_agree(small: SmallSite) -> None:
    """I1 and I2, and no two charges in force for one tap."""
    unequal = small.rows(
        "select p.id from purse p left join posting s on s.ledger_account_id = p.id"
        " group by p.id having p.balance_fen <> coalesce(sum(s.amount_fen), 0)"
    )
    assert unequal == []
    assert small.rows("select coalesce(sum(amount_fen), 0) from posting") == [(0,)]


def test_a_meal_is_charged_and_the_answer_says_what_is_left(small: SmallSite, service: TapService) -> None:
    journal, holder = Journal(small), small.holders[0]
    (receipt,) = service.process([journal.live(journal.meal(holder))])
    assert receipt.decision is not None
    assert (receipt.decision.granted, receipt.decision.reason) == (True, Reason.CHARGED)
    assert (receipt.decision.amount, receipt.decision.balance_after) == (LUNCH_FEN, 3800)
    assert receipt.decision.holder == "Holder 0"
    assert receipt.acked_through == 1
    assert small.balance(holder) == 3800
    books_agree(small)


def test_a_repeat_gets_the_stored_decision_and_is_not_charged_again(small: SmallSite, service: TapService) -> None:
    journal, holder = Journal(small), small.holders[0]
    tap = journal.live(journal.meal(holder))
    first, again = service.process([tap, tap])
    (later,) = service.process([tap])
    assert first.decision == again.decision == later.decision
    assert [receipt.statuses[0][1] for receipt in (first, again, later)] == [
        RecordStatus.STORED, RecordStatus.DUPLICATE, RecordStatus.DUPLICATE,
    ]  # fmt: skip
    assert small.balance(holder) == 3800
    assert small.rows("select count(*) from record_arrival") == [(2,)]
    books_agree(small)


def test_the_same_key_with_other_content_is_quarantined_and_charges_nothing(
    small: SmallSite, service: TapService
) -> None:
    journal, forked = Journal(small), Journal(small)
    service.process([journal.live(journal.meal(small.holders[0]))])
    (receipt,) = service.process([forked.live(forked.meal(small.holders[1]))])
    assert receipt.statuses == ((1, RecordStatus.CONFLICT),)
    assert receipt.decision is not None
    assert not receipt.decision.granted
    assert small.balance(small.holders[1]) == 5000
    assert small.rows("select why from quarantine") == [("conflict",)]
    assert small.rows("select kind from finding") == [("quarantined",)]


def test_money_runs_out_inside_one_batch_as_it_would_one_by_one(small: SmallSite, service: TapService) -> None:
    journal, holder = Journal(small), small.holders[0]
    receipts = service.process([journal.live(journal.meal(holder)) for _ in range(6)])
    reasons = [receipt.decision.reason for receipt in receipts if receipt.decision]
    assert reasons == [Reason.CHARGED] * 4 + [Reason.BALANCE_TOO_LOW] * 2
    assert small.balance(holder) == 5000 - 4 * LUNCH_FEN
    books_agree(small)


def test_the_subsidy_is_spent_first_and_a_meal_may_be_split(postgres_url: str) -> None:
    small = make_site(postgres_url, cash_fen=1000, subsidy_fen=500)
    service = TapService(PostgresTaps(lambda: connect_app(small.url)), small.system)
    journal = Journal(small)
    service.process([journal.live(journal.meal(small.holders[0]))])
    service.close()
    purses = dict(small.rows("select kind, balance_fen from purse where account_id = %s", small.holders[0].account))
    assert purses == {"subsidy": 0, "cash": 300}
    books_agree(small)


def test_a_charge_whose_meal_was_not_served_is_reversed(small: SmallSite, service: TapService) -> None:
    journal, holder = Journal(small), small.holders[0]
    service.process([journal.live(journal.meal(holder))])
    service.process([journal.upload([journal.outcome(1, OutcomeKind.NOT_CONFIRMED)])])
    assert small.balance(holder) == 5000
    assert small.rows("select revision, reverses is not null from charge order by revision") == [(0, False), (1, True)]
    assert small.rows("select count, sum_fen from meal_count") == [(0, 0)]
    books_agree(small)


def test_a_served_outcome_confirms_the_charge_and_changes_nothing(small: SmallSite, service: TapService) -> None:
    journal, holder = Journal(small), small.holders[0]
    service.process([journal.live(journal.meal(holder))])
    served = journal.upload([journal.outcome(1, OutcomeKind.SERVED)])
    (receipt,) = service.process([served])
    service.process([served])
    assert receipt.acked_through == 2
    assert small.balance(holder) == 3800
    assert small.rows("select count(*) from charge") == [(1,)]


def test_a_meal_served_offline_posts_once_even_without_money(small: SmallSite, service: TapService) -> None:
    journal, holder = Journal(small), small.holders[0]
    for _ in range(5):
        tap = journal.meal(holder)
        journal.outcome(tap.seq, OutcomeKind.SERVED, offline=True)
    upload = journal.upload(journal.records)
    (receipt,) = service.process([upload])
    service.process([upload])
    assert receipt.acked_through == 10
    assert small.balance(holder) == 5000 - 5 * LUNCH_FEN
    assert small.rows("select count(*) from charge where offline") == [(5,)]
    assert small.rows("select flag from charge where flag <> ''") == [("balance_too_low",)]
    books_agree(small)


@pytest.mark.parametrize("state", [CardState.LOST, CardState.REVOKED])
def test_a_meal_served_offline_on_a_blocked_card_posts_and_is_found(
    small: SmallSite, service: TapService, state: CardState
) -> None:
    journal, holder = Journal(small), small.holders[0]
    tap = journal.meal(holder)
    journal.outcome(tap.seq, OutcomeKind.SERVED, offline=True)
    small.publish(card(holder, state=state))
    service.process([journal.upload(journal.records)])
    assert small.balance(holder) == 3800
    assert small.rows("select kind from finding") == [(f"offline_card_{state.value}",)]


def test_a_meal_served_offline_to_an_unknown_card_goes_to_the_receivable(small: SmallSite, service: TapService) -> None:
    journal = Journal(small)
    stranger = Holder(CredentialKey("wiegand:34-ffffffffff"), small.holders[0].card, small.holders[0].person, None)
    tap = journal.meal(stranger)
    journal.outcome(tap.seq, OutcomeKind.SERVED, offline=True)
    service.process([journal.upload(journal.records)])
    assert small.rows(
        "select l.name, t.amount_fen from transfer t join ledger_account l on l.id = t.from_account"
        " where t.kind = 'charge'"
    ) == [("unknown_card", LUNCH_FEN)]
    books_agree(small)


def test_what_was_served_wins_over_what_was_charged(small: SmallSite, service: TapService) -> None:
    journal, holder = Journal(small), small.holders[0]
    service.process([journal.live(journal.meal(holder))])
    service.process([journal.upload([journal.outcome(1, OutcomeKind.SERVED, amount=900, offline=True)])])
    assert small.balance(holder) == 5000 - 900
    assert [row[0] for row in small.rows("select revision from charge order by revision")] == [0, 1, 2]
    books_agree(small)


def test_a_card_revoked_before_the_tap_is_refused_though_nobody_told_this_process(
    small: SmallSite, service: TapService
) -> None:
    journal, holder = Journal(small), small.holders[0]
    service.process([journal.live(journal.gate(holder))])
    small.publish(card(holder, state=CardState.LOST))
    (receipt,) = service.process([journal.live(journal.gate(holder))])
    assert receipt.decision is not None
    assert receipt.decision.reason is Reason.CARD_LOST


def test_a_frozen_account_in_the_tables_refuses_whatever_the_snapshot_says(
    small: SmallSite, service: TapService
) -> None:
    journal, holder = Journal(small), small.holders[0]
    small.rows("update account set state = 'frozen' where id = %s returning id", holder.account)
    (receipt,) = service.process([journal.live(journal.meal(holder))])
    assert receipt.decision is not None
    assert receipt.decision.reason is Reason.ACCOUNT_FROZEN
    assert AccountState.FROZEN.value == "frozen"


def test_a_gap_holds_the_mark_until_it_is_filled(small: SmallSite, service: TapService) -> None:
    journal = Journal(small)
    records = [journal.gate(small.holders[0]) for _ in range(4)]
    (ahead,) = service.process([journal.upload(records[2:])])
    assert ahead.acked_through == 0
    (filled,) = service.process([journal.upload(records[:2])])
    assert filled.acked_through == 4
    assert small.rows("select acked_through from device_epoch") == [(4,)]


def test_a_forged_record_is_set_aside_and_does_not_block_what_follows(small: SmallSite, service: TapService) -> None:
    journal = Journal(small)
    good, bad, after = (journal.gate(small.holders[0]) for _ in range(3))
    forged = msgspec.structs.replace(bad, mac=bytes(16))
    (receipt,) = service.process([journal.upload([good, forged, after])])
    assert [status for _, status in receipt.statuses] == [
        RecordStatus.STORED, RecordStatus.QUARANTINED, RecordStatus.STORED,
    ]  # fmt: skip
    assert receipt.acked_through == 3
    assert small.rows("select why, seq from quarantine") == [("not_authentic", 2)]


def test_a_body_with_a_nul_is_set_aside(small: SmallSite, service: TapService) -> None:
    journal = Journal(small)
    tap = journal.meal(Holder(CredentialKey("uid:\0"), small.holders[0].card, small.holders[0].person, None))
    (receipt,) = service.process([journal.live(tap)])
    assert receipt.statuses == ((1, RecordStatus.QUARANTINED),)
    assert receipt.decision is not None
    assert not receipt.decision.granted


def test_a_record_the_database_refuses_is_set_aside_alone(small: SmallSite, service: TapService) -> None:
    journal = Journal(small)
    bad = journal.meal(small.holders[0])
    good = journal.meal(small.holders[1])
    with psycopg.connect(small.url) as connection:
        connection.execute(
            sql.SQL("alter table record add constraint poison check (credential <> {})").format(
                small.holders[0].credential
            )
        )
    receipts = service.process([journal.live(bad), journal.live(good)])
    assert [receipt.statuses[0][1] for receipt in receipts] == [RecordStatus.QUARANTINED, RecordStatus.STORED]
    assert receipts[1].decision is not None
    assert receipts[1].decision.granted
    assert small.balance(small.holders[0]) == 5000


def test_a_till_cannot_report_a_gate_tap_nor_a_foreign_place(small: SmallSite, service: TapService) -> None:
    journal = Journal(small)
    foreign = journal.live(journal.gate(small.holders[0], lane="g99"))
    (receipt,) = service.process([foreign])
    assert receipt.decision is not None
    assert receipt.decision.reason is Reason.LANE_UNKNOWN


def test_every_commit_leaves_its_events_in_the_outbox(small: SmallSite, service: TapService) -> None:
    journal = Journal(small)
    service.process([journal.live(journal.meal(small.holders[0])), journal.live(journal.gate(small.holders[1]))])
    ((payload,),) = small.rows("select payload from outbox")
    assert [(event["place"], event["granted"]) for event in payload["events"]] == [("t01", True), ("g01", True)]


def test_ledger_rows_cannot_be_changed_by_anybody(small: SmallSite, service: TapService) -> None:
    journal = Journal(small)
    service.process([journal.live(journal.meal(small.holders[0]))])
    for statement in ("update transfer set amount_fen = 1 returning 1", "delete from charge returning 1"):
        with pytest.raises(Exception, match="append-only"):
            small.rows(statement)
    with connect_app(small.url) as connection, pytest.raises(Exception, match="permission denied"):
        connection.execute("update transfer set amount_fen = 1")


def test_two_servers_that_take_turns_with_one_journal_miss_nothing(small: SmallSite, service: TapService) -> None:
    other = TapService(PostgresTaps(lambda: connect_app(small.url)), small.system)
    journal, holder = Journal(small), small.holders[0]
    turns = [service, other, other, service, other, service]
    for mine in turns:
        tap = journal.meal(holder)
        ((_, first),) = mine.process([journal.live(tap)])[0].statuses
        theirs = other if mine is service else service
        ((_, again),) = theirs.process([journal.live(tap)])[0].statuses
        assert (first, again) == (RecordStatus.STORED, RecordStatus.DUPLICATE)
        kind = OutcomeKind.SERVED if tap.seq % 4 == 1 else OutcomeKind.CANCELLED
        theirs.process([journal.upload([journal.outcome(tap.seq, kind)])])
        mine.process([journal.upload([journal.records[-1]])])
    other.close()
    served = sum(1 for row in small.rows("select revision from charge where reverses is null") if row)
    reversed_ = small.rows("select count(*) from charge where reverses is not null")[0][0]
    assert small.balance(holder) == 5000 - (served - reversed_) * LUNCH_FEN
    assert (served, reversed_) == (6, 3)
    assert small.rows("select acked_through from device_epoch") == [(12,)]
    assert small.rows("select count(*) from quarantine") == [(0,)]
    books_agree(small)


def test_a_failed_batch_leaves_nothing_behind_in_memory(small: SmallSite, service: TapService) -> None:
    journal, holder = Journal(small), small.holders[0]
    service.process([journal.live(journal.meal(holder))])
    with psycopg.connect(small.url) as connection:
        connection.execute("alter table record add constraint poison check (seq <> 2)")
    service.process([journal.live(journal.meal(holder)), journal.live(journal.meal(small.holders[1]))])
    with psycopg.connect(small.url) as connection:
        connection.execute("alter table record drop constraint poison")
    service.process([journal.live(journal.meal(holder))])
    assert small.balance(holder) == 5000 - 2 * LUNCH_FEN
    assert small.balance(small.holders[1]) == 5000 - LUNCH_FEN
    assert small.rows("select seq, why from quarantine") == [(2, "refused_by_database")]
    books_agree(small)
