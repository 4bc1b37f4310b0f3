"""The key under which an item stands in a snapshot, so that a newer one of itself replaces it."""

from __future__ import annotations

from datetime import date

from cardcore.access.items import (
    CardItem,
    DayItem,
    EligibilityItem,
    Item,
    LaneItem,
    LevelItem,
    LimitItem,
    MealItem,
    MealSubsidyItem,
    MenuItem,
    RateItem,
    ScheduleItem,
    SiteItem,
    TariffItem,
    ThreatItem,
    TillItem,
    ZoneItem,
)


def item_key(item: Item) -> str:
    """Return the key under which an item replaces an older one of itself."""
    match item:
        case SiteItem():
            return "site"
        case CardItem():
            return f"card/{item.credential}"
        case DayItem():
            return f"day/{item.date.isoformat()}"
        case TariffItem():
            begins = f"/{item.valid_from.isoformat()}" if isinstance(item.valid_from, date) else ""
            return f"tariff/{item.meal}/{item.stall}/{item.category}{begins}"
        case RateItem():
            return f"rate/{item.stall}/{item.category}"
        case MealSubsidyItem():
            return f"meal_subsidy/{item.stall}/{item.meal}/{item.category}"
        case EligibilityItem():
            return f"eligibility/{item.stall}/{item.meal}"
        case MenuItem():
            return f"menu/{item.stall}/{item.day.isoformat()}"
        case (
            ZoneItem()
            | LaneItem()
            | LevelItem()
            | ThreatItem()
            | ScheduleItem()
            | TillItem()
            | MealItem()
            | LimitItem()
        ):
            return f"{type(item).__struct_config__.tag}/{item.id}"
