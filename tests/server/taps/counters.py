"""Tills of every kind at the small site, and what a meal at each of them is."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import psycopg

from cardcore.access.items import Dish, Item, LimitItem, MealSubsidyItem, MenuItem, RateItem, TillItem
from cardcore.canteen.pricing import NO_ENTRY, Entry
from cardcore.ids import StallId, TillId
from cardcore.journal import Line, OutcomeKind, Verdict
from cardcore.money import Fen
from tests.server.taps.small_site import LUNCH_FEN, Holder, SmallSite, card

TODAY = date(2026, 3, 4)


class Sold(NamedTuple):
    """What a till sells: what is keyed, and what is written down of it when it is served alone."""

    entry: Entry
    amount: int
    discount: int = 0
    surcharge: int = 0
    rights: int = 0
    credit: str = ""
    subsidy: int = 0

    def verdict(self, kind: OutcomeKind, *, offline: bool) -> Verdict:
        served = kind is OutcomeKind.SERVED
        reason = "charged" if served else "undone"
        return Verdict(served, reason, 1, offline, self.amount, "lunch", *self[2:])


SOLD = {
    "t01": Sold(NO_ENTRY, LUNCH_FEN),
    "t02": Sold(Entry(Fen(1000)), 1070, surcharge=70),
    "t03": Sold(NO_ENTRY, 0, rights=1),
    "t04": Sold(NO_ENTRY, 960, discount=240, credit="works"),
    "t05": Sold(NO_ENTRY, LUNCH_FEN),
    "t06": Sold(NO_ENTRY, LUNCH_FEN),
    "t07": Sold(Entry(Fen(700), (Line("7", 2, 350),)), 700),
    "t08": Sold(NO_ENTRY, 700, subsidy=500),
}
"""Period price; keyed with a surcharge; count; on credit with a discount; came in today; ordered ahead; menu;
the first tap of a meal subsidised."""


def _till(number: int, stall: str, **changes: object) -> TillItem:
    return TillItem(TillId(f"t{number:02d}"), f"t{number:02d}", StallId(stall), **changes)  # type: ignore[arg-type]


ITEMS: tuple[Item, ...] = (
    _till(2, "tea", mode="keyed"),
    _till(3, "hall", mode="count"),
    _till(4, "works", payer="department"),
    _till(5, "hall", presence="in_today", zone="compound"),
    _till(6, "hall", ordered=True),
    _till(7, "hall", mode="menu"),
    _till(8, "aid"),
    MealSubsidyItem("staff", "aid", fen=Fen(500)),
    RateItem("staff", "tea", surcharge_percent=7),
    RateItem("staff", "works", discount_percent=20),
    MenuItem(StallId("hall"), TODAY, (Dish("lunch", "7", Fen(350)),)),
    LimitItem("soft", "tap", fen=Fen(1050), stall="tea", soft=True),
    LimitItem("day", "day", count=6, fen=Fen(4000)),
    LimitItem("month", "month", count=9),
)


def open_counters(small: SmallSite, *, meals: int = 2, portions: int = 1, without: tuple[str, ...] = ()) -> None:
    """Publish every kind of till, give everybody meals on a count purse and an order, and a department that pays."""
    left_out = [item for item in ITEMS if getattr(item, "id", "") not in without]
    small.publish(*left_out, *(card(holder, credit="works") for holder in small.holders))
    with psycopg.connect(small.url) as connection:
        run, now = connection.execute, small.clock.now()
        for stall in ("tea", "works", "aid"):
            run("insert into stall values (%s, %s, %s, %s)", (small.site, stall, stall, stall))
        rights = small.ids.uuid7()
        run("insert into ledger_account values (%s, %s, 'meal_rights', 'main', 'meal')", (rights, small.site))
        for holder in small.holders:
            purse = holder.purses["count"] = small.ids.uuid7()
            name = f"{holder.account}/count"
            run("insert into ledger_account values (%s, %s, 'purse', %s, 'meal')", (purse, small.site, name))
            run("insert into purse values (%s, %s, %s, 'count', %s, 0)", (purse, small.site, holder.account, meals))
            run(
                "insert into transfer (id, site_id, kind, from_account, to_account, amount_fen, to_balance_fen,"
                " business_day, at, posted_at, actor)"
                " values (%s, %s, 'meal_rights', %s, %s, %s, %s, %s, %s, %s, 'test')",
                (small.ids.uuid7(), small.site, rights, purse, meals, meals, now.date(), now, now),
            )
            run(
                "insert into meal_order values (%s, %s, %s, %s, 'lunch', 'hall', %s, %s, 'test')",
                (small.ids.uuid7(), small.site, holder.person, TODAY, portions, now),
            )


def moved(small: SmallSite) -> list[tuple[str, str, str, int]]:
    """Return the sums of postings of accounts that are no purse, by role, name and unit, zero left out."""
    return small.rows(
        "select l.role, l.name, l.unit, sum(p.amount_fen)::bigint from posting p"
        " join ledger_account l on l.id = p.ledger_account_id where l.site_id = %s"
        " and l.role not in ('purse', 'opening', 'meal_rights') group by 1, 2, 3"
        " having sum(p.amount_fen) <> 0 order by 1, 2",
        small.site,
    )


def purse(small: SmallSite, holder: Holder, kind: str) -> int:
    """Return what a purse holds."""
    return int(small.rows("select balance_fen from purse where id = %s", holder.purses[kind])[0][0])
