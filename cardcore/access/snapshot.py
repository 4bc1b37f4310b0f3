"""The policy snapshot: an immutable, versioned set of items with a content hash that a delta updates in O(delta).

The hash is the sum modulo 2**256 of SHA-256(key, NUL, bytes) over all items, so it does not depend on order and an
item can be taken out again. Such a sum resists accident, not a forger who may choose many items: authenticity comes
from the server's signature over (site, version, hash), which the receiver checks before it installs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any, NamedTuple, Self, TypeVar
from zoneinfo import ZoneInfo

import msgspec

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
from cardcore.calendar import DayKind
from cardcore.ids import LaneId, PersonId
from cardcore.money import Fen

_MODULUS = 2**256
MAX_DERIVED = 1_024
"""Look-ups remembered of one snapshot: business days with their meals, kinds of charge with their limits."""
_decoder: msgspec.json.Decoder[Item] = msgspec.json.Decoder(Item)
_encoder = msgspec.json.Encoder()


class StateItem(NamedTuple):
    """One item as it travels and is stored: its key and its original bytes; empty bytes remove the key."""

    key: str
    body: bytes


def encode_item(item: Item) -> bytes:
    """Return the JSON of an item; the same item always gives the same bytes."""
    return _encoder.encode(item)


def item_digest(key: str, body: bytes) -> int:
    """Return one item's share of the content hash."""
    return int.from_bytes(hashlib.sha256(key.encode() + b"\0" + body).digest(), "big")


class Snapshot:
    """All policy at one version. Never changed after it was made: `with_changes` returns a new one."""

    __slots__ = (
        "_dated_tariffs",
        "_digests",
        "_escorted",
        "_interlocks",
        "_kinds",
        "_limits_for",
        "_meals_on",
        "day_starts_at",
        "days",
        "has_moments",
        "hosts",
        "lane_of_reader",
        "needs_proof",
        "site",
        "till_of_reader",
        "total",
        "unread",
        "version",
        "zone",
    )

    def __init__(
        self,
        version: int,
        kinds: Mapping[str, dict[str, Any]],
        digests: dict[str, bytes],
        total: int,
        escorted: Mapping[str, CardItem],
    ) -> None:
        """Use `empty` and `with_changes`; this only derives the look-up tables."""
        self.version = version
        self._kinds = kinds
        self._digests = digests
        self.total = total
        self._escorted = escorted
        """The few cards that need an escort, by key: found again for every version without looking at all cards."""
        self.hosts: frozenset[PersonId] = frozenset(person for card in escorted.values() for person in card.hosts)
        """Those whose passages a lane remembers, because somebody may follow them."""
        self.unread = len(digests) - sum(len(items) for items in kinds.values())
        """Items of kinds this version does not know: kept in the hash, not understood."""
        self.site: SiteItem = kinds["site"].get("site", SiteItem())
        self.zone = ZoneInfo(self.site.time_zone)
        starts = self.site.day_starts_seconds
        self.day_starts_at = time(starts // 3600, starts // 60 % 60, starts % 60)
        self.days: dict[date, DayKind] = {item.date: item.day for item in kinds["day"].values()}
        self.lane_of_reader: dict[str, LaneItem] = {item.reader: item for item in kinds["lane"].values()}
        self.till_of_reader: dict[str, TillItem] = {item.reader: item for item in kinds["till"].values()}
        self.needs_proof = any(
            till.presence or till.ordered or any(turn.ordered for turn in till.turns) for till in kinds["till"].values()
        )
        """Whether any till asks for what only the server knows: presence, an order."""
        self._interlocks: dict[str, list[LaneId]] = {}
        for lane in kinds["lane"].values():
            if lane.interlock:
                self._interlocks.setdefault(lane.interlock, []).append(lane.id)
        self.has_moments = (
            bool(self._interlocks)
            or bool(escorted)
            or any(lane.first_person for lane in kinds["lane"].values())
            or any(zone.pairs for zone in kinds["zone"].values())
            or any(level.needs_escort for level in kinds["level"].values())
        )
        """Whether any lane's answer depends on what happened at it just before (`cardcore.access.moments`)."""
        self._dated_tariffs = _dated(kinds["tariff"].values())
        self._meals_on: dict[date, tuple[MealItem, ...]] = {}
        self._limits_for: dict[tuple[str, str, str], tuple[LimitItem, ...]] = {}

    @classmethod
    def empty(cls) -> Self:
        """Return the snapshot of a daemon that was never told anything: version 0."""
        return cls(0, {kind: {} for kind in _KINDS.values()}, {}, 0, {})

    @property
    def content_hash(self) -> bytes:
        """32 bytes that are equal exactly when two snapshots hold the same items."""
        return self.total.to_bytes(32, "big")

    def __len__(self) -> int:
        """Count the items, those of unknown kind included."""
        return len(self._digests)

    def with_changes(self, version: int, changes: Iterable[StateItem]) -> Self:
        """Return a snapshot at `version` with items replaced, added or (empty body) removed.

        Raises msgspec.ValidationError or DecodeError for a body that is no item; the old snapshot is untouched.
        """
        kinds = dict(self._kinds)
        copied: set[str] = set()
        digests = dict(self._digests)
        total = self.total
        escorted = dict(self._escorted)
        shared: dict[object, Any] = {}
        for key, body in changes:
            old = digests.pop(key, None)
            if old is not None:
                total -= int.from_bytes(old, "big")
            kind = key.partition("/")[0]
            if kind in kinds and kind not in copied:
                kinds[kind] = dict(kinds[kind])
                copied.add(kind)
            if kind in kinds:
                kinds[kind].pop(key, None)
            escorted.pop(key, None)
            if not body:
                continue
            digest = item_digest(key, body)
            digests[key] = digest.to_bytes(32, "big")
            total += digest
            if kind in kinds:
                item = kinds[kind][key] = _sharing(_decoder.decode(body), shared)
                if isinstance(item, CardItem) and item.escorted:
                    escorted[key] = item
        return type(self)(version, kinds, digests, total % _MODULUS, escorted)

    def card(self, credential: str) -> CardItem | None:
        """Find a credential's card."""
        return self._kinds["card"].get(f"card/{credential}")

    def lane(self, lane_id: str) -> LaneItem | None:
        """Find a lane by its id."""
        return self._kinds["lane"].get(f"lane/{lane_id}")

    def till(self, till_id: str) -> TillItem | None:
        """Find a till by its id."""
        return self._kinds["till"].get(f"till/{till_id}")

    def zone_of(self, zone_id: str) -> ZoneItem | None:
        """Find a zone by its id."""
        return self._kinds["zone"].get(f"zone/{zone_id}")

    @property
    def zones(self) -> Iterable[ZoneItem]:
        """All zones."""
        return self._kinds["zone"].values()

    @property
    def lanes(self) -> Iterable[LaneItem]:
        """All lanes."""
        return self._kinds["lane"].values()

    def interlock(self, name: str) -> Iterable[LaneId]:
        """Return the lanes of which one at a time is open."""
        return self._interlocks.get(name, ())

    def level(self, level_id: str) -> LevelItem | None:
        """Find an access level by its id."""
        return self._kinds["level"].get(f"level/{level_id}")

    @property
    def threats(self) -> Iterable[ThreatItem]:
        """All threat plans in force."""
        return self._kinds["threat"].values()

    def schedule(self, schedule_id: str) -> ScheduleItem | None:
        """Find a schedule by its id."""
        return self._kinds["schedule"].get(f"schedule/{schedule_id}")

    @property
    def meals(self) -> Iterable[MealItem]:
        """All meal periods."""
        return self._kinds["meal"].values()

    def meals_on(self, business_day: date) -> tuple[MealItem, ...]:
        """Return the periods that hold on a business day, one a meal, in order of their start."""
        found = self._meals_on.get(business_day)
        if found is None:
            found = _remember(self._meals_on, business_day, valid_meals(self.meals, business_day))
        return found

    def limits_for(self, category: str, stall: str, meal: str) -> tuple[LimitItem, ...]:
        """Return the limits that bind a category at a stall in a meal, those that no PIN passes first."""
        key = (category, stall, meal)
        found = self._limits_for.get(key)
        if found is None:
            binding = [
                item
                for item in self._kinds["limit"].values()
                if item.category in {"*", category} and item.stall in {"*", stall} and item.meal in {"*", meal}
            ]
            binding.sort(key=lambda item: (item.soft, item.id))
            found = _remember(self._limits_for, key, tuple(binding))
        return found

    def has_limits(self, per: str) -> bool:
        """Tell whether any limit is a `per`: tap, meal, day or month."""
        return any(item.per == per for item in self._kinds["limit"].values())

    @property
    def cards(self) -> Iterable[CardItem]:
        """All cards, in no promised order."""
        return self._kinds["card"].values()

    def price(self, meal: str, stall: str, category: str, day: date) -> TariffItem | None:
        """Find the most specific tariff that holds on a business day.

        Stall and category come first, then stall, then category, then any; of one of these the newest that has begun.
        """
        tariffs, dated = self._kinds["tariff"], self._dated_tariffs
        for place in (f"{stall}/{category}", f"{stall}/*", f"*/{category}", "*/*"):
            key = f"tariff/{meal}/{place}"
            found: TariffItem | None = tariffs.get(key)
            for later in dated.get(key, ()) if dated else ():
                if isinstance(later.valid_from, date) and later.valid_from <= day:
                    found = later
                    break
            if found is not None:
                return found
        return None

    def rate(self, stall: str, category: str) -> RateItem | None:
        """Find what a category pays above or below the list price: the stall's rate before any stall's."""
        rates = self._kinds["rate"]
        if not rates:
            return None
        found: RateItem | None = rates.get(f"rate/{stall}/{category}") or rates.get(f"rate/*/{category}")
        return found

    @property
    def subsidises_meals(self) -> bool:
        """Whether any first tap of a meal or day is subsidised."""
        return bool(self._kinds["meal_subsidy"])

    def meal_subsidy(self, category: str, stall: str, meal: str) -> MealSubsidyItem | None:
        """Find what the house pays of a category's first tap: by stall and meal, by stall, by meal, then anywhere."""
        items = self._kinds["meal_subsidy"]
        if not items:
            return None
        for place in (f"{stall}/{meal}", f"{stall}/*", f"*/{meal}", "*/*"):
            found: MealSubsidyItem | None = items.get(f"meal_subsidy/{place}/{category}")
            if found is None:
                found = items.get(f"meal_subsidy/{place}/*")
            if found is not None:
                return found
        return None

    def eligible(self, category: str, stall: str, meal: str) -> bool:
        """Tell whether a category may eat at a stall in a meal."""
        items = self._kinds["eligibility"]
        if not items:
            return True
        for key in (f"{stall}/{meal}", f"{stall}/*", f"*/{meal}", "*/*"):
            found: EligibilityItem | None = items.get(f"eligibility/{key}")
            if found is not None:
                return category in found.categories
        return True

    def dish_price(self, stall: str, day: date, meal: str, code: str) -> Fen | None:
        """Find the published price of a dish; None when the stall does not offer it in this meal of the day."""
        menu: MenuItem | None = self._kinds["menu"].get(f"menu/{stall}/{day.isoformat()}")
        if menu is None:
            return None
        return next((dish.price for dish in menu.dishes if (dish.meal, dish.code) == (meal, code)), None)


def _sharing(item: Item, shared: dict[object, Any]) -> Item:
    """Let equal cards' parts be the same objects: a box holds 100,000 cards, and few of their rights differ."""
    if isinstance(item, CardItem):
        levels = tuple(shared.setdefault(level, level) for level in item.levels)
        for name, value in (("levels", levels), ("category", item.category), ("proofs", item.proofs)):
            msgspec.structs.force_setattr(item, name, shared.setdefault(value, value))
    return item


def _dated(tariffs: Iterable[TariffItem]) -> dict[str, list[TariffItem]]:
    """Return the tariffs that begin on a day by the key of the one without a day, newest first."""
    begins = [(item.valid_from, item) for item in tariffs if isinstance(item.valid_from, date)]
    found: dict[str, list[TariffItem]] = {}
    for _, item in sorted(begins, key=lambda pair: pair[0], reverse=True):
        found.setdefault(f"tariff/{item.meal}/{item.stall}/{item.category}", []).append(item)
    return found


Key = TypeVar("Key")
Value = TypeVar("Value")


def _remember(found: dict[Key, Value], key: Key, value: Value) -> Value:
    if len(found) >= MAX_DERIVED:
        found.clear()
    found[key] = value
    return value


def valid_meals(meals: Iterable[MealItem], business_day: date) -> tuple[MealItem, ...]:
    """Return the periods of some meals that hold on a business day, one a meal, in order of their start."""
    newest: dict[str, MealItem] = {}
    for item in meals:
        started = item.valid_from is None or item.valid_from <= business_day
        if not started or (item.valid_until is not None and business_day >= item.valid_until):
            continue
        before = newest.get(item.meal)
        if before is None or _precedence(item) > _precedence(before):
            newest[item.meal] = item
    return tuple(sorted(newest.values(), key=lambda item: (item.start_seconds, item.id)))


def _precedence(item: MealItem) -> tuple[date, str]:
    return item.valid_from or date.min, item.id


_KINDS = {
    SiteItem: "site",
    ZoneItem: "zone",
    LaneItem: "lane",
    LevelItem: "level",
    ThreatItem: "threat",
    ScheduleItem: "schedule",
    DayItem: "day",
    CardItem: "card",
    TillItem: "till",
    MealItem: "meal",
    TariffItem: "tariff",
    LimitItem: "limit",
    RateItem: "rate",
    MealSubsidyItem: "meal_subsidy",
    EligibilityItem: "eligibility",
    MenuItem: "menu",
}
