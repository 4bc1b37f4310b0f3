"""Policy items from domain rows: the one place that knows which columns the edge is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from cardcore.access.items import (
    AccountState,
    CardItem,
    CardState,
    DayItem,
    Degraded,
    Dish,
    EligibilityItem,
    LaneItem,
    LaneMode,
    LevelItem,
    LimitItem,
    MealItem,
    MealSubsidyItem,
    MenuItem,
    Passback,
    Product,
    Proof,
    RateItem,
    ScheduleItem,
    SiteItem,
    Span,
    TariffItem,
    ThreatEffect,
    ThreatItem,
    TillItem,
    Turn,
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
    return ZoneItem(
        id=row["id"],
        low_assurance_allowed=row["low_assurance_allowed"],
        passback=Passback(row["passback"]),
        passback_minutes=row["passback_minutes"],
        passback_forgets_hours=row["passback_forgets_hours"],
        occupancy_limit=row["occupancy_limit"],
        occupancy_hard=row["occupancy_hard"],
        requires=tuple(sorted(row["requires"])),
        pairs=row["pairs"],
        pair_seconds=row["pair_seconds"],
    )


def schedule_item(row: Row) -> ScheduleItem:
    """Build from `schedule`, whose intervals are JSON objects with the fields of `Interval`."""
    return ScheduleItem(id=row["id"], intervals=msgspec.convert(row["intervals"], tuple[Interval, ...]))


def day_item(row: Row) -> DayItem:
    """Build from `calendar_day`."""
    return DayItem(date=row["day"], day=DayKind(row["kind"]))


def level_item(row: Row) -> LevelItem:
    """Build from `access_level`."""
    return LevelItem(
        id=row["id"],
        zones=tuple(sorted(row["zones"])),
        schedule=row["schedule_id"],
        passback_exempt=row["passback_exempt"],
        overrides_lockdown=row["overrides_lockdown"],
        needs_escort=row["needs_escort"],
        escorts=row["escorts"],
        supervises=row["supervises"],
    )


def threat_item(row: Row) -> ThreatItem:
    """Build from a `threat_plan` in force."""
    until = row["active_until"]
    return ThreatItem(
        id=row["id"],
        zones=tuple(sorted(row["zones"])),
        rank=row["rank"],
        effect=ThreatEffect(row["effect"]),
        until_ms=to_millis(until) if until else NEVER_ENDS_MS,
    )


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
        locked_hours=row["locked_hours"],
        free_hours=row["free_hours"],
        first_person=row["first_person"],
        held=LaneMode(row["held"]) if row["held"] else None,
        held_until_ms=to_millis(row["held_until"]) if row["held_until"] else 0,
        interlock=row["interlock"],
        escort_seconds=row["escort_seconds"],
        extended_window_ms=row["extended_window_ms"],
        held_open_ms=row["held_open_ms"],
    )


def card_item(row: Row) -> CardItem:
    """Build from a row of `server.cards.repository.policy_rows`: one credential with its card, holder and account."""
    product, state = uses_of(Product(row["product"]), row["application"], CardState(row["state"]))
    return CardItem(
        credential=row["credential"],
        card=row["card_id"],
        person=row["person_id"] or NOBODY,
        product=product,
        state=state,
        category=CategoryId(row["category_id"] or ""),
        levels=tuple(row["levels"]),
        account=row["account_id"],
        account_state=AccountState(row["account_state"] or AccountState.OPEN),
        valid_from_ms=to_millis(row["valid_from"]) if row["valid_from"] else 0,
        valid_until_ms=to_millis(row["valid_until"]) if row["valid_until"] else NEVER_ENDS_MS,
        credit=row["credit"],
        proofs=tuple(Proof(name, int(begins), int(ends)) for name, begins, ends in row["proofs"] or ()),
        extended=row["extended"],
        escorted=tuple(row["escorted"]),
        hosts=(PersonId(row["host_id"]),) if row["host_id"] else (),
        permit_needed=row["permit_needed"],
        permits=tuple(Span(int(begins), int(ends)) for begins, ends in row["permits"] or ()),
    )


def uses_of(product: Product, application: str, state: CardState) -> tuple[Product, CardState]:
    """Return what one credential of a card is good for, and the state to publish it with.

    A secure card's gate credential pays nothing and its canteen credential opens nothing, so that what a stolen till
    has seen is worth nothing at a lane; the one that the product does not need is published as suspended. Application
    '' is a card with one credential for both.
    """
    idle = CardState.SUSPENDED if state is CardState.ACTIVE else state
    match application, product:
        case "gate", Product.CANTEEN_ONLY:
            return product, idle
        case "canteen", Product.GATE_ONLY:
            return product, idle
        case "gate", Product.COMBINED:
            return Product.GATE_ONLY, state
        case "canteen", Product.COMBINED | Product.VISITOR | Product.CONTRACTOR:
            return Product.CANTEEN_ONLY, state
        case _:
            return product, state


def till_item(row: Row) -> TillItem:
    """Build from `till`."""
    return TillItem(
        id=row["id"],
        reader=row["reader"],
        stall=row["stall_id"],
        mode=row["mode"],
        amount=Fen(row["amount_fen"]),
        payer=row["payer"],
        ordered=row["ordered"],
        turns=msgspec.convert(row["turns"], tuple[Turn, ...]),
        key_prices=tuple((key, Fen(fen)) for key, fen in row["key_prices"]),
        opening=msgspec.convert(row["opening"], tuple[Interval, ...]),
        without_meal=row["without_meal"],
        presence=row["presence"],
        zone=row["zone_id"],
        serves_unproved=row["serves_unproved"],
        undo_minutes=row["undo_minutes"],
        undo_code=row["undo_code"],
        offline_tap_cap=Fen(row["offline_tap_cap_fen"]),
        offline_card_cap=row["offline_card_cap"],
        offline_count_cap=row["offline_count_cap"],
        offline_sum_cap=Fen(row["offline_sum_cap_fen"]),
        offline_hours_cap=row["offline_hours_cap"],
        offline_list_hours_cap=row["offline_list_hours_cap"],
    )


def meal_item(row: Row) -> MealItem:
    """Build from `meal_period`."""
    return MealItem(
        id=row["id"],
        start_seconds=row["start_seconds"],
        end_seconds=row["end_seconds"],
        limit_count=row["limit_count"],
        counts_as=row["counts_as"],
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
    )


def tariff_item(row: Row) -> TariffItem:
    """Build from `tariff`."""
    return TariffItem(
        meal=row["meal_id"],
        price=Fen(row["price_fen"]),
        stall=row["stall_id"],
        category=row["category_id"],
        valid_from=row["valid_from"] if row["valid_from"] > date.min else msgspec.UNSET,
    )


def limit_item(row: Row) -> LimitItem:
    """Build from `charge_limit`."""
    return LimitItem(
        id=row["id"],
        per=row["per"],
        count=row["count"],
        fen=Fen(row["fen"]),
        category=row["category_id"],
        stall=row["stall_id"],
        meal=row["meal_id"],
        soft=row["soft"],
    )


def rate_item(row: Row) -> RateItem:
    """Build from `category_rate`."""
    return RateItem(row["category_id"], row["stall_id"], row["discount_percent"], row["surcharge_percent"])


def meal_subsidy_item(row: Row) -> MealSubsidyItem:
    """Build from `meal_subsidy`."""
    return MealSubsidyItem(
        row["category_id"], row["stall_id"], row["meal_id"], row["per"], Fen(row["fen"]), row["percent"]
    )


def eligibility_item(row: Row) -> EligibilityItem:
    """Build from `eligibility`."""
    return EligibilityItem(tuple(row["categories"]), row["stall_id"], row["meal_id"])


def menu_item(row: Row) -> MenuItem:
    """Build from a row of `server.canteen.menu_repository.menu_rows`: one stall's menu of one day."""
    return MenuItem(row["stall_id"], row["day"], tuple(Dish(*dish) for dish in row["dishes"]))
