"""Writing the reference site in one transaction, set by set; published as one policy version at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from cardcore.ids import AccountId, CardId, CredentialKey, PersonId, SiteId, TransferId
from cardcore.money import Fen
from server.access import repository as access_rows
from server.access import service as access
from server.audit.service import Deed, record
from server.canteen import service as canteen
from server.cards import repository as card_rows
from server.cards.service import NewCard, card_row
from server.database import Database, WriteSession
from server.ledger import repository as ledger_rows
from server.ledger.service import (
    MAIN,
    Credit,
    account_rows,
    business_day,
    ensure_ledger_account,
    transfer_row,
)
from server.people import repository as people_rows
from server.people.service import person_row
from server.policy import service as policy
from server.seed import reference_site as plan
from server.seed.card_list import SeedCard
from server.seed.holders import Holder, holders
from server.seed.holidays import CALENDAR
from server.system import System

ACTOR = "seed"


class SiteExistsError(ValueError):
    """A site of this name is there already; seeding never changes one."""


@dataclass(frozen=True, slots=True)
class SeededHolder:
    """One person as seeded, with the ids of their rows; `account` is None for a gate-only card."""

    index: int
    person: PersonId
    card: CardId
    credential: CredentialKey
    product: str
    account: AccountId | None
    opening: Fen


@dataclass(frozen=True, slots=True)
class SeededSite:
    """What was written; holders in order of card index."""

    site_id: SiteId
    holders: tuple[SeededHolder, ...]
    policy_version: int


@dataclass(slots=True)
class _Rows:
    """The rows of all holders, by table."""

    person: list[dict[str, Any]] = field(default_factory=list)
    person_level: list[dict[str, Any]] = field(default_factory=list)
    card: list[dict[str, Any]] = field(default_factory=list)
    credential: list[dict[str, Any]] = field(default_factory=list)
    account: list[dict[str, Any]] = field(default_factory=list)
    ledger_account: list[dict[str, Any]] = field(default_factory=list)
    purse: list[dict[str, Any]] = field(default_factory=list)
    transfer: list[dict[str, Any]] = field(default_factory=list)
    opening: dict[UUID, int] = field(default_factory=dict)


def seed_reference_site(
    database: Database, system: System, cards: Sequence[SeedCard], *, seed: int = 1, slug: str = plan.SITE.slug
) -> SeededSite:
    """Write the whole site with one holder a card. Raises SiteExistsError when the slug is taken."""
    return database.write(lambda session: _seed(session, system, cards, seed, slug))


def _seed(session: WriteSession, system: System, cards: Sequence[SeedCard], seed: int, slug: str) -> SeededSite:
    if access.find_site(session, slug) is not None:
        msg = f"there is a site {slug} already; seed an empty database or choose another name"
        raise SiteExistsError(msg)
    new = access.NewSite(slug, plan.SITE.name_en, plan.SITE.name_zh, plan.SITE.time_zone)
    site_id = access.create_site(session, system, new, ACTOR)
    _places(session, system, site_id)
    seeded = _people(session, system, site_id, holders(cards, seed))
    record(session, system, site_id, Deed(ACTOR, "site_seeded", f"site:{site_id}", after={"cards": len(cards)}))
    return SeededSite(site_id, tuple(seeded), policy.refresh(session, system, site_id))


def _places(session: WriteSession, system: System, site_id: SiteId) -> None:
    names = ("id", "name_en", "name_zh")
    people_rows.upsert_categories(session, site_id, [dict(zip(names, row, strict=True)) for row in plan.CATEGORIES])
    departments = [
        {"id": f"d{number:02d}", "name_en": english, "name_zh": chinese}
        for number, (english, chinese) in enumerate(plan.DEPARTMENTS, 1)
    ]
    people_rows.upsert_departments(session, site_id, departments)
    access.put_zones(session, system, site_id, plan.ZONES, ACTOR)
    access.put_days(session, system, site_id, CALENDAR, ACTOR)
    canteen.put_stalls(session, system, site_id, plan.STALLS, ACTOR)
    problems = [
        *(access.put_schedule(session, system, site_id, schedule, ACTOR) for schedule in plan.SCHEDULES),
        *(access.put_level(session, system, site_id, level, ACTOR) for level in plan.LEVELS),
        access.put_lanes(session, system, site_id, plan.LANES, ACTOR),
        canteen.put_tills(session, system, site_id, plan.TILLS, ACTOR),
        canteen.put_meals(session, system, site_id, plan.MEALS, ACTOR),
        canteen.put_tariffs(session, system, site_id, plan.TARIFFS, ACTOR),
    ]
    wrong = [problem for problem in problems if problem is not None]
    if wrong:
        raise AssertionError(wrong)


def _people(session: WriteSession, system: System, site_id: SiteId, people: Sequence[Holder]) -> list[SeededHolder]:
    rows = _Rows()
    sources = {
        "topup": ensure_ledger_account(session, system, site_id, "cash_drawer", MAIN),
        "subsidy": ensure_ledger_account(session, system, site_id, "subsidy", MAIN),
    }
    for name in ("unknown_card", "closed_account"):
        ensure_ledger_account(session, system, site_id, "receivable", name)
    seeded = [_add(rows, system, site_id, holder, sources) for holder in people]
    now, day = system.clock.now(), business_day(session, system, site_id)
    people_rows.insert_people(session, [{**row, "created_at": now} for row in rows.person])
    access_rows.insert_person_levels(session, rows.person_level)
    card_rows.insert_cards(session, rows.card)
    card_rows.insert_credentials(session, rows.credential)
    ledger_rows.insert_accounts(session, rows.account, rows.ledger_account, rows.purse)
    dated = {"site_id": site_id, "business_day": day, "at": now, "posted_at": now}
    ledger_rows.insert_transfers(session, [{**row, **dated} for row in rows.transfer])
    ledger_rows.add_to_purses(session, rows.opening)
    return seeded


def _add(rows: _Rows, system: System, site_id: SiteId, holder: Holder, sources: dict[str, UUID]) -> SeededHolder:
    person_id, card_id = PersonId(system.ids.uuid7()), CardId(system.ids.uuid7())
    card = holder.card
    rows.person.append(person_row(site_id, person_id, holder.person))
    rows.person_level.extend({"site_id": site_id, "person_id": person_id, "level_id": level} for level in holder.levels)
    new = NewCard(f"{card.index + 1:08d}", card.product, (card.credential,), person_id)
    rows.card.append(card_row(system, site_id, card_id, new))
    key = {"id": system.ids.uuid7(), "site_id": site_id, "card_id": card_id, "key": card.credential}
    rows.credential.append(key)
    account_id = _open_account(rows, system, site_id, holder, person_id, sources) if holder.has_account else None
    opening = Fen(holder.cash + holder.subsidy if holder.has_account else 0)
    return SeededHolder(card.index, person_id, card_id, card.credential, card.product, account_id, opening)


def _open_account(
    rows: _Rows, system: System, site_id: SiteId, holder: Holder, person_id: PersonId, sources: dict[str, UUID]
) -> AccountId:
    account_id = AccountId(system.ids.uuid7())
    opened = account_rows(system, site_id, person_id, account_id)
    rows.account.append(opened.account)
    rows.ledger_account.extend(opened.ledger_accounts)
    rows.purse.extend(opened.purses)
    purses = {purse["kind"]: purse["id"] for purse in opened.purses}
    for kind, purse, amount in (("topup", "cash", holder.cash), ("subsidy", "subsidy", holder.subsidy)):
        if amount:
            credit = Credit(TransferId(system.ids.uuid7()), account_id, amount)
            rows.transfer.append(transfer_row(kind, credit, (sources[kind], purses[purse]), amount, ACTOR))
            rows.opening[purses[purse]] = amount
    return account_id
