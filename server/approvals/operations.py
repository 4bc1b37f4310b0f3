"""Every operation of the product that two people must carry out. One line an operation, declared beside its service."""

from __future__ import annotations

from types import MappingProxyType

from server.access.approved import GIVE_LEVELS
from server.approvals.models import Operations
from server.cards.approved import ACTIVATE, CONVERT, EXTEND, UNBLOCK
from server.close.months import REOPEN
from server.contractors.approved import APPROVE_PERMIT
from server.corrections.approved import ADJUSTMENT, PAPER, REFUND
from server.devices.approved import INSTALL_KEY
from server.ledger.merging import MERGE
from server.staff.approved import STAFF_RESET, STAFF_ROLES
from server.subsidies.approved import BATCH_BOOK, BATCH_REVERSE, PLAN_PUT

_CARDS = (UNBLOCK, ACTIVATE, CONVERT, EXTEND, GIVE_LEVELS)
_GATES = (APPROVE_PERMIT,)
_MONEY = (REFUND, ADJUSTMENT, PAPER, BATCH_BOOK, BATCH_REVERSE, PLAN_PUT, REOPEN, MERGE)
_STAFF = (STAFF_ROLES, STAFF_RESET)
_DEVICES = (INSTALL_KEY,)

OPERATIONS: Operations = MappingProxyType(
    {operation.name: operation for operation in (*_CARDS, *_GATES, *_MONEY, *_STAFF, *_DEVICES)}
)
"""What `server.approvals.service` is given wherever the product decides a request."""
