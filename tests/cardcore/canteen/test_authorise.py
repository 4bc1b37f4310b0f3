"""`authorise`: price, limits, purses; and what a till may do alone."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.access.items import AccountState, CardItem, CardState, Product
from cardcore.access.snapshot import Snapshot
from cardcore.canteen.authorise import (
    AccountView,
    MealTap,
    PurseBalance,
    authorise,
    authorise_alone,
    split_over_purses,
)
from cardcore.canteen.offline import OfflineSpell
from cardcore.ids import CategoryId, TillId
from cardcore.money import Fen
from cardcore.reasons import Reason
from tests.cardcore.policies import CARD, NOON, card, denials, instants, snapshot, snapshots

TAP = MealTap(CARD, TillId("t1"))
RICH = AccountView(AccountState.OPEN, (PurseBalance("cash", Fen(10_000)),))
CALM = OfflineSpell(timedelta(hours=1))
balances = st.integers(-5_000, 5_000).map(Fen)
purses = st.lists(
    st.builds(PurseBalance, st.sampled_from(["subsidy", "cash", "deposit"]), balances, st.integers(-2_000, 0).map(Fen)),
    max_size=3, unique_by=lambda purse: purse.kind,
).map(tuple)  # fmt: skip


@pytest.mark.parametrize(
    ("held", "account", "hours", "expected"),
    [
        (card(), RICH, 0, Reason.CHARGED),
        (card(), None, 0, Reason.ACCOUNT_CLOSED),
        (card(), AccountView(AccountState.FROZEN, RICH.purses), 0, Reason.ACCOUNT_FROZEN),
        (card(), AccountView(AccountState.CLOSED, RICH.purses), 0, Reason.ACCOUNT_CLOSED),
        (card(), AccountView(AccountState.OPEN, (PurseBalance("cash", Fen(1199)),)), 0, Reason.BALANCE_TOO_LOW),
        (card(), AccountView(AccountState.OPEN, (PurseBalance("cash", Fen(1199), Fen(-1)),)), 0, Reason.CHARGED),
        (
            card(),
            AccountView(AccountState.OPEN, RICH.purses, {(date(2026, 3, 4), "lunch"): 1}),
            0,
            Reason.MEAL_LIMIT,
        ),
        (card(product=Product.GATE_ONLY), RICH, 0, Reason.PRODUCT_NOT_FOR_CANTEEN),
        (card(state=CardState.LOST), RICH, 0, Reason.CARD_LOST),
        (card(), RICH, 3, Reason.NO_MEAL_NOW),
        (card(category=CategoryId("guest")), RICH, 10, Reason.NO_PRICE),
    ],
)
def test_each_refusal_has_its_reason(held: CardItem, account: AccountView | None, hours: int, expected: Reason) -> None:
    verdict = authorise(TAP, snapshot(held), {}, account, NOON + timedelta(hours=hours))
    assert (verdict.reason, verdict.approved) == (expected, expected is Reason.CHARGED)
    assert sum(leg.amount for leg in verdict.legs) == (verdict.amount if verdict.approved else 0)


def test_a_meal_after_midnight_counts_for_the_evening_before() -> None:
    verdict = authorise(TAP, snapshot(card()), {}, RICH, NOON + timedelta(hours=13))
    assert (verdict.meal, verdict.business_day) == ("night", date(2026, 3, 4))


@pytest.mark.parametrize(
    ("spell", "expected"),
    [
        (CALM, Reason.CHARGED),
        (OfflineSpell(None), Reason.OFFLINE_TOO_LONG),
        (OfflineSpell(timedelta(hours=25)), Reason.OFFLINE_TOO_LONG),
        (OfflineSpell(timedelta(0), of_card={CARD: 2}), Reason.OFFLINE_CARD_CAP),
        (OfflineSpell(timedelta(0), count=5), Reason.OFFLINE_TILL_COUNT_CAP),
        (OfflineSpell(timedelta(0), total=Fen(3801)), Reason.OFFLINE_TILL_SUM_CAP),
        (OfflineSpell(timedelta(0), total=Fen(3800)), Reason.CHARGED),
    ],
)
def test_a_till_alone_keeps_to_its_caps(spell: OfflineSpell, expected: Reason) -> None:
    assert authorise_alone(TAP, snapshot(card()), {}, spell, NOON).reason is expected


def test_a_till_alone_refuses_what_it_knows_of_the_account() -> None:
    frozen = snapshot(card(account_state=AccountState.FROZEN))
    assert authorise_alone(TAP, frozen, {}, CALM, NOON).reason is Reason.ACCOUNT_FROZEN


@given(st.integers(0, 8_000).map(Fen), purses)
def test_purses_are_never_taken_below_their_floors(amount: Fen, held: tuple[PurseBalance, ...]) -> None:
    legs = split_over_purses(amount, held)
    room = {purse.kind: max(0, purse.balance - purse.floor) for purse in held if purse.kind != "deposit"}
    if legs is None:
        assert sum(room.values()) < amount
        return
    assert sum(leg.amount for leg in legs) == amount
    assert all(0 < leg.amount <= room[leg.purse] for leg in legs)
    if any(leg.purse == "cash" for leg in legs):
        assert sum(leg.amount for leg in legs if leg.purse == "subsidy") == room.get("subsidy", 0)


@given(snapshots, denials, instants, st.none() | st.builds(AccountView, st.sampled_from(AccountState), purses))
def test_authorise_is_total_and_never_gives_more_than_there_is(
    held: Snapshot, denied: dict[str, Reason], at: datetime, account: AccountView | None
) -> None:
    verdict = authorise(TAP, held, denied, account, at)
    assert verdict.approved == verdict.reason.grants
    if verdict.approved:
        assert account is not None
        assert sum(leg.amount for leg in verdict.legs) == verdict.amount > 0
    else:
        assert verdict.legs == ()


@given(snapshots, denials, instants)
def test_the_server_and_a_till_alone_agree_on_all_but_the_money(
    held: Snapshot, denied: dict[str, Reason], at: datetime
) -> None:
    online = authorise(TAP, held, denied, RICH, at)
    alone = authorise_alone(TAP, held, denied, CALM, at)
    if alone.approved:
        assert (online.reason, online.amount, online.meal) == (alone.reason, alone.amount, alone.meal)
    elif alone.reason not in {Reason.ACCOUNT_FROZEN, Reason.ACCOUNT_CLOSED}:
        assert online.reason is alone.reason
