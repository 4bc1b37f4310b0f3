"""Every way to charge through the tap path: what is decided, booked, counted, taken back, and known only here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from cardcore.access.items import LimitItem, MealSubsidyItem
from cardcore.canteen.limits import Pin
from cardcore.canteen.pricing import NO_ENTRY, Entry
from cardcore.journal import ClockQuality, Line, Outcome, OutcomeKind, Stamp, Verdict
from cardcore.money import Fen
from cardcore.wire.messages import RecordStatus
from server.canteen import menus, orders
from server.database import Database, connect_app
from server.ledger.invariants import all_invariants
from server.taps.arrivals import Arrival, LiveDecision
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.server.taps.counters import SOLD, TODAY, moved, open_counters, purse
from tests.server.taps.small_site import LUNCH_FEN, Holder, Journal, card, make_site

SERVED, CANCELLED = OutcomeKind.SERVED, OutcomeKind.CANCELLED


class Counter:
    """The small site with every kind of till, and one journal."""

    def __init__(self, url: str) -> None:
        self.small = make_site(url, holders=2, cash_fen=10_000)
        open_counters(self.small)
        self.service = self._fresh()
        self.journal = Journal(self.small)
        self.holder: Holder = self.small.holders[0]

    def _fresh(self) -> TapService:
        return TapService(PostgresTaps(lambda: connect_app(self.small.url)), self.small.system)

    def forget(self) -> None:
        """Go on as another process, which remembers nothing."""
        self.service.close()
        self.service = self._fresh()

    def tap(self, till: str, entry: Entry | None = None, pin: Pin = Pin.NONE) -> tuple[int, LiveDecision]:
        record = self.journal.meal(self.holder, till, SOLD[till].entry if entry is None else entry)
        live = self.journal.live(record)
        (receipt,) = self.service.process([Arrival(live.device, live.epoch, live.records, True, pin)])  # noqa: FBT003
        assert receipt.decision is not None
        return record.seq, receipt.decision

    def end(self, till: str, seq: int, kind: OutcomeKind = SERVED, *, offline: bool = False) -> None:
        record = self.journal.ended(seq, kind, SOLD[till].verdict(kind, offline=offline))
        self.service.process([self.journal.upload([record])])

    def alone(self, till: str) -> int:
        intent = self.journal.meal(self.holder, till, SOLD[till].entry)
        outcome = self.journal.ended(intent.seq, SERVED, SOLD[till].verdict(SERVED, offline=True))
        self.service.process([self.journal.upload([intent, outcome])])
        return intent.seq

    def sums(self) -> dict[tuple[str, str], int]:
        return {(role, name): fen for role, name, _, fen in moved(self.small)}

    def meals(self) -> tuple[int, int]:
        rows = self.small.rows(
            "select coalesce(sum(count), 0)::int, coalesce(sum(sum_fen), 0)::int from meal_count where account_id = %s",
            self.holder.account,
        )
        return rows[0][0], rows[0][1]

    def check(self) -> None:
        database = Database(self.small.url)
        broken = database.read(lambda session: all_invariants(session, self.small.site))
        database.close()
        assert {name: wrong for name, wrong in broken.items() if wrong} == {}


@pytest.fixture
def counter(postgres_url: str) -> Iterator[Counter]:
    counter = Counter(postgres_url)
    yield counter
    counter.service.close()
    counter.check()


BOOKED = {
    "t01": {("stall", "hall"): LUNCH_FEN},
    "t02": {("stall", "tea"): 1000, ("surcharge_income", "guest"): 70},
    "t03": {("meals_taken", "hall"): 1},
    "t04": {("stall", "works"): 1200, ("rebate", "main"): -240, ("receivable", "department:works"): -960},
    "t07": {("stall", "hall"): 700},
    "t08": {("stall", "aid"): 1200, ("rebate", "meal"): -500},
}
PAID = {"t01": LUNCH_FEN, "t02": 1070, "t03": 0, "t04": 0, "t07": 700, "t08": 700}
"""What leaves the holder's money purses."""


@pytest.mark.parametrize("till", sorted(BOOKED))
@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("forgetful", [False, True])
def test_each_way_books_its_parts_and_gives_all_of_them_back(
    counter: Counter, till: str, *, offline: bool, forgetful: bool
) -> None:
    """C1 to C9, C19, C20, C59: online or alone, with what the process remembers or from the tables."""
    if offline:
        seq = counter.alone(till)
    else:
        seq, decision = counter.tap(till, pin=Pin.RIGHT)
        assert (decision.granted, decision.amount) == (True, SOLD[till].amount)
        counter.end(till, seq)
    assert counter.sums() == BOOKED[till]
    assert counter.small.balance(counter.holder) - purse(counter.small, counter.holder, "count") == 10_000 - PAID[till]
    assert purse(counter.small, counter.holder, "count") == (1 if till == "t03" else 2)
    assert counter.meals() == (1, SOLD[till].amount)
    if forgetful:
        counter.forget()
    counter.end(till, seq, CANCELLED, offline=offline)
    assert counter.sums() == {}
    assert (counter.small.balance(counter.holder), purse(counter.small, counter.holder, "count")) == (10_002, 2)
    assert counter.meals() == (0, 0)
    flags = counter.small.rows("select revision, flag from charge order by revision")
    assert flags == [(0, flags[0][1]), (1, "undone")]


def test_c59_an_undo_before_the_upload_and_a_second_one_change_nothing_more(counter: Counter) -> None:
    intent = counter.journal.meal(counter.holder, "t01")
    ends = [
        counter.journal.ended(intent.seq, kind, SOLD["t01"].verdict(kind, offline=True))
        for kind in (SERVED, CANCELLED, CANCELLED)
    ]
    (receipt,) = counter.service.process([counter.journal.upload([intent, *ends])])
    assert {status for _, status in receipt.statuses} == {RecordStatus.STORED}
    assert counter.small.balance(counter.holder) == 10_002
    assert counter.small.rows("select count(*) from charge") == [(2,)]


def test_c06_a_count_purse_gives_what_it_has_online_and_goes_below_alone(counter: Counter) -> None:
    assert [counter.tap("t03")[1].reason for _ in range(3)] == ["charged", "charged", "count_used_up"]
    counter.alone("t03")
    assert purse(counter.small, counter.holder, "count") == -1
    assert counter.small.rows("select flag from charge where offline") == [("count_used_up",)]


def test_c13_c14_limits_count_what_was_eaten_this_day_and_month(counter: Counter) -> None:
    reasons = [counter.tap("t01")[1].reason for _ in range(4)]
    assert reasons == ["charged", "charged", "charged", "day_limit"]  # 4 * 12 yuan is over 40
    counter.small.clock.advance(days=1)
    reasons = [str(counter.tap("t03")[1].reason) for _ in range(3)]
    assert reasons == ["charged", "charged", "count_used_up"]
    counter.small.publish(LimitItem("month", "month", count=5))
    assert counter.tap("t01")[1].reason == "month_limit"
    counter.forget()
    assert counter.tap("t01")[1].reason == "month_limit"
    counter.small.clock.advance(days=31)
    assert counter.tap("t01")[1].reason == "charged"


def test_c15_a_pin_passes_the_soft_limit(counter: Counter) -> None:
    answers = [counter.tap("t02", pin=pin)[1].reason for pin in (Pin.NONE, Pin.WRONG, Pin.BLOCKED, Pin.RIGHT)]
    assert answers == ["pin_needed", "pin_wrong", "pin_blocked", "charged"]


def test_c21_n2_eats_only_who_passed_in_today(counter: Counter) -> None:
    assert counter.tap("t05")[1].reason == "not_inside"
    gate = counter.journal.gate(counter.holder)
    passed = counter.journal.ended(gate.seq, OutcomeKind.PASSED, Verdict(True, "granted", 1, offline=False))  # noqa: FBT003
    counter.service.process([counter.journal.live(gate), counter.journal.upload([passed])])
    assert counter.tap("t05")[1].reason == "charged"
    counter.forget()
    assert counter.tap("t05")[1].reason == "charged"
    counter.small.clock.advance(days=1)
    assert counter.tap("t05")[1].reason == "not_inside"


def test_c08_the_tap_proves_collection_and_a_charge_taken_back_is_not_collected(counter: Counter) -> None:
    seq, decision = counter.tap("t06")
    assert (decision.reason, counter.tap("t06")[1].reason) == ("charged", "no_order")
    counter.end("t06", seq)
    database = Database(counter.small.url)

    def ahead() -> tuple[int, int]:
        (row,) = database.read(lambda session: orders.meals_ahead(session, counter.small.site, TODAY))
        return row["ordered"], row["collected"]

    assert ahead() == (2, 1)
    counter.end("t06", seq, CANCELLED)
    assert ahead() == (2, 0)
    counter.forget()
    assert counter.tap("t06")[1].reason == "charged"
    database.close()


def test_c05_dish_lines_land_and_are_sold_while_their_charge_stands(counter: Counter) -> None:
    database = Database(counter.small.url)

    def sold() -> list[tuple[str, int, int]]:
        rows = database.read(
            lambda session: menus.dishes_sold(session, counter.small.site, TODAY, TODAY.replace(day=5))
        )
        return [(row["code"], row["portions"], row["list_fen"]) for row in rows]

    seq, _ = counter.tap("t07")
    counter.end("t07", seq)
    refused = counter.tap("t07", Entry(Fen(1), (Line("7", 1, 1),)))
    assert refused[1].reason == "price_changed"
    other = counter.alone("t07")
    assert sold() == [("7", 4, 1400)]
    counter.end("t07", other, CANCELLED, offline=True)
    assert sold() == [("7", 2, 700)]
    database.close()


def test_a_plain_charge_writes_no_row_more_than_before(counter: Counter) -> None:
    counter.end("t01", counter.tap("t01")[0])
    counts = {
        table: counter.small.rows(f"select count(*) from {table} where site_id = %s", counter.small.site)[0][0]  # noqa: S608
        for table in ("record", "charge", "dish_line", "finding")
    }
    assert counts == {"record": 2, "charge": 1, "dish_line": 0, "finding": 0}
    assert counter.small.rows("select count(*) from transfer where kind = 'charge'") == [(1,)]


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(True, "charged", 1, True, 100, surcharge=101),  # noqa: FBT003
        Verdict(True, "charged", 1, True, 100, discount=-1),  # noqa: FBT003
        Verdict(True, "charged", 1, True, 0, rights=2),  # noqa: FBT003
        Verdict(True, "charged", 1, True, 0, credit="x" * 65),  # noqa: FBT003
    ],
)
def test_parts_out_of_range_are_set_aside(counter: Counter, verdict: Verdict) -> None:
    tap = counter.journal.meal(counter.holder)
    served = counter.journal.ended(tap.seq, SERVED, verdict)
    (receipt,) = counter.service.process([counter.journal.upload([tap, served])])
    assert receipt.statuses[-1][1] is RecordStatus.QUARANTINED
    assert counter.sums() == {}


@pytest.mark.parametrize(
    "entry", [Entry(Fen(-1)), Entry(Fen(1), (Line("x", 1, 1),)), Entry(Fen(1), (Line("1", 100, 1),)),
              Entry(Fen(31), (Line("1", 1, 1),) * 31), Entry(Fen(10**9))],
)  # fmt: skip
def test_an_entry_out_of_range_is_set_aside(counter: Counter, entry: Entry) -> None:
    assert entry != NO_ENTRY
    tap = counter.journal.meal(counter.holder, "t02", entry)
    (receipt,) = counter.service.process([counter.journal.upload([tap])])
    assert receipt.statuses == ((tap.seq, RecordStatus.QUARANTINED),)


def test_c26_the_first_tap_of_a_meal_is_subsidised_and_no_second_one(counter: Counter) -> None:
    first, decision = counter.tap("t08")
    assert (decision.amount, decision.subsidy) == (700, 500)
    again, second = counter.tap("t08")
    assert (second.amount, second.subsidy) == (LUNCH_FEN, 0)
    assert counter.sums() == {("stall", "aid"): 2 * LUNCH_FEN, ("rebate", "meal"): -500}
    counter.end("t08", first, CANCELLED)
    counter.end("t08", again, CANCELLED)
    assert counter.sums() == {}
    assert counter.tap("t08")[1].subsidy == 500  # what was taken back was not the first


def test_c26_a_free_meal_costs_the_house_alone_and_is_undone_once(counter: Counter) -> None:
    counter.small.publish(MealSubsidyItem("staff", "aid", percent=100))
    seq, decision = counter.tap("t08")
    assert (decision.granted, decision.amount, decision.subsidy) == (True, 0, LUNCH_FEN)
    assert counter.sums() == {("stall", "aid"): LUNCH_FEN, ("rebate", "meal"): -LUNCH_FEN}
    free = Verdict(True, "charged", 1, True, 0, "lunch", subsidy=LUNCH_FEN)  # noqa: FBT003
    intent = counter.journal.meal(counter.holder, "t08")
    counter.service.process([counter.journal.upload([intent, counter.journal.ended(intent.seq, SERVED, free)])])
    assert counter.sums() == {("stall", "aid"): 2 * LUNCH_FEN, ("rebate", "meal"): -2 * LUNCH_FEN}
    for tap in (seq, intent.seq, intent.seq):
        counter.end("t08", tap, CANCELLED)
    assert (counter.sums(), counter.meals()) == ({}, (0, 0))


def test_c26_a_second_subsidy_that_a_till_alone_gave_is_posted_and_found(counter: Counter) -> None:
    counter.tap("t01")
    counter.alone("t08")
    assert counter.sums()["rebate", "meal"] == -500
    assert counter.small.rows("select kind from finding") == [("offline_subsidy_twice",)]


def test_a_meal_right_eaten_without_a_count_purse_is_a_claim_in_meals(counter: Counter) -> None:
    holder = counter.small.holders[1]
    with psycopg.connect(counter.small.url) as connection:  # as a holder who never had a count purse
        identity = counter.small.ids.uuid7()
        connection.execute(
            "insert into person (id, site_id, number, name, category_id, created_at)"
            " values (%s, %s, 'x', 'X', 'staff', now())", (identity, counter.small.site),
        )  # fmt: skip
        account = counter.small.ids.uuid7()
        connection.execute(
            "insert into account (id, site_id, person_id, opened_at) values (%s, %s, %s, now())",
            (account, counter.small.site, identity),
        )
        purse_id = counter.small.ids.uuid7()
        connection.execute(
            "insert into ledger_account values (%s, %s, 'purse', %s)",
            (purse_id, counter.small.site, f"{account}/cash"),
        )
        connection.execute(
            "insert into purse values (%s, %s, %s, 'cash', 0, 0)", (purse_id, counter.small.site, account)
        )
    counter.small.publish(card(holder, account=account))
    counter.holder = holder
    seq = counter.alone("t03")
    assert counter.sums() == {("meals_taken", "hall"): 1}
    claim = (
        "select -sum(p.amount_fen)::int from posting p join ledger_account l on l.id = p.ledger_account_id"
        " where l.name = %s"
    )
    assert counter.small.rows(claim, "without_purse") == [(1,)]
    counter.end("t03", seq, CANCELLED)
    assert counter.small.rows(claim, "without_purse") == [(0,)]


def test_c59_a_charge_taken_back_after_the_window_is_booked_and_found(counter: Counter) -> None:
    in_time, late = counter.alone("t01"), counter.alone("t01")
    counter.small.clock.advance(minutes=5)
    counter.end("t01", in_time, CANCELLED, offline=True)
    assert counter.small.rows("select kind from finding") == []
    counter.small.clock.advance(minutes=5)
    counter.end("t01", late, CANCELLED, offline=True)
    assert counter.small.rows("select kind from finding") == [("undone_late",)]
    assert counter.small.rows("select flag from charge where revision = 1 order by seq") == [
        ("undone",),
        ("undone_late",),
    ]
    assert counter.small.balance(counter.holder) == 10_002


@pytest.mark.parametrize(("quality", "flag"), [("synced", ""), ("holdover", ""), ("unset", "clock_unsure")])
def test_a_meal_of_a_till_that_does_not_know_the_time_is_of_today_and_found(
    counter: Counter, quality: str, flag: str
) -> None:
    yesterday = Stamp(int(counter.small.clock.now().timestamp() * 1000) - 86_400_000, 1, "boot", ClockQuality(quality))
    intent = counter.journal.meal(counter.holder, "t01")
    served = Outcome(intent.seq, SERVED, SOLD["t01"].verdict(SERVED, offline=True), yesterday)
    counter.service.process([counter.journal.upload([intent, counter.journal.add(served)])])
    day = TODAY if flag else TODAY - timedelta(days=1)
    assert counter.small.rows("select business_day, flag from charge") == [(day, flag)]
    assert counter.small.rows("select kind from finding") == ([(f"offline_{flag}",)] if flag else [])
