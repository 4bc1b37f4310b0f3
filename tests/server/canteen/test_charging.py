"""How tills charge, limits, rates, eligibility and PINs: what is wrong is refused in words, the rest is published."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cardcore.access.items import MealSubsidyItem, Turn
from cardcore.access.snapshot import Snapshot
from cardcore.calendar import Interval
from cardcore.canteen.limits import Pin
from cardcore.ids import AccountId, CredentialKey, SiteId, TillId
from cardcore.money import Fen
from server.access.fields import FieldProblem
from server.canteen import charging, pins
from server.canteen.charging import Eligibility, Limit, MealSubsidy, Rate, TillCharging
from server.database import Database, WriteSession
from server.policy import service as policy
from server.staff.passwords import Passwords
from server.system import System

Rule = Limit | Rate | Eligibility | MealSubsidy
KEYED = TillCharging(mode="keyed", presence="in_today", zone_id="compound", serves_unproved=True, undo_minutes=9)


def set_charging(
    database: Database, system: System, site: SiteId, values: TillCharging, till: str = "t01"
) -> FieldProblem | None:
    return database.write(
        lambda session: charging.set_till_charging(session, system, site, TillId(till), values, "test")
    )


def published(database: Database, site: SiteId) -> Snapshot:
    assert database.read(lambda session: policy.verify(session, site)) == []
    return database.read(lambda session: policy.load_snapshot(session, site))


def test_a_till_is_told_how_to_charge_and_what_it_may_do_alone(
    database: Database, system: System, site: SiteId, till: TillId
) -> None:
    values = replace(
        KEYED, turns=(Turn(36_000, 50_400, "count"),), opening=(Interval(30_000, 60_000),),
        offline_tap_cap_fen=Fen(900), offline_list_hours_cap=24,
    )  # fmt: skip
    assert set_charging(database, system, site, values) is None
    item = published(database, site).till(till)
    assert item is not None
    assert (item.mode, item.turns, item.opening) == ("keyed", values.turns, values.opening)
    assert (item.presence, item.zone, item.serves_unproved) == ("in_today", "compound", True)
    assert (item.undo_minutes, item.offline_tap_cap, item.offline_list_hours_cap) == (9, 900, 24)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (TillCharging(mode="by_weight"), "not known"),
        (TillCharging(payer="moon"), "not known"),
        (TillCharging(mode="fixed"), "needs an amount"),
        (TillCharging(mode="fixed", amount_fen=Fen(100_000_001)), "needs an amount"),
        (TillCharging(amount_fen=Fen(5)), "needs an amount"),
        (TillCharging(mode="key_value"), "prices of keys"),
        (TillCharging(key_prices=(("1", Fen(5)), ("1", Fen(6)))), "one price"),
        (TillCharging(key_prices=(("12", Fen(5)),)), "one price"),
        (TillCharging(key_prices=(("1", Fen(0)),)), "more than nothing"),
        (TillCharging(turns=(Turn(5, 5, "keyed"),)), "starts before it ends"),
        (TillCharging(turns=(Turn(0, 5, "keyed"),) * 13), "at most 12 turns"),
        (TillCharging(turns=(Turn(0, 5, "by_weight"),)), "not known"),
        (TillCharging(opening=(Interval(5, 5),)), "starts before it ends"),
        (TillCharging(presence="in_today"), "names its zone"),
        (TillCharging(presence="in_today", zone_id="moon"), "no zone"),
        (TillCharging(undo_minutes=61), "0 to 60 minutes"),
        (TillCharging(undo_code=""), "1 to 6 digits"),
        (TillCharging(undo_code="1*"), "1 to 6 digits"),
        (TillCharging(offline_tap_cap_fen=Fen(-1)), "not negative"),
        (TillCharging(offline_list_hours_cap=0), "at least one"),
    ],
)
def test_wrong_settings_are_refused_in_words(values: TillCharging, words: str) -> None:
    problem = charging.charging_problem(values, {"compound"})
    assert problem is not None
    assert words in problem.advice


def test_a_refused_setting_changes_nothing(database: Database, system: System, site: SiteId, till: TillId) -> None:
    assert set_charging(database, system, site, KEYED) is None
    before = published(database, site)
    assert set_charging(database, system, site, replace(KEYED, mode="moon")) is not None
    unknown = set_charging(database, system, site, KEYED, till="t99")
    assert unknown is not None
    assert unknown.advice == "there is no till t99"
    assert published(database, site).till(till) == before.till(till)


def test_limits_rates_and_eligibility_reach_the_edge_and_go_again(
    database: Database, system: System, site: SiteId, till: TillId
) -> None:
    def write(session: WriteSession) -> list[FieldProblem | None]:
        return [
            charging.put_limit(session, system, site, Limit("a", "day", 3, Fen(900), soft=True), "test"),
            charging.put_rate(session, system, site, Rate("staff", discount_percent=20), "test"),
            charging.put_eligibility(session, system, site, Eligibility(("staff",), "main", "lunch"), "test"),
        ]

    assert database.write(write) == [None, None, None]
    snapshot = published(database, site)
    (limit,) = snapshot.limits_for("staff", "main", "lunch")
    assert (limit.per, limit.count, limit.fen, limit.soft) == ("day", 3, 900, True)
    rate = snapshot.rate("main", "staff")
    assert rate is not None
    assert rate.discount_percent == 20
    assert [snapshot.eligible(who, "main", "lunch") for who in ("staff", "guest")] == [True, False]
    assert database.write(lambda session: charging.remove_limit(session, system, site, "a", "test"))
    assert database.write(lambda session: charging.remove_eligibility(session, system, site, "main", "lunch", "test"))
    assert database.write(lambda session: charging.remove_rate(session, system, site, "*", "staff", "test"))
    after = published(database, site)
    assert (after.limits_for("staff", "main", "lunch"), after.eligible("guest", "main", "lunch")) == ((), True)
    assert after.rate("main", "staff") is None


def test_c26_a_subsidy_of_first_taps_reaches_the_edge_and_goes_again(
    database: Database, system: System, site: SiteId, till: TillId
) -> None:
    given = MealSubsidy("staff", "main", "lunch", "day", Fen(800), 50)
    assert database.write(lambda session: charging.put_meal_subsidy(session, system, site, given, "test")) is None
    assert published(database, site).meal_subsidy("staff", "main", "lunch") == MealSubsidyItem(
        "staff", "main", "lunch", "day", Fen(800), 50
    )
    for _ in range(2):
        database.write(lambda session: charging.remove_meal_subsidy(session, system, site, given, "test"))
    assert published(database, site).meal_subsidy("staff", "main", "lunch") is None
    trail = "select action from audit where action like 'meal_subsidy%%' order by at"
    assert len(database.read(lambda session: session.exec_driver_sql(trail).all())) == 2


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (MealSubsidy(), "to end one"),
        (MealSubsidy(per="year", percent=5), "first tap"),
        (MealSubsidy(percent=101), "0 to 100"),
        (MealSubsidy(fen=Fen(-1), percent=5), "a sum"),
        (MealSubsidy("moon", percent=5), "no category moon"),
        (Limit("a", "year", 1), "per tap"),
        (Limit("a", "day"), "a number of meals"),
        (Limit("a", "day", -1), "a number of meals"),
        (Limit("a", "tap", 1), "an amount"),
        (Limit("", "day", 1), "needs a name"),
        (Limit("a", "day", 1, category_id="moon"), "no category moon"),
        (Limit("a", "day", 1, stall_id="moon"), "no stall moon"),
        (Limit("a", "day", 1, meal_id="moon"), "no meal moon"),
        (Rate("*", discount_percent=5), "one category's"),
        (Rate("staff", discount_percent=91), "0 to 90"),
        (Rate("staff", surcharge_percent=-1), "0 to 90"),
        (Rate("staff", discount_percent=5, surcharge_percent=5), "not both"),
        (Eligibility(("moon",)), "no category moon"),
    ],
)
def test_a_wrong_rule_is_refused_in_words(
    database: Database, system: System, site: SiteId, till: TillId, what: Rule, words: str
) -> None:
    def write(session: WriteSession) -> FieldProblem | None:
        if isinstance(what, Limit):
            return charging.put_limit(session, system, site, what, "test")
        if isinstance(what, Rate):
            return charging.put_rate(session, system, site, what, "test")
        if isinstance(what, MealSubsidy):
            return charging.put_meal_subsidy(session, system, site, what, "test")
        return charging.put_eligibility(session, system, site, what, "test")

    problem = database.write(write)
    assert problem is not None
    assert words in problem.advice


def test_five_wrong_pins_block_the_right_one_until_it_is_set_anew(
    database: Database, system: System, site: SiteId, holder: tuple[AccountId, CredentialKey]
) -> None:
    passwords = Passwords(system.ids, memory_kib=8, time_cost=1)
    account, credential = holder

    def keyed(pin: str) -> Pin:
        return database.write(lambda session: pins.check_pin(session, passwords, site, credential, pin))

    def put(pin: str) -> str | None:
        return database.write(lambda session: pins.set_pin(session, system, passwords, site, account, pin, "test"))

    assert (keyed("2580"), keyed("")) == (Pin.WRONG, Pin.NONE)  # no PIN was ever set
    assert [put(pin) is None for pin in ("258", "12345678901234", "25a0", "1111", "1234", "2580")] == [False] * 5 + [
        True
    ]
    assert (keyed("2581"), keyed("2580")) == (Pin.WRONG, Pin.RIGHT)
    assert [keyed("0000") for _ in range(5)] == [Pin.WRONG] * 5  # a right one had begun the count anew
    assert (keyed("2580"), put("8520"), keyed("8520")) == (Pin.BLOCKED, None, Pin.RIGHT)


def test_c09_a_departments_cards_are_told_that_it_pays(
    database: Database, system: System, site: SiteId, holder: tuple[AccountId, CredentialKey]
) -> None:
    def credit_of() -> str:
        card = published(database, site).card(holder[1])
        assert card is not None
        return card.credit

    def let_pay(*, credit: bool) -> bool:
        return database.write(
            lambda session: charging.set_department_credit(session, system, site, "works", "test", credit=credit)
        )

    assert (credit_of(), let_pay(credit=True), credit_of()) == ("", True, "works")
    assert (let_pay(credit=False), credit_of()) == (True, "")
