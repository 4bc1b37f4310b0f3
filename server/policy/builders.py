"""Policy items from domain rows: the one place that knows which columns the edge is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from cardcore.access.items import (
    AccountState,
    CardItem,
    CardState,
    DayItem,
    Degraded,
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
from cardcore.calendar import DayKind, Interval
from cardcore.clock import to_millis
from cardcore.ids import CategoryId, PersonId
from cardcore.money import Fen

Row = Mapping[Any, Any]

NOBODY = PersonId(UUID(int=0))
"""The person of a card that was never given to anybody; such a card is known, and refused as not issued."""
NEVER_ENDS_MS = 2**53


def site_item(row: Row) -> SiteItem:
    """Build from `site`."""
    return SiteItem(
        time_zone=row["time_zone"],
        day_starts_seconds=row["day_starts_seconds"],
        offline_limit_hours=row["offline_limit_hours"],
        repeat_tap_seconds=row["repeat_tap_seconds"],
    )


def zone_item(row: Row) -> ZoneItem:
    """Build from `zone`."""
    return ZoneItem(id=row["id"], low_assurance_allowed=row["low_assurance_allowed"])


def schedule_item(row: Row) -> ScheduleItem:
    """Build from `schedule`, whose intervals are JSON objects with the fields of `Interval`."""
    return ScheduleItem(id=row["id"], intervals=tuple(Interval(**interval) for interval in row["intervals"]))


def day_item(row: Row) -> DayItem:
    """Build from `calendar_day`."""
    return DayItem(date=row["day"], day=DayKind(row["kind"]))


def level_item(row: Row) -> LevelItem:
    """Build from `access_level`."""
    return LevelItem(id=row["id"], zones=tuple(sorted(row["zones"])), schedule=row["schedule_id"])


def lane_item(row: Row) -> LaneItem:
    """Build from `lane`."""
    return LaneItem(
        id=row["id"],
        reader=row["reader"],
        from_zone=row["from_zone"],
        to_zone=row["to_zone"],
        mode=LaneMode(row["mode"]),
        degraded=Degraded(row["degraded"]),
        open_window_ms=row["open_window_ms"],
        pulse_ms=row["pulse_ms"],
        has_pass_sensor=row["has_pass_sensor"],
        has_ready_input=row["has_ready_input"],
    )


def card_item(row: Row) -> CardItem:
    """Build from a row of `server.cards.repository.policy_rows`: one credential with its card, holder and account."""
    return CardItem(
        credential=row["credential"],
        card=row["card_id"],
        person=row["person_id"] or NOBODY,
        product=Product(row["product"]),
        state=CardState(row["state"]),
        category=CategoryId(row["category_id"] or ""),
        levels=tuple(row["levels"]),
        account=row["account_id"],
        account_state=AccountState(row["account_state"] or AccountState.OPEN),
        valid_from_ms=to_millis(row["valid_from"]) if row["valid_from"] else 0,
        valid_until_ms=to_millis(row["valid_until"]) if row["valid_until"] else NEVER_ENDS_MS,
    )


def till_item(row: Row) -> TillItem:
    """Build from `till`."""
    return TillItem(
        id=row["id"],
        reader=row["reader"],
        stall=row["stall_id"],
        offline_tap_cap=Fen(row["offline_tap_cap_fen"]),
        offline_card_cap=row["offline_card_cap"],
        offline_count_cap=row["offline_count_cap"],
        offline_sum_cap=Fen(row["offline_sum_cap_fen"]),
        offline_hours_cap=row["offline_hours_cap"],
    )


def meal_item(row: Row) -> MealItem:
    """Build from `meal_period`."""
    return MealItem(
        id=row["id"],
        start_seconds=row["start_seconds"],
        end_seconds=row["end_seconds"],
        limit_count=row["limit_count"],
    )


def tariff_item(row: Row) -> TariffItem:
    """Build from `tariff`."""
    return TariffItem(
        meal=row["meal_id"], price=Fen(row["price_fen"]), stall=row["stall_id"], category=row["category_id"]
    )
