"""How tills charge, who may eat where, how much at most, and who pays more, less or not at all.

Each change is checked whole, written with one audit row and published in its own transaction; a refusal says which
field is wrong and why, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import msgspec

from cardcore.access.items import Turn
from cardcore.calendar import DAY_SECONDS, Interval, interval_error
from cardcore.canteen.selling import DAY, FIXED, KEY_VALUE, MEAL, MODES, NO_MEAL, PAYERS, PRESENCES, SPANS
from cardcore.ids import CardId, SiteId, TillId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.access import repository as access_rows
from server.access.fields import FieldProblem, FieldRefusal
from server.audit.service import Deed, record
from server.canteen import charging_repository, repository
from server.canteen.service import ANY
from server.database import WriteSession
from server.people import repository as people_rows
from server.policy import service as policy
from server.system import System

MAX_TURNS = 12
MAX_PERCENT = 90
"""Neither a discount nor a surcharge is higher."""
MAX_UNDO_MINUTES = 60


@dataclass(frozen=True, slots=True)
class TillCharging:
    """How a till charges, and what it may do alone; the words are those of `cardcore.canteen.selling`."""

    mode: str = "period"
    amount_fen: Fen = Fen(0)
    payer: str = "holder"
    ordered: bool = False
    turns: tuple[Turn, ...] = ()
    key_prices: tuple[tuple[str, Fen], ...] = ()
    opening: tuple[Interval, ...] = ()
    without_meal: bool = False
    presence: str = ""
    zone_id: str = ""
    serves_unproved: bool = False
    undo_minutes: int = 5
    undo_code: str = "0"
    offline_tap_cap_fen: Fen = Fen(5_000)
    offline_card_cap: int = 3
    offline_count_cap: int = 2_000
    offline_sum_cap_fen: Fen = Fen(3_000_000)
    offline_hours_cap: int = 72
    offline_list_hours_cap: int = 72


@dataclass(frozen=True, slots=True)
class Limit:
    """What one account may take; `ANY` stands for every category, stall or meal, 0 for no limit."""

    id: str
    per: str
    count: int = 0
    fen: Fen = Fen(0)
    category_id: str = ANY
    stall_id: str = ANY
    meal_id: str = ANY
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """What a category pays above or below the list price, in whole percent."""

    category_id: str
    stall_id: str = ANY
    discount_percent: int = 0
    surcharge_percent: int = 0


@dataclass(frozen=True, slots=True)
class MealSubsidy:
    """What the house pays of the first tap of a meal or day (C26): a sum, a share (100 = free), or both."""

    category_id: str = ANY
    stall_id: str = ANY
    meal_id: str = ANY
    per: str = "meal"
    fen: Fen = Fen(0)
    percent: int = 0


@dataclass(frozen=True, slots=True)
class Eligibility:
    """The only categories that eat at a stall in a meal."""

    categories: tuple[str, ...]
    stall_id: str = ANY
    meal_id: str = ANY


@dataclass(frozen=True, slots=True)
class _Known:
    """The names that a rule may use."""

    stalls: frozenset[str] = field(default_factory=frozenset)
    meals: frozenset[str] = field(default_factory=frozenset)
    categories: frozenset[str] = field(default_factory=frozenset)


def set_till_charging(
    session: WriteSession, system: System, site_id: SiteId, till_id: TillId, charging: TillCharging, actor: str
) -> FieldProblem | None:
    """Set how a till charges; return what is wrong, or None."""
    zones = {row["id"] for row in access_rows.zone_rows(session, site_id)}
    problem = charging_problem(charging, zones)
    if problem is not None:
        return problem
    values = asdict(charging)
    before = next((row for row in repository.till_rows(session, site_id) if row["id"] == till_id), None)
    json = {name: msgspec.json.encode(getattr(charging, name)).decode() for name in ("turns", "key_prices", "opening")}
    row = {**values, **json, "site_id": site_id, "id": till_id}
    if before is None or not charging_repository.update_till(session, row):
        return _bad("till", "id", FieldRefusal.UNKNOWN, f"there is no till {till_id}", str(till_id))
    was = {name: before[name] for name in values}
    record(session, system, site_id, Deed(actor, "till_charging_set", f"till:{till_id}", before=was, after=_plain(row)))
    policy.refresh(session, system, site_id, {"till"})
    return None


def charging_problem(charging: TillCharging, zones: set[str]) -> FieldProblem | None:
    """Return what is wrong with the settings of a till, or None."""
    own = Turn(0, DAY_SECONDS, charging.mode, charging.amount_fen, charging.payer, charging.ordered)
    for turn in (own, *charging.turns):
        if turn.mode not in MODES or turn.payer not in PAYERS:
            return _bad("till", "mode", FieldRefusal.UNKNOWN, f"mode {turn.mode!r} paid by {turn.payer!r} is not known")
        if (turn.mode == FIXED) != (turn.amount > 0) or not 0 <= turn.amount <= MAX_AMOUNT_FEN:
            advice = "fixed mode needs an amount of at most one million yuan, and no other mode takes one"
            return _bad("till", "amount_fen", FieldRefusal.CONTRADICTION, advice)
        if turn.mode == KEY_VALUE and not charging.key_prices:
            return _bad("till", "key_prices", FieldRefusal.MISSING, "key-value mode needs prices of keys")
    if len(charging.turns) > MAX_TURNS:
        advice = f"a till has at most {MAX_TURNS} turns a day"
        return _bad("till", "turns", FieldRefusal.TOO_MANY, advice, str(MAX_TURNS))
    if any(not 0 <= turn.start_seconds < turn.end_seconds <= DAY_SECONDS for turn in charging.turns):
        advice = "a turn starts before it ends, within one day; split one that crosses midnight"
        return _bad("till", "turns", FieldRefusal.WRONG_INTERVAL, advice)
    keys = [key for key, _ in charging.key_prices]
    if len(set(keys)) < len(keys) or any(key not in "0123456789" or len(key) != 1 for key in keys):
        return _bad("till", "key_prices", FieldRefusal.WRONG_INTERVAL, "each key 0 to 9 has one price")
    if any(not 0 < price <= MAX_AMOUNT_FEN for _, price in charging.key_prices):
        advice = "a price is more than nothing and at most one million yuan"
        return _bad("till", "key_prices", FieldRefusal.OUT_OF_RANGE, advice, "0.01 – 1000000.00")
    wrong = next((error for error in map(interval_error, charging.opening) if error), None)
    if wrong is not None:
        return _bad("till", "opening", FieldRefusal.WRONG_INTERVAL, wrong)
    return _rest_problem(charging, zones)


def _rest_problem(charging: TillCharging, zones: set[str]) -> FieldProblem | None:
    if charging.presence not in PRESENCES or bool(charging.presence) != bool(charging.zone_id):
        advice = "a rule of presence is in_today or not_in_today, and names its zone"
        return _bad("till", "zone_id", FieldRefusal.MISSING, advice)
    if charging.zone_id and charging.zone_id not in zones:
        return _bad("till", "zone_id", FieldRefusal.UNKNOWN, f"there is no zone {charging.zone_id}", charging.zone_id)
    if not 0 <= charging.undo_minutes <= MAX_UNDO_MINUTES:
        advice = f"a charge can be taken back within 0 to {MAX_UNDO_MINUTES} minutes"
        return _bad("till", "undo_minutes", FieldRefusal.OUT_OF_RANGE, advice, f"0 – {MAX_UNDO_MINUTES}")
    if not charging.undo_code.isascii() or not charging.undo_code.isdecimal() or not 1 <= len(charging.undo_code) <= 6:  # noqa: PLR2004
        return _bad("till", "undo_code", FieldRefusal.OUT_OF_RANGE, "the code to undo has 1 to 6 digits", "0 – 999999")
    caps = (charging.offline_tap_cap_fen, charging.offline_card_cap, charging.offline_count_cap,
            charging.offline_sum_cap_fen)  # fmt: skip
    if min(caps) < 0 or max(caps) > 2**31 - 1 or min(charging.offline_hours_cap, charging.offline_list_hours_cap) < 1:
        advice = "the caps of a till alone are not negative, and the hours at least one"
        return _bad("till", "offline_tap_cap_fen", FieldRefusal.OUT_OF_RANGE, advice)
    return None


def put_limit(session: WriteSession, system: System, site_id: SiteId, limit: Limit, actor: str) -> FieldProblem | None:
    """Add or change a limit; return what is wrong, or None."""
    known = _known(session, site_id)
    problem = _unknown("limit", known, limit.stall_id, limit.meal_id, (limit.category_id,)) or _limit_problem(limit)
    if problem is not None:
        return problem
    charging_repository.upsert_limit(session, {**asdict(limit), "site_id": site_id})
    _publish(session, system, site_id, Deed(actor, "limit_put", f"limit:{limit.id}", after=asdict(limit)))
    return None


def remove_limit(session: WriteSession, system: System, site_id: SiteId, limit_id: str, actor: str) -> bool:
    """Take a limit away; tell whether it was there."""
    if not charging_repository.delete_limit(session, site_id, limit_id):
        return False
    _publish(session, system, site_id, Deed(actor, "limit_removed", f"limit:{limit_id}"))
    return True


def put_rate(session: WriteSession, system: System, site_id: SiteId, rate: Rate, actor: str) -> FieldProblem | None:
    """Set a category's discount or surcharge; return what is wrong, or None."""
    known = _known(session, site_id)
    problem = _rate_problem(rate) or _unknown("rate", known, rate.stall_id, ANY, (rate.category_id,))
    if problem is not None:
        return problem
    charging_repository.upsert_rate(session, {**asdict(rate), "site_id": site_id})
    name = f"rate:{rate.stall_id}/{rate.category_id}"
    _publish(session, system, site_id, Deed(actor, "rate_put", name, after=asdict(rate)))
    return None


def remove_rate(
    session: WriteSession, system: System, site_id: SiteId, stall_id: str, category_id: str, actor: str
) -> bool:
    """Let a category pay the list price again; tell whether there was a rate."""
    if not charging_repository.delete_rate(session, site_id, stall_id, category_id):
        return False
    _publish(session, system, site_id, Deed(actor, "rate_removed", f"rate:{stall_id}/{category_id}"))
    return True


def put_meal_subsidy(
    session: WriteSession, system: System, site_id: SiteId, subsidy: MealSubsidy, actor: str
) -> FieldProblem | None:
    """Subsidise the first tap of a category's meals or days; return what is wrong, or None."""
    known = _known(session, site_id)
    problem = _unknown("subsidy", known, subsidy.stall_id, subsidy.meal_id, (subsidy.category_id,))
    problem = problem or _subsidy_problem(subsidy)
    if problem is not None:
        return problem
    charging_repository.upsert_meal_subsidy(session, {**asdict(subsidy), "site_id": site_id})
    _publish(session, system, site_id, Deed(actor, "meal_subsidy_put", _named(subsidy), after=asdict(subsidy)))
    return None


def remove_meal_subsidy(
    session: WriteSession, system: System, site_id: SiteId, subsidy: MealSubsidy, actor: str
) -> bool:
    """Take away the subsidy of this category, stall and meal; tell whether it was there."""
    if not charging_repository.delete_meal_subsidy(session, {**asdict(subsidy), "site_id": site_id}):
        return False
    _publish(session, system, site_id, Deed(actor, "meal_subsidy_removed", _named(subsidy)))
    return True


def _named(subsidy: MealSubsidy) -> str:
    return f"meal_subsidy:{subsidy.stall_id}/{subsidy.meal_id}/{subsidy.category_id}"


def put_eligibility(
    session: WriteSession, system: System, site_id: SiteId, rule: Eligibility, actor: str
) -> FieldProblem | None:
    """Say which categories eat at a stall in a meal; return what is wrong, or None."""
    problem = _unknown("eligibility", _known(session, site_id), rule.stall_id, rule.meal_id, rule.categories)
    if problem is not None:
        return problem
    row = {**asdict(rule), "categories": sorted(set(rule.categories)), "site_id": site_id}
    charging_repository.upsert_eligibility(session, row)
    name = f"eligibility:{rule.stall_id}/{rule.meal_id}"
    _publish(session, system, site_id, Deed(actor, "eligibility_put", name, after=asdict(rule)))
    return None


def remove_eligibility(
    session: WriteSession, system: System, site_id: SiteId, stall_id: str, meal_id: str, actor: str
) -> bool:
    """Let every category eat there again; tell whether there was a rule."""
    if not charging_repository.delete_eligibility(session, site_id, stall_id, meal_id):
        return False
    _publish(session, system, site_id, Deed(actor, "eligibility_removed", f"eligibility:{stall_id}/{meal_id}"))
    return True


def set_department_credit(
    session: WriteSession, system: System, site_id: SiteId, department_id: str, actor: str, *, credit: bool
) -> bool:
    """Let a department pay its people's on-credit meals, or no longer; tell whether there is one (C9)."""
    if not charging_repository.set_department_credit(session, site_id, department_id, credit=credit):
        return False
    deed = Deed(actor, "department_credit_set", f"department:{department_id}", after=credit)
    record(session, system, site_id, deed)
    cards = [CardId(card) for card in charging_repository.cards_of_department(session, site_id, department_id)]
    policy.refresh_cards(session, system, site_id, cards)
    return True


def _known(session: WriteSession, site_id: SiteId) -> _Known:
    return _Known(
        frozenset(row["id"] for row in repository.stall_rows(session, site_id)),
        frozenset(row["id"] for row in repository.meal_rows(session, site_id)) | {NO_MEAL},
        frozenset(people_rows.category_ids(session, site_id)),
    )


def _unknown(about: str, known: _Known, stall_id: str, meal_id: str, categories: Sequence[str]) -> FieldProblem | None:
    if stall_id not in known.stalls | {ANY}:
        return _bad(about, "stall_id", FieldRefusal.UNKNOWN, f"there is no stall {stall_id}", stall_id)
    if meal_id not in known.meals | {ANY}:
        return _bad(about, "meal_id", FieldRefusal.UNKNOWN, f"there is no meal {meal_id}", meal_id)
    missing = min(set(categories) - known.categories - {ANY}, default=None)
    if missing is None:
        return None
    return _bad(about, "category_id", FieldRefusal.UNKNOWN, f"there is no category {missing}", missing)


def _limit_problem(limit: Limit) -> FieldProblem | None:
    if limit.per not in SPANS:
        return _bad("limit", "per", FieldRefusal.UNKNOWN, "a limit is per tap, meal, day or month", limit.per)
    if not 0 <= limit.count <= MAX_AMOUNT_FEN or not 0 <= limit.fen <= MAX_AMOUNT_FEN or limit.count + limit.fen == 0:
        advice = "a limit is a number of meals, an amount, or both, neither negative"
        return _bad("limit", "count", FieldRefusal.MISSING, advice)
    if limit.per == "tap" and limit.count:
        return _bad("limit", "count", FieldRefusal.CONTRADICTION, "a limit of one tap is an amount")
    if not limit.id.strip():
        return _bad("limit", "id", FieldRefusal.NAME_UNUSABLE, "a limit needs a name")
    return None


def _rate_problem(rate: Rate) -> FieldProblem | None:
    if rate.category_id == ANY:
        advice = "a rate is one category's: change the price to change it for all"
        return _bad("rate", "category_id", FieldRefusal.MISSING, advice)
    if not 0 <= rate.discount_percent <= MAX_PERCENT or not 0 <= rate.surcharge_percent <= MAX_PERCENT:
        advice = f"a discount or surcharge is 0 to {MAX_PERCENT} percent"
        return _bad("rate", "discount_percent", FieldRefusal.OUT_OF_RANGE, advice, f"0 – {MAX_PERCENT}")
    if rate.discount_percent and rate.surcharge_percent:
        return _bad("rate", "surcharge_percent", FieldRefusal.CONTRADICTION, "a category pays less or more, not both")
    return None


def _subsidy_problem(subsidy: MealSubsidy) -> FieldProblem | None:
    if subsidy.per not in {MEAL, DAY}:
        advice = "a subsidy is of the first tap of a meal or of a day"
        return _bad("subsidy", "per", FieldRefusal.UNKNOWN, advice, subsidy.per)
    if not 0 <= subsidy.fen <= MAX_AMOUNT_FEN or not 0 <= subsidy.percent <= 100:  # noqa: PLR2004 - percent
        advice = "a subsidy is a sum of at most one million yuan, or a share of 0 to 100 percent"
        return _bad("subsidy", "percent", FieldRefusal.OUT_OF_RANGE, advice, "0 – 100")
    if not subsidy.fen + subsidy.percent:
        advice = "a subsidy is a sum, a share, or both; to end one, take it away"
        return _bad("subsidy", "fen", FieldRefusal.MISSING, advice)
    return None


def _bad(about: str, where: str, refusal: FieldRefusal, advice: str, named: str = "") -> FieldProblem:
    return FieldProblem(about, where, refusal, advice, named)


def _publish(session: WriteSession, system: System, site_id: SiteId, deed: Deed) -> None:
    record(session, system, site_id, deed)
    policy.refresh(session, system, site_id, {"limit", "rate", "meal_subsidy", "eligibility"})


def _plain(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in {"site_id", "id"}}
