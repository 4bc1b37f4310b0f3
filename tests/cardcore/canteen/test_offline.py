"""A till alone: its caps, the bound they leave, and that it says what the server would say wherever it can know."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.access.items import (
    AccountState,
    CardItem,
    Dish,
    LimitItem,
    MealSubsidyItem,
    MenuItem,
    Product,
    RateItem,
    TillItem,
    Turn,
)
from cardcore.access.snapshot import Snapshot
from cardcore.canteen.authorise import AccountView, MealTap, PurseBalance, authorise, authorise_alone
from cardcore.canteen.offline import OfflineSpell, site_bound, till_bound
from cardcore.canteen.pricing import NO_ENTRY, Entry
from cardcore.canteen.selling import DEPARTMENT, MODES
from cardcore.ids import CredentialKey, StallId, TillId
from cardcore.journal import Line
from cardcore.money import Fen
from cardcore.reasons import Reason
from tests.cardcore.policies import CARD, NOON, card, denials, instants, snapshot

TAP = MealTap(CARD, TillId("t1"))
RICH = AccountView(AccountState.OPEN, (PurseBalance("cash", Fen(10**9)), PurseBalance("count", Fen(9))), entered=True)
CALM = OfflineSpell(timedelta(hours=1))
ONLY_THE_TILL_KNOWS = {
    Reason.ACCOUNT_FROZEN, Reason.ACCOUNT_CLOSED, Reason.OFFLINE_NOT_PROVED, Reason.OFFLINE_TAP_CAP,
}  # fmt: skip


@pytest.mark.parametrize(
    ("spell", "expected"),
    [
        (OfflineSpell(timedelta(hours=23), list_age=timedelta(hours=72)), Reason.CHARGED),
        (OfflineSpell(None), Reason.OFFLINE_TOO_LONG),
        (OfflineSpell(timedelta(hours=25)), Reason.OFFLINE_TOO_LONG),
        (OfflineSpell(timedelta(0), list_age=None), Reason.SNAPSHOT_TOO_OLD),
        (OfflineSpell(timedelta(0), list_age=timedelta(hours=73)), Reason.SNAPSHOT_TOO_OLD),
        (OfflineSpell(timedelta(0), of_card={CARD: 2}), Reason.OFFLINE_CARD_CAP),
        (OfflineSpell(timedelta(0), count=5), Reason.OFFLINE_TILL_COUNT_CAP),
        (OfflineSpell(timedelta(0), total=Fen(3801)), Reason.OFFLINE_TILL_SUM_CAP),
    ],
)
def test_c49_caps_by_card_till_hours_and_age_of_the_list(spell: OfflineSpell, expected: Reason) -> None:
    assert authorise_alone(TAP, snapshot(card()), {}, spell, NOON).reason is expected


def test_c56_a_till_stops_when_it_holds_too_much_or_was_alone_too_long() -> None:
    till = TillItem(TillId("t1"), "r3", StallId("hall"))
    full = OfflineSpell(timedelta(0), count=till.offline_count_cap)
    reasons = [
        authorise_alone(TAP, snapshot(card(), till), {}, spell, NOON).reason
        for spell in (full, OfflineSpell(timedelta(hours=73)), OfflineSpell(timedelta(hours=72)))
    ]
    assert reasons == [Reason.OFFLINE_TILL_COUNT_CAP, Reason.OFFLINE_TOO_LONG, Reason.CHARGED]


def test_what_only_the_server_can_prove_is_served_alone_only_where_the_till_says_so() -> None:
    for proof in ({"presence": "in_today"}, {"ordered": True}):
        for serves in (False, True):
            till = TillItem(TillId("t1"), "r3", StallId("hall"), serves_unproved=serves, **proof)
            verdict = authorise_alone(TAP, snapshot(card(), till), {}, CALM, NOON)
            assert verdict.reason is (Reason.CHARGED if serves else Reason.OFFLINE_NOT_PROVED)


def test_c51_a_card_that_is_not_on_the_list_pays_nowhere() -> None:
    stranger = MealTap(CredentialKey("uid:0000ffff"), TillId("t1"))
    assert authorise_alone(stranger, snapshot(card()), {}, CALM, NOON).reason is Reason.CARD_UNKNOWN


caps = st.builds(
    lambda number, tap, of_card, count, total: TillItem(
        TillId(f"t{number}"), f"r{number}", StallId("hall"), mode="keyed", offline_tap_cap=Fen(tap),
        offline_card_cap=of_card, offline_count_cap=count, offline_sum_cap=Fen(total),
    ),
    st.integers(1, 3), st.integers(0, 900), st.integers(0, 3), st.integers(0, 6), st.integers(0, 3000),
)  # fmt: skip
schedules = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 1000), st.integers(0, 9)), max_size=40
)


@given(st.lists(caps, min_size=1, max_size=3, unique_by=lambda till: till.id), schedules)
def test_n5_no_schedule_of_taps_and_undos_loses_more_than_the_printed_bound(
    tills: list[TillItem], schedule: list[tuple[int, int, int, int]]
) -> None:
    """Every till decides by itself, from what it served in this spell; what is taken back is off the books again."""
    people = [card(credential=CredentialKey(f"uid:0000000{number}")) for number in range(3)]
    policy = _with(people, tills)
    served: dict[str, list[tuple[str, int]]] = {till.id: [] for till in tills}
    for which, who, amount, chance in schedule:
        till, person = tills[which % len(tills)], people[who]
        book = served[till.id]
        if chance == 0 and book:
            book.pop()
            continue
        spell = OfflineSpell(
            timedelta(0), len(book), Fen(sum(fen for _, fen in book)), Counter(holder for holder, _ in book)
        )
        verdict = authorise_alone(MealTap(person.credential, till.id, Entry(Fen(amount))), policy, {}, spell, NOON)
        if verdict.approved:
            book.append((person.credential, verdict.amount))
        for cards in range(1, 4):
            lost = [fen for book in served.values() for holder, fen in book if int(holder[-1]) < cards]
            assert sum(lost) <= site_bound(tills, cards) <= site_bound(tills)
    for till in tills:
        assert sum(fen for _, fen in served[till.id]) <= till_bound(till)


def test_the_bound_is_reached() -> None:
    till = TillItem(TillId("t1"), "r", StallId("hall"), offline_tap_cap=Fen(100), offline_card_cap=2,
                    offline_count_cap=5, offline_sum_cap=Fen(450))  # fmt: skip
    assert [till_bound(till, cards) for cards in (0, 1, 2, 3)] == [0, 200, 400, 450]
    assert till_bound(till) == 450


def _with(people: list[CardItem], tills: list[TillItem]) -> Snapshot:
    return snapshot(*people, *tills)


tills = st.builds(
    lambda mode, payer, presence, ordered, serves, turns: TillItem(
        TillId("t1"), "r3", StallId("hall"), mode=mode, amount=Fen(600), payer=payer, presence=presence,
        ordered=ordered, serves_unproved=serves, turns=turns, key_prices=(("1", Fen(250)),), zone="compound",
    ),
    st.sampled_from([*sorted(MODES), "by_weight"]),
    st.sampled_from(["holder", "holder", DEPARTMENT, "moon"]),
    st.sampled_from(["", "", "in_today", "not_in_today"]), st.booleans(), st.booleans(),
    st.sampled_from([(), (Turn(0, 43_200, "keyed"), Turn(43_200, 86_400, "count"))]),
)  # fmt: skip
entries = st.sampled_from([
    NO_ENTRY, Entry(Fen(450)), Entry(Fen(250), (Line("1", 1, 250),)), Entry(Fen(600), (Line("7", 2, 300),)),
    Entry(Fen(1), (Line("1", 1, 250),)), Entry(Fen(10**9)),
])  # fmt: skip
extras = st.lists(
    st.sampled_from([
        LimitItem("tap", "tap", fen=Fen(500)), LimitItem("soft", "tap", fen=Fen(300), soft=True),
        RateItem("staff", discount_percent=33), RateItem("staff", surcharge_percent=7),
        MenuItem(StallId("hall"), NOON.date(), (Dish("lunch", "7", Fen(300)),)),
        MealSubsidyItem("staff", fen=Fen(400)), MealSubsidyItem(stall="hall", per="day", percent=60),
    ]), max_size=3,
)  # fmt: skip
holders = st.builds(
    card, product=st.sampled_from([Product.COMBINED, Product.COMBINED, Product.GATE_ONLY]),
    credit=st.sampled_from(["", "works"]), account_state=st.sampled_from(AccountState),
)  # fmt: skip


@given(tills, entries, extras, holders, denials, instants)
def test_i24_the_server_and_a_till_alone_agree_in_every_mode(
    till: TillItem, entry: Entry, more: list[LimitItem], held: CardItem, denied: dict[str, Reason], at: object
) -> None:
    policy = snapshot(held, till, *more)
    tap = MealTap(CARD, TillId("t1"), entry)
    all_ordered = {
        (NOON.date() + timedelta(days=day), meal): 1 for day in range(-10, 11) for meal in ("lunch", "night")
    }
    account = AccountView(RICH.state, RICH.purses, entered=till.presence == "in_today", ordered=all_ordered)
    online = authorise(tap, policy, denied, account, at)  # type: ignore[arg-type]
    alone = authorise_alone(tap, policy, denied, CALM, at)  # type: ignore[arg-type]
    assert (online.approved, alone.approved) == (online.reason.grants, alone.reason.grants)
    if alone.approved or alone.reason not in ONLY_THE_TILL_KNOWS:
        assert online.reason is alone.reason
    if alone.approved:
        for one, other in zip(_money(online), _money(alone), strict=True):
            assert one == other
        assert alone.amount + alone.discount + alone.subsidy >= alone.surcharge >= 0
        assert sum(leg.amount for leg in online.legs) == online.amount


def _money(verdict: object) -> tuple[object, ...]:
    names = ("amount", "meal", "business_day", "discount", "surcharge", "rights", "credit", "subsidy")
    return tuple(getattr(verdict, name) for name in names)
