"""The postings of a charge and of its reversal, account by account, without a database: every fen has its transfer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from cardcore.access.items import AccountState
from cardcore.canteen.authorise import Leg
from cardcore.ids import DeviceId, SiteId, TapKey
from cardcore.journal import Outcome, OutcomeKind, Stamp, Verdict
from cardcore.money import Fen
from server.taps.arrivals import AccountRow, ChargeRow, Facts, Journal, PurseRow, Writes
from server.taps.ledger_sheet import (
    PLAIN,
    LedgerSheet,
    Meal,
    Parts,
    agrees,
    forced_legs,
    must_post,
    no_meal_left,
    parts_of,
    total_balance,
)
from tests.reader_daemon.virtual_time import CountingIds

SITE, DEVICE = SiteId(UUID(int=1)), DeviceId(UUID(int=2))
KEY = TapKey(DEVICE, 77, 5)
DAY, NEXT_DAY = date(2026, 3, 4), date(2026, 3, 5)
AT, NOW = datetime(2026, 3, 4, 4, 0, tzinfo=UTC), datetime(2026, 3, 5, 1, 0, tzinfo=UTC)
STALL = UUID(int=9)


def purse(kind: str, balance: int, floor: int = 0) -> PurseRow:
    return PurseRow(UUID(int=100 + len(kind)), kind, balance, floor)


def account_with(*purses: PurseRow, state: AccountState = AccountState.OPEN) -> AccountRow:
    return AccountRow(UUID(int=3), UUID(int=4), state, "anna", {one.kind: one for one in purses})


def meal(**changes: Any) -> Meal:  # noqa: ANN401 - fields of a meal
    plain = {"key": KEY, "site": SITE, "till": "t01", "stall": "main", "meal": "lunch", "business_day": DAY, "at": AT}
    return Meal(**{**plain, "offline": False, **changes})


@dataclass
class Books:
    """A sheet over nothing but the stall's account, and what it wrote."""

    account: AccountRow | None = None
    writes: Writes = field(default_factory=Writes)

    def __post_init__(self) -> None:
        accounts = {self.account.id: self.account} if self.account else {}
        self.facts = Facts({(DEVICE, 77): Journal(DEVICE, 77, 0, 0, b"")}, accounts, {SITE: {("stall", "main"): STALL}})
        self.sheet = LedgerSheet(self.facts, self.writes, CountingIds(), NOW)

    def name_of(self, account: UUID) -> str:
        if self.account is not None:
            for one in self.account.purses.values():
                if one.id == account:
                    return one.kind
        return next("/".join(key) for key, value in self.facts.ledger_accounts[SITE].items() if value == account)

    def moved(self) -> list[tuple[str, str, str, int, int | None, int | None]]:
        """Return kind, source, target, amount and the balances after it of every transfer."""
        return [
            (
                row.kind, self.name_of(row.from_account), self.name_of(row.to_account), row.amount_fen,
                row.from_balance_fen, row.to_balance_fen,
            )
            for row in self.writes.transfer
        ]  # fmt: skip


def legs(**amounts: int) -> tuple[Leg, ...]:
    return tuple(Leg(name, Fen(amount)) for name, amount in amounts.items())


def test_a_plain_charge_takes_from_both_purses_for_the_stall() -> None:
    account = account_with(purse("subsidy", 1_000), purse("cash", 5_000))
    books = Books(account)
    row = books.sheet.charge(meal(), account, legs(subsidy=1_000, cash=200))
    assert books.moved() == [
        ("charge", "subsidy", "stall/main", 1_000, 0, None), ("charge", "cash", "stall/main", 200, 4_800, None),
    ]  # fmt: skip
    assert [one.changed for one in account.purses.values()] == [True, True]
    assert (row.revision, row.amount, row.in_force, row.extras) == (0, 1_200, True, ())
    assert row.legs == ((account.purses["subsidy"].id, 1_000), (account.purses["cash"].id, 200))
    assert books.facts.charge_of(KEY) is row
    (written,) = books.writes.charge
    assert (written.epoch, written.seq, written.revision, written.reverses) == (77, 5, 0, None)
    assert (written.business_day, written.event_day, written.amount_fen) == (DAY, None, 1_200)
    assert (written.at, written.posted_at) == (AT, NOW)
    (first, _) = books.writes.transfer
    assert (first.charge_id, first.actor, first.business_day, first.at) == (row.id, "till:t01", DAY, AT)
    assert account.meals == {(DAY, "lunch"): 1}
    assert account.spent == {(DAY, "lunch"): 1_200}
    assert account.meal_changes == {(DAY, "lunch"): (1, 1_200)}
    assert not books.writes.ledger_account


def test_a_meal_of_a_closed_day_is_posted_in_the_next_and_says_when_it_was_eaten() -> None:
    account = account_with(purse("cash", 5_000))
    books = Books(account)
    books.sheet.charge(
        meal(posted_in=NEXT_DAY), account, legs(cash=1_200), Parts(surcharge=200, discount=100, rights=0)
    )
    assert {row.business_day for row in books.writes.transfer} == {NEXT_DAY}
    (written,) = books.writes.charge
    assert (written.business_day, written.event_day) == (NEXT_DAY, DAY)
    assert account.meals == {(DAY, "lunch"): 1}


def test_a_surcharge_goes_to_the_house_out_of_the_last_legs() -> None:
    account = account_with(purse("subsidy", 1_000), purse("cash", 5_000))
    books = Books(account)
    row = books.sheet.charge(meal(), account, legs(subsidy=1_000, cash=500), Parts(surcharge=300))
    assert books.moved() == [
        ("charge", "subsidy", "stall/main", 1_000, 0, None),
        ("charge", "cash", "stall/main", 200, 4_800, None),
        ("charge", "cash", "surcharge_income/guest", 300, 4_500, None),
    ]  # fmt: skip
    assert sum(amount for _, amount in row.legs) == 1_200
    assert [(extra.amount, extra.kind) for extra in row.extras] == [(300, "charge")]
    (opened,) = books.writes.ledger_account
    assert (opened["role"], opened["name"]) == ("surcharge_income", "guest")


def test_a_leg_that_is_all_surcharge_gives_the_stall_nothing() -> None:
    account = account_with(purse("subsidy", 1_000), purse("cash", 5_000))
    books = Books(account)
    row = books.sheet.charge(meal(), account, legs(subsidy=1_000, cash=300), Parts(surcharge=300))
    assert books.moved()[1:] == [("charge", "cash", "surcharge_income/guest", 300, 4_700, None)]
    assert row.legs == ((account.purses["subsidy"].id, 1_000),)


def test_the_house_pays_discounts_and_first_taps_to_the_stall() -> None:
    account = account_with(purse("cash", 5_000))
    books = Books(account)
    row = books.sheet.charge(meal(), account, legs(cash=800), Parts(discount=150, subsidy=250))
    assert books.moved() == [
        ("charge", "cash", "stall/main", 800, 4_200, None),
        ("rebate", "rebate/main", "stall/main", 150, None, None),
        ("rebate", "rebate/meal", "stall/main", 250, None, None),
    ]  # fmt: skip
    assert [(extra.amount, extra.kind) for extra in row.extras] == [(150, "rebate"), (250, "rebate")]


@pytest.mark.parametrize(
    ("account", "source", "left"),
    [
        (account_with(purse("count", 3), purse("cash", 0)), "count", 2),
        (account_with(purse("cash", 0)), "meal_rights/without_purse", None),
        (account_with(purse("count", 3), state=AccountState.CLOSED), "meal_rights/closed_account", None),
        (None, "meal_rights/unknown_card", None),
    ],
)
def test_a_meal_from_a_count_purse_is_a_meal_and_leaves_a_claim_where_there_is_none(
    account: AccountRow | None, source: str, left: int | None
) -> None:
    books = Books(account)
    row = books.sheet.charge(meal(), account, (), Parts(rights=1))
    assert books.moved() == [("charge", source, "meals_taken/main", 1, left, None)]
    assert (row.amount, row.legs) == (0, ())
    if account is not None and "count" in account.purses:
        assert account.purses["count"].changed == (left is not None)


def test_who_pays_for_nobody_known_is_a_claim() -> None:
    books = Books(None)
    row = books.sheet.charge(meal(), None, legs(receivable=1_200))
    assert books.moved() == [("charge", "receivable/unknown_card", "stall/main", 1_200, None, None)]
    assert (row.account_id, row.person_id) == (None, None)
    closed = account_with(purse("cash", 9), state=AccountState.CLOSED)
    books = Books(closed)
    books.sheet.charge(meal(), closed, legs(receivable=1_200))
    assert books.moved() == [("charge", "receivable/closed_account", "stall/main", 1_200, None, None)]
    assert closed.purses["cash"].balance == 9


def test_a_department_pays_under_its_name() -> None:
    account = account_with(purse("cash", 5_000))
    books = Books(account)
    books.sheet.charge(meal(), account, legs(department=1_200), Parts(credit="d7"))
    assert books.moved() == [("charge", "receivable/department:d7", "stall/main", 1_200, None, None)]
    assert (account.purses["cash"].balance, account.purses["cash"].changed) == (5_000, False)


def test_a_reversal_gives_everything_back_and_the_meal_does_not_count() -> None:
    account = account_with(purse("subsidy", 1_000), purse("cash", 5_000), purse("count", 2))
    books = Books(account)
    parts = Parts(discount=100, surcharge=300, rights=1, subsidy=50)
    charge = books.sheet.charge(meal(), account, legs(subsidy=1_000, cash=500), parts)
    forward = {(row.from_account, row.to_account, row.amount_fen) for row in books.writes.transfer}
    books.writes.transfer.clear()
    row = books.sheet.reverse(meal(), charge, NEXT_DAY)
    assert {(row.to_account, row.from_account, row.amount_fen) for row in books.writes.transfer} == forward
    assert {row.kind for row in books.writes.transfer} == {"reversal", "rebate"}
    assert [(name, target, after) for _, name, target, _, _, after in books.moved() if target in account.purses] == [
        ("stall/main", "subsidy", 1_000), ("stall/main", "cash", 4_700), ("surcharge_income/guest", "cash", 5_000),
        ("meals_taken/main", "count", 2),
    ]  # fmt: skip
    assert {one.kind: one.balance for one in account.purses.values()} == {"subsidy": 1_000, "cash": 5_000, "count": 2}
    assert (row.revision, row.in_force, row.legs, row.amount) == (1, False, (), 1_500)
    written = books.writes.charge[-1]
    assert (written.reverses, written.business_day, written.event_day) == (charge.id, NEXT_DAY, DAY)
    assert account.meal_changes == {(DAY, "lunch"): (0, -0)} or account.meals == {(DAY, "lunch"): 0}
    assert account.spent == {(DAY, "lunch"): 0}
    again = books.sheet.charge(meal(), account, legs(cash=10))
    assert (again.revision, again.in_force) == (2, True)


def test_what_is_reversed_already_is_not_reversed_again() -> None:
    account = account_with(purse("cash", 5_000))
    books = Books(account)
    reversal = books.sheet.reverse(meal(), books.sheet.charge(meal(), account, legs(cash=10)), DAY)
    with pytest.raises(ValueError, match="not in force"):
        books.sheet.reverse(meal(), reversal, DAY)


def test_a_charge_refunded_in_full_by_hand_has_had_its_meal_back() -> None:
    account = account_with(purse("cash", 5_000))
    account.meals[DAY, "lunch"] = 1
    books = Books(account)
    refunded = ChargeRow(UUID(int=50), 0, 1_200, account.id, account.person_id, "t01", "main", "lunch", DAY, ())
    books.facts.journals[DEVICE, 77].charges[5] = refunded
    books.sheet.reverse(meal(), refunded, DAY)
    assert account.meals == {(DAY, "lunch"): 1}
    assert not books.writes.transfer


def test_an_order_is_collected_by_its_meal_and_open_again_after_the_reversal() -> None:
    account = account_with(purse("cash", 5_000))
    account.ordered["main", DAY, "lunch"] = 1
    books = Books(account)
    charge = books.sheet.charge(meal(), account, legs(cash=10))
    assert account.ordered["main", DAY, "lunch"] == 0
    books.sheet.reverse(meal(), charge, DAY)
    assert account.ordered["main", DAY, "lunch"] == 1


@pytest.mark.parametrize(
    ("purses", "amount", "taken", "overdrawn"),
    [
        ((purse("subsidy", 500), purse("cash", 900)), 1_200, {"subsidy": 500, "cash": 700}, False),
        ((purse("subsidy", 500), purse("cash", 700)), 1_200, {"subsidy": 500, "cash": 700}, False),
        ((purse("subsidy", 500), purse("cash", 100)), 1_200, {"subsidy": 500, "cash": 700}, True),
        ((purse("cash", 100, floor=100),), 1_200, {"cash": 1_200}, True),
        ((purse("cash", 0, floor=-2_000),), 1_200, {"cash": 1_200}, False),
        ((purse("cash", -50),), 1_200, {"cash": 1_200}, True),
    ],
)
def test_what_must_post_goes_below_the_floor_of_the_cash_purse_alone(
    purses: tuple[PurseRow, ...], amount: int, taken: dict[str, int], overdrawn: bool
) -> None:
    found, below = forced_legs(account_with(*purses), amount)
    assert ({leg.purse: leg.amount for leg in found}, below) == (taken, overdrawn)


def test_what_must_post_of_nobody_or_of_a_department_touches_no_purse() -> None:
    closed = account_with(purse("cash", 9_000), state=AccountState.CLOSED)
    assert forced_legs(None, 70) == (legs(receivable=70), False)
    assert forced_legs(closed, 70) == (legs(receivable=70), False)
    assert forced_legs(account_with(purse("cash", 9)), 70, "d7") == (legs(department=70), False)


def verdict(amount: int = 0, **parts: Any) -> Verdict:  # noqa: ANN401 - fields of a verdict
    return Verdict(granted=True, reason="charged", policy_version=1, offline=True, amount=amount, **parts)


def outcome(kind: OutcomeKind, said: Verdict) -> Outcome:
    return Outcome(5, kind, said, Stamp(1, 1, "boot"))


def test_the_books_agree_with_what_they_say() -> None:
    charged = ChargeRow(UUID(int=50), 0, 1_200, None, None, "t01", "main", "lunch", DAY, ())
    reversed_ = charged._replace(revision=1)
    served, declined = OutcomeKind.SERVED, OutcomeKind.DECLINED
    assert agrees(outcome(served, verdict(1_200)), charged)
    assert not agrees(outcome(served, verdict(1_100)), charged)
    assert not agrees(outcome(declined, verdict(1_200)), charged)
    for nothing in (None, reversed_):
        assert agrees(outcome(declined, verdict(1_200)), nothing)
        assert agrees(outcome(served, verdict(0)), nothing)
        assert not agrees(outcome(served, verdict(1_200)), nothing)


@pytest.mark.parametrize("part", ["amount", "rights", "discount", "subsidy"])
def test_each_part_of_a_meal_alone_must_post(part: str) -> None:
    said = Verdict(granted=True, reason="charged", policy_version=1, offline=True, **{part: 1})  # type: ignore[arg-type]
    assert must_post(said)
    assert not must_post(verdict(0, surcharge=1))


@pytest.mark.parametrize("part", ["discount", "surcharge", "rights", "subsidy"])
def test_the_parts_of_a_verdict_are_kept(part: str) -> None:
    assert parts_of(verdict(5)) is PLAIN
    only: dict[str, Any] = {part: 2}
    assert parts_of(verdict(5, **only)) == Parts(**only)
    assert parts_of(Verdict(granted=True, reason="charged", policy_version=1, offline=True, credit="d7")) == Parts(
        credit="d7"
    )
    assert Parts(**only).moves == (part != "surcharge")


def test_a_meal_too_many_of_a_count_purse_is_seen() -> None:
    assert not no_meal_left(account_with(purse("count", 1)), 1)
    assert no_meal_left(account_with(purse("count", 0)), 1)
    assert no_meal_left(account_with(purse("count", 1, floor=1)), 1)
    assert no_meal_left(account_with(), 1)
    assert no_meal_left(None, 1)
    assert not no_meal_left(None, 0)
    assert not no_meal_left(account_with(purse("count", 0)), 0)
    assert not no_meal_left(account_with(purse("count", 0), state=AccountState.CLOSED), 1)


def test_the_display_shows_what_can_be_spent_or_the_meals_left() -> None:
    account = account_with(purse("subsidy", 300), purse("cash", 500), purse("count", 7), purse("deposit", 2_000))
    assert total_balance(account) == 800
    assert total_balance(account, rights=1) == 7
    assert total_balance(account_with(purse("cash", 5)), rights=1) == 0
