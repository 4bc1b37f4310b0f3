"""What a visit is and every way it can go. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NewType
from uuid import UUID

from cardcore.ids import CategoryId, LevelId, PersonId, ZoneId
from server.visitors.documents import DocumentKind

VisitId = NewType("VisitId", UUID)

TOPIC = "visit"
"""Of the outbox: every change of a visit, for pages and other programs. No names, only ids."""
MAX_TEXT = 100
"""Characters of a name, a company, a purpose."""
MAX_PLATE = 12
MAX_NOTE = 200
MAX_DAYS_AHEAD = 90


class VisitState(StrEnum):
    """announced -> approved -> open (a pass is out) -> ended; declined, cancelled and missed are ends too."""

    ANNOUNCED = "announced"
    """Waits for the host."""
    APPROVED = "approved"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    OPEN = "open"
    ENDED = "ended"
    MISSED = "missed"
    """Nobody came."""


class PassKind(StrEnum):
    """What a visitor carries."""

    QR = "qr"
    CARD = "card"


class VisitRefusal(StrEnum):
    """Why nothing was registered or changed."""

    NO_RULES = "no_rules"
    """The site has not said how it takes visitors."""
    NAME_MISSING = "name_missing"
    HOST_MISSING = "host_missing"
    HOST_UNKNOWN = "host_unknown"
    HOST_LEFT = "host_left"
    HOST_IS_VISITOR = "host_is_visitor"
    HOST_FULL = "host_full"
    """The host has as many visitors as one may have at a time (A46)."""
    PURPOSE_MISSING = "purpose_missing"
    TOO_LONG = "too_long"
    DOCUMENT_WRONG = "document_wrong"
    DOCUMENT_OF_ANOTHER = "document_of_another"
    """This document was shown before, by somebody of another name."""
    NOT_WANTED = "not_wanted"
    """The visitor was turned away for good."""
    ENDS_BEFORE_START = "ends_before_start"
    IN_THE_PAST = "in_the_past"
    TOO_LONG_A_VISIT = "too_long_a_visit"
    TOO_FAR_AHEAD = "too_far_ahead"
    LEVEL_NOT_FOR_VISITORS = "level_not_for_visitors"
    LEVEL_MISSING = "level_missing"
    NOT_FOUND = "not_found"
    WRONG_STATE = "wrong_state"
    NOT_YOUR_VISITOR = "not_your_visitor"
    SAME_PERSON = "same_person"
    """Who registered a visitor does not say yes for the host."""
    STILL_OPEN = "still_open"
    """Another visit of this visitor is still open."""
    KEYS_LOCKED = "keys_locked"
    """No QR pass can be signed: the card keys are locked, or no ceremony was held."""
    CARD_UNKNOWN = "card_unknown"
    CARD_NOT_IN_STOCK = "card_not_in_stock"
    CATEGORY_UNKNOWN = "category_unknown"
    ZONE_UNKNOWN = "zone_unknown"
    LEVEL_UNKNOWN = "level_unknown"
    LEVEL_PRIVILEGED = "level_privileged"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"


FIELDS: Mapping[VisitRefusal, str] = MappingProxyType(
    {
        VisitRefusal.NAME_MISSING: "name",
        VisitRefusal.HOST_MISSING: "host",
        VisitRefusal.HOST_UNKNOWN: "host",
        VisitRefusal.HOST_LEFT: "host",
        VisitRefusal.HOST_IS_VISITOR: "host",
        VisitRefusal.HOST_FULL: "host",
        VisitRefusal.PURPOSE_MISSING: "purpose",
        VisitRefusal.TOO_LONG: "purpose",
        VisitRefusal.DOCUMENT_WRONG: "document_number",
        VisitRefusal.DOCUMENT_OF_ANOTHER: "document_number",
        VisitRefusal.NOT_WANTED: "document_number",
        VisitRefusal.ENDS_BEFORE_START: "ends_at",
        VisitRefusal.IN_THE_PAST: "ends_at",
        VisitRefusal.TOO_LONG_A_VISIT: "ends_at",
        VisitRefusal.TOO_FAR_AHEAD: "starts_at",
        VisitRefusal.LEVEL_NOT_FOR_VISITORS: "levels",
        VisitRefusal.LEVEL_MISSING: "levels",
        VisitRefusal.CARD_UNKNOWN: "card",
        VisitRefusal.CARD_NOT_IN_STOCK: "card",
        VisitRefusal.CATEGORY_UNKNOWN: "category",
        VisitRefusal.ZONE_UNKNOWN: "outside_zone",
        VisitRefusal.LEVEL_UNKNOWN: "levels",
        VisitRefusal.LEVEL_PRIVILEGED: "levels",
        VisitRefusal.NUMBER_OUT_OF_RANGE: "minutes",
    }
)
"""The field of a form or a request that a refusal speaks of; those not named speak of the whole."""


@dataclass(frozen=True, slots=True)
class VisitorRules:
    """How a site takes visitors."""

    category: CategoryId
    outside_zone: ZoneId
    """A passage into it is a way out: the visit ends."""
    levels: tuple[LevelId, ...]
    """What a visit may open."""
    always_levels: tuple[LevelId, ...] = ()
    """What every visit opens: the way out."""
    approval_needed: bool = True
    escorted: bool = True
    early_minutes: int = 30
    """A pass opens so long before the visit begins."""
    grace_minutes: int = 60
    """and so long after its end."""
    overstay_minutes: int = 15
    """Who is inside so long after the end raises an alarm."""
    longest_hours: int = 12
    most_per_host: int = 0
    keep_days: int = 90


@dataclass(frozen=True, slots=True)
class NewVisit:
    """A visitor and a visit, as the desk or the host types them; instants are aware UTC."""

    name: str
    host: PersonId | None
    purpose: str
    document_kind: DocumentKind
    document_number: str
    starts_at: datetime
    ends_at: datetime
    levels: tuple[LevelId, ...] = ()
    """Empty: all that the rules allow."""
    company: str = ""
    plate: str = ""
    escorted: bool | None = None
    """None: as the rules say."""
    reentry: bool = False


@dataclass(frozen=True, slots=True)
class IssuedPass:
    """A pass that was handed out; `text` is what the QR code says, empty for a card. It is shown once and not kept."""

    number: str
    text: str
    valid_from: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Search:
    """Which visits of the register: a term (visitor, company, host), a span of starts, states; empty = any."""

    term: str = ""
    since: datetime | None = None
    until: datetime | None = None
    states: tuple[VisitState, ...] = ()
