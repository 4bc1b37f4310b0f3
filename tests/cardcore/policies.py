"""A small policy and drawn variations of it, for tests of `decide` and `authorise`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from cardcore.access.item_key import item_key
from cardcore.access.items import (
    AccountState,
    CardItem,
    CardState,
    Degraded,
    Item,
    LaneItem,
    LaneMode,
    LevelItem,
    MealItem,
    Product,
    ScheduleItem,
    SiteItem,
    TariffItem,
    TillItem,
    ZoneItem,
)
from cardcore.access.snapshot import Snapshot, StateItem, encode_item
from cardcore.calendar import WORKDAYS, Interval
from cardcore.ids import (
    AccountId,
    CardId,
    CategoryId,
    CredentialKey,
    LaneId,
    LevelId,
    MealId,
    PersonId,
    ScheduleId,
    StallId,
    TillId,
    ZoneId,
)
from cardcore.money import Fen
from cardcore.reasons import Reason

NOON = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
"""12:00 on a Wednesday in Shanghai."""
CARD = CredentialKey("uid:00000001")


def card(**changes: object) -> CardItem:
    """Return an active combined card of staff with the level `day`, unless changed."""
    values: dict[str, object] = {
        "product": Product.COMBINED,
        "state": CardState.ACTIVE,
        "category": CategoryId("staff"),
        "levels": (LevelId("day"),),
        "account": AccountId(UUID(int=1)),
        "credential": CARD,
    }
    return CardItem(card=CardId(UUID(int=1)), person=PersonId(UUID(int=1)), **(values | changes))  # type: ignore[arg-type]


def places() -> list[Item]:
    """Return everything but cards."""
    return [
        SiteItem(),
        ZoneItem(ZoneId("outside")),
        ZoneItem(ZoneId("compound")),
        ZoneItem(ZoneId("vault"), low_assurance_allowed=False),
        LaneItem(LaneId("in"), "r1", ZoneId("outside"), ZoneId("compound")),
        LaneItem(LaneId("deep"), "r2", ZoneId("compound"), ZoneId("vault")),
        ScheduleItem(ScheduleId("office"), (Interval(8 * 3600, 18 * 3600, WORKDAYS),)),
        LevelItem(LevelId("day"), (ZoneId("compound"),), ScheduleId("office")),
        LevelItem(LevelId("deep"), (ZoneId("vault"),), ScheduleId("office")),
        TillItem(TillId("t1"), "r3", StallId("hall"), offline_tap_cap=Fen(1500), offline_card_cap=2,
                 offline_count_cap=5, offline_sum_cap=Fen(5000), offline_hours_cap=24),
        MealItem(MealId("lunch"), 10 * 3600, 14 * 3600, limit_count=1),
        MealItem(MealId("night"), 21 * 3600, 2 * 3600),
        TariffItem(MealId("lunch"), Fen(1200)),
        TariffItem(MealId("night"), Fen(800), category="staff"),
    ]  # fmt: skip


def snapshot(*items: Item, version: int = 1) -> Snapshot:
    """Return the small policy with items added or replaced."""
    states = [StateItem(item_key(item), encode_item(item)) for item in (*places(), *items)]
    return Snapshot.empty().with_changes(version, states)


instants = st.integers(-200, 200).map(lambda hours: NOON + timedelta(hours=hours, minutes=7))
cards = st.builds(
    card,
    product=st.sampled_from(Product),
    state=st.sampled_from([CardState.ACTIVE, CardState.ACTIVE, *CardState]),
    levels=st.sampled_from([(), (LevelId("day"),), (LevelId("deep"),), (LevelId("gone"), LevelId("day"))]),
    account=st.sampled_from([None, AccountId(UUID(int=1))]),
    account_state=st.sampled_from(AccountState),
    valid_from_ms=st.sampled_from([0, int(NOON.timestamp() * 1000)]),
    valid_until_ms=st.sampled_from([2**53, int(NOON.timestamp() * 1000)]),
)
lanes = st.builds(
    LaneItem,
    st.just(LaneId("in")),
    st.just("r1"),
    st.just(ZoneId("outside")),
    st.sampled_from([ZoneId("compound"), ZoneId("vault"), ZoneId("nowhere")]),
    st.sampled_from(LaneMode),
    st.sampled_from(Degraded),
)
snapshots = st.builds(
    lambda drawn_card, lane, known: snapshot(lane, *([drawn_card] if known else [])), cards, lanes, st.booleans()
) | st.just(Snapshot.empty())
denials = st.sampled_from([{}, {}, {CARD: Reason.CARD_LOST}])
