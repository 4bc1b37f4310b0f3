"""Roles, permissions, and the one table between them. No other place decides what a role may do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What a member of staff is at the site."""

    ISSUER = "issuer"
    SECURITY_OFFICER = "security_officer"
    CASHIER = "cashier"
    CANTEEN_MANAGER = "canteen_manager"
    FINANCE = "finance"
    AUDITOR = "auditor"
    SYSTEM_ADMIN = "system_admin"
    RECEPTION = "reception"
    """The staffed registration lane: visitors, crews at the gate, vehicles."""


class Permission(StrEnum):
    """One thing that can be allowed."""

    OVERVIEW_READ = "overview_read"
    LIVE_READ = "live_read"
    PEOPLE_READ = "people_read"
    PEOPLE_WRITE = "people_write"
    PHOTOS_READ = "photos_read"
    """To see people's photos: at the lane, at the counter, on their own page."""
    CARDS_READ = "cards_read"
    CARDS_ISSUE = "cards_issue"
    CARDS_BLOCK = "cards_block"
    CARDS_REPORT_LOST = "cards_report_lost"
    """Blocks a card as lost and for no other reason."""
    CARDS_UNBLOCK = "cards_unblock"
    """To ask for it; another person approves (`server.approvals`)."""
    CARDS_UNBLOCK_APPROVE = "cards_unblock_approve"
    CHARGES_READ = "charges_read"
    TOP_UP = "top_up"
    CHARGES_UNDO = "charges_undo"
    """The last meal, at the counter, within minutes."""
    REFUND = "refund"
    """To ask for it, as everything of a pair; another person approves."""
    REFUND_APPROVE = "refund_approve"
    BALANCE_ADJUST = "balance_adjust"
    BALANCE_ADJUST_APPROVE = "balance_adjust_approve"
    PAPER_ENTER = "paper_enter"
    PAPER_APPROVE = "paper_approve"
    SHIFTS_READ = "shifts_read"
    """Everybody's shifts; one's own need only `TOP_UP`."""
    PURSE_RULES_WRITE = "purse_rules_write"
    SUBSIDY_CREDIT = "subsidy_credit"
    SUBSIDY_APPROVE = "subsidy_approve"
    PRICES_WRITE = "prices_write"
    ACCESS_WRITE = "access_write"
    LANES_COMMAND = "lanes_command"
    DEVICES_READ = "devices_read"
    DEVICES_WRITE = "devices_write"
    DEVICES_APPROVE = "devices_approve"
    """To agree that a reader is given its first key."""
    STAFF_WRITE = "staff_write"
    """To add logins and take roles away; to ask for roles and for a new start of somebody's sign-in."""
    STAFF_APPROVE = "staff_approve"
    """To approve what `STAFF_WRITE` asked for."""
    BOOKS_READ = "books_read"
    """Reports, trial balance, closes, findings and exports."""
    BOOKS_CLOSE = "books_close"
    BOOKS_SIGN = "books_sign"
    """To sign what another person closed or drew up."""
    BOOKS_REOPEN = "books_reopen"
    """To ask for it; another person approves (`server.approvals`)."""
    BOOKS_REOPEN_APPROVE = "books_reopen_approve"
    STALLS_WRITE = "stalls_write"
    """Contracts and purchases of stalls."""
    SETTLE = "settle"
    """To draw up a stall's settlement sheet, and to mark one paid that another person drew up."""
    AUDIT_READ = "audit_read"
    WEBHOOKS_WRITE = "webhooks_write"
    """To say where events are sent; shows their delivery."""
    VISITS_READ = "visits_read"
    """The visitor register."""
    VISITS_WRITE = "visits_write"
    """To register visitors and hand out passes."""
    VISITS_APPROVE = "visits_approve"
    """To say yes for a host, to turn somebody away for good, and to set how the site takes visitors."""
    PERMITS_READ = "permits_read"
    PERMITS_WRITE = "permits_write"
    """To draw up an outside crew's permit and ask for it; another person approves. To take one back."""
    PERMITS_APPROVE = "permits_approve"
    VEHICLES_READ = "vehicles_read"
    VEHICLES_WRITE = "vehicles_write"
    """Vehicles and their drivers, garages and recounts."""
    TOURS_READ = "tours_read"
    TOURS_WRITE = "tours_write"
    MUSTER_READ = "muster_read"
    MUSTER_WRITE = "muster_write"
    """To call the roll, to mark people as safe, to end it."""
    ATTENDANCE_READ = "attendance_read"
    ATTENDANCE_WRITE = "attendance_write"
    """Shifts, and who works by which."""


_P = Permission
ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.ISSUER: frozenset(
            {
                _P.OVERVIEW_READ,
                _P.PEOPLE_READ,
                _P.PHOTOS_READ,
                _P.PEOPLE_WRITE,
                _P.CARDS_READ,
                _P.CARDS_ISSUE,
                _P.CARDS_BLOCK,
                _P.CARDS_REPORT_LOST,
                _P.CARDS_UNBLOCK,
                _P.PERMITS_READ,
                _P.PERMITS_WRITE,
                _P.VEHICLES_READ,
                _P.VEHICLES_WRITE,
                _P.ATTENDANCE_READ,
                _P.ATTENDANCE_WRITE,
            }
        ),
        Role.SECURITY_OFFICER: frozenset(
            {
                _P.OVERVIEW_READ,
                _P.LIVE_READ,
                _P.PEOPLE_READ,
                _P.PHOTOS_READ,
                _P.CARDS_READ,
                _P.CARDS_BLOCK,
                _P.CARDS_REPORT_LOST,
                _P.CARDS_UNBLOCK,
                _P.CARDS_UNBLOCK_APPROVE,
                _P.ACCESS_WRITE,
                _P.LANES_COMMAND,
                _P.STAFF_APPROVE,
                _P.DEVICES_READ,
                _P.DEVICES_APPROVE,
                _P.VISITS_READ,
                _P.VISITS_WRITE,
                _P.VISITS_APPROVE,
                _P.PERMITS_READ,
                _P.PERMITS_WRITE,
                _P.PERMITS_APPROVE,
                _P.VEHICLES_READ,
                _P.VEHICLES_WRITE,
                _P.TOURS_READ,
                _P.TOURS_WRITE,
                _P.MUSTER_READ,
                _P.MUSTER_WRITE,
            }
        ),
        Role.CASHIER: frozenset(
            {
                _P.PEOPLE_READ,
                _P.PHOTOS_READ,
                _P.CARDS_READ,
                _P.CARDS_REPORT_LOST,
                _P.CHARGES_READ,
                _P.CHARGES_UNDO,
                _P.TOP_UP,
                _P.REFUND,
                _P.PAPER_ENTER,
            }
        ),
        Role.CANTEEN_MANAGER: frozenset(
            {
                _P.OVERVIEW_READ,
                _P.LIVE_READ,
                _P.CHARGES_READ,
                _P.PRICES_WRITE,
                _P.BOOKS_READ,
                _P.STALLS_WRITE,
                _P.REFUND,
                _P.PAPER_ENTER,
                _P.PAPER_APPROVE,
                _P.SUBSIDY_APPROVE,
                _P.BALANCE_ADJUST_APPROVE,
            }
        ),
        Role.FINANCE: frozenset(
            {
                _P.OVERVIEW_READ,
                _P.PEOPLE_READ,
                _P.CHARGES_READ,
                _P.SUBSIDY_CREDIT,
                _P.BOOKS_READ,
                _P.BOOKS_CLOSE,
                _P.BOOKS_SIGN,
                _P.BOOKS_REOPEN,
                _P.BOOKS_REOPEN_APPROVE,
                _P.STALLS_WRITE,
                _P.SETTLE,
                _P.REFUND,
                _P.REFUND_APPROVE,
                _P.BALANCE_ADJUST,
                _P.BALANCE_ADJUST_APPROVE,
                _P.PAPER_APPROVE,
                _P.SHIFTS_READ,
                _P.PURSE_RULES_WRITE,
                _P.SUBSIDY_APPROVE,
            }
        ),
        Role.AUDITOR: frozenset(
            {
                _P.OVERVIEW_READ,
                _P.PEOPLE_READ,
                _P.CARDS_READ,
                _P.CHARGES_READ,
                _P.DEVICES_READ,
                _P.AUDIT_READ,
                _P.BOOKS_READ,
                _P.BOOKS_SIGN,
                _P.BOOKS_REOPEN_APPROVE,
            }
        ),
        Role.SYSTEM_ADMIN: frozenset(
            {
                _P.OVERVIEW_READ,
                _P.LIVE_READ,
                _P.DEVICES_READ,
                _P.DEVICES_WRITE,
                _P.ACCESS_WRITE,
                _P.STAFF_WRITE,
                _P.WEBHOOKS_WRITE,
            }
        ),
        Role.RECEPTION: frozenset(
            {
                _P.LIVE_READ,
                _P.PHOTOS_READ,
                _P.VISITS_READ,
                _P.VISITS_WRITE,
                _P.PERMITS_READ,
                _P.VEHICLES_READ,
                _P.MUSTER_READ,
                _P.MUSTER_WRITE,
            }
        ),
    }
)

FORBIDDEN_TOGETHER: tuple[frozenset[Role], ...] = (
    frozenset({Role.ISSUER, Role.CASHIER}),
    frozenset({Role.CASHIER, Role.FINANCE}),
    frozenset({Role.SYSTEM_ADMIN, Role.AUDITOR}),
    frozenset({Role.ISSUER, Role.SECURITY_OFFICER}),
)
"""Never in one person (separation of duties)."""


def permissions_of(roles: Collection[Role]) -> frozenset[Permission]:
    """Return everything that these roles together may do."""
    return frozenset().union(*(ROLE_PERMISSIONS[role] for role in roles))


def roles_clash(roles: Collection[Role]) -> frozenset[Role] | None:
    """Return a pair among these roles that nobody may hold together, or None."""
    return next((pair for pair in FORBIDDEN_TOGETHER if pair <= set(roles)), None)
