"""Moving value between purses and other accounts of the books: lock, look, move, write. The tap path has its own.

A `Booking` is one transaction's work. Purses are locked in id order before anything is looked at; every move changes
the balances in hand and becomes one transfer with the balances after it; `write` puts all of it down at once. Who may
do what and how far a balance may go is decided by the caller, between `lock` and `move`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.access.items import AccountState
from cardcore.ids import AccountId, PersonId, PurseId, SiteId, TransferId
from cardcore.money import Fen
from server.database import WriteSession
from server.ledger import purse_repository, repository
from server.ledger.roles import TransferKind
from server.ledger.service import business_day, ensure_ledger_account, purse_account_row
from server.system import System


@dataclass(slots=True)
class LockedPurse:
    """A purse in hand. `balance` follows the moves; meals for a count purse, fen for the others."""

    id: PurseId
    account: AccountId
    person: PersonId
    kind: str
    state: AccountState
    balance: int
    floor: int
    highest: int | None
    """The most it may hold by its holder's category; None = no limit (C30)."""

    @property
    def spendable(self) -> int:
        """What may be taken and leave the floor, or nothing, whichever is more."""
        return max(0, self.balance - max(self.floor, 0))

    def takes(self, amount: int) -> bool:
        """Tell whether so much more fits."""
        return self.highest is None or self.balance + amount <= self.highest


@dataclass(frozen=True, slots=True)
class About:
    """What a transfer says beside its amount."""

    note: str = ""
    corrects: UUID | None = None
    charge: UUID | None = None
    at: datetime | None = None
    """When it happened; None = now."""


NOTHING_TO_SAY = About()


class Booking:
    """The transfers of one transaction."""

    def __init__(self, session: WriteSession, system: System, site_id: SiteId, actor: str) -> None:
        """Take the transaction, and who is responsible."""
        self._session = session
        self._system = system
        self._site_id = site_id
        self._actor = actor
        self._by_id: dict[UUID, LockedPurse] = {}
        self._changes: dict[UUID, int] = {}
        self._transfers: list[dict[str, Any]] = []
        self._business_day: date | None = None

    def lock(self, wanted: Iterable[tuple[AccountId, str]]) -> dict[tuple[AccountId, str], LockedPurse]:
        """Lock purses in id order, opening those an open account lacks; unknown accounts are left out.

        Call once a booking, with all of them: two calls could lock in an order that meets another's.
        """
        keys = sorted(set(wanted))
        accounts, kinds = [account for account, _ in keys], [kind for _, kind in keys]
        self._open_missing(purse_repository.missing_purses(self._session, self._site_id, accounts, kinds))
        purse_repository.lock_purses(self._session, self._site_id, accounts, kinds)
        # Read apart: a state read by the locking statement could be older than the lock.
        rows = purse_repository.purses_in_full(self._session, self._site_id, accounts, kinds)
        found = {(AccountId(row["account_id"]), str(row["kind"])): _purse(row) for row in rows}
        self._by_id |= {purse.id: purse for purse in found.values()}
        return found

    def books(self, role: str, name: str) -> UUID:
        """Return an account of the books, adding it when there is none."""
        return ensure_ledger_account(self._session, self._system, self._site_id, role, name)

    def move(
        self,
        kind: TransferKind,
        accounts: tuple[UUID, UUID],
        amount: int,
        about: About = NOTHING_TO_SAY,
        transfer_id: TransferId | None = None,
    ) -> TransferId:
        """Move a positive amount from the first account to the second; purses must be locked."""
        if amount <= 0:
            msg = f"a transfer moves a positive amount, not {amount}"
            raise ValueError(msg)
        source, target = accounts
        now, identity = self._system.clock.now(), transfer_id or TransferId(self._system.ids.uuid7())
        row = {
            "id": identity,
            "site_id": self._site_id,
            "kind": kind,
            "from_account": source,
            "to_account": target,
            "amount_fen": amount,
            "from_balance_fen": self._change(source, -amount),
            "to_balance_fen": self._change(target, amount),
            "charge_id": about.charge,
            "business_day": self.day,
            "at": about.at or now,
            "posted_at": now,
            "actor": self._actor,
            "note": about.note,
            "corrects": about.corrects,
        }
        self._transfers.append(row)
        return identity

    @property
    def day(self) -> date:
        """The site's business day now."""
        if self._business_day is None:
            self._business_day = business_day(self._session, self._system, self._site_id)
        return self._business_day

    def write(self) -> None:
        """Put down balances and transfers."""
        repository.add_to_purses(self._session, self._changes)
        repository.insert_transfers(self._session, self._transfers)
        self._changes, self._transfers = {}, []

    def _change(self, account: UUID, amount: int) -> Fen | None:
        purse = self._by_id.get(account)
        if purse is None:
            return None
        purse.balance += amount
        self._changes[purse.id] = self._changes.get(purse.id, 0) + amount
        return Fen(purse.balance)

    def _open_missing(self, missing: Collection[RowMapping]) -> None:
        accounts, purses = [], []
        for row in missing:
            purse_id, account_id = PurseId(self._system.ids.uuid7()), AccountId(row["account_id"])
            accounts.append(purse_account_row(self._site_id, account_id, purse_id, row["kind"]))
            purses.append({**row, "id": purse_id, "site_id": self._site_id})
        if purses:
            purse_repository.open_purses(self._session, accounts, purses)


def balances_of(purses: Mapping[tuple[AccountId, str], LockedPurse]) -> dict[str, int]:
    """Return balances by kind, for the audit trail."""
    return {kind: purse.balance for (_, kind), purse in purses.items()}


def _purse(row: RowMapping) -> LockedPurse:
    return LockedPurse(
        id=PurseId(row["id"]),
        account=AccountId(row["account_id"]),
        person=PersonId(row["person_id"]),
        kind=row["kind"],
        state=AccountState(row["state"]),
        balance=row["balance_fen"],
        floor=row["floor_fen"],
        highest=row["max_balance_fen"],
    )
