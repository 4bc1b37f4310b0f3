"""How a till charges: each mode's price and refusals, discounts and surcharges, who pays, and the mode by time."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.access.items import (
    AccountState,
    CardItem,
    Dish,
    EligibilityItem,
    Item,
    MealSubsidyItem,
    MenuItem,
    RateItem,
    TillItem,
    Turn,
)
from cardcore.canteen.authorise import AccountView, Authorisation, Leg, MealTap, PurseBalance, authorise
from cardcore.canteen.pricing import NO_ENTRY, Buyer, Entry, Price, price_of
from cardcore.canteen.selling import COUNT, DEPARTMENT, FIXED, IN_TODAY, KEY_VALUE, KEYED, MENU, NOT_IN_TODAY
from cardcore.ids import CategoryId, StallId, TillId
from cardcore.journal import MAX_LINES, Line
from cardcore.money import MAX_AMOUNT_FEN, Fen
from cardcore.reasons import Reason
from tests.cardcore.policies import CARD, NOON, card, snapshot

TODAY = date(2026, 3, 4)
RICH = AccountView(AccountState.OPEN, (PurseBalance("cash", Fen(100_000)), PurseBalance("count", Fen(1))))
MENU_OF_TODAY = MenuItem(StallId("hall"), TODAY, (Dish("lunch", "1", Fen(300)), Dish("lunch", "12", Fen(850))))
KEYS = (("1", Fen(200)), ("2", Fen(550)))


def till(**changes: object) -> TillItem:
    return TillItem(TillId("t1"), "r3", StallId("hall"), **changes)  # type: ignore[arg-type]


def tapped(
    *items: Item, entry: Entry = NO_ENTRY, held: CardItem | None = None, account: AccountView = RICH, hours: int = 0
) -> Authorisation:
    policy = snapshot(held or card(), *items)
    return authorise(MealTap(CARD, TillId("t1"), entry), policy, {}, account, NOON + timedelta(hours=hours))


def chosen(*lines: Line) -> Entry:
    return Entry(Fen(sum(line.count * line.price for line in lines)), lines)


def test_c01_a_fixed_amount_is_charged_whatever_the_meal_and_the_holder() -> None:
    fixed = till(mode=FIXED, amount=Fen(700))
    assert (tapped(fixed).amount, tapped(fixed, held=card(category=CategoryId("guest"))).amount) == (700, 700)
    assert tapped(till(mode=FIXED)).reason is Reason.NO_PRICE


def test_c02_the_price_is_that_of_the_meal_the_stall_and_the_category() -> None:
    assert (tapped(till()).amount, tapped(till(), hours=10).amount) == (1200, 800)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Entry(Fen(1250)), Reason.CHARGED),
        (NO_ENTRY, Reason.AMOUNT_MISSING),
        (Entry(Fen(-5)), Reason.AMOUNT_MISSING),
        (Entry(Fen(MAX_AMOUNT_FEN + 1)), Reason.AMOUNT_TOO_HIGH),
        (Entry(Fen(200), (Line("1", 1, 200),)), Reason.AMOUNT_UNEXPECTED),
    ],
)
def test_c03_a_keyed_amount_is_charged_as_it_was_shown(entry: Entry, expected: Reason) -> None:
    verdict = tapped(till(mode=KEYED), entry=entry)
    assert verdict.reason is expected
    assert verdict.amount == (1250 if verdict.approved else 0)


def test_a_keyed_amount_is_refused_where_the_price_is_set() -> None:
    assert tapped(till(), entry=Entry(Fen(1))).reason is Reason.AMOUNT_UNEXPECTED


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (chosen(Line("1", 2, 200), Line("2", 1, 550)), Reason.CHARGED),
        (NO_ENTRY, Reason.AMOUNT_MISSING),
        (chosen(Line("3", 1, 200)), Reason.PRICE_CHANGED),
        (chosen(Line("1", 1, 201)), Reason.PRICE_CHANGED),
        (chosen(Line("1", -1, 200), Line("2", 1, 550)), Reason.PRICE_CHANGED),
        (Entry(Fen(1), (Line("1", 1, 200),)), Reason.PRICE_CHANGED),
        (chosen(*[Line("1", 1, 200)] * (MAX_LINES + 1)), Reason.AMOUNT_TOO_HIGH),
    ],
)
def test_c04_each_key_has_its_price(entry: Entry, expected: Reason) -> None:
    verdict = tapped(till(mode=KEY_VALUE, key_prices=KEYS), entry=entry)
    assert verdict.reason is expected
    assert verdict.amount == (950 if verdict.approved else 0)


@pytest.mark.parametrize(
    ("line", "hours", "expected"),
    [
        (Line("12", 2, 850), 0, Reason.CHARGED),
        (Line("12", 2, 900), 0, Reason.PRICE_CHANGED),
        (Line("12", 2, 850), 10, Reason.PRICE_CHANGED),
        (Line("12", 2, 850), 24, Reason.PRICE_CHANGED),
        (Line("13", 2, 850), 0, Reason.PRICE_CHANGED),
    ],
)
def test_c05_a_dish_costs_what_the_menu_of_the_day_and_meal_says(line: Line, hours: int, expected: Reason) -> None:
    verdict = tapped(till(mode=MENU), MENU_OF_TODAY, entry=chosen(line), hours=hours)
    assert verdict.reason is expected
    assert verdict.amount == (1700 if verdict.approved else 0)


def test_c06_a_tap_takes_one_right_and_no_money() -> None:
    verdict = tapped(till(mode=COUNT))
    assert (verdict.approved, verdict.amount, verdict.rights, verdict.legs) == (True, 0, 1, ())
    empty = AccountView(AccountState.OPEN, (PurseBalance("cash", Fen(9_000)), PurseBalance("count", Fen(0))))
    assert tapped(till(mode=COUNT), account=empty).reason is Reason.COUNT_USED_UP


def test_c08_who_ordered_collects_and_nobody_else() -> None:
    ordered = AccountView(RICH.state, RICH.purses, ordered={(TODAY, "lunch"): 1})
    assert tapped(till(ordered=True), account=ordered).reason is Reason.CHARGED
    assert tapped(till(ordered=True)).reason is Reason.NO_ORDER
    assert tapped(till(ordered=True), account=ordered, hours=24).reason is Reason.NO_ORDER


def test_c09_a_department_pays_on_credit_and_the_holder_nothing() -> None:
    poor = AccountView(AccountState.OPEN, ())
    verdict = tapped(till(payer=DEPARTMENT), held=card(credit="works"), account=poor)
    assert (verdict.credit, verdict.legs) == ("works", (Leg("department", Fen(1200)),))
    assert tapped(till(payer=DEPARTMENT)).reason is Reason.NO_CREDIT
    assert tapped(till(), held=card(credit="works")).credit == ""


def test_c10_the_mode_changes_with_the_time_of_day() -> None:
    by_time = till(turns=(Turn(11 * 3600, 12 * 3600, FIXED, Fen(500)), Turn(12 * 3600, 13 * 3600, COUNT)))
    assert (tapped(by_time, hours=-1).amount, tapped(by_time).rights, tapped(by_time, hours=1).amount) == (500, 1, 1200)


def test_a_mode_or_payer_of_a_newer_server_is_refused_and_breaks_nothing() -> None:
    for unknown in (till(mode="by_weight"), till(payer="the_moon"), till(presence="at_the_moon")):
        assert tapped(unknown).reason is Reason.MODE_UNKNOWN


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (EligibilityItem(("staff",)), Reason.CHARGED),
        (EligibilityItem(("guest",)), Reason.NOT_ELIGIBLE),
        (EligibilityItem((), stall="hall"), Reason.NOT_ELIGIBLE),
        (EligibilityItem((), meal="supper"), Reason.CHARGED),
        (EligibilityItem((), stall="tea"), Reason.CHARGED),
    ],
)
def test_c17_only_these_categories_eat_here_in_this_meal(item: EligibilityItem, expected: Reason) -> None:
    assert tapped(till(), item).reason is expected


def test_the_most_specific_eligibility_decides() -> None:
    everywhere, here = EligibilityItem(()), EligibilityItem(("staff",), stall="hall", meal="lunch")
    assert tapped(till(), everywhere, here).approved


def test_c19_a_category_pays_less_and_the_stall_gets_the_list_price() -> None:
    verdict = tapped(till(mode=FIXED, amount=Fen(999)), RateItem("staff", discount_percent=15))
    assert (verdict.amount, verdict.discount) == (849, 150)  # 149.85 rounds half up
    assert sum(leg.amount for leg in verdict.legs) == 849


def test_c20_guests_pay_more_and_a_stalls_own_rate_comes_first() -> None:
    guest = card(category=CategoryId("guest"))
    everywhere, here = RateItem("guest", surcharge_percent=30), RateItem("guest", "hall", surcharge_percent=10)
    fixed = till(mode=FIXED, amount=Fen(1000))
    assert tapped(fixed, everywhere, held=guest).surcharge == 300
    assert (tapped(fixed, everywhere, here, held=guest).amount, tapped(fixed, everywhere).amount) == (1100, 1000)


@pytest.mark.parametrize(
    ("rule", "entered", "expected"),
    [
        (IN_TODAY, True, Reason.CHARGED),
        (IN_TODAY, False, Reason.NOT_INSIDE),
        (NOT_IN_TODAY, False, Reason.CHARGED),
        (NOT_IN_TODAY, True, Reason.ALREADY_INSIDE),
    ],
)
def test_c21_eats_only_who_came_in_today_or_only_who_did_not(rule: str, *, entered: bool, expected: Reason) -> None:
    account = AccountView(RICH.state, RICH.purses, entered=entered)
    assert tapped(till(presence=rule, zone="compound"), account=account).reason is expected


@given(st.integers(1, MAX_AMOUNT_FEN), st.integers(0, 90), st.booleans())
def test_c79_the_parts_of_a_charge_sum_exactly(amount: int, percent: int, more: bool) -> None:
    rate = RateItem("staff", discount_percent=0 if more else percent, surcharge_percent=percent if more else 0)
    keyed = till(mode=KEYED)
    price = price_of(Entry(Fen(amount)), keyed, keyed, Buyer("staff", "lunch", TODAY), snapshot(rate))
    assert isinstance(price, Price)
    assert price.amount + price.discount == amount + price.surcharge
    assert price.list_price == amount
    exact = amount * percent
    assert abs((price.surcharge if more else price.discount) * 100 - exact) * 2 <= 100


def test_c78_every_amount_of_a_verdict_is_a_whole_number_of_fen() -> None:
    rated = (RateItem("staff", discount_percent=33), till(mode=KEYED))
    for fen in range(1, 120):
        verdict = tapped(*rated, entry=Entry(Fen(fen)))
        amounts = (verdict.amount, verdict.discount, verdict.surcharge, *(leg.amount for leg in verdict.legs))
        assert all(type(amount) is int for amount in amounts)


@pytest.mark.parametrize(
    ("subsidy", "paid"),
    [
        (MealSubsidyItem(fen=Fen(500)), 700),
        (MealSubsidyItem(fen=Fen(5_000)), 0),
        (MealSubsidyItem(percent=50), 600),
        (MealSubsidyItem(percent=50, fen=Fen(400)), 800),
        (MealSubsidyItem(percent=100), 0),
        (MealSubsidyItem(percent=100, per="fortnight"), 1200),
        (MealSubsidyItem(percent=100, meal="night"), 1200),
    ],
)
def test_c26_the_first_tap_costs_the_house_a_sum_a_share_or_all_of_it(subsidy: MealSubsidyItem, paid: int) -> None:
    first = tapped(till(), subsidy)
    assert (first.amount, first.subsidy) == (paid, 1200 - paid)
    assert first.reason is Reason.CHARGED


def test_c26_first_is_of_the_meal_or_of_the_day() -> None:
    eaten = AccountView(RICH.state, RICH.purses, meals_taken={(TODAY, "breakfast"): 1})
    of_meal, of_day = MealSubsidyItem(percent=100), MealSubsidyItem(percent=100, per="day")
    assert tapped(till(), of_meal, account=eaten).subsidy == 1200
    assert tapped(till(), of_day, account=eaten).subsidy == 0
    again = AccountView(RICH.state, RICH.purses, meals_taken={(TODAY, "lunch"): 1})
    assert tapped(till(), of_meal, account=again).subsidy == 0


def test_c26_the_most_specific_subsidy_decides_and_a_surcharge_is_never_subsidised() -> None:
    items = [MealSubsidyItem(percent=10), MealSubsidyItem(stall="hall", percent=20),
             MealSubsidyItem("staff", "hall", "lunch", percent=100)]  # fmt: skip
    assert tapped(till(), *items).subsidy == 1200
    assert tapped(till(), *items, held=card(category=CategoryId("guest"))).subsidy == 240
    guest = tapped(till(), MealSubsidyItem(percent=100), RateItem("staff", surcharge_percent=10))
    assert (guest.amount, guest.surcharge, guest.subsidy) == (120, 120, 1200)


def test_c26_a_department_that_pays_is_not_subsidised() -> None:
    bought = tapped(till(payer=DEPARTMENT), MealSubsidyItem(percent=100), held=card(credit="works"))
    assert (bought.amount, bought.subsidy) == (1200, 0)
