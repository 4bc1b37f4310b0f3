"""The items a policy snapshot is made of: everything a lane or a till needs to decide, and no personal data.

Items travel and are stored as JSON objects with a `kind`; unknown kinds and fields are kept, not refused (P21).
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from msgspec import Struct

from cardcore.calendar import DayKind, Interval
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


class CardState(StrEnum):
    """The life of the plastic; the table of legal transitions is the server's (`server.cards`)."""

    BLANK = "blank"
    ISSUED = "issued"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    LOST = "lost"
    DAMAGED = "damaged"
    RETURNED = "returned"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"


class Product(StrEnum):
    """The kinds of card a site issues (S4)."""

    COMBINED = "combined"
    GATE_ONLY = "gate_only"
    CANTEEN_ONLY = "canteen_only"
    VISITOR = "visitor"
    CONTRACTOR = "contractor"


class LaneMode(StrEnum):
    """What a lane does with taps."""

    CARD = "card"
    LOCKED = "locked"
    FREE = "free"


class Degraded(StrEnum):
    """What a lane does when its snapshot is missing or too old (A51); never without a record."""

    LOCKED = "locked"
    KNOWN_CARDS = "known_cards"
    FREE = "free"


class AccountState(StrEnum):
    """Whether an account may be charged."""

    OPEN = "open"
    FROZEN = "frozen"
    CLOSED = "closed"


class SiteItem(Struct, frozen=True, tag_field="kind", tag="site"):
    """Settings of the whole site."""

    time_zone: str = "Asia/Shanghai"
    day_starts_seconds: int = 4 * 3600
    """Local second of the day at which a business day begins."""
    offline_limit_hours: int = 72
    """Age at which a snapshot stops being believed (A50)."""
    repeat_tap_seconds: int = 3
    """A second charge of one card within this time shows the first one's result (C16)."""


class ZoneItem(Struct, frozen=True, tag_field="kind", tag="zone"):
    """An area with lanes around it."""

    id: ZoneId
    low_assurance_allowed: bool = True
    """Whether identifiers without a cryptographic proof (uid, wiegand) are accepted here."""


class LaneItem(Struct, frozen=True, tag_field="kind", tag="lane"):
    """A way from one zone into another, with the reader in front of it."""

    id: LaneId
    reader: str
    from_zone: ZoneId
    to_zone: ZoneId
    mode: LaneMode = LaneMode.CARD
    degraded: Degraded = Degraded.LOCKED
    open_window_ms: int = 5_500
    """The turnstile's own window plus half a second."""
    pulse_ms: int = 300
    has_pass_sensor: bool = True
    has_ready_input: bool = True


class LevelItem(Struct, frozen=True, tag_field="kind", tag="level"):
    """An access level: into which zones, by which schedule; who holds it stands on the card."""

    id: LevelId
    zones: tuple[ZoneId, ...]
    schedule: ScheduleId


class ScheduleItem(Struct, frozen=True, tag_field="kind", tag="schedule"):
    """A named set of weekly intervals."""

    id: ScheduleId
    intervals: tuple[Interval, ...]


class DayItem(Struct, frozen=True, tag_field="kind", tag="day"):
    """A holiday or a make-up workday."""

    date: date
    day: DayKind


class CardItem(Struct, frozen=True, tag_field="kind", tag="card"):
    """One credential and what its card may do. No name, no photo, no number beyond the credential."""

    credential: CredentialKey
    card: CardId
    person: PersonId
    product: Product
    state: CardState
    category: CategoryId
    levels: tuple[LevelId, ...] = ()
    account: AccountId | None = None
    account_state: AccountState = AccountState.OPEN
    valid_from_ms: int = 0
    valid_until_ms: int = 2**53
    """Milliseconds since 1970 UTC, half-open: from <= t < until (A13)."""


class TillItem(Struct, frozen=True, tag_field="kind", tag="till"):
    """A device at a stall's counter that charges, with its caps for deciding alone (C49)."""

    id: TillId
    reader: str
    stall: StallId
    offline_tap_cap: Fen = Fen(5_000)
    offline_card_cap: int = 3
    """Meals a card may take at this till in one offline spell."""
    offline_count_cap: int = 2_000
    offline_sum_cap: Fen = Fen(3_000_000)
    offline_hours_cap: int = 72


class MealItem(Struct, frozen=True, tag_field="kind", tag="meal"):
    """A meal period, half-open in local seconds; `end <= start` crosses midnight (C11, C12)."""

    id: MealId
    start_seconds: int
    end_seconds: int
    limit_count: int = 0
    """Meals one account may take in this period a business day; 0 = no limit."""


class TariffItem(Struct, frozen=True, tag_field="kind", tag="tariff"):
    """The price of a meal for a category at a stall; `*` stands for any stall or category (C2)."""

    meal: MealId
    price: Fen
    stall: str = "*"
    category: str = "*"


Item = SiteItem | ZoneItem | LaneItem | LevelItem | ScheduleItem | DayItem | CardItem | TillItem | MealItem | TariffItem


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
            return f"tariff/{item.meal}/{item.stall}/{item.category}"
        case ZoneItem() | LaneItem() | LevelItem() | ScheduleItem() | TillItem() | MealItem():
            return f"{type(item).__struct_config__.tag}/{item.id}"
