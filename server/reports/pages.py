"""The services behind the pages, one a subject; `admin_web.ports` says what the pages ask of them.

One method is one transaction. Who may do a thing is asked here, in the transaction that does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping

from cardcore.access.items import CardState, Product
from cardcore.clock import from_millis
from cardcore.ids import AccountId, CardId, PersonId, SiteId, StaffId, TillId
from server.access import repository as access_rows
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal
from server.approvals.operations import OPERATIONS
from server.audit.service import staff_actor
from server.canteen import repository as canteen_rows
from server.cards import service as cards
from server.cards.approved import UNBLOCK, Unblock
from server.cards.service import CardChange
from server.database import Database, ReadSession, WriteSession
from server.devices import repository as device_rows
from server.ledger import repository as ledger_rows
from server.ledger import service as ledger
from server.people import leaving
from server.people import service as people
from server.policy import service as policy
from server.reports import service as reports
from server.reports.paging import PAGE_ROWS, Page
from server.reports.rows import (
    BlockReason,
    CardHistoryRow,
    CardRow,
    CardStatus,
    CardView,
    ChargeFilter,
    ChargesFound,
    DayFigures,
    DeviceRow,
    PersonDeed,
    PersonHistoryRow,
    PersonRight,
    PersonRow,
    PersonView,
    PurseKind,
    PurseRow,
    ReaderRow,
)
from server.staff import service as staff
from server.staff.roles import Permission
from server.system import System

STATUS = {
    CardState.BLANK: CardStatus.NOT_ISSUED,
    CardState.ISSUED: CardStatus.NOT_ISSUED,
    CardState.ACTIVE: CardStatus.ISSUED,
    CardState.SUSPENDED: CardStatus.SUSPENDED,
    CardState.LOST: CardStatus.LOST,
    CardState.STOLEN: CardStatus.LOST,
    CardState.FOUND: CardStatus.SUSPENDED,
    CardState.DAMAGED: CardStatus.DAMAGED,
    CardState.RETURNED: CardStatus.RETURNED,
    CardState.REVOKED: CardStatus.REVOKED,
    CardState.SUPERSEDED: CardStatus.SUPERSEDED,
}
UNBLOCK_ENDS: Mapping[object, CardChange] = {
    ApprovalRefusal.PERSON_UNKNOWN: CardChange.PERSON_UNKNOWN,
    ApprovalRefusal.SAME_PERSON: CardChange.NEEDS_APPROVAL,
    ApprovalRefusal.NOT_ALLOWED: CardChange.NOT_ALLOWED,
    ApprovalRefusal.OWN_MATTER: CardChange.NOT_ALLOWED,
}
"""How a refusal to ask or to approve shows on the card's page."""
BLOCKED = {
    BlockReason.LOST: CardState.LOST,
    BlockReason.SUSPENDED: CardState.SUSPENDED,
    BlockReason.DAMAGED: CardState.DAMAGED,
}
"""What each reason to block makes of a card."""


@dataclass(frozen=True, slots=True)
class SitePages:
    """What every page's service needs. `language` of the names that people gave: `zh` or `en`."""

    database: Database
    system: System
    site_id: SiteId
    language: str = "zh"


@dataclass(frozen=True, slots=True)
class PeoplePages:
    """Cardholders."""

    site: SitePages

    def search(self, text: str, page: int) -> Page[PersonRow]:
        """Find people by name, number, initials or department."""
        found = self.site.database.read(lambda session: people.search(session, self.site.site_id, text, page))
        rows = tuple(_person(row, self.site.language) for row in found.rows)
        return Page(rows, found.number, found.has_next, found.total)

    def get(self, person_id: PersonId) -> PersonView | None:
        """Return one person, or None if unknown or of another site."""
        return self.site.database.read(lambda session: self._get(session, person_id))

    def _get(self, session: ReadSession, person_id: PersonId) -> PersonView | None:
        row = people.get(session, self.site.site_id, person_id)
        if row is None:
            return None
        account = ledger_rows.account_of_person(session, self.site.site_id, person_id)
        held = ledger.balances(session, AccountId(account["id"])) if account is not None else ()
        return PersonView(
            _person(row, self.site.language),
            tuple(_card(self.site, session, card) for card in people.cards_of(session, self.site.site_id, person_id)),
            tuple(PurseRow(PurseKind(purse.kind), purse.balance) for purse in held),
            tuple(
                PersonRight(right[f"name_{self.site.language}"] or right["id"], right["privileged"])
                for right in leaving.rights(session, self.site.site_id, person_id)
            ),
            tuple(_person_history(row) for row in people.history(session, self.site.site_id, person_id)),
        )


@dataclass(frozen=True, slots=True)
class CardPages:
    """The plastic."""

    site: SitePages

    def search(self, text: str, page: int) -> Page[CardRow]:
        """Find cards by number or holder."""
        return self.site.database.read(lambda session: self._search(session, text, page))

    def get(self, card_id: CardId) -> CardView | None:
        """Return one card, or None if unknown or of another site."""
        return self.site.database.read(lambda session: self._get(session, card_id))

    def block(self, card_id: CardId, reason: BlockReason, actor: StaffId) -> CardChange:
        """Refuse a card everywhere from now on (I6); a cashier may report a loss and nothing else."""
        wanted = BLOCKED[reason]
        allowed = {Permission.CARDS_BLOCK}
        if wanted is CardState.LOST:
            allowed.add(Permission.CARDS_REPORT_LOST)
        return self._change(card_id, wanted, actor, allowed)

    def unblock(self, card_id: CardId, actor: StaffId) -> CardChange:
        """Put a blocked card back into use: a suspended one at once, any other when a second person says so."""
        return self.site.database.write(lambda session: self._unblock(session, card_id, actor))

    def _unblock(self, session: WriteSession, card_id: CardId, actor: StaffId) -> CardChange:
        site, row = self.site, cards.get(session, self.site.site_id, card_id)
        if row is None:
            return CardChange.NOT_FOUND
        if row["state"] == CardState.SUSPENDED:
            if not staff.may(session, actor, site.site_id, Permission.CARDS_UNBLOCK_APPROVE):
                return CardChange.NOT_ALLOWED
            own = row["person_id"] is not None and row["person_id"] == staff.person_of(session, actor)
            deed = (staff_actor(actor), "")
            if not own:
                change = cards.change_state(session, site.system, site.site_id, card_id, CardState.ACTIVE, deed)
                if change is not CardChange.NEEDS_APPROVAL:
                    return change
        return self._agree(session, Unblock(card_id), actor)

    def _agree(self, session: WriteSession, wanted: Unblock, actor: StaffId) -> CardChange:
        """Ask, or approve what another person asked."""
        site = self.site
        request = approvals.waiting_for(session, site.site_id, UNBLOCK, wanted, site.system.clock.now())
        if request is None or request.maker == actor:
            reason = "asked on the card's page"
            asked = approvals.ask(session, site.system, site.site_id, actor, UNBLOCK, wanted, reason)
            return UNBLOCK_ENDS.get(asked, CardChange.NEEDS_APPROVAL)
        decision = (actor, request.seen)
        refused = approvals.approve(session, site.system, site.site_id, request.id, decision, OPERATIONS)
        return CardChange.DONE if refused is None else UNBLOCK_ENDS.get(refused, CardChange.NOT_ALLOWED)

    def _change(self, card_id: CardId, wanted: CardState, actor: StaffId, allowed: set[Permission]) -> CardChange:
        def write(session: WriteSession) -> CardChange:
            if not any(staff.may(session, actor, self.site.site_id, permission) for permission in allowed):
                return CardChange.NOT_ALLOWED
            deed = (staff_actor(actor), "")
            return cards.change_state(session, self.site.system, self.site.site_id, card_id, wanted, deed)

        return self.site.database.write(write)

    def _search(self, session: ReadSession, text: str, page: int) -> Page[CardRow]:
        found = cards.search(session, self.site.site_id, text, page)
        rows = tuple(_card(self.site, session, row) for row in found.rows)
        return Page(rows, found.number, found.has_next, found.total)

    def _get(self, session: ReadSession, card_id: CardId) -> CardView | None:
        row = cards.get(session, self.site.site_id, card_id)
        if row is None:
            return None
        changes = cards.history(session, self.site.site_id, card_id)
        history = tuple(
            CardHistoryRow(change["at"], STATUS[CardState(change["after"]["state"])], _actor(change))
            for change in changes[:PAGE_ROWS]
        )
        schemes = tuple(dict.fromkeys(key.partition(":")[0] for key in row["keys"] or ()))
        return CardView(_card(self.site, session, row), schemes, history)


@dataclass(frozen=True, slots=True)
class ChargePages:
    """The canteen's charges."""

    site: SitePages

    def search(self, wanted: ChargeFilter, page: int) -> ChargesFound:
        """Return charges, newest first."""
        return self.site.database.read(
            lambda session: reports.find_charges(session, self.site.site_id, wanted, page, self.site.language)
        )

    def tills(self) -> Mapping[TillId, str]:
        """Return the names of all tills, in display order."""
        rows = self.site.database.read(lambda session: canteen_rows.till_rows(session, self.site.site_id))
        return {TillId(row["id"]): row[f"name_{self.site.language}"] for row in rows}


@dataclass(frozen=True, slots=True)
class OverviewPages:
    """The day at a glance."""

    site: SitePages

    def figures(self, day: date) -> DayFigures:
        """Return the counts of a business day."""
        return self.site.database.read(lambda session: reports.day_figures(session, self.site.site_id, day))


@dataclass(frozen=True, slots=True)
class DevicePages:
    """The reader daemons."""

    site: SitePages

    def list(self) -> tuple[DeviceRow, ...]:
        """Return all enrolled devices by name."""
        now = self.site.system.clock.now()
        newest = self.site.database.read(lambda session: policy.current_version(session, self.site.site_id))
        rows = self.site.database.read(lambda session: device_rows.statuses(session, self.site.site_id, now))
        return tuple(
            DeviceRow(
                id=row.id,
                name=row.name,
                is_online=row.is_connected,
                last_seen=row.last_seen_at,
                snapshot_version=row.policy_version or None,
                newest_snapshot_version=newest,
                queue_length=int(row.health.get("pending", 0)),
                readers=tuple(_reader(reader, row.health) for reader in row.health.get("readers", ())),
            )
            for row in rows
        )


def _reader(reader: dict[str, Any], health: dict[str, Any]) -> ReaderRow:
    is_online = bool(reader["online"])
    seen = from_millis(int(health["at_ms"])) if is_online else None
    return ReaderRow(reader["name"], reader.get("place") or "", is_online, bool(reader["secure"]), seen)


def _person(row: RowMapping, language: str) -> PersonRow:
    return PersonRow(
        id=PersonId(row["id"]),
        name=row["name"],
        number=row["number"],
        department=row[f"department_{language}"] or "",
        category=row[f"category_{language}"],
        is_active=row["state"] == "active",
        card_count=row["card_count"],
        has_photo=row.get("has_photo", False),
    )


def _person_history(row: RowMapping) -> PersonHistoryRow:
    known = {deed.value for deed in PersonDeed}
    deed = PersonDeed(row["action"]) if row["action"] in known else PersonDeed.OTHER
    return PersonHistoryRow(row["at"], deed, row["staff_name"])


def _card(site: SitePages, session: ReadSession, row: RowMapping) -> CardRow:
    status = STATUS[CardState(row["state"])]
    until = row["valid_until"]
    if status is CardStatus.ISSUED and until is not None and until <= site.system.clock.now():
        status = CardStatus.EXPIRED
    return CardRow(
        id=CardId(row["id"]),
        number_masked=f"…{row['number'][-4:]}",
        product=Product(row["product"]),
        status=status,
        person_id=PersonId(row["person_id"]) if row["person_id"] is not None else None,
        person_name=row["person_name"],
        department=row[f"department_{site.language}"],
        valid_until=until.astimezone(_zone(site, session)).date() if until is not None else None,
    )


def _zone(site: SitePages, session: ReadSession) -> ZoneInfo:
    (row,) = access_rows.site_rows(session, site.site_id)
    return ZoneInfo(row["time_zone"])


def _actor(change: RowMapping) -> str | None:
    if change["staff_name"] is not None:
        return str(change["staff_name"])
    return None if change["actor"] in {"system", "seed"} else str(change["actor"])
