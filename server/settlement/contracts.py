"""The register of stalls: who runs each, on what terms, since when, with which tills (C63, C64). Versions only grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import RowMapping

from cardcore.ids import SiteId, StaffId, StallId, TillId
from cardcore.money import Fen
from server.audit.service import Deed, record, staff_actor
from server.database import ReadSession, WriteSession
from server.settlement import repository
from server.settlement.models import MAX_FEE_PER_CHARGE_FEN, WHOLE, Contract, SettlementRefusal
from server.staff import service as staff
from server.staff.roles import Permission
from server.system import System

MAX_TEXT = 200
"""Characters of an owner, a contact, an account."""


@dataclass(frozen=True, slots=True)
class RegisteredStall:
    """A stall with the newest version of its contract."""

    id: StallId
    name_en: str
    name_zh: str
    tills: tuple[TillId, ...]
    contract: Contract | None


def register(session: ReadSession, site_id: SiteId) -> list[RegisteredStall]:
    """Return all stalls of a site."""
    return [
        RegisteredStall(
            StallId(row["id"]),
            row["name_en"],
            row["name_zh"],
            tuple(map(TillId, row["tills"])),
            contract_of(row, row["id"]) if row["version"] is not None else None,
        )
        for row in repository.stalls(session, site_id)
    ]


def contracts_of(session: ReadSession | WriteSession, site_id: SiteId, stall_id: StallId) -> list[Contract]:
    """Return all versions of a stall's contract, oldest first."""
    return [contract_of(row, stall_id) for row in repository.contracts(session, site_id, stall_id)]


def add_contract(
    session: WriteSession, system: System, site_id: SiteId, contract: Contract, maker: StaffId
) -> Contract | SettlementRefusal:
    """Add a version of a stall's contract; it begins after the one before and after the last day settled."""
    if not staff.may(session, maker, site_id, Permission.STALLS_WRITE):
        return SettlementRefusal.NOT_ALLOWED
    refusal = _terms_refusal(contract)
    if refusal is not None:
        return refusal
    if repository.lock_stall(session, site_id, contract.stall_id) is None:
        return SettlementRefusal.STALL_UNKNOWN
    standing = contracts_of(session, site_id, contract.stall_id)
    sheet = repository.last_sheet(session, site_id, contract.stall_id)
    if any(contract.begins <= one.begins for one in standing) or (
        sheet is not None and contract.begins <= sheet["through_day"]
    ):
        return SettlementRefusal.BEGINS_TOO_EARLY
    version = len(standing) + 1
    actor = staff_actor(maker)
    repository.insert_contract(session, _row(contract, version, site_id, actor) | {"made_at": system.clock.now()})
    deed = Deed(actor, "contract_added", f"stall:{contract.stall_id}", _last(standing), asdict(contract))
    record(session, system, site_id, deed)
    return contract_of(repository.contracts(session, site_id, contract.stall_id)[-1], contract.stall_id)


def contract_of(row: RowMapping, stall_id: str) -> Contract:
    """Return the contract of a row."""
    return Contract(
        stall_id=StallId(stall_id),
        begins=row["begins"],
        owner=row["owner"],
        commission_basis_points=row["commission_basis_points"],
        fee_per_charge=Fen(row["fee_per_charge_fen"]),
        ends=row["ends"],
        contact=row["contact"],
        account=row["account"],
        version=row["version"],
    )


def _terms_refusal(contract: Contract) -> SettlementRefusal | None:
    if not contract.owner.strip():
        return SettlementRefusal.OWNER_MISSING
    if any(len(text) > MAX_TEXT for text in (contract.owner, contract.contact, contract.account)):
        return SettlementRefusal.TOO_LONG
    if (
        not 0 <= contract.commission_basis_points <= WHOLE
        or not 0 <= contract.fee_per_charge <= MAX_FEE_PER_CHARGE_FEN
        or (contract.ends is not None and contract.ends < contract.begins)
    ):
        return SettlementRefusal.TERMS_OUT_OF_RANGE
    return None


def _last(standing: Sequence[Contract]) -> object:
    return asdict(standing[-1]) if standing else None


def _row(contract: Contract, version: int, site_id: SiteId, actor: str) -> dict[str, object]:
    return {
        "site_id": site_id,
        "stall_id": contract.stall_id,
        "version": version,
        "begins": contract.begins,
        "ends": contract.ends,
        "owner": contract.owner,
        "contact": contract.contact,
        "account": contract.account,
        "commission_basis_points": contract.commission_basis_points,
        "fee_per_charge_fen": contract.fee_per_charge,
        "made_by": actor,
    }
