"""The items a policy snapshot is made of: everything a lane or a till needs to decide, and no personal data.

Items travel and are stored as JSON objects with a `kind`; unknown kinds and fields are kept, not refused (P21).
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from msgspec import UNSET, Struct, UnsetType

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
    STOLEN = "stolen"
    FOUND = "found"
    """A lost card that came back; it opens nothing until two people put it into use again."""
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


class Passback(StrEnum):
    """What happens to a person who enters a zone they are already in (A23, A24)."""

    NONE = "none"
    SOFT = "soft"
    """Granted, with a reason of its own in every record."""
    HARD = "hard"
    """Refused."""


class ThreatEffect(StrEnum):
    """What an active threat plan makes of the lanes into its zones (A36, A37)."""

    LOCK = "lock"
    """Only levels that override a lock-down pass."""
    NORMAL = "normal"
    """As without any plan: an exception from plans of lower rank."""


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
    passback: Passback = Passback.NONE
    passback_minutes: int = 0
    """Timed anti-passback (A25): nobody enters again within so many minutes of entering; 0 = no such rule."""
    passback_forgets_hours: int = 168
    """Age at which a position that nobody confirmed is forgotten (A26)."""
    occupancy_limit: int = 0
    """People who may be inside; 0 = no limit (A29)."""
    occupancy_hard: bool = False
    """Whether a full zone refuses; otherwise it grants with a reason of its own."""
    requires: tuple[str, ...] = ()
    """What everybody who enters must have shown, valid now: an induction, a health certificate (A39)."""
    pairs: bool = False
    """Whether people enter by twos: two different ones who may, one tap after the other (A31)."""
    pair_seconds: int = 20
    """How long the first of two waits for the second."""


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
    locked_hours: str = ""
    """The schedule during which nobody passes; empty = none. Comes before `free_hours`."""
    free_hours: str = ""
    """The schedule during which everybody passes; empty = none."""
    first_person: bool = False
    """Whether `free_hours` begin only after a supervisor's passage within them (A33)."""
    held: LaneMode | None = None
    """The mode that an operator gave it for a time, before hours and mode (A58)."""
    held_until_ms: int = 0
    """When that ends by itself, milliseconds since 1970 UTC."""
    interlock: str = ""
    """Lanes of one name are open one at a time (A30); they belong to one box."""
    escort_seconds: int = 60
    """How long after an escort those who need one may follow (A35)."""
    extended_window_ms: int = 15_000
    """The window for those who need longer (A43)."""
    held_open_ms: int = 0
    """A passage contact open for longer is an alarm (A56); 0 = none."""


class LevelItem(Struct, frozen=True, tag_field="kind", tag="level"):
    """An access level: into which zones, by which schedule; who holds it stands on the card."""

    id: LevelId
    zones: tuple[ZoneId, ...]
    schedule: ScheduleId
    passback_exempt: bool = False
    """Holders are not asked where they are (A26)."""
    overrides_lockdown: bool = False
    """Holders pass a lock-down (A36)."""
    needs_escort: bool = False
    """Opens only just after an escort went through the same lane (A35)."""
    escorts: bool = False
    """Holders may bring those who need an escort."""
    supervises: bool = False
    """Holders let the hours of free passage begin (A33)."""


class ThreatItem(Struct, frozen=True, tag_field="kind", tag="threat"):
    """A threat plan that is in force. Of several over one zone the highest rank decides (A37)."""

    id: str
    zones: tuple[ZoneId, ...]
    rank: int = 0
    effect: ThreatEffect = ThreatEffect.LOCK
    until_ms: int = 2**53
    """When it ends by itself, milliseconds since 1970 UTC."""


class ScheduleItem(Struct, frozen=True, tag_field="kind", tag="schedule"):
    """A named set of weekly intervals."""

    id: ScheduleId
    intervals: tuple[Interval, ...]


class DayItem(Struct, frozen=True, tag_field="kind", tag="day"):
    """A holiday or a make-up workday."""

    date: date
    day: DayKind


class Proof(Struct, frozen=True, array_like=True):
    """What a person has shown for a requirement, valid from <= t < until, milliseconds since 1970 UTC (A39)."""

    requirement: str
    from_ms: int
    until_ms: int


class Span(Struct, frozen=True, array_like=True):
    """From <= t < until, milliseconds since 1970 UTC."""

    from_ms: int
    until_ms: int


class CardItem(Struct, frozen=True, tag_field="kind", tag="card", omit_defaults=True, gc=False):
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
    credit: str = ""
    """The department that pays this holder's on-credit meals; empty = none (C9)."""
    proofs: tuple[Proof, ...] = ()
    """Of the holder, in order of requirement."""
    extended: bool = False
    """Whether the holder needs the lane open for longer (A43)."""
    escorted: tuple[LevelId, ...] = ()
    """Those of `levels` that open to this holder only behind an escort: a visit's, without the way out (A35)."""
    hosts: tuple[PersonId, ...] = ()
    """Who may escort this holder besides those whose level says so."""
    permit_needed: bool = False
    """Whether the holder passes only with a permit in force: a worker of an outside crew (S8)."""
    permits: tuple[Span, ...] = ()


class Turn(Struct, frozen=True, omit_defaults=True):
    """How a till charges in a window of the day, start <= t < end in local seconds, within one day (C10)."""

    start_seconds: int
    end_seconds: int
    mode: str
    amount: Fen = Fen(0)
    payer: str = "holder"
    ordered: bool = False


class TillItem(Struct, frozen=True, tag_field="kind", tag="till", omit_defaults=True):
    """A device at a stall's counter that charges: how, when, and its caps for deciding alone (C49).

    `mode`, `payer` and `presence` are words of `cardcore.canteen.selling`, plain strings so that a newer server's
    word installs here: a tap under a word that is not known is refused.
    """

    id: TillId
    reader: str
    stall: StallId
    mode: str = "period"
    amount: Fen = Fen(0)
    """The price in fixed mode."""
    payer: str = "holder"
    ordered: bool = False
    """Whether a meal must have been ordered ahead (C8)."""
    turns: tuple[Turn, ...] = ()
    key_prices: tuple[tuple[str, Fen], ...] = ()
    """Keys 0-9 and their prices in key-value mode (C4)."""
    opening: tuple[Interval, ...] = ()
    """When the till charges; empty = always (C18)."""
    without_meal: bool = False
    """Whether it also charges outside every meal period."""
    presence: str = ""
    zone: str = ""
    """The zone that `presence` speaks of."""
    serves_unproved: bool = False
    """Whether, alone, it serves what only the server can prove: presence, an order."""
    undo_minutes: int = 5
    """How long the last charge can be taken back at the till; 0 = not at all (C59)."""
    undo_code: str = "0"
    offline_tap_cap: Fen = Fen(5_000)
    offline_card_cap: int = 3
    """Meals a card may take at this till in one offline spell."""
    offline_count_cap: int = 2_000
    offline_sum_cap: Fen = Fen(3_000_000)
    offline_hours_cap: int = 72
    offline_list_hours_cap: int = 72
    """Age of the card list, since the server last confirmed it, at which the till stops deciding alone."""


class MealItem(Struct, frozen=True, tag_field="kind", tag="meal", omit_defaults=True):
    """A meal period, half-open in local seconds; `end <= start` crosses midnight (C11, C12)."""

    id: MealId
    start_seconds: int
    end_seconds: int
    limit_count: int = 0
    """Meals one account may take in this period a business day; 0 = no limit."""
    counts_as: str = ""
    """The meal that this period is, where it only moves its hours for some days; empty = itself."""
    valid_from: date | None = None
    valid_until: date | None = None
    """Business days, from <= day < until. Of a meal's periods the one whose validity starts last holds."""

    @property
    def meal(self) -> str:
        """The meal that a charge in this period belongs to."""
        return self.counts_as or self.id


class TariffItem(Struct, frozen=True, tag_field="kind", tag="tariff"):
    """The price of a meal for a category at a stall; `*` stands for any stall or category (C2).

    Of one place's prices the newest that has begun holds; a box that knows no days keeps to the one without.
    """

    meal: MealId
    price: Fen
    stall: str = "*"
    category: str = "*"
    valid_from: date | UnsetType = UNSET
    """The business day on which it begins; unset = since ever, and not written: the bytes are those of before."""


class LimitItem(Struct, frozen=True, tag_field="kind", tag="limit", omit_defaults=True):
    """What one account may take a tap, meal, business day or month; `*` stands for any (C13, C14).

    A stall's limit binds at that stall and counts what was taken anywhere.
    """

    id: str
    per: str
    """tap / meal / day / month; an unknown word binds nothing."""
    count: int = 0
    fen: Fen = Fen(0)
    """0 = no limit, both."""
    category: str = "*"
    stall: str = "*"
    meal: str = "*"
    soft: bool = False
    """Whether the holder's PIN lets a charge pass it (C15)."""


class RateItem(Struct, frozen=True, tag_field="kind", tag="rate", omit_defaults=True):
    """What a category pays above or below the list price, in whole percent, of which one is 0 (C19, C20)."""

    category: str
    stall: str = "*"
    discount_percent: int = 0
    surcharge_percent: int = 0


class MealSubsidyItem(Struct, frozen=True, tag_field="kind", tag="meal_subsidy", omit_defaults=True):
    """What the house pays of the first tap of a meal or day: a sum, a share, or all of it (C26).

    `fen` alone is a fixed sum, `percent` alone a share of which 100 is a free meal, both a share up to a sum; never
    more than the holder would pay the stall. The most specific item decides; `*` stands for any.
    """

    category: str = "*"
    stall: str = "*"
    meal: str = "*"
    per: str = "meal"
    """meal / day: of which the first tap is subsidised; an unknown word subsidises nothing."""
    fen: Fen = Fen(0)
    percent: int = 0


class EligibilityItem(Struct, frozen=True, tag_field="kind", tag="eligibility"):
    """Which categories may eat at a stall in a meal; the most specific item decides, none lets everybody (C17)."""

    categories: tuple[str, ...]
    stall: str = "*"
    meal: str = "*"


class Dish(Struct, frozen=True, array_like=True):
    """One line of a menu: the number a cashier keys, and the published price (C5)."""

    meal: str
    code: str
    price: Fen


class MenuItem(Struct, frozen=True, tag_field="kind", tag="menu"):
    """What a stall offers on a day (C5)."""

    stall: StallId
    day: date
    dishes: tuple[Dish, ...]


Item = (
    SiteItem
    | ZoneItem
    | LaneItem
    | LevelItem
    | ThreatItem
    | ScheduleItem
    | DayItem
    | CardItem
    | TillItem
    | MealItem
    | TariffItem
    | LimitItem
    | RateItem
    | MealSubsidyItem
    | EligibilityItem
    | MenuItem
)
