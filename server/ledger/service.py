"""Accounts and the money on them. Charges of taps are not here: `server.taps` books them a batch at a time.

Every change of a balance has its transfer, in the same transaction, with the balance after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping

from cardcore.access.items import AccountState
from cardcore.canteen.authorise import PurseBalance
from cardcore.clock import site_time
from cardcore.ids import AccountId, CardId, PersonId, PurseId, SiteId, TransferId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.access import repository as access_rows
from server.audit.service import Deed, record
from server.cards import repository as card_rows
from server.database import ReadSession, WriteSession
from server.ledger import purse_repository as purse_rows
from server.ledger import repository
from server.ledger.roles import LedgerRole, unit_of
from server.people import repository as people_rows
from server.policy import service as policy
from server.reports.paging import Page, page_of
from server.system import System

PURSE_KINDS = ("cash", "subsidy")
"""The purses of every account."""
MAIN = "main"
"""The one cash drawer and the one source of subsidies of a site, until it has more."""
MAX_NOTE = 200
NO_FLOORS: Mapping[str, int] = MappingProxyType({})


class LedgerRefusal(StrEnum):
    """Why nothing was booked."""

    UNKNOWN_PERSON = "unknown_person"
    UNKNOWN_ACCOUNT = "unknown_account"
    ACCOUNT_EXISTS = "account_exists"
    ACCOUNT_NOT_OPEN = "account_not_open"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    OTHER_CONTENT = "other_content"
    """The transfer's id was used for something else."""


@dataclass(frozen=True, slots=True)
class Credit:
    """Money for a purse. `transfer_id` is drawn by whoever asks, so that asking twice books once."""

    transfer_id: TransferId
    account_id: AccountId
    amount: Fen
    note: str = ""


@dataclass(frozen=True, slots=True)
class Booked:
    """A transfer that stands; `repeated` when it stood before this call."""

    transfer_id: TransferId
    balance: Fen
    repeated: bool


@dataclass(frozen=True, slots=True)
class _Route:
    """From where to which purse a kind of credit goes."""

    kind: str
    source_role: str
    purse: str


_TOP_UP = _Route("topup", "cash_drawer", "cash")
_SUBSIDY = _Route("subsidy", "subsidy", "subsidy")


def open_account(
    session: WriteSession, system: System, site_id: SiteId, person_id: PersonId, actor: str
) -> AccountId | LedgerRefusal:
    """Open a person's account with its purses, and tell the edge about it."""
    if people_rows.lock(session, site_id, person_id) is None:
        return LedgerRefusal.UNKNOWN_PERSON
    if repository.account_of_person(session, site_id, person_id) is not None:
        return LedgerRefusal.ACCOUNT_EXISTS
    account_id = AccountId(system.ids.uuid7())
    rows = account_rows(system, site_id, person_id, account_id, purse_rows.floors(session, site_id, person_id))
    repository.insert_accounts(session, [rows.account], rows.ledger_accounts, rows.purses)
    record(session, system, site_id, Deed(actor, "account_opened", f"account:{account_id}", after=str(person_id)))
    _publish_person(session, system, site_id, person_id)
    return account_id


@dataclass(frozen=True, slots=True)
class AccountRows:
    """The rows of a new account."""

    account: dict[str, Any]
    ledger_accounts: list[dict[str, Any]]
    purses: list[dict[str, Any]]


def account_rows(
    system: System, site_id: SiteId, person_id: PersonId, account_id: AccountId, floors: Mapping[str, int] = NO_FLOORS
) -> AccountRows:
    """Return the rows of a new account with a purse of each kind, all empty, with the floors of its category."""
    account = {"id": account_id, "site_id": site_id, "person_id": person_id, "state": "open"}
    ledger_accounts, purses = [], []
    for kind in PURSE_KINDS:
        purse_id = PurseId(system.ids.uuid7())
        ledger_accounts.append(purse_account_row(site_id, account_id, purse_id, kind))
        purses.append({"id": purse_id, "site_id": site_id, "account_id": account_id, "kind": kind,
                       "floor_fen": floors.get(kind, 0)})  # fmt: skip
    return AccountRows({**account, "opened_at": system.clock.now()}, ledger_accounts, purses)


def purse_account_row(site_id: SiteId, account_id: AccountId, purse_id: PurseId, kind: str) -> dict[str, Any]:
    """Return the row of a purse's ledger account."""
    role = LedgerRole.PURSE
    return {
        "id": purse_id, "site_id": site_id, "role": role, "name": f"{account_id}/{kind}", "unit": unit_of(role, kind),
    }  # fmt: skip


def set_account_state(
    session: WriteSession, system: System, site_id: SiteId, account_id: AccountId, state: AccountState, actor: str
) -> bool:
    """Open, freeze or close an account and tell the edge; tell whether there is one."""
    row = repository.lock_account(session, site_id, account_id)
    if row is None:
        return False
    repository.set_account_state(session, account_id, state)
    deed = Deed(actor, "account_state_set", f"account:{account_id}", before=row["state"], after=state)
    record(session, system, site_id, deed)
    _publish_person(session, system, site_id, PersonId(row["person_id"]))
    return True


def top_up(
    session: WriteSession, system: System, site_id: SiteId, credit: Credit, operator: str
) -> Booked | LedgerRefusal:
    """Put cash that an operator took into the cash purse."""
    return _credit(session, system, site_id, credit, operator, _TOP_UP)


def credit_subsidy(
    session: WriteSession, system: System, site_id: SiteId, credit: Credit, operator: str
) -> Booked | LedgerRefusal:
    """Put a subsidy into the subsidy purse."""
    return _credit(session, system, site_id, credit, operator, _SUBSIDY)


def balances(session: ReadSession | WriteSession, account_id: AccountId) -> tuple[PurseBalance, ...]:
    """Return what each purse holds and how low it may go."""
    return tuple(
        PurseBalance(row["kind"], Fen(row["balance_fen"]), Fen(row["floor_fen"]))
        for row in repository.purses(session, account_id)
    )


def statement(session: ReadSession, account_id: AccountId, page: int) -> Page[RowMapping]:
    """Return what moved on an account, newest first."""
    return page_of(page, lambda limit, offset: repository.statement(session, account_id, limit, offset), lambda: None)


def trial_sums(session: ReadSession, site_id: SiteId) -> dict[tuple[str, str], int]:
    """Return the books in one view: (role, name) -> fen; they sum to zero."""
    return {(row["role"], row["name"]): row["sum_fen"] for row in repository.trial_sums(session, site_id)}


def ensure_ledger_account(session: WriteSession, system: System, site_id: SiteId, role: str, name: str) -> UUID:
    """Return the ledger account of a role and name, adding it when there is none."""
    row = {"id": system.ids.uuid7(), "site_id": site_id, "role": role, "name": name, "unit": unit_of(role)}
    return repository.ensure_ledger_account(session, row)


def business_day(session: ReadSession | WriteSession, system: System, site_id: SiteId) -> date:
    """Return the site's business day now."""
    return business_day_at(session, site_id, system.clock.now())


def business_day_at(session: ReadSession | WriteSession, site_id: SiteId, at: datetime) -> date:
    """Return the site's business day of an instant."""
    (row,) = access_rows.site_rows(session, site_id)
    starts = row["day_starts_seconds"]
    day_starts_at = time(starts // 3600, starts // 60 % 60, starts % 60)
    return site_time(at, ZoneInfo(row["time_zone"]), day_starts_at).business_day


def _credit(
    session: WriteSession, system: System, site_id: SiteId, credit: Credit, operator: str, route: _Route
) -> Booked | LedgerRefusal:
    if not 0 < credit.amount <= MAX_AMOUNT_FEN or len(credit.note) > MAX_NOTE:
        return LedgerRefusal.AMOUNT_OUT_OF_RANGE
    source = ensure_ledger_account(session, system, site_id, route.source_role, MAIN)
    purse = repository.lock_purse(session, site_id, credit.account_id, route.purse)
    if purse is None:
        return LedgerRefusal.UNKNOWN_ACCOUNT
    # Looked up under the purse's lock: a repeat waits for the first try and then finds it.
    stored = repository.transfer(session, credit.transfer_id)
    if stored is not None:
        same = (stored["kind"], stored["to_account"], stored["amount_fen"]) == (
            route.kind, purse["id"], credit.amount,
        )  # fmt: skip
        if not same:
            return LedgerRefusal.OTHER_CONTENT
        return Booked(credit.transfer_id, Fen(stored["to_balance_fen"]), repeated=True)
    if purse["state"] != AccountState.OPEN:
        return LedgerRefusal.ACCOUNT_NOT_OPEN
    balance = Fen(repository.add_to_purse(session, purse["id"], credit.amount))
    row = transfer_row(route.kind, credit, (source, purse["id"]), balance, operator)
    now = system.clock.now()
    dated = {**row, "site_id": site_id, "business_day": business_day(session, system, site_id)}
    repository.insert_transfers(session, [{**dated, "at": now, "posted_at": now}])
    after = {"amount_fen": credit.amount, "balance_fen": balance, "transfer": str(credit.transfer_id)}
    deed = Deed(operator, f"{route.kind}_booked", f"account:{credit.account_id}", after=after, reason=credit.note)
    record(session, system, site_id, deed)
    return Booked(credit.transfer_id, balance, repeated=False)


def transfer_row(kind: str, credit: Credit, accounts: tuple[UUID, UUID], balance: Fen, operator: str) -> dict[str, Any]:
    """Return the row of a credit from a ledger account to a purse, all but site and times."""
    return {
        "id": credit.transfer_id,
        "kind": kind,
        "from_account": accounts[0],
        "to_account": accounts[1],
        "amount_fen": credit.amount,
        "to_balance_fen": balance,
        "actor": operator,
        "note": credit.note,
    }


def _publish_person(session: WriteSession, system: System, site_id: SiteId, person_id: PersonId) -> None:
    cards = [CardId(row["id"]) for row in card_rows.cards_of_person(session, site_id, person_id)]
    policy.refresh_cards(session, system, site_id, cards)
